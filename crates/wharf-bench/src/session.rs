//! A session that blocks: `wharf-proto`'s user-PI over `wharf-net`'s blocking connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;
use wharf_net::Clock;
use wharf_net::blocking::BlockingStream;
use wharf_net::tls::{ClientTls, Secured};
use wharf_proto::command::{ByteCount, EpsvArgument, ProtectionLevel, Representation, Text};
use wharf_proto::dialogue::{Deadlines, LoginState, NegotiationCommand, SecurityState, canonical_endpoint};
use wharf_proto::host_port::{ExtendedHostPort, HostPort};
use wharf_proto::user_pi::Answer;
use wharf_proto::{Command, Reply, ReplyCode, UserPi};

use crate::failure::{Failure, FailureKind};
use crate::target::Target;

/// A control connection, and who is logged in.
pub(crate) struct Session<'a> {
    target: &'a Target,
    stream: BlockingStream,
    pi: UserPi,
    clock: Clock,
    tls: Option<ClientTls>,
    secured: Option<Secured>,
    /// The final reply of a transfer, where that came in the place of the first.
    said: Option<Reply>,
}

/// A data connection that waits to be made.
enum Negotiated {
    /// It is up.
    Connected(BlockingStream),
    /// The server connects here.
    Listening(TcpListener),
}

impl<'a> Session<'a> {
    /// Connects and logs in.
    pub(crate) fn log_in(target: &'a Target) -> Result<Self, Failure> {
        let what = "the control connection";
        let connect = |error: &io::Error| Failure::of_io(FailureKind::Connect, what, error);
        let stream =
            BlockingStream::connect(target.address, target.limit).map_err(|error| connect(&error))?;
        let endpoints =
            stream.send_at_once().and_then(|()| stream.endpoints()).map_err(|error| connect(&error))?;
        let clock = Clock::start();
        let pi = UserPi::new(clock.now(), endpoints, Deadlines::default());
        let mut session = Self { target, stream, pi, clock, tls: None, secured: None, said: None };
        session.greet()?;
        session.identify()?;
        Ok(session)
    }

    /// As [`log_in`](Self::log_in), and sets everything for transfers: PBSZ and PROT under TLS, TYPE I.
    pub(crate) fn open(target: &'a Target) -> Result<Self, Failure> {
        let mut session = Self::log_in(target)?;
        if session.tls.is_some() {
            if let Some(nothing) = ByteCount::new(0) {
                session.require(&Command::Pbsz(nothing))?;
            }
            session.require(&Command::Prot(ProtectionLevel::Private))?;
        }
        session.require(&Command::Type(Representation::Image))?;
        Ok(session)
    }

    /// What the kernel paces the control connection with.
    pub(crate) fn congestion_control(&self) -> Option<String> {
        self.stream.congestion_control()
    }

    fn greet(&mut self) -> Result<(), Failure> {
        let implicit = self.target.tls.as_ref().is_some_and(|tls| tls.is_implicit);
        if implicit {
            self.begin_tls()?;
            self.pi.tls_from_the_start(self.clock.now());
        }
        while !self.pi.dialogue().is_greeted() {
            let reply = self.answer()?.reply;
            if reply.code().is_negative() {
                let text = format!("the server does not greet: \"{reply}\"");
                return Err(Failure::new(FailureKind::Connect, text));
            }
        }
        if self.target.tls.is_some() && !implicit {
            let Ok(mechanism) = Text::new("TLS") else { return Ok(()) };
            let command = Command::Auth(mechanism);
            let reply = self.exchange(&command)?;
            if self.pi.dialogue().state().security != SecurityState::Handshake {
                return Err(Failure::refused(FailureKind::Tls, &command, &reply));
            }
            self.begin_tls()?;
            self.pi.tls_established(self.clock.now());
        }
        Ok(())
    }

    fn begin_tls(&mut self) -> Result<(), Failure> {
        let Some(tls) = &self.target.tls else { return Ok(()) };
        let fails = |error| Failure::of_tls("the control connection", &error);
        let address = self.target.address.ip();
        let session = tls.connector.begin_session(&self.target.host, address, tls.verification, tls.newest);
        let session = session.map_err(fails)?;
        self.secured = Some(self.stream.connect_tls(&session).map_err(fails)?);
        self.tls = Some(session);
        Ok(())
    }

    fn identify(&mut self) -> Result<(), Failure> {
        let mut command = Command::User(self.target.user.clone());
        let mut reply = self.exchange(&command)?;
        if self.pi.dialogue().state().login == LoginState::UserNamed {
            command = Command::Pass(self.target.password.clone());
            reply = self.exchange(&command)?;
        }
        match self.pi.authenticated() {
            Some(_) => Ok(()),
            None => Err(Failure::refused(FailureKind::Login, &command, &reply)),
        }
    }

    /// Sends `command` and waits for its final reply, whatever that is.
    pub(crate) fn exchange(&mut self, command: &Command) -> Result<Reply, Failure> {
        self.send(command)?;
        self.final_reply()
    }

    /// As [`exchange`](Self::exchange); a negative reply is an error.
    pub(crate) fn require(&mut self, command: &Command) -> Result<Reply, Failure> {
        let reply = self.exchange(command)?;
        match reply.code().is_negative() {
            true => Err(Failure::refused(FailureKind::Refused, command, &reply)),
            false => Ok(reply),
        }
    }

    /// Has a transfer begun: the data connection is up, and the server has said 1yz.
    pub(crate) fn begin(&mut self, command: &Command) -> Result<BlockingStream, Failure> {
        let negotiated = self.negotiate()?;
        self.said = None;
        self.send(command)?;
        let is_secured = self.tls.is_some();
        match negotiated {
            Negotiated::Connected(mut stream) => {
                // Some servers say 150 before the handshake, others behind it: waiting for the handshake suits both.
                if let Err(failure) = self.protect(&mut stream) {
                    drop(stream);
                    // The server's words say more, where there are any.
                    return Err(self.first_reply(command).err().unwrap_or(failure));
                }
                self.first_reply(command)?;
                Ok(stream)
            }
            Negotiated::Listening(listener) if is_secured => {
                // A server that refuses never connects, and one that shakes hands first says nothing before it.
                let accepted = self.accept(&listener).and_then(|mut stream| {
                    self.protect(&mut stream)?;
                    Ok(stream)
                });
                match accepted {
                    Ok(stream) => self.first_reply(command).map(|()| stream),
                    Err(failure) => Err(self.first_reply(command).err().unwrap_or(failure)),
                }
            }
            Negotiated::Listening(listener) => {
                self.first_reply(command)?;
                self.accept(&listener)
            }
        }
    }

    /// Waits until the transfer is confirmed.
    pub(crate) fn complete(&mut self, command: &Command) -> Result<(), Failure> {
        let reply = match self.said.take() {
            Some(reply) => reply,
            None => self.final_reply()?,
        };
        match reply.code().is_negative() {
            true => Err(Failure::refused(FailureKind::Cut, command, &reply)),
            false => Ok(()),
        }
    }

    /// Waits for whatever the server says of a transfer that was cut.
    pub(crate) fn complete_cut(&mut self) -> Result<(), Failure> {
        if self.said.take().is_none() {
            self.final_reply()?;
        }
        Ok(())
    }

    /// Ends the session in order, and waits for the server to close, so that it is the server's side that remembers the
    /// connection.
    pub(crate) fn quit(mut self) -> Result<(), Failure> {
        self.exchange(&Command::Quit)?;
        while matches!(self.stream.receive(|_| {}), Ok(true)) {}
        Ok(())
    }

    fn negotiate(&mut self) -> Result<Negotiated, Failure> {
        let what = "the data connection";
        let fails = |error: io::Error| Failure::of_io(FailureKind::DataConnection, what, &error);
        let command = match self.target.negotiation {
            NegotiationCommand::Pasv => Command::Pasv,
            NegotiationCommand::Epsv => Command::Epsv(EpsvArgument::Same),
            NegotiationCommand::Port | NegotiationCommand::Eprt => {
                let (listener, endpoint) = self.listen().map_err(fails)?;
                let command = match (self.target.negotiation, endpoint) {
                    (NegotiationCommand::Port, SocketAddr::V4(endpoint)) => {
                        Command::Port(HostPort::from(endpoint))
                    }
                    (_, endpoint) => Command::Eprt(ExtendedHostPort::from(endpoint)),
                };
                self.require(&command)?;
                return Ok(Negotiated::Listening(listener));
            }
        };
        let reply = self.require(&command)?;
        let Some(plan) = self.pi.dialogue().plan() else {
            let text = format!("{command} was answered with what names no port: \"{reply}\"");
            return Err(Failure::new(FailureKind::DataConnection, text));
        };
        // Nobody but the server itself is ever loaded.
        let mut endpoint = self.target.address;
        endpoint.set_port(plan.endpoint.port());
        let stream = BlockingStream::connect(endpoint, self.target.limit).map_err(fails)?;
        Ok(Negotiated::Connected(stream))
    }

    fn listen(&self) -> io::Result<(TcpListener, SocketAddr)> {
        let mut address = self.pi.dialogue().endpoints().client;
        address.set_port(0);
        let listener = TcpListener::bind(address)?;
        // It limits the accept.
        SockRef::from(&listener).set_read_timeout(Some(self.target.limit))?;
        let endpoint = listener.local_addr()?;
        Ok((listener, endpoint))
    }

    fn accept(&self, listener: &TcpListener) -> Result<BlockingStream, Failure> {
        let fails =
            |error: io::Error| Failure::of_io(FailureKind::DataConnection, "the server's connect", &error);
        loop {
            let (socket, peer) = listener.accept().map_err(fails)?;
            if canonical_endpoint(peer).ip() == self.pi.dialogue().endpoints().server.ip() {
                return BlockingStream::accepted(socket, self.target.limit).map_err(fails);
            }
        }
    }

    fn protect(&self, stream: &mut BlockingStream) -> Result<(), Failure> {
        let Some(tls) = &self.tls else { return Ok(()) };
        stream.connect_tls(tls).map(|_| ()).map_err(|error| Failure::of_tls("the data connection", &error))
    }

    fn send(&mut self, command: &Command) -> Result<(), Failure> {
        self.pi.send(self.clock.now(), command);
        let sent = self.stream.write_all(self.pi.output());
        sent.map_err(|error| Failure::of_io(FailureKind::ControlLost, "the control connection", &error))?;
        self.pi.output_written(self.pi.output().len());
        Ok(())
    }

    /// The first reply to a transfer.
    fn first_reply(&mut self, command: &Command) -> Result<(), Failure> {
        loop {
            let Answer { reply, attribution } = self.answer()?;
            if attribution.command.is_none() {
                self.unasked(&reply)?;
            } else if attribution.is_preliminary {
                return Ok(());
            } else if reply.code().is_negative() {
                let is_about_data = matches!(reply.code(), ReplyCode::CANNOT_OPEN_DATA_CONNECTION);
                let kind = if is_about_data { FailureKind::DataConnection } else { FailureKind::Refused };
                return Err(Failure::refused(kind, command, &reply));
            } else {
                self.said = Some(reply);
                return Ok(());
            }
        }
    }

    fn final_reply(&mut self) -> Result<Reply, Failure> {
        loop {
            let Answer { reply, attribution } = self.answer()?;
            if attribution.command.is_none() {
                self.unasked(&reply)?;
            } else if !attribution.is_preliminary {
                if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
                    return Err(dismissed(&reply));
                }
                return Ok(reply);
            }
        }
    }

    /// Something that no command was answered with.
    fn unasked(&self, reply: &Reply) -> Result<(), Failure> {
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE { Err(dismissed(reply)) } else { Ok(()) }
    }

    fn answer(&mut self) -> Result<Answer, Failure> {
        // Deviations are the doctor's business.
        while self.pi.poll_event().is_some() {}
        loop {
            if let Some(answer) = self.pi.poll_answer() {
                return Ok(answer);
            }
            let (pi, clock) = (&mut self.pi, self.clock);
            let mut understood = Ok(());
            let received = self.stream.receive(|bytes| understood = pi.handle_input(clock.now(), bytes));
            match received {
                Ok(true) => understood?,
                Ok(false) => {
                    let text = "the server closed the control connection";
                    return Err(Failure::new(FailureKind::ControlLost, text));
                }
                Err(error) => {
                    return Err(Failure::of_io(FailureKind::ControlLost, "the control connection", &error));
                }
            }
        }
    }
}

fn dismissed(reply: &Reply) -> Failure {
    Failure::new(FailureKind::ControlLost, format!("the server ends the session: \"{reply}\""))
}
