//! `wharf ls`.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_client::{ClientError, FtpUrl, Session};
use wharf_proto::listing::ListingEntry;

use super::client::{self, Client};
use crate::args::paths::LsArguments;
use crate::output::{entry, shown_name, standard_output};
use crate::settings::parse_url;

pub(crate) fn run(arguments: LsArguments) -> ExitCode {
    client::run(&arguments.connection, arguments.json, async |client| {
        let url = parse_url(&arguments.url)?;
        if let Err(error) = print(client, &url, arguments.long).await {
            client.failed(Some(&url), &error);
        }
        Ok(())
    })
}

/// Prints one listing, entry by entry as they come.
pub(crate) async fn print(client: &mut Client, url: &FtpUrl, long: bool) -> Result<(), ClientError> {
    let json = client.settings.json;
    let out = BufWriter::new(standard_output().map_err(client::standard_output)?);
    let mut printer = Printer { out, json, long, shown: shown_name, count: 0, problem: None };
    list(client, url, &mut printer).await.map_err(|failed| failed.unwrap_or_else(client::standard_output))
}

/// Prints entries that are known already, as [`print`] does.
pub(crate) fn print_entries(
    client: &Client,
    entries: impl Iterator<Item = ListingEntry>,
    long: bool,
) -> Result<(), ClientError> {
    let json = client.settings.json;
    let out = BufWriter::new(standard_output().map_err(client::standard_output)?);
    let mut printer = Printer { out, json, long, shown: shown_name, count: 0, problem: None };
    entries.for_each(|entry| printer.print(&entry));
    printer.end();
    printer.problem.map_or(Ok(()), |error| Err(client::standard_output(error)))
}

/// Writes one listing to a file, once it is complete.
pub(crate) async fn save(client: &mut Client, url: &FtpUrl, path: &Path) -> Result<(), ClientError> {
    let local = |source| ClientError::Local { what: path.display().to_string(), source };
    if path.is_dir() {
        return Err(local(io::ErrorKind::IsADirectory.into()));
    }
    let json = client.settings.json;
    let mut printer =
        Printer { out: Vec::new(), json, long: false, shown: <[u8]>::to_vec, count: 0, problem: None };
    list(client, url, &mut printer).await.map_err(|failed| failed.unwrap_or_else(local))?;
    std::fs::write(path, &printer.out).map_err(local)
}

async fn list<W: Write + Send>(
    client: &mut Client,
    url: &FtpUrl,
    printer: &mut Printer<W>,
) -> Result<(), Failed> {
    // Once something is printed, another try would print it twice.
    let printed = AtomicBool::new(false);
    let work = async |session: &mut Session, _: bool| {
        session
            .list(url.path(), |entry| {
                printed.store(true, Ordering::Relaxed);
                printer.print(&entry);
            })
            .await
    };
    let outcome = client.with_session(url, |_| !printed.load(Ordering::Relaxed), work).await;
    // What is not there is no empty array.
    if outcome.is_ok() || printed.load(Ordering::Relaxed) {
        printer.end();
    }
    if let Some(source) = printer.problem.take() {
        return Err(Failed::Output(source));
    }
    let listed = outcome.map_err(Failed::Listing)?;
    match listed.left_out {
        0 => {}
        1 => crate::output::error(
            &"1 line of the listing was left out: nobody understands it, or its name is no name of a file",
        ),
        count => crate::output::error(&format!(
            "{count} lines of the listing were left out: nobody understands them, or their names are no names of files",
        )),
    }
    Ok(())
}

/// Which side of a listing failed.
enum Failed {
    Listing(ClientError),
    Output(io::Error),
}

impl Failed {
    fn unwrap_or_else(self, of_output: impl FnOnce(io::Error) -> ClientError) -> ClientError {
        match self {
            Self::Listing(error) => error,
            Self::Output(error) => of_output(error),
        }
    }
}

/// Where the listing goes, and what was wrong with that first.
struct Printer<W> {
    out: W,
    json: bool,
    long: bool,
    shown: fn(&[u8]) -> Vec<u8>,
    count: u64,
    problem: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, entry: &ListingEntry) {
        if self.problem.is_some() {
            return;
        }
        let start: &[u8] = match (self.json, self.count) {
            (false, _) => b"",
            (true, 0) => b"[\n",
            (true, _) => b",\n",
        };
        let mut text = start.to_vec();
        if self.json {
            text.extend_from_slice(entry::object(entry).to_string().as_bytes());
        } else {
            text.extend_from_slice(&entry::line(entry, self.long, self.shown));
            text.push(b'\n');
        }
        self.count += 1;
        self.problem = self.out.write_all(&text).err();
    }

    fn end(&mut self) {
        let end: &[u8] = match (self.json, self.count) {
            (false, _) => b"",
            (true, 0) => b"[]\n",
            (true, _) => b"\n]\n",
        };
        if self.problem.is_none() {
            self.problem = self.out.write_all(end).and_then(|()| self.out.flush()).err();
        }
    }
}
