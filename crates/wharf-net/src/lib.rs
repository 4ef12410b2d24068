//! Runs a protocol interpreter and its data connections on tokio.
