//! What other servers' configurations become.

pub(crate) mod vsftpd;
