//! `wharf demo`.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use wharf_client::observer::TransferStarted;
use wharf_client::operations::DownloadOptions;
use wharf_client::options::{ModeChoice, TlsMode, TlsOptions};
use wharf_client::url::Scheme;
use wharf_client::{Attempt, Destination, Login, Observer, Options, ServerAddress, Session};
use wharf_diagnose::report::ladder::port_sum;
use wharf_diagnose::report::lesson::Lesson;
use wharf_net::dtp::Progress;
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::host_port::HostPort;
use wharf_proto::pathname::{Pathname, escaped};
use wharf_proto::{Command, Reply, ReplyCode, Timestamp};
use wharf_server::{Roots, Server};
use wharf_storage::{MemoryStorage, Storage, StoragePath, UploadRequest, WriteMode};

use super::explain::style;
use crate::args::demo::DemoArguments;
use crate::config::{self, Configuration, Passwords};
use crate::output;

/// The file that is fetched.
const NAME: &str = "hello.txt";
const CONTENT: &[u8] = b"Hello! This line came over a data connection of its own.\n";

pub(crate) fn run(arguments: DemoArguments) -> ExitCode {
    let modes = match arguments.mode {
        Some(mode) => vec![DataMode::from(mode)],
        None => vec![DataMode::Passive, DataMode::Active],
    };
    match show(&modes, arguments.lang.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn show(modes: &[DataMode], language: wharf_findings::Language) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let server = server().await?;
        for (index, mode) in modes.iter().enumerate() {
            if index > 0 {
                print("\n");
            }
            let lesson = Lesson::new(*mode, style(language));
            print(&lesson.title());
            fetch(server, *mode, lesson).await?;
        }
        Ok(())
    })
}

/// Our server, on a free port of this machine, with one file in memory.
async fn server() -> Result<SocketAddr> {
    let storage = MemoryStorage::new();
    let path = StoragePath::root().resolve(NAME.as_bytes())?;
    let mut upload = storage.begin_upload(&path, UploadRequest::new(WriteMode::New, NAME.as_bytes())).await?;
    upload.write_all(CONTENT).await?;
    upload.publish().await?;
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let configuration = Configuration { listen, ..Configuration::default() };
    let config = config::server_config(&configuration, false, &Passwords::Asked)?;
    // No user has a directory of its own.
    let roots = Roots::new(|path| Err(format!("{} is not served here", path.display())));
    let server = Server::bind(config, Arc::new(storage), Arc::new(roots), None)?;
    let address = server.addresses().first().copied().context("the server listens nowhere")?;
    tokio::spawn(server.run());
    Ok(address)
}

/// Our client, which tells what it does.
async fn fetch(server: SocketAddr, mode: DataMode, lesson: Lesson) -> Result<()> {
    let command = match mode {
        DataMode::Active => NegotiationCommand::Port,
        DataMode::Passive => NegotiationCommand::Pasv,
    };
    let options = Options {
        mode: ModeChoice::Only(command),
        tls: TlsOptions { mode: TlsMode::Off, ..TlsOptions::default() },
        ..Options::default()
    };
    let address = ServerAddress { scheme: Scheme::Ftp, host: server.ip().to_string(), port: server.port() };
    let moral = lesson.moral();
    let observer = Box::new(Teacher { lesson, start: Instant::now(), told: None, progress: None });
    let mut session = Session::connect(address, Login::anonymous(), options, observer).await?;
    let download = DownloadOptions {
        destination: Destination::Path(PathBuf::from("/dev/null")),
        resume: false,
        ascii: false,
    };
    session.download(&Pathname::new(NAME)?, &download).await?;
    session.quit().await;
    print(&moral);
    Ok(())
}

/// Draws each event of the client's interpreter, and what the server's says, as a step.
struct Teacher {
    lesson: Lesson,
    start: Instant,
    /// What the 227 told, until the connection there was drawn.
    told: Option<SocketAddr>,
    progress: Option<Arc<Progress>>,
}

impl Teacher {
    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.start.elapsed())
    }
}

impl Observer for Teacher {
    fn connected(&mut self, endpoint: SocketAddr) {
        print(&self.lesson.connected(self.now(), &endpoint.to_string()));
    }

    fn command(&mut self, command: &Command) {
        // In passive mode our client asks for the file when the data connection is up, and not before.
        if let (Command::Retr(_), Some(told)) = (command, self.told.take()) {
            print(&self.lesson.data_opened(self.now(), &told.to_string()));
        }
        let mut text = self.lesson.command(self.now(), command.verb(), &command.to_string());
        if let Command::Port(told) = command {
            let told = SocketAddr::new(told.address.into(), told.port);
            text.push_str(&self.lesson.remark(self.now(), &port_sum(NegotiationCommand::Port, told)));
        }
        print(&text);
    }

    fn reply(&mut self, reply: &Reply) {
        if reply.code() == ReplyCode::PASSIVE_MODE {
            let told = HostPort::find_in_reply_text(reply.text()).ok();
            self.told = told.map(|told| SocketAddr::new(told.address.into(), told.port));
        }
        if reply.code() == ReplyCode::TRANSFER_COMPLETE {
            self.transfer_ended();
        }
        let sum = self.told.map(|told| port_sum(NegotiationCommand::Pasv, told));
        let text: Vec<String> =
            reply.to_string().lines().map(|line| escaped(line.as_bytes()).to_string()).collect();
        print(&self.lesson.reply(self.now(), reply.code().get(), &text.join("\n"), sum));
    }

    fn data_connection(&mut self, attempt: &Attempt) {
        if let (true, DataMode::Active, Some(endpoint)) =
            (attempt.is_open(), attempt.mode(), attempt.endpoint)
        {
            print(&self.lesson.data_opened(self.now(), &endpoint.to_string()));
        }
    }

    fn transfer_started(&mut self, transfer: &TransferStarted) {
        self.progress = Some(Arc::clone(&transfer.progress));
    }

    fn transfer_ended(&mut self) {
        if let Some(progress) = self.progress.take() {
            print(&self.lesson.data_moved(self.now(), progress.bytes()));
        }
    }
}

/// Whoever closed the output does not want to see more.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
