//! Where files live: the local file system without escape, and memory.
