//! The FTP client that finds the mode that works.
