//! `wharf hash`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use wharf_client::digest::Sum;
use wharf_client::{ClientError, Session};
use wharf_proto::pathname::Pathname;

use super::client::{self, path_of};
use crate::args::paths::{HashArguments, UrlsArguments};
use crate::output::{shown_name, standard_output};
use crate::settings::parse_urls;

pub(crate) fn run(arguments: HashArguments) -> ExitCode {
    let UrlsArguments { urls, json, connection } = &arguments.urls;
    client::run(connection, *json, async |client| {
        for url in parse_urls(urls)? {
            let path = path_of(&url)?;
            let work = async |session: &mut Session, _: bool| {
                let size = session.size(path).await?;
                match session.checksum(path, arguments.algorithm, size).await? {
                    Some(sum) => Ok(sum),
                    None => {
                        let (path, algorithm) = (path.to_string(), arguments.algorithm);
                        Err(ClientError::NoChecksum { path, algorithm })
                    }
                }
            };
            match client.with_session(&url, |_| true, work).await {
                Ok(Sum { algorithm, digits }) if *json => client.event(&json!({
                    "event": "hash",
                    "url": url.to_string(),
                    "algorithm": algorithm.name(),
                    "hash": digits,
                })),
                Ok(sum) => {
                    if let Err(error) = print(&sum, path) {
                        client.printing_failed(error);
                    }
                }
                Err(error) => client.failed(Some(&url), &error),
            }
        }
        Ok(())
    })
}

/// As `SHA-256 15e2b0… pub/file`.
fn print(sum: &Sum, path: &Pathname) -> io::Result<()> {
    let mut out = standard_output()?;
    write!(out, "{sum} ")?;
    out.write_all(&shown_name(path.as_bytes()))?;
    out.write_all(b"\n")?;
    out.flush()
}
