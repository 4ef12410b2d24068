//! `wharf ls`.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use wharf_client::{ClientError, FtpUrl, Session};
use wharf_proto::listing::ListingEntry;

use super::client::{self, Client};
use crate::args::paths::LsArguments;
use crate::output::{entry, standard_output};
use crate::settings::parse_urls;

pub(crate) fn run(arguments: LsArguments) -> ExitCode {
    client::run(&arguments.connection, arguments.json, async |client| {
        for url in parse_urls(std::slice::from_ref(&arguments.url))? {
            print(client, &url, arguments.long).await?;
        }
        Ok(())
    })
}

/// Prints one listing, entry by entry as they come.
pub(crate) async fn print(client: &mut Client, url: &FtpUrl, long: bool) -> Result<(), ClientError> {
    let json = client.settings.json;
    let mut printer = Printer {
        out: BufWriter::new(standard_output().map_err(client::standard_output)?),
        json,
        long,
        count: 0,
        problem: None,
    };
    // Once something is printed, another try would print it twice.
    let printed = std::cell::Cell::new(false);
    let work = async |session: &mut Session, _: bool| {
        session
            .list(url.path(), |entry| {
                printed.set(true);
                printer.print(&entry);
            })
            .await
    };
    let outcome = client.with_session(url, |_| !printed.get(), work).await;
    printer.end();
    if let Some(source) = printer.problem {
        return Err(client::standard_output(source));
    }
    let listed = outcome?;
    if listed.left_out > 0 {
        crate::output::error(&format!(
            "{} lines of the listing were left out: nobody understands them, or their names are no names of files",
            listed.left_out
        ));
    }
    Ok(())
}

/// Standard output, and what was wrong with it first.
struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    long: bool,
    count: u64,
    problem: Option<io::Error>,
}

impl Printer {
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
            text.extend_from_slice(&entry::line(entry, self.long));
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
