//! PWD, XPWD (RFC 959 §4.1.3, appendix II).

use wharf_proto::Reply;

use crate::replies;
use crate::session::Session;

/// The current directory, quotes in it doubled.
pub(crate) fn run(session: &Session) -> Reply {
    replies::current_directory(&session.directory, session.charset())
}
