//! A scripted FTPS server: rustls over blocking sockets, which knows no FTP and says what its script says. For servers
//! that do with TLS what they should not.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::scripted::{STEP_LIMIT, accept_within};
use crate::tls::TestCertificate;

/// A TLS connection to a client.
pub type Secured = StreamOwned<ServerConnection, TcpStream>;

/// How the server speaks TLS.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    config_of_data: Arc<ServerConfig>,
}

impl ServerTls {
    /// With `certificate`, and tickets.
    #[must_use]
    pub fn new(certificate: &TestCertificate) -> Self {
        Self::with(certificate, rustls::ALL_VERSIONS, None)
    }

    /// In these versions, and of clients that show `client`, where there is one.
    #[must_use]
    pub fn with(
        certificate: &TestCertificate,
        versions: &[&'static SupportedProtocolVersion],
        client: Option<&TestCertificate>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // tidy: allow(tls): a peer of the tests, which must not be set up as what it tests
        let config = ServerConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(versions).unwrap();
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let mut roots = RootCertStore::empty();
                roots.add(client.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
        let mut config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        let config = Arc::new(config);
        Self { config_of_data: config.clone(), config }
    }

    /// Gives no tickets of TLS 1.3 with data connections.
    #[must_use]
    pub fn without_tickets_for_data(mut self) -> Self {
        let mut config = ServerConfig::clone(&self.config_of_data);
        config.send_tls13_tickets = 0;
        self.config_of_data = Arc::new(config);
        self
    }

    /// TLS over `stream`, as its server.
    ///
    /// # Errors
    /// What TLS says.
    pub fn accept(&self, stream: TcpStream) -> std::io::Result<Secured> {
        Self::accept_with(&self.config, stream)
    }

    /// The same for a data connection.
    ///
    /// # Errors
    /// What TLS says.
    pub fn accept_for_data(&self, stream: TcpStream) -> std::io::Result<Secured> {
        Self::accept_with(&self.config_of_data, stream)
    }

    fn accept_with(config: &Arc<ServerConfig>, stream: TcpStream) -> std::io::Result<Secured> {
        let mut secured = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        while secured.conn.is_handshaking() {
            secured.conn.complete_io(&mut secured.sock)?;
        }
        // The tickets.
        while secured.conn.wants_write() {
            secured.conn.write_tls(&mut secured.sock)?;
        }
        Ok(secured)
    }
}

/// A server that plays a script to one client.
pub struct FtpsServer {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl FtpsServer {
    /// Plays `script` to the first client that connects.
    #[must_use]
    pub fn start(tls: ServerTls, script: impl FnOnce(&mut FtpsConversation) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            script(&mut FtpsConversation::with_client(&listener, tls));
        });
        Self { address, thread }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the script.
    #[track_caller]
    pub fn finish(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

enum Control {
    Clear(TcpStream),
    Secured(Box<Secured>),
    /// While one becomes the other.
    Nothing,
}

/// A conversation with one client. Every step panics when it fails or takes too long.
pub struct FtpsConversation {
    control: Control,
    tls: ServerTls,
    read: Vec<u8>,
    data: Option<TcpListener>,
}

impl FtpsConversation {
    /// With the next client that connects to `listener`.
    #[must_use]
    #[track_caller]
    pub fn with_client(listener: &TcpListener, tls: ServerTls) -> Self {
        let stream = accept_within(listener, STEP_LIMIT).unwrap_or_else(|| panic!("nobody connected"));
        Self { control: Control::Clear(prepared(stream)), tls, read: Vec::new(), data: None }
    }

    /// Says the lines that begin with `S:`, and waits for those that begin with `C:`. `{port}` listens for a data
    /// connection, and stands for where.
    #[track_caller]
    pub fn play(&mut self, passage: &str) -> &mut Self {
        for line in passage.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(said) = line.strip_prefix("S: ") {
                let mut said = said.to_owned();
                if said.contains("{port}") {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    said = said.replace("{port}", &listener.local_addr().unwrap().port().to_string());
                    self.data = Some(listener);
                }
                self.say(format!("{said}\r\n").as_bytes());
            } else if let Some(expected) = line.strip_prefix("C: ") {
                assert_eq!(self.line().as_deref(), Some(expected));
            } else {
                panic!("`{line}` begins neither with `S: ` nor with `C: `");
            }
        }
        self
    }

    /// The handshake on the control connection, which must work.
    #[track_caller]
    pub fn begin_tls(&mut self) -> &mut Self {
        let Control::Clear(stream) = std::mem::replace(&mut self.control, Control::Nothing) else {
            panic!("the control connection is not in clear")
        };
        self.control = Control::Secured(Box::new(self.tls.accept(stream).unwrap()));
        self
    }

    /// As [`begin_tls`](Self::begin_tls); it must fail. Then nothing more can be said.
    #[track_caller]
    pub fn begin_tls_in_vain(&mut self) -> String {
        let Control::Clear(stream) = std::mem::replace(&mut self.control, Control::Nothing) else {
            panic!("the control connection is not in clear")
        };
        self.tls.accept(stream).map(|_| ()).unwrap_err().to_string()
    }

    /// The client's close_notify, then ours: the control connection goes on in clear.
    #[track_caller]
    pub fn end_tls(&mut self) -> &mut Self {
        let Control::Secured(mut secured) = std::mem::replace(&mut self.control, Control::Nothing) else {
            panic!("no TLS")
        };
        assert_eq!(secured.read(&mut [0; 1]).unwrap(), 0, "the client's close_notify");
        secured.conn.send_close_notify();
        secured.conn.write_tls(&mut secured.sock).unwrap();
        self.control = Control::Clear(secured.sock);
        self
    }

    /// The client closes, and has said nothing before.
    #[track_caller]
    pub fn expect_close(&mut self) {
        assert_eq!(self.line(), None);
    }

    /// Sends bytes over the control connection.
    #[track_caller]
    pub fn say(&mut self, bytes: &[u8]) {
        match &mut self.control {
            Control::Clear(stream) => stream.write_all(bytes),
            Control::Secured(secured) => secured.write_all(bytes).and_then(|()| secured.flush()),
            Control::Nothing => panic!("there is no control connection any more"),
        }
        .unwrap();
    }

    /// The client's data connection, without TLS.
    #[must_use]
    #[track_caller]
    pub fn data(&mut self) -> TcpStream {
        let listener = self.data.take().unwrap_or_else(|| panic!("nothing was negotiated"));
        prepared(accept_within(&listener, STEP_LIMIT).unwrap_or_else(|| panic!("no data connection")))
    }

    /// The client's data connection, under TLS.
    #[must_use]
    #[track_caller]
    pub fn secured_data(&mut self) -> Secured {
        let stream = self.data();
        ServerTls::accept_with(&self.tls.config_of_data, stream).unwrap()
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut piece = [0; 4096];
            let count = match &mut self.control {
                Control::Clear(stream) => stream.read(&mut piece),
                Control::Secured(secured) => secured.read(&mut piece),
                Control::Nothing => panic!("there is no control connection any more"),
            };
            match count {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
                {
                    return None;
                }
                Err(error) => panic!("no command: {error}"),
            }
        }
    }
}

/// Says close_notify behind what was sent, and ends the connection.
pub fn close_in_order(mut secured: Secured) {
    secured.conn.send_close_notify();
    close_plainly(secured);
}

/// Ends the connection without a close_notify.
pub fn close_plainly(mut secured: Secured) {
    while secured.conn.wants_write() {
        secured.conn.write_tls(&mut secured.sock).unwrap();
    }
    secured.sock.shutdown(Shutdown::Write).unwrap();
    // What the client still says must not become a reset.
    let _ = std::io::copy(&mut secured.sock, &mut std::io::sink());
}

fn prepared(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(STEP_LIMIT)).unwrap();
    stream.set_write_timeout(Some(STEP_LIMIT)).unwrap();
    stream
}
