//! `wharf hash`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use wharf_client::digest::{Algorithm, Sum};
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
            let work = async |session: &mut Session, _: bool| ask(session, path, arguments.algorithm).await;
            match client.with_session(&url, |_| true, work).await {
                Ok(sum) if *json => client.event(&event(&url.to_string(), &sum)),
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

/// What the server computes of a file.
pub(crate) async fn ask(
    session: &mut Session,
    path: &Pathname,
    algorithm: Option<Algorithm>,
) -> Result<Sum, ClientError> {
    let size = session.size(path).await?;
    let sum = session.checksum(path, algorithm, size).await?;
    sum.ok_or_else(|| ClientError::NoChecksum { path: path.to_string(), algorithm })
}

/// The same, for programs.
pub(crate) fn event(url: &str, Sum { algorithm, digits }: &Sum) -> Value {
    json!({ "event": "hash", "url": url, "algorithm": algorithm.name(), "hash": digits })
}

/// As `SHA-256 15e2b0… pub/file`.
fn print(sum: &Sum, path: &Pathname) -> io::Result<()> {
    let mut out = standard_output()?;
    write!(out, "{sum} ")?;
    out.write_all(&shown_name(path.as_bytes()))?;
    out.write_all(b"\n")?;
    out.flush()
}
