//! REST (RFC 3659 §5): the core remembers the offset; the next transfer judges it against its file.

use wharf_proto::Reply;
use wharf_proto::command::ByteCount;

use crate::replies;

/// Notes where the next transfer begins, in bytes.
pub(crate) fn run(offset: ByteCount) -> Reply {
    replies::restart_at(offset.bytes())
}
