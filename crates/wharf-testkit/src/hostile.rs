//! A server whose answers are a table: polite in all that the table does not say, so that a script is no longer than what
//! is wrong with it.
//!
//! A line of the table is `PATTERN: step & step & …`. The pattern is a verb (`RETR`), a whole command (`MLSD sub`), or
//! `greeting`. Several lines of one pattern are taken in turn, over all sessions, the last of them from then on. Escapes are
//! `\r`, `\n`, `\0`, `\\` and `\xNN`.
//!
//! | step | what it does |
//! |---|---|
//! | `226 done` | says a line; `{port}`, `{six}` and `{last two}` are a fresh listener's |
//! | `raw TEXT`, `repeat N TEXT` | says exactly these bytes, once or N times |
//! | `data TEXT`, `data N TEXT` | sends them over the data connection, which is opened where it is not yet, under TLS after PROT P |
//! | `open`, `open clear` | only opens it; without TLS |
//! | `take`, `take N` | reads it to its end; at least N bytes and no more than are there |
//! | `end`, `end plainly`, `reset` | closes it in order; without close_notify; with a RST |
//! | `flood TEXT`, `flood data TEXT` | sends them until the client has gone |
//! | `trickle TEXT` | says them over and over, a byte every 50 ms, until the client has gone |
//! | `tls` | the server's side of a handshake on the control connection |
//! | `pause MS` | does nothing for a while |
//! | `deaf` | reads all that comes, and says nothing more |
//! | `close`, `cut` | ends the control connection, with FIN or with RST |
//! | `nothing` | no answer, and on with the next command |

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::scripted::{STEP_LIMIT, accept_within};
use crate::tls_server::{Secured, ServerTls, close_in_order};

/// What no client should take of one reply or listing.
const TOO_MUCH: usize = 256 * 1024 * 1024;
/// Longest trickle.
const TRICKLE: Duration = Duration::from_secs(20);

/// What a polite server says.
const POLITE: &str = r"
greeting: 220 ready
AUTH: 502 no TLS here
USER: 331 password?
PASS: 230 in
PBSZ: 200 ok
PROT: 200 ok
FEAT: 502 nothing special
OPTS: 200 ok
SYST: 215 UNIX Type: L8
TYPE: 200 ok
SIZE: 213 5
MDTM: 213 20200101000000
EPSV: 229 here (|||{port}|)
PASV: 227 here ({six})
EPRT: 200 ok
PORT: 200 ok
REST: 350 from there
RETR: 150 here it comes & data hello & end & 226 done
STOR: 150 give it & take & end & 226 done
LIST: 150 here it comes & data -rw-r--r--   1 ftp ftp 5 Nov 20 10:00 file\r\n & end & 226 done
MLSD: 150 here it comes & data type=file;size=5;modify=20200101000000; file\r\n & end & 226 done
NOOP: 200 ok
QUIT: 221 bye & close
";

/// A server that plays a table to all who come, on threads that end with the test's process.
pub struct HostileServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rules: HashMap<String, Vec<String>>,
    used: Mutex<HashMap<String, usize>>,
    tls: Option<ServerTls>,
    transcript: Mutex<String>,
    is_endless: AtomicBool,
}

impl HostileServer {
    /// On 127.0.0.1.
    #[must_use]
    pub fn start(table: &str, tls: Option<ServerTls>) -> Self {
        let mut rules = parse(POLITE);
        rules.extend(parse(table));
        let shared = Arc::new(Shared {
            rules,
            used: Mutex::default(),
            tls,
            transcript: Mutex::default(),
            is_endless: AtomicBool::new(false),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = shared.clone();
        thread::spawn(move || {
            while let Ok((control, _)) = listener.accept() {
                let shared = served.clone();
                thread::spawn(move || {
                    let mut session = HostileSession::new(control, shared);
                    if let Err(error) = session.serve() {
                        session.note(&format!("-- {error}"));
                    }
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the client took more of a flood than any client should.
    #[must_use]
    pub fn was_taken_in_full(&self) -> bool {
        self.shared.is_endless.load(Ordering::Relaxed)
    }

    /// What was said so far, long lines cut.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.shared.transcript.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The table as steps by pattern.
fn parse(table: &str) -> HashMap<String, Vec<String>> {
    let mut rules = HashMap::<String, Vec<String>>::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (pattern, steps) = line.split_once(": ").unwrap_or_else(|| panic!("no rule: {line}"));
        rules.entry(pattern.to_owned()).or_default().push(steps.to_owned());
    }
    rules
}

/// A connection that may be under TLS.
enum Channel {
    Clear(TcpStream),
    Secured(Box<Secured>),
}

impl Channel {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Secured(secured) => &secured.sock,
        }
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.write_all(bytes),
            Self::Secured(secured) => secured.write_all(bytes).and_then(|()| secured.flush()),
        }
    }

    fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Secured(secured) => secured.read(buffer),
        }
    }

    fn reset(self) {
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }
}

struct HostileSession {
    shared: Arc<Shared>,
    /// None once it is closed.
    control: Option<Channel>,
    heard: Vec<u8>,
    peer: SocketAddr,
    listener: Option<TcpListener>,
    target: Option<SocketAddr>,
    data: Option<Channel>,
    is_protected: bool,
}

impl HostileSession {
    fn new(control: TcpStream, shared: Arc<Shared>) -> Self {
        let peer = control.peer_addr().unwrap();
        prepare(&control);
        Self {
            shared,
            control: Some(Channel::Clear(control)),
            heard: Vec::new(),
            peer,
            listener: None,
            target: None,
            data: None,
            is_protected: false,
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.answer("greeting", "")?;
        while let Some(line) = self.line()? {
            self.note(&format!("C: {line}"));
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "PORT" | "EPRT" => self.target = told(argument, self.peer),
                _ => {}
            }
            let answer = self.answer(verb, &line)?;
            if verb == "PROT" && answer.starts_with('2') {
                self.is_protected = argument == "P";
            }
        }
        Ok(())
    }

    /// Answers, and tells by which steps.
    fn answer(&mut self, verb: &str, line: &str) -> io::Result<String> {
        let pattern = [line, verb].into_iter().find(|pattern| self.shared.rules.contains_key(*pattern));
        let Some(pattern) = pattern else {
            return self.say(b"502 what?\r\n").map(|()| String::new());
        };
        let steps = {
            let rules = &self.shared.rules[pattern];
            let mut used = self.shared.used.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = used.entry(pattern.to_owned()).or_default();
            *turn += 1;
            rules[(*turn - 1).min(rules.len() - 1)].clone()
        };
        for step in steps.split(" & ") {
            self.step(step)?;
        }
        Ok(steps)
    }

    fn step(&mut self, step: &str) -> io::Result<()> {
        if step.starts_with(|first: char| first.is_ascii_digit()) {
            let line = self.with_addresses(step);
            return self.say(&[unescaped(&line), b"\r\n".to_vec()].concat());
        }
        let (what, rest) = step.split_once(' ').unwrap_or((step, ""));
        match (what, rest) {
            ("raw", text) => self.say(&unescaped(text)),
            ("repeat", text) => {
                let (count, piece) = repeated(text).unwrap_or_else(|| panic!("no count: {step}"));
                self.say(&piece.repeat(count))
            }
            ("open", how) => self.open(how != "clear").map(|_| ()),
            ("data", text) => {
                let (count, piece) = repeated(text).unwrap_or_else(|| (1, unescaped(text)));
                let is_protected = self.is_protected;
                let data = self.open(is_protected)?;
                // A client that has gone is for the next step to notice, which may be what the script is about.
                let _ = data.say(&piece.repeat(count));
                Ok(())
            }
            ("take", text) => self.take(text.parse().ok()),
            ("end", how) => {
                match self.data.take() {
                    Some(Channel::Secured(secured)) if how != "plainly" => close_in_order(*secured),
                    Some(channel) => {
                        let _ = channel.socket().shutdown(Shutdown::Both);
                    }
                    None => {}
                }
                Ok(())
            }
            ("reset", _) => {
                if let Some(data) = self.data.take() {
                    data.reset();
                }
                Ok(())
            }
            ("flood", text) => self.flood(text),
            ("trickle", text) => {
                let pause = Duration::from_millis(50);
                let count = TRICKLE.as_millis() / pause.as_millis();
                let bytes = unescaped(text);
                for byte in bytes.iter().cycle().take(count as usize) {
                    self.say(&[*byte])?;
                    thread::sleep(pause);
                }
                Ok(())
            }
            ("tls", _) => {
                let tls = self.shared.tls.clone().expect("the script wants TLS");
                if let Some(Channel::Clear(stream)) = self.control.take() {
                    self.control = Some(Channel::Secured(Box::new(tls.accept(stream)?)));
                }
                Ok(())
            }
            ("pause", millis) => {
                thread::sleep(Duration::from_millis(millis.parse().unwrap()));
                Ok(())
            }
            ("deaf", _) => {
                while self.line()?.is_some() {}
                Ok(())
            }
            ("close", _) => {
                if let Some(control) = &self.control {
                    let _ = control.socket().shutdown(Shutdown::Write);
                }
                Ok(())
            }
            ("cut", _) => {
                if let Some(control) = self.control.take() {
                    control.reset();
                }
                Err(io::Error::other("cut"))
            }
            ("nothing", _) => Ok(()),
            _ => panic!("no step: {step}"),
        }
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.note(&format!("S: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).escape_debug()));
        match &mut self.control {
            Some(control) => control.say(bytes),
            None => Err(io::Error::other("the control connection is closed")),
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            let mut piece = [0; 4096];
            let Some(control) = &mut self.control else { return Ok(None) };
            match control.hear(&mut piece)? {
                0 => return Ok(None),
                count => self.heard.extend_from_slice(&piece[..count]),
            }
        }
    }

    fn with_addresses(&mut self, line: &str) -> String {
        if !["{port}", "{six}", "{last two}"].iter().any(|place| line.contains(place)) {
            return line.to_owned();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (self.listener, self.target, self.data) = (Some(listener), None, None);
        let two = format!("{},{}", port >> 8, port & 255);
        let line = line.replace("{port}", &port.to_string()).replace("{last two}", &two);
        line.replace("{six}", &format!("127,0,0,1,{two}"))
    }

    fn open(&mut self, is_protected: bool) -> io::Result<&mut Channel> {
        if self.data.is_none() {
            let stream = match (self.listener.take(), self.target.take()) {
                (Some(listener), None) => accept_within(&listener, STEP_LIMIT)
                    .ok_or_else(|| io::Error::other("no data connection came"))?,
                (_, Some(target)) => TcpStream::connect_timeout(&target, STEP_LIMIT)?,
                (None, None) => return Err(io::Error::other("nothing was negotiated")),
            };
            prepare(&stream);
            let channel = match (is_protected, &self.shared.tls) {
                (true, Some(tls)) => Channel::Secured(Box::new(tls.accept(stream)?)),
                _ => Channel::Clear(stream),
            };
            self.data = Some(channel);
        }
        self.data.as_mut().ok_or_else(|| io::Error::other("no data connection"))
    }

    fn take(&mut self, least: Option<usize>) -> io::Result<()> {
        let is_protected = self.is_protected;
        let data = self.open(is_protected)?;
        let mut buffer = [0; 65_536];
        let mut taken = 0;
        while least.is_none_or(|least| taken < least) {
            match data.hear(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => taken += count,
            }
        }
        Ok(())
    }

    fn flood(&mut self, text: &str) -> io::Result<()> {
        let (is_data, text) = text.strip_prefix("data ").map_or((false, text), |text| (true, text));
        let piece = unescaped(text);
        let piece = piece.repeat((65_536 / piece.len()).max(1));
        let is_protected = self.is_protected;
        let channel = match (is_data, &mut self.control) {
            (true, _) => self.open(is_protected)?,
            (false, Some(control)) => control,
            (false, None) => return Ok(()),
        };
        let mut sent = 0;
        while channel.say(&piece).is_ok() {
            sent += piece.len();
            if sent >= TOO_MUCH {
                self.shared.is_endless.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }

    fn note(&self, line: &str) {
        let mut transcript = self.shared.transcript.lock().unwrap_or_else(PoisonError::into_inner);
        if transcript.len() < 16_384 {
            transcript.push_str(line);
            transcript.push('\n');
        }
    }
}

fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(TRICKLE));
}

/// Where PORT or EPRT says that the client listens.
fn told(argument: &str, peer: SocketAddr) -> Option<SocketAddr> {
    let port = match argument.strip_prefix('|') {
        Some(extended) => extended.split('|').nth(2)?.parse().ok()?,
        None => {
            let numbers: Vec<u16> = argument.split(',').filter_map(|number| number.parse().ok()).collect();
            numbers.get(4)? * 256 + numbers.get(5)?
        }
    };
    Some(SocketAddr::new(peer.ip(), port))
}

/// `N TEXT`.
fn repeated(text: &str) -> Option<(usize, Vec<u8>)> {
    let (count, piece) = text.split_once(' ')?;
    Some((count.parse().ok()?, unescaped(piece)))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'\\', [b'r', tail @ ..]) => (b'\r', tail),
            (b'\\', [b'n', tail @ ..]) => (b'\n', tail),
            (b'\\', [b'0', tail @ ..]) => (0, tail),
            (b'\\', [b'\\', tail @ ..]) => (b'\\', tail),
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let byte = std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                (byte.unwrap_or_else(|| panic!("no escape: {text}")), tail)
            }
            (byte, tail) => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    bytes
}
