//! What the tests of the client share.
#![allow(dead_code, clippy::unwrap_used, reason = "parts of tests, of which each test program uses its own")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use wharf_client::login::ServerAddress;
use wharf_client::observer::Silent;
use wharf_client::operations::{DownloadOptions, Downloaded};
use wharf_client::options::{ModeChoice, Options, Times};
use wharf_client::url::Scheme;
use wharf_client::{Attempt, ClientError, Destination, Login, Observer, Session};
use wharf_proto::pathname::Pathname;
use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::Conversation;

/// The anonymous login at a server that knows neither TLS nor FEAT.
pub(crate) const LOGIN: &str = "S: 220 ready
    C: AUTH TLS
    S: 500 what?
    C: USER anonymous
    S: 331 password
    C: PASS wharf@
    S: 230 in
    C: FEAT
    S: 500 what?";

/// The login on a new control connection: that there is no TLS is known, and so are the features.
pub(crate) const LOGIN_AGAIN: &str = "S: 220 ready
    C: USER anonymous
    S: 331 password
    C: PASS wharf@
    S: 230 in";

/// What a download asks before it negotiates.
pub(crate) const ASK: &str = "C: TYPE I
    S: 200 I
    C: SIZE file
    S: 213 5";

/// Short times, so that silence is told quickly.
pub(crate) fn options(mode: ModeChoice) -> Options {
    let short = Duration::from_millis(400);
    let times = Times {
        connect: Duration::from_secs(2),
        reply: Duration::from_secs(2),
        completion: Duration::from_secs(2),
        stall: Duration::from_secs(2),
        passive: short,
        active: short,
        last_rung: short,
    };
    Options { mode, times, ..Options::default() }
}

pub(crate) fn address(server: SocketAddr) -> ServerAddress {
    ServerAddress { scheme: Scheme::Ftp, host: server.ip().to_string(), port: server.port() }
}

pub(crate) async fn connect(server: SocketAddr, options: Options) -> Result<Session, ClientError> {
    Session::connect(address(server), Login::anonymous(), options, Box::new(Silent)).await
}

pub(crate) fn path(path: &str) -> Pathname {
    Pathname::new(path).unwrap()
}

/// Fetches `file` into `directory` in a session of its own.
pub(crate) async fn fetch(
    server: SocketAddr,
    options: Options,
    directory: &TestDirectory,
    resume: bool,
) -> Result<Downloaded, ClientError> {
    let mut session = connect(server, options).await?;
    let destination = Destination::Directory(directory.path().to_owned());
    let options = DownloadOptions { destination, resume, ascii: false };
    session.download(&path("file"), &options).await
}

/// Sends the file of five bytes over the data connection, and confirms it.
pub(crate) fn give_file(server: &mut Conversation) {
    server.play("S: 150 here it comes").open_data().send_data("hello").close_data().play("S: 226 done");
}

/// The six numbers of an endpoint.
pub(crate) fn six(endpoint: SocketAddr) -> String {
    let SocketAddr::V4(v4) = endpoint else { panic!("{endpoint} is not IPv4") };
    let [a, b, c, d] = v4.ip().octets();
    let [high, low] = v4.port().to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

/// An endpoint that answers no SYN: a listener whose queue is full.
pub(crate) struct SilentPort {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl SilentPort {
    pub(crate) fn new(address: &str) -> Self {
        let address: SocketAddr = format!("{address}:0").parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let endpoint = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&endpoint, Duration::from_millis(100)) {
            queued.push(stream);
        }
        Self { listener, _queued: queued }
    }

    pub(crate) fn endpoint(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// What an observer saw.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    pub(crate) connections: usize,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) notes: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

pub(crate) type Seen = Arc<Mutex<Sights>>;

/// Remembers what it sees.
pub(crate) struct Watching(Seen);

impl Watching {
    pub(crate) fn new() -> (Self, Seen) {
        let seen = Seen::default();
        (Self(seen.clone()), seen)
    }
}

impl Observer for Watching {
    fn connected(&mut self, _: SocketAddr) {
        self.0.lock().unwrap().connections += 1;
    }

    fn data_connection(&mut self, attempt: &Attempt) {
        self.0.lock().unwrap().attempts.push(attempt.clone());
    }

    fn note(&mut self, note: &str) {
        self.0.lock().unwrap().notes.push(note.to_owned());
    }

    fn warning(&mut self, warning: &str) {
        self.0.lock().unwrap().warnings.push(warning.to_owned());
    }
}
