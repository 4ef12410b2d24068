//! Captures: packets in, conversations and their data connections out.
