//! The FTP server.
