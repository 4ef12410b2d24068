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
//! | [`proxy`] | on whose way |
//! | [`charset`] | what names are called there |
//! | [`strategy`], [`attempt`] | which way to a data connection, and what came of each |
//! | [`operations`] | download, upload, list, status, delete, … |
//! | [`operations::segments`] | a large file in pieces, over several sessions |
//! | [`operations::mirror`] | whole trees, over several sessions |
//! | [`probing`], [`diagnosis`] | what a doctor asks, and what failed attempts prove |
//! | [`digest`], [`rate`] | checksums, and how many bytes a second |
//! | [`observer`] | what goes on, for whoever shows it |
//! | [`error`], [`tls_failure`] | what can go wrong, with its exit code |
//!
//! ```
//! use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
//! use wharf_client::{Destination, FtpUrl, Login, Options, ServerAddress, Session, netrc::Netrc, observer::Silent};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = wharf_testkit::hostile::HostileServer::start("", None);
//! # let here = wharf_testkit::TestDirectory::new();
//! # let (text, directory) = (format!("ftp://{}/file", server.address()), here.path().to_owned());
//! # let report = here.write("report", "5 byt");
//! // "ftp://ftp.example.net/pub/film.mov"
//! let url = FtpUrl::parse(&text)?;
//! let login = Login::for_url(&url, &Netrc::of_user());
//! let mut session =
//!     Session::connect(ServerAddress::from(&url), login, Options::default(), Box::new(Silent)).await?;
//!
//! // What is there.
//! let mut names = Vec::new();
//! session.list(None, |entry| names.push(entry.name)).await?;
//! assert_eq!(names, [b"file"]);
//!
//! // Down: it has its name only when it is complete.
//! let path = url.path().expect("the URL has one");
//! let destination = Destination::Directory(directory);
//! let options = DownloadOptions { destination, resume: true, ascii: false };
//! let done = session.download(path, &options).await?;
//! println!("{} bytes in {}, by {:?}", done.bytes, done.file.display(), done.attempt);
//!
//! // And up.
//! session.upload(UploadSource::File(report), path, UploadOptions::default()).await?;
//! session.quit().await;
//! # Ok(())
//! # }
//! ```

mod ahead;
pub mod attempt;
pub mod charset;
mod data_connection;
mod data_protection;
pub mod diagnosis;
pub mod digest;
pub mod error;
pub mod features;
mod interactive;
mod known_server;
mod local_target;
pub mod login;
pub mod memory;
pub mod netrc;
pub mod observer;
mod open_control;
pub mod operations;
pub mod options;
mod passed_by;
pub mod probing;
pub mod proxy;
pub mod rate;
mod security;
pub mod session;
pub mod strategy;
mod text_mode;
mod times;
pub mod tls_failure;
mod transfer;
pub mod url;

pub use attempt::{Attempt, Outcome};
pub use charset::Charset;
pub use error::ClientError;
pub use local_target::Destination;
pub use login::{Login, ServerAddress};
pub use observer::Observer;
pub use options::Options;
pub use proxy::Proxy;
pub use session::Session;
pub use url::FtpUrl;
