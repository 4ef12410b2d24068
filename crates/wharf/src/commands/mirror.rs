//! `wharf mirror`.

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

use wharf_client::ClientError;
use wharf_client::operations::mirror::{Direction, Filter, Mirror, MirrorOptions};

use super::client::{self, Client};
use crate::args::mirror::{MirrorArguments, Place};
use crate::output::mirror::Told;
use crate::settings::parse_url;

pub(crate) fn run(arguments: MirrorArguments) -> ExitCode {
    let json = arguments.json;
    let connection = arguments.connection.clone();
    client::run(&connection, json, async |client| mirror(client, arguments).await)
}

async fn mirror(client: &mut Client, arguments: MirrorArguments) -> Result<(), ClientError> {
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
        retries: client.settings.retries,
    };
    let (direction, url, directory) = match (Place::of(arguments.source), Place::of(arguments.destination)) {
        (Place::Url(url), Place::Directory(directory)) => (Direction::Download, url, directory),
        (Place::Directory(directory), Place::Url(url)) => (Direction::Upload, url, directory),
        (Place::Url(_), Place::Url(_)) => {
            return Err(ClientError::Usage(
                "both are URLs: mirroring from server to server comes with a later version of wharf"
                    .to_owned(),
            ));
        }
        (Place::Directory(_), Place::Directory(_)) => {
            return Err(ClientError::Usage(
                "neither is a URL: one of the two must begin with ftp://".to_owned(),
            ));
        }
    };
    let url = parse_url(&url)?;
    if url.transfer_type().is_some() {
        return Err(ClientError::Usage(format!(
            "{url}: a mirror copies bytes as they are; leave ;type= out"
        )));
    }
    let told = Arc::new(Told::new(&client.settings, direction, options.dry_run));
    let mirror = Mirror::new(&url, client.login(&url)?, directory)
        .with_options(options)
        .with_session_options(client.settings.options_for(&url)?);
    let totals = mirror.run(direction, told.clone()).await;
    told.end();
    let totals = totals?;
    if let Some(code) = totals.first_failure {
        client.note_failure(code);
    }
    told.totals(&totals).map_err(client::standard_output)
}
