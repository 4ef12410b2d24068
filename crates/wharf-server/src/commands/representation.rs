//! TYPE, STRU and MODE (RFC 959 §4.1.2): the core remembers what was accepted.

use wharf_proto::Reply;
use wharf_proto::command::{Representation, Structure, TransmissionMode};

use crate::replies;

/// `A` and `I`; `L 8` is `I`.
pub(crate) fn run(representation: Representation) -> Reply {
    match representation {
        Representation::Ascii => replies::type_ascii(),
        Representation::Image => replies::type_image(),
        Representation::Ebcdic | Representation::Local(_) => replies::only_these_types(),
    }
}

/// `F` only: RFC 1123 §4.1.2.4 wants R for text files on record systems, which this is not.
pub(crate) fn structure(structure: Structure) -> Reply {
    match structure {
        Structure::File => replies::okay(),
        Structure::Record | Structure::Page => replies::only_file_structure(),
    }
}

/// `S` only.
pub(crate) fn mode(mode: TransmissionMode) -> Reply {
    match mode {
        TransmissionMode::Stream => replies::okay(),
        TransmissionMode::Block | TransmissionMode::Compressed | TransmissionMode::Deflate => {
            replies::only_stream_mode()
        }
    }
}
