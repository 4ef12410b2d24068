//! `cargo xtask bench`: Wharf beside others, as tables: its server by `wharf bench`, its client beside curl, lftp and rclone,
//! and the program itself.
//!
//! All servers run in one network namespace of their own, paced by reno and with few remembered connections, so that
//! neither bbr nor TIME_WAIT hides what differs. They are taken in turn, round by round, so that whatever else the machine does
//! meanwhile hits all of them.

mod clients;
mod idle;
mod load;
mod processes;
mod rows;
mod servers;
mod slow_disk;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::tls::TestCertificate;

use crate::program::{self, Program};
use clients::{Client, Desk};
use load::Generator;
use rows::{ClientWork, Part, Row, Work};
use servers::{Content, FLOOR, Launcher, Server};
use table::{Sample, Samples, conditions};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The rows of the tables, a comma between them [default: all]
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// The tables, a comma between them [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// The servers, a comma between them: wharf, vsftpd, proftpd, pure-ftpd, pyftpdlib. Others are compared with the first
    #[arg(long, value_delimiter = ',', default_value = "wharf,vsftpd,pure-ftpd,proftpd,pyftpdlib")]
    servers: Vec<String>,
    /// A program that does nothing but what must be done, started as FILE --port N --root DIR: the others are compared with it
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// How often each has its turn; the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each turn is measured, in seconds
    #[arg(long, default_value = "2")]
    seconds: String,
    /// The same as --only tls
    #[arg(long, conflicts_with = "only")]
    tls: bool,
    /// Write the tables to docs/performance.md too
    #[arg(long)]
    write: bool,
    /// Which build of Wharf: `dist` is what users are given
    #[arg(long, default_value = "release", value_name = "NAME")]
    profile: String,
    /// Take that build as it is
    #[arg(long)]
    no_build: bool,
}

/// Measures, and prints the tables.
///
/// # Errors
/// When there is no network namespace to be had, or something does not build or start.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let rows = rows::chosen(&options.works)?;
    let wharf = match options.no_build {
        true => program::place(&options.profile)?,
        false => program::build(&options.profile)?,
    };
    let bench = Bench { options, wharf, namespace: network()? };
    for part in options.parts() {
        let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.is_in(part)).collect();
        let table = match part {
            Part::Clear => bench.servers(&rows, None)?,
            Part::Tls => bench.servers(&rows, Some(&TestCertificate::new(&["127.0.0.1"])))?,
            Part::Clients => bench.clients(&rows)?,
            Part::Program if options.works.is_empty() => Some(bench.program()?),
            Part::Program => None,
        };
        let Some(table) = table else { continue };
        println!("{table}\n");
        if options.write {
            table::write_document(&table, part)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn parts(&self) -> Vec<Part> {
        if self.tls {
            return vec![Part::Tls];
        }
        Part::ALL.into_iter().filter(|part| self.only.is_empty() || self.only.contains(part)).collect()
    }

    /// The servers, the floor first where there is one.
    fn servers(&self) -> impl Iterator<Item = &str> {
        let floor = self.floor.as_ref().map(|_| FLOOR);
        floor.into_iter().chain(self.servers.iter().map(String::as_str))
    }
}

/// A network for the servers and their clients.
fn network() -> Result<NetworkNamespace> {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => bail!("{reason}; cargo xtask bench needs one"),
    };
    namespace.enter(|| {
        for (key, value) in [("tcp_congestion_control", "reno"), ("tcp_max_tw_buckets", "1")] {
            let file = Path::new("/proc/sys/net/ipv4").join(key);
            std::fs::write(&file, value).with_context(|| format!("cannot set {}", file.display()))?;
        }
        anyhow::Ok(())
    })?;
    Ok(namespace)
}

/// What all tables need.
struct Bench<'a> {
    options: &'a Options,
    wharf: PathBuf,
    namespace: NetworkNamespace,
}

impl Bench<'_> {
    fn launcher<'a>(&'a self, certificate: Option<&'a TestCertificate>) -> Launcher<'a> {
        let floor = self.options.floor.as_deref();
        Launcher { wharf: &self.wharf, floor, namespace: &self.namespace, certificate }
    }

    /// The table of servers; none where no row is wanted.
    fn servers(&self, rows: &[&Row], certificate: Option<&TestCertificate>) -> Result<Option<String>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let launcher = self.launcher(certificate);
        let generator = Generator {
            wharf: &self.wharf,
            namespace: &self.namespace,
            seconds: &self.options.seconds,
            tls: certificate.is_some(),
        };
        let places: Vec<&str> = rows
            .iter()
            .filter_map(|row| if let Work::Load(load) = &row.work { Some(load.path) } else { None })
            .collect();
        let content = Content::new(&places)?;
        let mut servers = Vec::new();
        for name in self.options.servers() {
            match launcher.start(name, |place| content.link_into(place))? {
                Ok(server) => servers.push(server),
                Err(reason) => eprintln!("xtask: {name} is left out: {reason}"),
            }
        }
        let mut samples = Samples::default();
        for row in rows {
            for round in 1..=self.options.rounds {
                for server in servers.iter().filter(|server| row.takes(&server.name)) {
                    let sample = match &row.work {
                        Work::Load(load) => generator.measure(load, server)?,
                        Work::Idle { sessions } => {
                            idle::measure(&launcher, &generator, &server.name, *sessions)?
                        }
                        Work::SlowDisk => slow_disk::measure(&launcher, &generator, &server.name)?,
                        Work::Client(_) => continue,
                    };
                    self.note(row, round, &server.title, &sample);
                    samples.add(row, &server.title, sample);
                }
            }
        }
        let columns: Vec<String> = servers.iter().map(|server| server.title.clone()).collect();
        let channel = if certificate.is_some() { "under TLS" } else { "in clear" };
        let how = format!(
            "`wharf bench` over loopback in a network namespace with reno, {channel}; medians of {} interleaved rounds of {} s, in \
             brackets the ratio to the first column.",
            self.options.rounds, self.options.seconds
        );
        Ok(Some(format!("{}\n\n{}", conditions(&how), samples.table(rows, &columns))))
    }

    /// The table of clients; none where no row is wanted.
    fn clients(&self, rows: &[&Row]) -> Result<Option<String>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let clients: Vec<Client> = Client::ALL
            .into_iter()
            .filter(|client| match client.missing() {
                None => true,
                Some(reason) => {
                    eprintln!("xtask: {} is left out: {reason}", client.name());
                    false
                }
            })
            .collect();
        let certificate = TestCertificate::new(&["127.0.0.1"]);
        let mut samples = Samples::default();
        for row in rows {
            let Work::Client(work) = &row.work else { continue };
            let (desk, server) = match self.meeting(work, &certificate)? {
                Ok(meeting) => meeting,
                Err(reason) => {
                    eprintln!("xtask: {} is left out: {reason}", row.title);
                    continue;
                }
            };
            for round in 1..=self.options.rounds {
                for client in clients.iter().filter(|client| client.does(work.task)) {
                    let sample = desk.measure(*client, work, &server)?;
                    self.note(row, round, client.name(), &sample);
                    samples.add(row, client.name(), sample);
                }
            }
        }
        let columns: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
        let how = format!(
            "Clients over loopback in a network namespace with reno; four files at once in `mirror`; medians of {} interleaved \
             rounds, in brackets the ratio to the first column.",
            self.options.rounds
        );
        Ok(Some(format!("{}\n\n{}", conditions(&how), samples.table(rows, &columns))))
    }

    /// A server, and what the clients need for that work.
    fn meeting(
        &self,
        work: &ClientWork,
        certificate: &TestCertificate,
    ) -> Result<Result<(Desk<'_>, Server), String>> {
        let launcher = self.launcher(work.tls.then_some(certificate));
        let desk = Desk::new(&self.wharf, &self.namespace);
        let server = launcher.start(work.server, |place| desk.prepare(work.task, place))?;
        Ok(server.map(|server| (desk, server)))
    }

    fn program(&self) -> Result<String> {
        let how = format!("Profile `{}`.", self.options.profile);
        Ok(format!("{}\n\n{}", conditions(&how), Program::measure(&self.wharf)?.table()))
    }

    /// For whoever looks on.
    fn note(&self, row: &Row, round: usize, column: &str, sample: &Sample) {
        eprintln!("xtask: {} {round}/{} {column}: {}", row.name, self.options.rounds, sample.shown(row));
    }
}
