//! One ordinary session before the load: whether the server lets us in, which mode works, and what there is to transfer.

use std::sync::Arc;

use wharf_bench::Target;
use wharf_bench::plan::Download;
use wharf_bench::target::TlsTarget;
use wharf_client::netrc::Netrc;
use wharf_client::options::{ModeChoice, TlsMode};
use wharf_client::url::Scheme;
use wharf_client::{ClientError, FtpUrl, Login, ServerAddress, Session};
use wharf_net::tls::{Connector, TlsVersion, Verification};
use wharf_proto::Pathname;
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::listing::EntryKind;

use super::super::client::ask_password;
use crate::args::bench::{BenchArguments, ListingCommand, Work};
use crate::output::dialogue::Shown;
use crate::settings::ClientSettings;

/// Most files of one directory that are downloaded in turn.
const MOST_FILES: usize = 1_000_000;

/// What is known of the server now.
pub(super) struct Found {
    pub(super) target: Target,
    pub(super) tls_version: Option<TlsVersion>,
    pub(super) listing: ListingCommand,
    /// What can be downloaded; nothing where that is made first, or not wanted.
    pub(super) files: Arc<[Download]>,
}

/// Looks at the server as the client does, with its errors and advice.
///
/// # Errors
/// When it cannot be used, or has not what the URL names.
pub(super) async fn probe(
    arguments: &BenchArguments,
    settings: &ClientSettings,
    url: &FtpUrl,
) -> Result<Found, ClientError> {
    let mut login = Login::for_url(url, &Netrc::of_user());
    if login.password.is_none() {
        login.password = ask_password(&login, url)?;
    }
    let shown = Box::new(Shown::of_many(settings, None));
    let server = ServerAddress::from(url);
    let mut session = Session::connect(server, login.clone(), settings.options.clone(), shown).await?;
    let files = match arguments.work {
        Work::Down | Work::Small if arguments.prepare => Vec::new(),
        Work::Down => vec![single_file(&mut session, url).await?],
        Work::Small => files_of(&mut session, url).await?,
        _ => Vec::new(),
    };
    let listing = match arguments.listing {
        Some(listing) => listing,
        None if session.features().machine_listings() => ListingCommand::Mlsd,
        None => ListingCommand::List,
    };
    let negotiation = negotiation(&mut session, arguments.work, settings.options.mode).await?;
    let tls_version = session.secured().map(|secured| secured.version);
    let target = Target {
        address: session.peer(),
        host: url.host().to_owned(),
        user: login.user,
        password: login.password.unwrap_or_default(),
        negotiation,
        tls: tls_version.map(|newest| tls(settings, url, newest)).transpose()?,
        limit: settings.options.times.reply,
    };
    session.quit().await;
    Ok(Found { target, tls_version, listing, files: files.into() })
}

fn tls(settings: &ClientSettings, url: &FtpUrl, newest: TlsVersion) -> Result<TlsTarget, ClientError> {
    let options = &settings.options.tls;
    let is_required = url.scheme() != Scheme::Ftp || options.mode == TlsMode::Require;
    Ok(TlsTarget {
        connector: Arc::new(Connector::new(options.connector.clone())?),
        verification: match is_required && !options.insecure {
            true => Verification::Required,
            false => Verification::Attempted,
        },
        newest,
        is_implicit: url.scheme() == Scheme::ImplicitTls,
    })
}

/// The way to data connections: the one that was asked for, or the first that works.
async fn negotiation(
    session: &mut Session,
    work: Work,
    mode: ModeChoice,
) -> Result<NegotiationCommand, ClientError> {
    match mode {
        ModeChoice::Only(command) => return Ok(command),
        // No data connection is made.
        _ if matches!(work, Work::Login | Work::Idle) => return Ok(NegotiationCommand::Epsv),
        _ => {}
    }
    if session.working_mode().is_none() {
        session.list(None, |_| {}).await?;
    }
    // A server that lists a directory without one has shown nothing.
    Ok(session.working_mode().map_or(NegotiationCommand::Epsv, |working| working.command))
}

/// The file that the URL names.
async fn single_file(session: &mut Session, url: &FtpUrl) -> Result<Download, ClientError> {
    let path = match url.path() {
        Some(path) if !url.is_directory_form() => path.clone(),
        _ => {
            return Err(ClientError::Usage(format!(
                "{url} names no file; name a large one that is there, or let --prepare make one"
            )));
        }
    };
    let size = session.size(&path).await?;
    Ok(Download::of(path, size))
}

/// The files of the directory that the URL names.
async fn files_of(session: &mut Session, url: &FtpUrl) -> Result<Vec<Download>, ClientError> {
    let prefix = super::prefix(url.path());
    let mut files = Vec::new();
    session
        .list(url.path(), |entry| {
            let path = Pathname::new([prefix.as_slice(), &entry.name].concat());
            if let (EntryKind::File, Ok(path), true) = (entry.kind, path, files.len() < MOST_FILES) {
                files.push(Download::of(path, entry.size));
            }
        })
        .await?;
    if files.is_empty() {
        return Err(ClientError::Usage(format!(
            "{url} has no files; name a directory with small ones, or let --prepare make them"
        )));
    }
    Ok(files)
}
