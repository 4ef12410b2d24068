//! The control connection of a scripted peer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::transcript::{Transcript, shown};
use super::{STEP_LIMIT, pattern};

/// Longest line that a script waits for.
const LINE: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Role {
    /// How a passage marks the lines that this side says.
    fn mark(self) -> &'static str {
        match self {
            Self::Client => "C:",
            Self::Server => "S:",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One side of a conversation: a control connection, and the data connections that it leads to.
///
/// Every method is a step. It panics with the transcript when it fails or takes too long, and returns the
/// conversation, so that steps can be chained.
pub struct Conversation {
    role: Role,
    pub(super) control: TcpStream,
    /// Read, but not yet asked for.
    buffer: Vec<u8>,
    pub(super) limit: Duration,
    transcript: Arc<Mutex<Transcript>>,
    /// The listening socket, and whether the peer was told of it.
    pub(super) listener: Option<(TcpListener, bool)>,
    /// Where the peer said that it listens.
    pub(super) target: Option<SocketAddr>,
    pub(super) data: Option<TcpStream>,
    pub(super) data_peers: Vec<SocketAddr>,
    pub(super) received: Vec<u8>,
}

/// What came instead of the bytes that were waited for.
enum Nothing {
    Closed,
    Reset,
    TooLate,
}

impl Conversation {
    pub(super) fn new(role: Role, control: TcpStream, transcript: Arc<Mutex<Transcript>>) -> Self {
        control.set_nodelay(true).unwrap();
        control.set_write_timeout(Some(STEP_LIMIT)).unwrap();
        let this = Self {
            role,
            control,
            buffer: Vec::new(),
            limit: STEP_LIMIT,
            transcript,
            listener: None,
            target: None,
            data: None,
            data_peers: Vec::new(),
            received: Vec::new(),
        };
        if let (Ok(local), Ok(peer)) = (this.control.local_addr(), this.control.peer_addr()) {
            this.note(format!("-- connected: {local} to {peer}"));
        }
        this
    }

    /// From here on each step may take this long.
    pub fn within(&mut self, limit: Duration) -> &mut Self {
        self.limit = limit;
        self
    }

    /// Our address on the control connection.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.control.local_addr().unwrap()
    }

    /// The peer's address on the control connection.
    #[must_use]
    pub fn peer_address(&self) -> SocketAddr {
        self.control.peer_addr().unwrap()
    }

    /// What was exchanged so far, as text.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.transcript.lock().unwrap().to_string()
    }

    /// Plays a passage: says the lines of this side, waits for those of the other. See the [module](super).
    #[track_caller]
    pub fn play(&mut self, passage: &str) -> &mut Self {
        for line in
            passage.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (mark, text) = line.split_at_checked(2).unwrap_or((line, ""));
            let text = text.strip_prefix(' ').unwrap_or(text);
            if mark == self.role.mark() {
                self.send_line(text);
            } else if mark == self.role.other().mark() {
                let code = text.get(..3).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
                if self.role == Role::Client
                    && code
                    && text.as_bytes().get(3).is_none_or(|byte| *byte == b' ')
                {
                    self.expect_reply(text);
                } else {
                    self.expect_line(text);
                }
            } else {
                panic!("a line of a passage starts with `C:`, `S:` or `#`, unlike {line:?}");
            }
        }
        self
    }

    /// Sends a line and its end; `{six}`, `{eprt}` and `{port}` become our listening address.
    #[track_caller]
    pub fn send_line(&mut self, line: &str) -> &mut Self {
        let mut line = line.to_owned();
        if pattern::needs_address(&line) {
            line = pattern::fill_in(&line, self.listening_address());
        }
        line.push_str("\r\n");
        self.send(line)
    }

    /// Sends bytes as they are, in one segment if they fit.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.transcript.lock().unwrap().bytes(self.role.mark(), bytes);
        let outcome = self.control.write_all(bytes);
        self.check(outcome, "cannot send")
    }

    /// Sends bytes one by one, with a pause after each.
    #[track_caller]
    pub fn trickle(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> &mut Self {
        for byte in bytes.as_ref() {
            self.send([*byte]);
            thread::sleep(pause);
        }
        self
    }

    /// Sends bytes, the last of them as urgent data: Telnet's Synch is IAC IP, then an urgent DM.
    #[track_caller]
    pub fn send_urgent(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.note(format!("{} (urgent) {}", self.role.mark(), shown(bytes)));
        let outcome = SockRef::from(&self.control).send_out_of_band(bytes).map(|_| ());
        self.check(outcome, "cannot send urgently")
    }

    /// Waits for a line that fits `pattern` and returns it without its end.
    #[track_caller]
    pub fn expect_line(&mut self, pattern: &str) -> String {
        let line = self.read_line(pattern);
        self.compare(pattern, &line);
        line
    }

    /// Waits for a whole reply, of several lines too, whose last line fits `pattern` (`226` alone: any text) and
    /// returns its lines, joined by line feeds.
    #[track_caller]
    pub fn expect_reply(&mut self, pattern: &str) -> String {
        let mut reply = self.read_line(pattern);
        let mut last = reply.clone();
        if reply.as_bytes().get(3) == Some(&b'-') {
            let end = format!("{} ", &reply[..3]);
            while !last.starts_with(&end) {
                last = self.read_line(pattern);
                reply.push('\n');
                reply.push_str(&last);
            }
        }
        if pattern.len() == 3 && pattern.bytes().all(|byte| byte.is_ascii_digit()) {
            // Some servers end a reply at its code.
            self.compare(&format!("{pattern}*"), &last);
        } else {
            self.compare(pattern, &last);
        }
        reply
    }

    /// Waits for exactly these bytes.
    #[track_caller]
    pub fn expect_bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        let deadline = Instant::now() + self.limit;
        while self.buffer.len() < bytes.len() {
            if let Err(nothing) = self.fill(deadline) {
                self.fail_without(&format!("`{}`", shown(bytes)), &nothing);
            }
        }
        let got: Vec<u8> = self.buffer.drain(..bytes.len()).collect();
        if got != bytes {
            self.fail(&format!("expected `{}`, got `{}`", shown(bytes), shown(&got)));
        }
        self
    }

    /// Waits until the peer closes the connection; nothing may come before.
    #[track_caller]
    pub fn expect_close(&mut self) -> &mut Self {
        let deadline = Instant::now() + self.limit;
        match self.fill(deadline) {
            Err(Nothing::Closed | Nothing::Reset) => self.note("-- closed by the peer"),
            Err(Nothing::TooLate) => self.fail("expected the end of the connection; it stays open"),
            Ok(()) => {
                self.fail(&format!("expected the end of the connection, got `{}`", shown(&self.buffer)))
            }
        }
        self
    }

    /// Waits until the peer closes the connection and returns what it says before.
    #[track_caller]
    pub fn read_to_close(&mut self) -> String {
        let deadline = Instant::now() + self.limit;
        loop {
            match self.fill(deadline) {
                Ok(()) => {}
                Err(Nothing::TooLate) => self.fail("expected the end of the connection; it stays open"),
                Err(_) => break,
            }
        }
        let rest = std::mem::take(&mut self.buffer);
        self.transcript.lock().unwrap().bytes(self.role.other().mark(), &rest);
        self.note("-- closed by the peer");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Makes sure that nothing comes for this long, the end of the connection included.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) -> &mut Self {
        let deadline = Instant::now() + time;
        if self.buffer.is_empty() && matches!(self.fill(deadline), Err(Nothing::TooLate)) {
            self.note(format!("-- silence for {time:?}"));
            return self;
        }
        let got = shown(&self.buffer);
        self.fail(&format!("expected silence for {time:?}, got `{got}` or the end"));
    }

    /// Does nothing for a while.
    pub fn pause(&mut self, time: Duration) -> &mut Self {
        thread::sleep(time);
        self
    }

    /// Closes the control connection, and with it everything of this side.
    pub fn close(&mut self) -> &mut Self {
        self.note("-- close");
        let _ = self.control.shutdown(Shutdown::Both);
        self
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub fn half_close(&mut self) -> &mut Self {
        self.note("-- half-close");
        let _ = self.control.shutdown(Shutdown::Write);
        self
    }

    /// Ends the control connection with a reset. It is the last step.
    pub fn reset(&mut self) {
        self.note("-- reset");
        reset(&mut self.control);
    }

    pub(super) fn note(&self, what: impl Into<String>) {
        self.transcript.lock().unwrap().note(what);
    }

    pub(super) fn note_bytes(&self, who: &str, bytes: &[u8]) {
        self.transcript.lock().unwrap().bytes(who, bytes);
    }

    #[track_caller]
    pub(super) fn check(&mut self, outcome: std::io::Result<()>, what: &str) -> &mut Self {
        if let Err(error) = outcome {
            self.fail(&format!("{what}: {error}"));
        }
        self
    }

    #[track_caller]
    pub(super) fn fail(&self, what: &str) -> ! {
        panic!("{what}\n--- transcript of the {}\n{}---", self.side(), self.transcript());
    }

    fn side(&self) -> &'static str {
        match self.role {
            Role::Client => "scripted client",
            Role::Server => "scripted server",
        }
    }

    #[track_caller]
    fn fail_without(&self, expected: &str, nothing: &Nothing) -> ! {
        let why = match nothing {
            Nothing::Closed => "the peer closed the connection",
            Nothing::Reset => "the peer reset the connection",
            Nothing::TooLate => "nothing came in time",
        };
        let rest =
            if self.buffer.is_empty() { String::new() } else { format!(" after `{}`", shown(&self.buffer)) };
        self.fail(&format!("expected {expected}, but {why}{rest}"));
    }

    #[track_caller]
    fn compare(&mut self, pattern: &str, line: &str) {
        match pattern::matches(pattern, line) {
            Some(found) => {
                if let Some((address, port)) = found.address {
                    let address = address.unwrap_or_else(|| self.peer_address().ip());
                    self.target = Some(SocketAddr::new(address, port));
                }
            }
            None => self.fail(&format!("expected `{pattern}`, got `{line}`")),
        }
    }

    /// A line without its end. Bytes that are not UTF-8 are shown as such: a pattern with `*` fits them, and
    /// [`expect_bytes`](Self::expect_bytes) compares them.
    #[track_caller]
    fn read_line(&mut self, expected: &str) -> String {
        let deadline = Instant::now() + self.limit;
        let end = loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            if self.buffer.len() > LINE {
                self.fail("the peer's line never ends");
            }
            if let Err(nothing) = self.fill(deadline) {
                self.fail_without(&format!("`{expected}`"), &nothing);
            }
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        self.transcript.lock().unwrap().bytes(self.role.other().mark(), &line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        String::from_utf8_lossy(line).into_owned()
    }

    /// Reads what is there into the buffer.
    fn fill(&mut self, deadline: Instant) -> Result<(), Nothing> {
        let mut chunk = [0; 4096];
        let count = read_until(&mut self.control, &mut chunk, deadline)?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

fn read_until(stream: &mut TcpStream, chunk: &mut [u8], deadline: Instant) -> Result<usize, Nothing> {
    loop {
        // A timeout of zero would mean none.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(chunk) {
            Ok(0) => return Err(Nothing::Closed),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Nothing::TooLate);
            }
            Err(_) => return Err(Nothing::Reset),
        }
    }
}

/// Closes with a RST: no lingering, and no later use.
pub(super) fn reset(stream: &mut TcpStream) {
    SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
    // Only the last descriptor's close sends it; the socket that takes its place is never used.
    let placeholder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    drop(std::mem::replace(stream, placeholder.into()));
}
