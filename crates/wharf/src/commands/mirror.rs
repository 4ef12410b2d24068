//! `wharf mirror`.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use wharf_client::operations::mirror::{Direction, Filter, Mirror, MirrorOptions};
use wharf_client::operations::third_party::{Fxp, ThirdPartyOptions};
use wharf_client::{ClientError, FtpUrl};

use super::client::{self, Client};
use super::event_loop;
use crate::args::mirror::{FxpChoice, MirrorArguments, Place};
use crate::output::mirror::Told;
use crate::settings::parse_url;

pub(crate) fn run(arguments: MirrorArguments) -> ExitCode {
    let json = arguments.json;
    let connection = arguments.connection.clone();
    client::run_on(event_loop::start_on_each_core, &connection, json, async |client| {
        mirror(client, arguments).await
    })
}

/// One side of a mirror.
#[derive(Debug)]
pub(crate) enum Side {
    /// A directory of a server.
    Server(FtpUrl),
    /// A directory of this machine.
    Here(PathBuf),
}

impl Side {
    fn of(place: Place) -> Result<Self, ClientError> {
        match place {
            Place::Url(url) => parse_url(&url).map(Self::Server),
            Place::Directory(directory) => Ok(Self::Here(directory)),
        }
    }

    fn url(&self) -> Option<&FtpUrl> {
        match self {
            Self::Server(url) => Some(url),
            Self::Here(_) => None,
        }
    }
}

async fn mirror(client: &mut Client, arguments: MirrorArguments) -> Result<(), ClientError> {
    let source = Side::of(Place::of(arguments.source.clone()))?;
    let destination = Side::of(Place::of(arguments.destination.clone()))?;
    between(client, &arguments, source, destination).await
}

/// Makes `destination` like `source`, as the other arguments say.
pub(crate) async fn between(
    client: &mut Client,
    arguments: &MirrorArguments,
    source: Side,
    destination: Side,
) -> Result<(), ClientError> {
    let bytes = |patterns: &[std::ffi::OsString]| -> Vec<Vec<u8>> {
        patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect()
    };
    let options = MirrorOptions {
        sessions: arguments.parallel.into(),
        delete: arguments.delete,
        dry_run: arguments.dry_run,
        newer: arguments.newer,
        links: arguments.links,
        filter: Filter::new(bytes(&arguments.include), bytes(&arguments.exclude)),
        third_party: ThirdPartyOptions {
            fxp: match arguments.fxp {
                FxpChoice::Off => Fxp::Off,
                FxpChoice::Auto => Fxp::Auto,
                FxpChoice::Require => Fxp::Require,
            },
            foreign_address: arguments.fxp_foreign_address,
        },
        retries: client.settings.retries,
    };
    for url in [&source, &destination].into_iter().filter_map(Side::url) {
        if url.transfer_type().is_some() {
            return Err(ClientError::Usage(format!(
                "{url}: a mirror copies bytes as they are; leave ;type= out"
            )));
        }
    }
    client.verify(arguments.verify);
    let (direction, mirror) = match (source, destination) {
        (Side::Server(url), Side::Here(directory)) => {
            let mirror = Mirror::new(&url, client.login(&url)?, directory);
            (Direction::Download, mirror.with_session_options(client.settings.options_for(&url)?))
        }
        (Side::Here(directory), Side::Server(url)) => {
            let mirror = Mirror::new(&url, client.login(&url)?, directory);
            (Direction::Upload, mirror.with_session_options(client.settings.options_for(&url)?))
        }
        (Side::Server(from), Side::Server(to)) => {
            let logins = (client.login(&from)?, client.login(&to)?);
            let mirror = Mirror::between((&from, logins.0), (&to, logins.1))
                .with_session_options(client.settings.options_for(&from)?)
                .with_destination_options(client.settings.options_for(&to)?);
            (Direction::Between, mirror)
        }
        (Side::Here(_), Side::Here(_)) => {
            return Err(ClientError::Usage(
                "neither is a URL: one of the two must begin with ftp://".to_owned(),
            ));
        }
    };
    let told = Arc::new(Told::new(&client.settings, direction, options.dry_run));
    let mirror = mirror.with_options(options);
    let totals = Box::pin(mirror.run(direction, told.clone())).await;
    told.end();
    let totals = totals?;
    if let Some(code) = totals.first_failure {
        client.note_failure(code);
    }
    told.totals(&totals).map_err(client::standard_output)
}
