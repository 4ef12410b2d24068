//! The canary: an endpoint is said once as FTP has it, which a gateway (ALG) on the way may recognise and change, and once
//! in hexadecimal digits, which none does. If both sides differ, somebody rewrote the text. It sings with our own server
//! only (`SITE CANARY`), in clear: nobody reads along under TLS.

use std::net::{IpAddr, SocketAddr};

use wharf_client::Session;
use wharf_proto::command::{EpsvArgument, Text};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::host_port::{ExtendedHostPort, HostPort, find_extended_port};
use wharf_proto::{Command, Reply};

use super::Plan;
use super::column::Column;

/// The feature by which a server tells that it has it.
const FEATURE: (&str, &str) = ("SITE", "CANARY");

/// An endpoint as one side sent it and as the other read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) command: NegotiationCommand,
    /// As it was sent, by us with PORT and EPRT, by the server with 227 and 229.
    pub(super) sent: String,
    /// As it arrived.
    pub(super) received: String,
    /// Our own endpoint on the control connection, as the server sees it.
    pub(super) client_as_seen: Option<SocketAddr>,
    /// What we told with PORT or EPRT.
    pub(super) told: Option<SocketAddr>,
    /// Where the server listens by its own account, where the reply tells no address.
    pub(super) listening: Option<IpAddr>,
}

impl Compared {
    /// Whether somebody changed it on the way.
    pub(super) fn is_rewritten(&self) -> bool {
        self.sent != self.received
    }
}

/// Sends each command that can work here, without a transfer, and compares.
pub(super) async fn compare(column: &mut Column, _plan: &Plan) -> Vec<Compared> {
    let sings = column.session.features().lines().iter().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case(FEATURE.0))
            && words.any(|word| word.eq_ignore_ascii_case(FEATURE.1))
    });
    if column.tls || !sings {
        return Vec::new();
    }
    let mut all = Vec::new();
    for command in column.commands() {
        // A server that has lost its patience with us has nothing to compare.
        let Some(compared) = compare_one(&mut column.session, command).await else { continue };
        all.push(compared);
    }
    column.watching.take();
    all
}

async fn compare_one(session: &mut Session, command: NegotiationCommand) -> Option<Compared> {
    let own = session.endpoints().client;
    let told = SocketAddr::new(own.ip(), own.port());
    let verb = match (command, told) {
        (NegotiationCommand::Epsv, _) => Command::Epsv(EpsvArgument::Same),
        (NegotiationCommand::Pasv, _) => Command::Pasv,
        (NegotiationCommand::Port, SocketAddr::V4(told)) => Command::Port(HostPort::from(told)),
        _ => Command::Eprt(ExtendedHostPort::from(told)),
    };
    let reply = session.execute(&verb).await.ok()?;
    let song = session.execute(&Command::Site(Text::new(FEATURE.1).ok()?)).await.ok()?;
    let song = Song::read(&song)?;
    let client_as_seen = song.peer;
    if command.mode() == DataMode::Active {
        let (sent, received) = (told.to_string(), song.heard?.to_string());
        return Some(Compared { command, sent, received, client_as_seen, told: Some(told), listening: None });
    }
    let sent_by_server = song.told?;
    let (sent, received) = match command {
        NegotiationCommand::Pasv => {
            let read = HostPort::find_in_reply_text(reply.text()).ok()?;
            (sent_by_server.to_string(), SocketAddr::new(IpAddr::V4(read.address), read.port).to_string())
        }
        // 229 tells the port alone.
        _ => (sent_by_server.port().to_string(), find_extended_port(reply.text()).ok()?.to_string()),
    };
    let listening = (command == NegotiationCommand::Epsv).then_some(sent_by_server.ip());
    Some(Compared { command, sent, received, client_as_seen, told: None, listening })
}

/// What the server says: `200 CANARY peer=HEX heard=HEX told=HEX`, each an endpoint, `-` where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Song {
    peer: Option<SocketAddr>,
    heard: Option<SocketAddr>,
    told: Option<SocketAddr>,
}

impl Song {
    fn read(reply: &Reply) -> Option<Self> {
        let text = std::str::from_utf8(reply.text()).ok()?;
        let mut words = text.split_ascii_whitespace();
        if reply.code().is_negative() || words.next() != Some(FEATURE.1) {
            return None;
        }
        let value = |name: &str| {
            let word =
                text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
            let digits: Option<Vec<u8>> = word
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect();
            String::from_utf8(digits?).ok()?.parse().ok()
        };
        Some(Self { peer: value("peer"), heard: value("heard"), told: value("told") })
    }
}

#[cfg(test)]
mod tests {
    use wharf_proto::ReplyCode;

    use super::*;

    #[test]
    fn a_song_is_read_from_its_hexadecimal_digits() {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text =
            format!("CANARY peer={} heard=- told={}", hex("192.0.2.1:5000"), hex("[2001:db8::1]:6000"));
        let song = Song::read(&Reply::new(ReplyCode::COMMAND_OKAY, text)).unwrap();
        assert_eq!(song.peer, "192.0.2.1:5000".parse().ok());
        assert_eq!(song.heard, None);
        assert_eq!(song.told, "[2001:db8::1]:6000".parse().ok());
        for wrong in ["CANARIES peer=00", "OK", ""] {
            assert_eq!(Song::read(&Reply::new(ReplyCode::COMMAND_OKAY, wrong.to_owned())), None, "{wrong}");
        }
        let odd = Song::read(&Reply::new(ReplyCode::COMMAND_OKAY, "CANARY peer=xyz heard=3 told=")).unwrap();
        assert_eq!(odd, Song { peer: None, heard: None, told: None });
    }
}
