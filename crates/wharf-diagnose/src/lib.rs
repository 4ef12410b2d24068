//! Why it does not work: captures explained, servers probed.
//!
//! | part | job |
//! |---|---|
//! | [`capture`] | packets in, conversations and their data connections out |
//! | [`probe`] | the doctor: every way to a data connection tried against a server |
//! | [`report`] | what was understood, told as a ladder, as JSON, SVG and HTML |

pub mod capture;
pub mod probe;
pub mod report;
