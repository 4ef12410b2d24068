//! `wharf put`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wharf_client::operations::{UploadOptions, UploadSource, Uploaded};
use wharf_client::url::TransferType;
use wharf_client::{ClientError, FtpUrl, Session};
use wharf_proto::pathname::{Pathname, escaped};

use super::client::{self, Client, describe};
use crate::args::put::PutArguments;
use crate::output::entry;
use crate::settings::parse_url;

pub(crate) fn run(arguments: PutArguments) -> ExitCode {
    let (url, files) = match arguments.words.split_last() {
        Some((url, files)) if !files.is_empty() => (url.to_string_lossy(), files),
        _ => return client::usage("put wants at least one file, and behind it the URL where it goes to"),
    };
    let url = match parse_url(&url) {
        Ok(url) if url.transfer_type() == Some(TransferType::Listing) => {
            return client::usage("a listing (;type=d) cannot be uploaded");
        }
        Ok(url) => url,
        Err(error) => return client::usage(&error.to_string()),
    };
    client::run(&arguments.connection, arguments.json, async |client| {
        client.take_care(arguments.transfer);
        let directory = is_directory(client, &url, files).await;
        let directory = match directory {
            Ok(directory) => directory,
            Err(error) => {
                client.failed(Some(&url), &error);
                return Ok(());
            }
        };
        if !directory && files.len() > 1 {
            return Err(ClientError::Usage(format!(
                "several files cannot go into one: {url} is no directory; end it with / if it is to be one"
            )));
        }
        for file in files {
            if let Err(error) = send(client, &url, directory, file, &arguments).await {
                client.failed(Some(&url), &error);
            }
        }
        Ok(())
    })
}

/// Whether the files go into a directory, under their own names.
pub(crate) async fn is_directory(
    client: &mut Client,
    url: &FtpUrl,
    files: &[PathBuf],
) -> Result<bool, ClientError> {
    match url.path() {
        _ if url.is_directory_form() => Ok(true),
        None => Ok(true),
        // It has no name of its own to go by.
        Some(_) if files.iter().all(|file| is_standard_input(file)) => Ok(false),
        Some(path) => {
            let work = async |session: &mut Session, _: bool| session.is_directory(path).await;
            client.with_session(url, |_| true, work).await
        }
    }
}

/// One file, into the directory `url` or as the file that it names.
pub(crate) async fn send(
    client: &mut Client,
    url: &FtpUrl,
    directory: bool,
    file: &Path,
    arguments: &PutArguments,
) -> Result<(), ClientError> {
    let path = remote_path(url, directory, file)?;
    let options = UploadOptions {
        resume: arguments.resume,
        ascii: url.transfer_type() == Some(TransferType::Ascii),
        make_parents: arguments.mkdir,
        atomic: arguments.atomic,
    };
    // Standard input can be read once.
    let again = |_: &ClientError| !is_standard_input(file);
    let work = async |session: &mut Session, is_retry: bool| {
        let resume = options.resume || (is_retry && !options.ascii);
        session.upload(source(file)?, &path, UploadOptions { resume, ..options }).await
    };
    let done = client.with_session(url, again, work).await?;
    report(client, &url.with_path(Some(path)), file, &done);
    Ok(())
}

fn report(client: &mut Client, url: &FtpUrl, file: &Path, done: &Uploaded) {
    let mut event = json!({
        "event": "done",
        "url": url.to_string(),
        "bytes": done.bytes,
        "millis": u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
    });
    entry::set_name(&mut event, "file", file.as_os_str().as_bytes());
    if done.offset > 0 {
        event["offset"] = done.offset.into();
    }
    client::set_verified(&mut event, done.verified.as_ref());
    describe(&mut event, done.attempt.as_ref(), client.control_secured());
    client.event(&event);
    let file = escaped(file.as_os_str().as_bytes());
    client.summary(&format!("{file}: {} bytes in {:.1} s, now {url}", done.bytes, done.took.as_secs_f32()));
}

fn remote_path(url: &FtpUrl, directory: bool, file: &Path) -> Result<Pathname, ClientError> {
    if !directory {
        return Ok(client::path_of(url)?.clone());
    }
    let name = match file.file_name() {
        Some(name) if !is_standard_input(file) => name.as_bytes(),
        _ => {
            return Err(ClientError::Usage(format!(
                "{} has no name to be stored under; name the file in the URL",
                file.display()
            )));
        }
    };
    let mut path = url.path().map_or_else(Vec::new, |path| path.as_bytes().to_vec());
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    Pathname::new(path).map_err(|error| ClientError::Usage(format!("{}: {error}", file.display())))
}

fn source(file: &Path) -> Result<UploadSource, ClientError> {
    if !is_standard_input(file) {
        return Ok(UploadSource::File(file.to_owned()));
    }
    let descriptor = io::stdin().as_fd().try_clone_to_owned();
    match descriptor {
        Ok(descriptor) => Ok(UploadSource::Stream(File::from(descriptor))),
        Err(source) => Err(ClientError::Local { what: "standard input".to_owned(), source }),
    }
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}
