//! What was understood, told to people and programs.
//!
//! | file | job |
//! |---|---|
//! | `ladder.rs` | the steps, in order, and a transfer in one line |
//! | `text.rs` | for a terminal |
//! | `json.rs` | for programs |
//! | `html.rs`, `page.css`, `svg.rs` | for browsers and documents |
//! | `lesson.rs` | a ladder that is drawn while it happens, with a sentence for each step |
//! | `words.rs` | every text, in each language |

pub mod html;
pub mod json;
pub mod ladder;
pub mod lesson;
pub mod svg;
pub mod text;
pub(crate) mod words;

pub use text::Style;
