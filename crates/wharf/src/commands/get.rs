//! `wharf get`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use wharf_client::operations::segments::Segments;
use wharf_client::operations::{DownloadOptions, Downloaded};
use wharf_client::url::TransferType;
use wharf_client::{ClientError, Destination, FtpUrl};
use wharf_proto::pathname::escaped;

use super::client::{self, Client, describe, path_of};
use super::ls;
use crate::args::get::GetArguments;
use crate::closed_output;
use crate::output::dialogue::Shown;
use crate::output::entry;
use crate::settings::parse_urls;

pub(crate) fn run(arguments: GetArguments) -> ExitCode {
    let destination = match &arguments.output {
        None => Destination::Directory(PathBuf::new()),
        Some(output) if output.as_os_str() == "-" => Destination::Stdout,
        Some(output) => Destination::Path(output.clone()),
    };
    if arguments.json && destination == Destination::Stdout {
        return client::usage("--json and -o - would mix on standard output; leave one out");
    }
    if arguments.urls.len() > 1 && overwrites_itself(&destination) {
        return client::usage("several files cannot go into one: let -o name a directory that is there");
    }
    client::run(&arguments.connection, arguments.json, async |client| {
        client.take_care(arguments.transfer);
        for url in parse_urls(&arguments.urls)? {
            let done =
                fetch_in(client, &url, &destination, arguments.resume, arguments.segments.into()).await;
            if let Err(error) = done {
                client.failed(Some(&url), &error);
            }
            if client.is_over() {
                break;
            }
        }
        Ok(())
    })
}

/// One URL, in one stream.
pub(crate) async fn fetch(
    client: &mut Client,
    url: &FtpUrl,
    destination: &Destination,
    resume: bool,
) -> Result<(), ClientError> {
    fetch_in(client, url, destination, resume, 1).await
}

/// One URL, over at most so many sessions.
async fn fetch_in(
    client: &mut Client,
    url: &FtpUrl,
    destination: &Destination,
    resume: bool,
    count: usize,
) -> Result<(), ClientError> {
    if url.transfer_type() == Some(TransferType::Listing) {
        return match destination {
            Destination::Path(path) => ls::save(client, url, path).await,
            Destination::Directory(_) | Destination::Stdout => ls::print(client, url, false).await,
        };
    }
    if *destination == Destination::Stdout {
        closed_output::check().map_err(client::standard_output)?;
    }
    let path = path_of(url)?;
    if url.is_directory_form() {
        return Err(ClientError::Usage(format!("{url} names a directory; `wharf ls` lists it")));
    }
    let ascii = url.transfer_type() == Some(TransferType::Ascii);
    // What went to a pipe or device cannot be gone on with; nothing is sent there twice.
    let again = |error: &ClientError| match error {
        // Each session has tried again by itself.
        ClientError::Incomplete(_) | ClientError::ControlLost(_) if count > 1 => false,
        ClientError::Incomplete(incomplete) => incomplete.kept.is_some() || incomplete.bytes == 0,
        _ => true,
    };
    let settings = client.settings.clone();
    let retries = settings.retries;
    let segments =
        Segments { count, retries, observers: Arc::new(move || Box::new(Shown::of_pieces(&settings))) };
    let work = async |session: &mut wharf_client::Session, is_retry: bool| {
        let resume = resume || (is_retry && !ascii);
        let options = DownloadOptions { destination: destination.clone(), resume, ascii };
        match count {
            1 => session.download(path, &options).await,
            _ => session.download_in_segments(path, &options, &segments).await,
        }
    };
    let done = client.with_session(url, again, work).await?;
    report(client, url, &done);
    Ok(())
}

fn report(client: &mut Client, url: &FtpUrl, done: &Downloaded) {
    let name = done.file.as_os_str().as_bytes();
    let mut event = json!({
        "event": "done",
        "url": url.to_string(),
        "bytes": done.bytes,
        "millis": u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
    });
    entry::set_name(&mut event, "file", name);
    if done.offset > 0 {
        event["offset"] = done.offset.into();
    }
    client::set_verified(&mut event, done.verified.as_ref());
    describe(&mut event, done.attempt.as_ref(), client.control_secured());
    client.event(&event);
    let file = escaped(name);
    match &done.attempt {
        Some(attempt) => client.summary(&format!(
            "{file}: {} bytes in {:.1} s ({}, {})",
            done.bytes,
            done.took.as_secs_f32(),
            attempt.command,
            attempt.endpoint.map_or_else(String::new, |endpoint| endpoint.to_string()),
        )),
        None => client.summary(&format!("{file}: complete already, {} bytes", done.bytes)),
    }
}

/// Whether several downloads would take the same name.
fn overwrites_itself(destination: &Destination) -> bool {
    let is_file_or_missing = |path: &Path| path.metadata().map_or(true, |metadata| metadata.is_file());
    matches!(destination, Destination::Path(path) if is_file_or_missing(path))
}
