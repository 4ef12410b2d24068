//! What the commands of the shell do, a file for each subject.

pub(crate) mod connection;
pub(crate) mod directories;
pub(crate) mod help;
pub(crate) mod jobs;
pub(crate) mod local;
pub(crate) mod many;
pub(crate) mod paths;
pub(crate) mod settings;
pub(crate) mod transfer;
