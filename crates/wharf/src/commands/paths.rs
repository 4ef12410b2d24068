//! `wharf rm`, `mkdir`, `rmdir`, `mv` and `stat`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use wharf_client::{ClientError, FtpUrl, Session};
use wharf_proto::listing::ListingEntry;
use wharf_proto::pathname::Pathname;

use super::client::{self, path_of};
use crate::args::paths::{
    MkdirArguments, MvArguments, RmArguments, RmdirArguments, StatArguments, UrlsArguments,
};
use crate::output::{entry, shown_name, standard_output};
use crate::settings::{parse_url, parse_urls};

pub(crate) fn remove(arguments: RmArguments) -> ExitCode {
    change_each(&arguments.urls, "removed", async |session, path| session.delete(path).await)
}

pub(crate) fn make_directory(arguments: MkdirArguments) -> ExitCode {
    change_each(&arguments.urls, "made", async |session, path| session.make_directory(path).await)
}

pub(crate) fn remove_directory(arguments: RmdirArguments) -> ExitCode {
    change_each(&arguments.urls, "removed", async |session, path| session.remove_directory(path).await)
}

pub(crate) fn rename(arguments: MvArguments) -> ExitCode {
    client::run(&arguments.connection, arguments.json, async |client| {
        let url = parse_url(&arguments.url)?;
        let from = without_slash(path_of(&url)?);
        let to = new_path(&url, &from, &arguments.to)?;
        let work = async |session: &mut Session, _: bool| session.rename(&from, &to).await;
        if let Err(error) = client.with_session(&url, |_| true, work).await {
            client.failed(Some(&url), &error);
            return Ok(());
        }
        let new = url.with_path(Some(to)).to_string();
        client.event(&json!({ "event": "renamed", "url": url.to_string(), "to": new }));
        Ok(())
    })
}

pub(crate) fn status(arguments: StatArguments) -> ExitCode {
    let UrlsArguments { urls, json, connection } = &arguments.urls;
    client::run(connection, *json, async |client| {
        for url in parse_urls(urls)? {
            let outcome = match url.path().map(without_slash) {
                Some(path) => {
                    let work = async |session: &mut Session, _: bool| session.status(&path).await;
                    client.with_session(&url, |_| true, work).await
                }
                None => Err(ClientError::Usage(format!("{url} has no path; say which one is meant"))),
            };
            match outcome {
                Ok(status) if *json => {
                    let mut object = entry::object(&status.entry);
                    object["url"] = url.to_string().into();
                    client.event(&object);
                }
                Ok(status) => {
                    if let Err(error) = print_status(&status.entry) {
                        client.printing_failed(error);
                    }
                }
                Err(error) => client.failed(Some(&url), &error),
            }
        }
        Ok(())
    })
}

/// Does the same to the path of each URL.
fn change_each(
    arguments: &UrlsArguments,
    event: &str,
    change: impl AsyncFn(&mut Session, &Pathname) -> Result<(), ClientError>,
) -> ExitCode {
    client::run(&arguments.connection, arguments.json, async |client| {
        for url in parse_urls(&arguments.urls)? {
            let outcome = match path_of(&url).map(without_slash) {
                Ok(path) => {
                    let work = async |session: &mut Session, _: bool| change(session, &path).await;
                    client.with_session(&url, |_| true, work).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => client.event(&json!({ "event": event, "url": url.to_string() })),
                Err(error) => client.failed(Some(&url), &error),
            }
        }
        Ok(())
    })
}

pub(crate) fn print_status(entry: &ListingEntry) -> io::Result<()> {
    let mut out = standard_output()?;
    out.write_all(b"path:     ")?;
    out.write_all(&shown_name(&entry.name))?;
    writeln!(out, "\ntype:     {}", entry::kind(entry.kind))?;
    if let Some(size) = entry.size {
        writeln!(out, "size:     {size}")?;
    }
    if let Some(time) = &entry.modified {
        writeln!(out, "modified: {}", entry::time_text(time))?;
    }
    if let Some(permissions) = entry.permissions {
        writeln!(out, "mode:     {permissions:04o}")?;
    }
    out.flush()
}

/// `dir/` is `dir` to the commands that make, remove or rename it; `/` stays.
fn without_slash(path: &Pathname) -> Pathname {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    Pathname::new(&bytes[..end]).unwrap_or_else(|_| path.clone())
}

/// Where `mv` moves to.
pub(crate) fn new_path(url: &FtpUrl, from: &Pathname, to: impl AsRef<[u8]>) -> Result<Pathname, ClientError> {
    let to = to.as_ref();
    let to = if let Some(to) = str::from_utf8(to).ok().filter(|to| to.contains("://")) {
        let new = parse_url(to)?;
        if !new.host().eq_ignore_ascii_case(url.host()) || new.port() != url.port() {
            return Err(ClientError::Usage(
                "mv stays on one server: both URLs must name the same".to_owned(),
            ));
        }
        path_of(&new)?.as_bytes().to_vec()
    } else {
        to.to_vec()
    };
    let mut path = to;
    if path.ends_with(b"/") {
        let name = from.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        path.extend_from_slice(name);
    }
    Pathname::new(path).map_err(|error| ClientError::Usage(format!("the new path: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_paths() {
        let url = FtpUrl::parse("ftp://h/a/b").unwrap();
        let to = |to: &str| {
            new_path(&url, url.path().unwrap(), to).map(|path| path.as_bytes().to_vec()).map_err(|_| ())
        };
        assert_eq!(to("c"), Ok(b"c".to_vec()));
        assert_eq!(to("/c/"), Ok(b"/c/b".to_vec()));
        assert_eq!(to("ftp://h/c%20d"), Ok(b"c d".to_vec()));
        assert_eq!(to("ftp://H//c"), Ok(b"/c".to_vec()));
        assert_eq!(to("ftp://other/c"), Err(()));
        assert_eq!(to("x\r\nDELE y"), Err(()));
    }

    #[test]
    fn slashes_at_the_end() {
        for (path, bare) in [("a/", "a"), ("a//", "a"), ("/", "/"), ("//", "/"), ("a/b", "a/b")] {
            assert_eq!(without_slash(&Pathname::new(path).unwrap()), Pathname::new(bare).unwrap());
        }
    }
}
