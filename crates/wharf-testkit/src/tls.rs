//! An FTPS client of the tests' own: rustls over blocking sockets, in every mode, with as much or as little of TLS as a
//! test wants; and certificates.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::TestDirectory;
use crate::scripted::STEP_LIMIT;

/// A certificate that signs itself, with its key, in files.
#[derive(Debug)]
pub struct TestCertificate {
    directory: TestDirectory,
    der: CertificateDer<'static>,
}

impl TestCertificate {
    /// For these names, valid for years.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let directory = TestDirectory::new();
        let der = write_certificate(&directory, names, 2100);
        Self { directory, der }
    }

    /// One that expired long ago.
    #[must_use]
    pub fn expired(names: &[&str]) -> Self {
        let directory = TestDirectory::new();
        let der = write_certificate(&directory, names, 2001);
        Self { directory, der }
    }

    /// Another certificate and key, in the same files.
    pub fn renew(&mut self, names: &[&str]) {
        self.der = write_certificate(&self.directory, names, 2100);
    }

    /// The certificate's file.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("certificate.pem")
    }

    /// The key's file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    /// What a client sees.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The flags that give it to `wharf serve`.
    #[must_use]
    pub fn flags(&self) -> [String; 4] {
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        ["--tls-cert".to_owned(), path(self.certificate()), "--tls-key".to_owned(), path(self.key())]
    }
}

fn write_certificate(directory: &TestDirectory, names: &[&str], last_year: i32) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    let certificate = parameters.self_signed(&key).unwrap();
    directory.write("certificate.pem", certificate.pem());
    let file = directory.write("key.pem", key.serialize_pem());
    // Servers refuse or complain of a key that others can read.
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    certificate.der().clone()
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// The versions it knows.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Whether its data connections resume. As rustls has it, each ticket of TLS 1.3 is used once.
    pub resumes: bool,
    /// The name that it asks for (SNI); an address is not sent.
    pub server_name: &'static str,
    /// The protocols that it wants inside (ALPN).
    pub protocols: &'static [&'static str],
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { versions: rustls::ALL_VERSIONS, resumes: true, server_name: "127.0.0.1", protocols: &[] }
    }
}

/// TLS 1.2 only.
pub static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
/// TLS 1.3 only.
pub static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl TlsOptions {
    /// What one client does for all its connections: they share their tickets.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // tidy: allow(tls): a peer of the tests, which must not be set up as what it tests
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustsAnybody::new()))
            .with_no_client_auth();
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = if self.resumes {
            Resumption::store(Arc::new(ClientSessionMemoryCache::new(32)))
        } else {
            Resumption::disabled()
        };
        Arc::new(config)
    }
}

/// How a data connection is negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// PASV
    Pasv,
    /// EPSV
    Epsv,
    /// PORT
    Port,
    /// EPRT
    Eprt,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pasv, Self::Epsv, Self::Port, Self::Eprt];
}

/// A TLS connection to a server.
pub type Secure = StreamOwned<ClientConnection, TcpStream>;

enum Control {
    Clear(TcpStream),
    Secure(Box<Secure>),
    /// While one becomes the other.
    Nothing,
}

/// An FTPS client. Every step panics when it fails or takes too long.
pub struct FtpsClient {
    control: Control,
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    server: SocketAddr,
    local: IpAddr,
    read: Vec<u8>,
}

/// A data connection that is up in TCP and not yet in TLS.
pub enum Negotiated {
    /// We connected.
    Connected(TcpStream),
    /// We listen.
    Listening(TcpListener),
}

impl FtpsClient {
    /// Connects, and reads the greeting in clear.
    #[must_use]
    #[track_caller]
    pub fn connect(server: SocketAddr, options: &TlsOptions) -> Self {
        Self::with_config(server, options, options.config())
    }

    /// As [`connect`](Self::connect), sharing tickets with whoever has the same `config`.
    #[must_use]
    #[track_caller]
    pub fn with_config(server: SocketAddr, options: &TlsOptions, config: Arc<ClientConfig>) -> Self {
        let mut this = Self::unspoken(server, options, config);
        assert_eq!(this.reply().0, 220);
        this
    }

    /// Connects where TLS comes first (implicit FTPS).
    #[must_use]
    #[track_caller]
    pub fn connect_implicit(server: SocketAddr, options: &TlsOptions) -> Self {
        let mut this = Self::unspoken(server, options, options.config());
        this.secure().unwrap();
        assert_eq!(this.reply().0, 220);
        this
    }

    fn unspoken(server: SocketAddr, options: &TlsOptions, config: Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        let local = stream.local_addr().unwrap().ip();
        let server_name = ServerName::try_from(options.server_name).unwrap();
        let control = Control::Clear(prepared(stream));
        Self { control, config, server_name, server, local, read: Vec::new() }
    }

    /// AUTH TLS and the handshake.
    #[track_caller]
    pub fn auth(&mut self) -> &mut Self {
        self.expect("AUTH TLS", 234);
        self.secure().unwrap();
        self
    }

    /// The handshake on the control connection.
    ///
    /// # Errors
    /// What TLS says.
    pub fn secure(&mut self) -> io::Result<()> {
        let Control::Clear(stream) = std::mem::replace(&mut self.control, Control::Nothing) else {
            panic!("the control connection is not in clear")
        };
        let secure = self.handshake(stream)?;
        self.control = Control::Secure(Box::new(secure));
        Ok(())
    }

    /// USER, PASS, PBSZ 0, PROT P, TYPE I.
    #[track_caller]
    pub fn log_in(&mut self, user: &str, password: &str) -> &mut Self {
        self.expect(&format!("USER {user}"), 331);
        self.expect(&format!("PASS {password}"), 230);
        self.expect("PBSZ 0", 200);
        self.expect("PROT P", 200);
        self.expect("TYPE I", 200);
        self
    }

    /// Sends a command and waits for its reply: its code, and all of it.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> (u16, String) {
        self.say(format!("{command}\r\n").as_bytes());
        self.reply()
    }

    /// As [`ask`](Self::ask), and the code must be `code`. Returns the reply.
    #[track_caller]
    pub fn expect(&mut self, command: &str, code: u16) -> String {
        let (got, reply) = self.ask(command);
        assert_eq!(got, code, "{command}: {reply}");
        reply
    }

    /// Sends bytes over the control connection.
    #[track_caller]
    pub fn say(&mut self, bytes: &[u8]) {
        match &mut self.control {
            Control::Clear(stream) => stream.write_all(bytes),
            Control::Secure(secure) => secure.write_all(bytes).and_then(|()| secure.flush()),
            Control::Nothing => panic!("there is no control connection any more"),
        }
        .unwrap();
    }

    /// Waits for the next reply: its code, and all of it.
    #[track_caller]
    pub fn reply(&mut self) -> (u16, String) {
        self.try_reply().unwrap_or_else(|error| panic!("no reply: {error}"))
    }

    /// As [`reply`](Self::reply).
    ///
    /// # Errors
    /// When the connection ends or breaks.
    pub fn try_reply(&mut self) -> io::Result<(u16, String)> {
        let mut lines = String::new();
        loop {
            let line = self.line()?;
            lines.push_str(&line);
            let bytes = line.as_bytes();
            let is_last = bytes.len() > 3 && bytes[..3].iter().all(u8::is_ascii_digit) && bytes[3] == b' ';
            if is_last {
                return Ok((line[..3].parse().unwrap(), lines));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8(line).unwrap());
            }
            let mut piece = [0; 4096];
            let count = match &mut self.control {
                Control::Clear(stream) => stream.read(&mut piece)?,
                Control::Secure(secure) => secure.read(&mut piece)?,
                Control::Nothing => panic!("there is no control connection any more"),
            };
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.read.extend_from_slice(&piece[..count]);
        }
    }

    /// The certificate that the server showed on the control connection.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        let Control::Secure(secure) = &self.control else { panic!("no TLS") };
        secure.conn.peer_certificates().unwrap()[0].clone()
    }

    /// What would go over the wire for `bytes`, to be sent by other means: nothing else may be said before it.
    #[must_use]
    pub fn encrypted(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Control::Secure(secure) = &mut self.control else { panic!("no TLS") };
        secure.conn.set_buffer_limit(None);
        secure.conn.writer().write_all(bytes).unwrap();
        let mut records = Vec::new();
        while secure.conn.wants_write() {
            secure.conn.write_tls(&mut records).unwrap();
        }
        records
    }

    /// The control connection's socket.
    #[must_use]
    pub fn control_socket(&self) -> &TcpStream {
        match &self.control {
            Control::Clear(stream) => stream,
            Control::Secure(secure) => &secure.sock,
            Control::Nothing => panic!("there is no control connection any more"),
        }
    }

    /// Says close_notify, waits for the server's, and goes on in clear, as after CCC.
    #[track_caller]
    pub fn end_tls(&mut self) {
        let Control::Secure(mut secure) = std::mem::replace(&mut self.control, Control::Nothing) else {
            panic!("no TLS")
        };
        secure.conn.send_close_notify();
        while secure.conn.wants_write() {
            secure.conn.write_tls(&mut secure.sock).unwrap();
        }
        assert_eq!(secure.read(&mut [0; 1]).unwrap(), 0, "the server's close_notify");
        self.control = Control::Clear(secure.sock);
    }

    /// Agrees on a data connection. A passive one is connected at once.
    #[track_caller]
    pub fn negotiate(&mut self, mode: Mode) -> Negotiated {
        match mode {
            Mode::Pasv => {
                let reply = self.expect("PASV", 227);
                let numbers = reply.split(['(', ')']).nth(1).unwrap();
                let numbers: Vec<u16> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
                self.connect_data(numbers[4] * 256 + numbers[5])
            }
            Mode::Epsv => {
                let reply = self.expect("EPSV", 229);
                self.connect_data(reply.split('|').nth(3).unwrap().parse().unwrap())
            }
            Mode::Port | Mode::Eprt => {
                let listener = TcpListener::bind((self.local, 0)).unwrap();
                let port = listener.local_addr().unwrap().port();
                let command = match (mode, self.local) {
                    (Mode::Port, IpAddr::V4(address)) => {
                        let address = address.to_string().replace('.', ",");
                        format!("PORT {address},{},{}", port / 256, port % 256)
                    }
                    (_, IpAddr::V4(address)) => format!("EPRT |1|{address}|{port}|"),
                    (_, IpAddr::V6(address)) => format!("EPRT |2|{address}|{port}|"),
                };
                self.expect(&command, 200);
                Negotiated::Listening(listener)
            }
        }
    }

    fn connect_data(&self, port: u16) -> Negotiated {
        Negotiated::Connected(prepared(TcpStream::connect((self.server.ip(), port)).unwrap()))
    }

    /// The data connection's socket, without TLS.
    #[must_use]
    #[track_caller]
    pub fn open(&self, negotiated: Negotiated) -> TcpStream {
        match negotiated {
            Negotiated::Connected(stream) => stream,
            Negotiated::Listening(listener) => {
                let stream = crate::scripted::accept_within(&listener, STEP_LIMIT);
                prepared(stream.unwrap_or_else(|| panic!("the server did not connect")))
            }
        }
    }

    /// TLS over `stream`, with this client's tickets.
    ///
    /// # Errors
    /// What TLS says.
    pub fn handshake(&self, stream: TcpStream) -> io::Result<Secure> {
        let connection = ClientConnection::new(self.config.clone(), self.server_name.clone()).unwrap();
        let mut secure = StreamOwned::new(connection, stream);
        while secure.conn.is_handshaking() {
            secure.conn.complete_io(&mut secure.sock)?;
        }
        Ok(secure)
    }

    /// A transfer's data connection under TLS, behind its 150.
    #[track_caller]
    pub fn begin(&mut self, mode: Mode, command: &str) -> Secure {
        let negotiated = self.negotiate(mode);
        self.expect(command, 150);
        let stream = self.open(negotiated);
        self.handshake(stream).unwrap()
    }

    /// Fetches with `command`, up to close_notify, and returns the bytes, and whether TLS was resumed; 226 must follow.
    #[track_caller]
    pub fn fetch(&mut self, mode: Mode, command: &str) -> (Vec<u8>, bool) {
        let mut data = self.begin(mode, command);
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap(); // an error where close_notify is missing
        let resumed = is_resumed(&data);
        data.conn.send_close_notify();
        let _ = data.conn.write_tls(&mut data.sock); // the server may be gone already: it has sent everything
        let (code, reply) = self.reply();
        assert_eq!(code, 226, "{command}: {reply}");
        (content, resumed)
    }

    /// Sends `content` with `command`, and close_notify behind it; reads up to the server's. Returns whether TLS was
    /// resumed; 226 must follow.
    #[track_caller]
    pub fn store(&mut self, mode: Mode, command: &str, content: &[u8]) -> bool {
        let mut data = self.begin(mode, command);
        data.write_all(content).unwrap();
        let resumed = is_resumed(&data);
        finish(data).unwrap();
        let (code, reply) = self.reply();
        assert_eq!(code, 226, "{command}: {reply}");
        resumed
    }
}

/// Whether the connection resumed an earlier session.
#[must_use]
pub fn is_resumed(secure: &Secure) -> bool {
    secure.conn.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Says close_notify and FIN, and reads what the other end still says: tickets, and its close_notify.
///
/// # Errors
/// When the connection breaks, or ends without close_notify.
pub fn finish(mut secure: Secure) -> io::Result<()> {
    secure.conn.send_close_notify();
    while secure.conn.wants_write() {
        secure.conn.write_tls(&mut secure.sock)?;
    }
    // The other end may have closed completely already.
    let _ = secure.sock.shutdown(Shutdown::Write);
    secure.read_to_end(&mut Vec::new()).map(|_| ())
}

fn prepared(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(STEP_LIMIT)).unwrap();
    stream.set_write_timeout(Some(STEP_LIMIT)).unwrap();
    stream
}

/// Takes every certificate: what is tested is the server's choice, not the client's.
#[derive(Debug)]
struct TrustsAnybody(Arc<WebPkiServerVerifier>);

impl TrustsAnybody {
    fn new() -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let key = rcgen::KeyPair::generate().unwrap();
        let any = rcgen::CertificateParams::new(vec!["any".to_owned()]).unwrap().self_signed(&key).unwrap();
        roots.add(any.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
    }
}

impl ServerCertVerifier for TrustsAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
