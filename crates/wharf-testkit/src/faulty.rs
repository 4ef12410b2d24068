//! A server of few lines that does one thing wrong: for the root causes that a server brings about, and that no real one
//! can be told to.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::scripted::accept_within;
use crate::tls::TestCertificate;
use crate::tls_server::{Secured, ServerTls, close_in_order, close_plainly};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It takes connections and does not greet.
    SilentGreeting,
    /// It greets with 421, for there are too many sessions.
    TooManySessions,
    /// It ends the login with vsftpd's words about its own configuration.
    Misconfigured,
    /// It refuses to talk about a login without TLS, and has none.
    WantsTls,
    /// Its 227 and 229 do not say where to connect.
    MalformedPassive,
    /// It knows neither EPSV nor EPRT.
    ExtendedUnknown,
    /// The port in its 229 is dead, the one in its 227 is not.
    ExtendedPortDead,
    /// It refuses EPSV, EPRT and their old forms for the family.
    WrongFamily,
    /// It may not list, nor send files.
    Forbidden,
    /// It gives its transfers up in the middle.
    CutsData,
    /// Its passive ports are all taken.
    RangeFull,
    /// Each third passive port belongs to another machine.
    EveryThirdPortDead,
    /// Now and then it tells a passive port that is never open, always the same.
    OnePortDead,
    /// Under PROT P its data go in clear.
    DataInClear,
    /// It ends its data under TLS without close_notify.
    PlainEnd,
    /// It wants the control connection's session resumed, and gives no ticket.
    NothingToResume,
    /// Under PROT P it says 150 behind the handshake only.
    ShakesFirst,
    /// Under PROT P it takes the data connection, and neither shakes hands nor says anything.
    NeverShakes,
    /// It ends each handshake with an alert about the version.
    OldTls,
}

/// A running one, gone with its guard.
#[derive(Debug)]
pub struct FaultyServer {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often a thread looks whether it is to end.
const TURN: Duration = Duration::from_millis(50);
/// Longest wait for a client's data connection, and for ours to one.
const DATA_TIME: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Setting {
    fault: Fault,
    tls: Option<ServerTls>,
    is_over: Arc<AtomicBool>,
    /// Passive ports that were told, by all sessions.
    told: Arc<AtomicU32>,
    /// A port on which nobody listens.
    dead_port: u16,
}

impl FaultyServer {
    /// Starts one on `address`, with TLS where there is a certificate.
    #[must_use]
    pub fn start(address: IpAddr, fault: Fault, certificate: Option<&TestCertificate>) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let told = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let setting = Setting {
            fault,
            tls: certificate.map(|certificate| ServerTls::new(certificate).without_tickets_for_data()),
            is_over: is_over.clone(),
            told: Arc::default(),
            dead_port: TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port(),
        };
        listener.set_nonblocking(true).unwrap();
        let accept = move || {
            while !setting.is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let setting = setting.clone();
                        // A client that goes away, and one that is cut off, end their session.
                        drop(thread::spawn(move || Session::new(stream, setting).serve()));
                    }
                    Err(_) => thread::sleep(TURN),
                }
            }
        };
        Self { address: told, is_over, thread: Some(thread::spawn(accept)) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Control {
    Clear(TcpStream),
    Secured(Box<Secured>),
    Nothing,
}

enum Negotiated {
    Nothing,
    Passive(TcpListener),
    Active(SocketAddr),
}

struct Session {
    control: Control,
    setting: Setting,
    local: IpAddr,
    read: Vec<u8>,
    negotiated: Negotiated,
    is_private: bool,
}

impl Session {
    fn new(stream: TcpStream, setting: Setting) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap().ip();
        let control = Control::Clear(stream);
        Self { control, setting, local, read: Vec::new(), negotiated: Negotiated::Nothing, is_private: false }
    }

    /// Until the client goes away, or is sent away.
    fn serve(mut self) -> Option<()> {
        match self.setting.fault {
            Fault::SilentGreeting => {
                while !self.setting.is_over.load(Ordering::Relaxed) {
                    thread::sleep(TURN);
                }
                return None;
            }
            Fault::TooManySessions => return self.say("421 Too many connections (4) from this address"),
            _ => self.say("220 ready")?,
        }
        while let Some(line) = self.line() {
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            self.answer(&verb.to_ascii_uppercase(), argument)?;
        }
        None
    }

    fn answer(&mut self, verb: &str, argument: &str) -> Option<()> {
        let fault = self.setting.fault;
        match verb {
            "AUTH" => self.secure(),
            "USER" if fault == Fault::WantsTls => self.say("530 Non-anonymous sessions must use encryption."),
            "USER" => self.say("331 password"),
            "PASS" if fault == Fault::Misconfigured => {
                self.say("500 OOPS: vsftpd: refusing to run with writable root inside chroot()")?;
                None
            }
            "PASS" => self.say("230 in"),
            "PBSZ" => self.say("200 PBSZ=0"),
            "PROT" => {
                self.is_private = argument == "P";
                self.say("200 done")
            }
            "TYPE" | "NOOP" => self.say("200 done"),
            "SYST" => self.say("215 UNIX Type: L8"),
            "PWD" => self.say("257 \"/\""),
            "CWD" => self.say("250 done"),
            "QUIT" => {
                self.say("221 bye")?;
                None
            }
            "EPSV" | "EPRT" if fault == Fault::ExtendedUnknown => self.say("500 what?"),
            "EPSV" | "EPRT" if fault == Fault::WrongFamily => {
                self.say("522 Network protocol not supported, use (1)")
            }
            "EPSV" | "PASV" => self.listen(verb == "EPSV"),
            "EPRT" | "PORT" => {
                self.negotiated = endpoint(verb, argument).map_or(Negotiated::Nothing, Negotiated::Active);
                self.say("200 noted")
            }
            "LIST" | "RETR" if fault == Fault::Forbidden => self.say("550 Permission denied."),
            "LIST" => self.transfer(b"-rw-r--r-- 1 ftp ftp 5 Jan  1  2020 hello.txt\r\n"),
            "RETR" => self.transfer(b"hello"),
            _ => self.say("502 not here"),
        }
    }

    fn listen(&mut self, is_extended: bool) -> Option<()> {
        self.negotiated = Negotiated::Nothing;
        let fault = self.setting.fault;
        if fault == Fault::RangeFull {
            return self.say("425 All reserved TCP ports are busy");
        }
        let listener = TcpListener::bind((self.local, 0)).unwrap();
        let mut port = listener.local_addr().unwrap().port();
        self.negotiated = Negotiated::Passive(listener);
        let count = self.setting.told.fetch_add(1, Ordering::Relaxed) + 1;
        let is_dead = match fault {
            Fault::ExtendedPortDead => is_extended,
            Fault::EveryThirdPortDead => count.is_multiple_of(3),
            Fault::OnePortDead => count.is_multiple_of(4),
            _ => false,
        };
        if is_dead {
            port = if fault == Fault::OnePortDead { self.setting.dead_port } else { dead_port(self.local) };
        }
        let IpAddr::V4(address) = self.local else { return self.say(&format!("229 here (|||{port}|)")) };
        match (fault, is_extended) {
            (Fault::MalformedPassive, true) => self.say("229 somewhere"),
            (Fault::MalformedPassive, false) => self.say("227 Entering Passive Mode (127,0,0)"),
            (_, true) => self.say(&format!("229 here (|||{port}|)")),
            (_, false) => {
                let [a, b, c, d] = address.octets();
                self.say(&format!("227 here ({a},{b},{c},{d},{},{})", port >> 8, port & 0xff))
            }
        }
    }

    fn transfer(&mut self, content: &[u8]) -> Option<()> {
        let shakes_first = matches!(self.setting.fault, Fault::ShakesFirst | Fault::NeverShakes);
        let is_late = self.is_private && shakes_first;
        if !is_late {
            self.say("150 here it comes")?;
        }
        let data = match std::mem::replace(&mut self.negotiated, Negotiated::Nothing) {
            Negotiated::Nothing => None,
            Negotiated::Passive(listener) => accept_within(&listener, DATA_TIME),
            Negotiated::Active(target) => TcpStream::connect_timeout(&target, DATA_TIME).ok(),
        };
        let Some(mut data) = data else { return self.say("425 nobody connected") };
        data.set_nonblocking(false).unwrap();
        data.set_read_timeout(Some(DATA_TIME)).unwrap();
        let fault = self.setting.fault;
        let tls = self.setting.tls.clone().filter(|_| self.is_private && fault != Fault::DataInClear);
        if fault == Fault::NeverShakes && is_late {
            // Until the client goes away.
            while let Ok(1..) = data.read(&mut [0; 1024]) {}
            return self.say("425 no TLS");
        }
        if let Some(tls) = tls {
            let Ok(mut secured) = tls.accept_for_data(data) else { return self.say("425 no TLS") };
            if is_late {
                self.say("150 here it comes")?;
            }
            if fault == Fault::NothingToResume {
                close_in_order(secured);
                return self
                    .say("522 SSL connection failed; session reuse required: see require_ssl_reuse option");
            }
            secured.write_all(content).ok()?;
            if fault == Fault::PlainEnd {
                close_plainly(secured);
            } else {
                close_in_order(secured);
            }
            return self.say("226 done");
        }
        data.write_all(content).ok()?;
        if fault == Fault::CutsData {
            let _ = data.shutdown(Shutdown::Write);
            // The client has read what came when it has closed as well.
            let _ = data.read(&mut [0; 1]);
            return self.say("426 Failure writing network stream.");
        }
        let _ = data.shutdown(Shutdown::Write);
        self.say("226 done")
    }

    fn secure(&mut self) -> Option<()> {
        let Some(tls) = self.setting.tls.clone() else { return self.say("500 what?") };
        self.say("234 go on")?;
        let Control::Clear(mut stream) = std::mem::replace(&mut self.control, Control::Nothing) else {
            return None;
        };
        if self.setting.fault == Fault::OldTls {
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello);
            // A fatal alert, protocol_version (RFC 8446 §6.2).
            let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, 70]);
            return None;
        }
        let gives_none = self.setting.fault == Fault::NothingToResume;
        let secured = if gives_none { tls.accept_for_data(stream) } else { tls.accept(stream) };
        self.control = Control::Secured(Box::new(secured.ok()?));
        Some(())
    }

    fn say(&mut self, line: &str) -> Option<()> {
        let bytes = format!("{line}\r\n").into_bytes();
        match &mut self.control {
            Control::Clear(stream) => stream.write_all(&bytes).ok(),
            Control::Secured(secured) => secured.write_all(&bytes).and_then(|()| secured.flush()).ok(),
            Control::Nothing => None,
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut piece = [0; 1024];
            let count = match &mut self.control {
                Control::Clear(stream) => stream.read(&mut piece).ok()?,
                Control::Secured(secured) => secured.read(&mut piece).ok()?,
                Control::Nothing => 0,
            };
            if count == 0 {
                return None;
            }
            self.read.extend_from_slice(&piece[..count]);
        }
    }
}

/// A port on which nobody listens, another each time.
fn dead_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

/// The endpoint that PORT or EPRT tells.
fn endpoint(verb: &str, argument: &str) -> Option<SocketAddr> {
    if verb == "EPRT" {
        let mut fields = argument.split('|').skip(2);
        let (address, port) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        return Some(SocketAddr::new(address, port));
    }
    let numbers: Vec<u8> = argument.split(',').filter_map(|number| number.parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers.try_into().ok()?;
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into())
}
