//! Why it does not work: captures explained, servers probed.
//!
//! | part | job |
//! |---|---|
//! | [`capture`] | packets in, conversations and their data connections out |
//! | [`report`] | what was understood, told as a ladder, as JSON, SVG and HTML |

pub mod capture;
pub mod report;
