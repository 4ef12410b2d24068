//! The FTP client that finds the mode that works.
//!
//! A [`Session`] is one control connection and who is logged in. Each of its operations that needs a data connection
//! climbs the ladder of [`strategy`]: EPSV, PASV at the control peer's address, PASV at the advertised one, EPRT, PORT,
//! moved on by what the connect did. What worked is used first from then on; when nothing does, the error tells what was
//! tried and why it failed.
//!
//! | module | job |
//! |---|---|
//! | [`url`], [`netrc`], [`login`] | where to, and who |
//! | [`options`] | modes, listening, address family, times |
//! | [`session`] | connect, log in, commands and replies; for whoever types commands: another directory or mode, and the end of a transfer |
//! | [`strategy`], [`attempt`] | which way to a data connection, and what came of each |
//! | [`operations`] | download, upload, list, status, delete, … |
//! | [`operations::segments`] | a large file in pieces, over several sessions |
//! | [`operations::mirror`] | whole trees, over several sessions |
//! | [`digest`], [`rate`] | checksums, and how many bytes a second |
//! | [`observer`] | what goes on, for whoever shows it |
//! | [`error`], [`tls_failure`] | what can go wrong, with its exit code |
//!
//! ```no_run
//! use wharf_client::operations::DownloadOptions;
//! use wharf_client::{Destination, FtpUrl, Login, Options, ServerAddress, Session, netrc::Netrc, observer::Silent};
//!
//! # async fn example() -> Result<(), wharf_client::ClientError> {
//! let url = FtpUrl::parse("ftp://ftp.example.net/pub/film.mov")?;
//! let login = Login::for_url(&url, &Netrc::of_user());
//! let server = ServerAddress::from(&url);
//! let mut session = Session::connect(server, login, Options::default(), Box::new(Silent)).await?;
//! if let Some(path) = url.path() {
//!     let options = DownloadOptions {
//!         destination: Destination::Directory(".".into()),
//!         resume: true,
//!         ascii: false,
//!     };
//!     let done = session.download(path, &options).await?;
//!     assert!(done.attempt.is_none_or(|attempt| attempt.is_open()));
//! }
//! session.quit().await;
//! # Ok(())
//! # }
//! ```

mod ahead;
pub mod attempt;
mod data_connection;
mod data_protection;
mod diagnosis;
pub mod digest;
pub mod error;
pub mod features;
mod interactive;
mod local_target;
pub mod login;
pub mod memory;
pub mod netrc;
pub mod observer;
pub mod operations;
pub mod options;
mod paced;
pub mod rate;
mod security;
pub mod session;
pub mod strategy;
mod times;
pub mod tls_failure;
mod transfer;
pub mod url;

pub use attempt::{Attempt, Outcome};
pub use error::ClientError;
pub use local_target::Destination;
pub use login::{Login, ServerAddress};
pub use observer::Observer;
pub use options::Options;
pub use session::Session;
pub use url::FtpUrl;
