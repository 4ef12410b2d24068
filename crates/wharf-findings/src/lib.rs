//! Why a data connection fails: the root causes, their evidence and their fixes.
//!
//! The doctor, the capture explainer, the server's log and its 425 texts, the client's errors and the gateway's log
//! all speak from this one catalogue. There is no I/O here and no diagnosis: whoever saw something builds the
//! [`Evidence`] and asks for a [`Finding`], which refuses a [`Cause`] that the evidence does not support.
//!
//! | file | job |
//! |---|---|
//! | `cause.rs` | the one list: variant, id, section |
//! | `catalogue/` | texts, fixes and deciding evidence, a file for each section of the catalogue |
//! | `evidence.rs`, `evidence/sentence.rs` | what was seen, and how that is said |
//! | `finding.rs` | a cause with its evidence and how sure it is |
//! | `report.rs` | a finding as text for people and as JSON for programs |
//! | `known_texts.rs` | what real servers say when something fails |
//! | `text.rs` | languages |

mod catalogue;
mod cause;
mod evidence;
mod finding;
mod known_texts;
mod report;
mod text;

pub use cause::{Cause, UnknownCause};
pub use evidence::{Evidence, EvidenceKind, Side};
pub use finding::{Confidence, Finding, Unfounded};
pub use known_texts::{KNOWN_TEXTS, KnownText, Pattern, candidates};
pub use report::Report;
pub use text::{Fix, Language, Text};
