//! Captures made to measure.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::Read;
use std::ops::ControlFlow;
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, TcpHeader};
use wharf_diagnose::capture::{CaptureError, Explainer, Options, Reading, read};

/// One TCP segment to be.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) ipv6: bool,
    /// The last number of the address.
    pub(crate) source: u8,
    pub(crate) destination: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledges: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) ttl: u8,
    pub(crate) identification: u16,
    pub(crate) payload: Vec<u8>,
}

/// The file's format.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Pcap { big_endian: bool, nanoseconds: bool },
    PcapNg { big_endian: bool },
}

/// What a packet begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Ethernet,
    Vlan,
    Cooked,
    Cooked2,
    Raw,
    Null,
    Loop,
    Ppp,
    PppShort,
    PppoeSession,
}

impl Link {
    pub(crate) const ALL: [Self; 10] = [
        Self::Ethernet,
        Self::Vlan,
        Self::Cooked,
        Self::Cooked2,
        Self::Raw,
        Self::Null,
        Self::Loop,
        Self::Ppp,
        Self::PppShort,
        Self::PppoeSession,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan | Self::PppoeSession => 1,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Raw => 101,
            Self::Null => 0,
            Self::Loop => 108,
            Self::Ppp | Self::PppShort => 9,
        }
    }

    fn wrap(self, ip: &[u8], ipv6: bool) -> Vec<u8> {
        let ether: [u8; 2] = if ipv6 { [0x86, 0xDD] } else { [0x08, 0x00] };
        let ppp = if ipv6 { 0x57 } else { 0x21 };
        let family: u32 = if ipv6 { 30 } else { 2 };
        let mut out = match self {
            Self::Ethernet => [[0; 12].as_slice(), &ether].concat(),
            Self::Vlan => [[0; 12].as_slice(), &[0x81, 0x00, 0x00, 0x07], &ether].concat(),
            Self::Cooked => [[0; 14].as_slice(), &ether].concat(),
            Self::Cooked2 => [ether.as_slice(), &[0; 18]].concat(),
            Self::Raw => Vec::new(),
            Self::Null => family.to_le_bytes().to_vec(),
            Self::Loop => family.to_be_bytes().to_vec(),
            Self::Ppp => vec![0xFF, 0x03, 0x00, ppp],
            Self::PppShort => vec![ppp],
            Self::PppoeSession => {
                [[0; 12].as_slice(), &[0x88, 0x64, 0x11, 0, 0, 7, 0, 0], &[0x00, ppp]].concat()
            }
        };
        out.extend_from_slice(ip);
        out
    }
}

/// How packets become a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capture {
    pub(crate) format: Format,
    pub(crate) link: Link,
    /// Time between packets.
    pub(crate) step: Duration,
    /// Payload of an IP fragment.
    pub(crate) fragment: Option<usize>,
    /// Longest packet that is kept.
    pub(crate) snap: Option<usize>,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            format: Format::Pcap { big_endian: false, nanoseconds: false },
            link: Link::Ethernet,
            step: Duration::from_millis(1),
            fragment: None,
            snap: None,
        }
    }
}

const EPOCH: u64 = 1_700_000_000;

impl Capture {
    pub(crate) fn bytes(&self, packets: &[Packet]) -> Vec<u8> {
        let mut out = self.header();
        let mut at = Duration::from_secs(EPOCH);
        for packet in packets {
            for ip in packet.ip(self.fragment) {
                let frame = self.link.wrap(&ip, packet.ipv6);
                self.record(&mut out, at, &frame);
            }
            at += self.step;
        }
        out
    }

    fn header(&self) -> Vec<u8> {
        let link = self.link.number();
        match self.format {
            Format::Pcap { big_endian, nanoseconds } => {
                let magic: u32 = if nanoseconds { 0xA1B2_3C4D } else { 0xA1B2_C3D4 };
                let mut out = four(magic, big_endian);
                out.extend(two(2, big_endian));
                out.extend(two(4, big_endian));
                for value in [0, 0, 262_144, link] {
                    out.extend(four(value, big_endian));
                }
                out
            }
            Format::PcapNg { big_endian } => {
                let mut section = four(0x1A2B_3C4D, big_endian);
                section.extend(two(1, big_endian));
                section.extend(two(0, big_endian));
                section.extend([0xFF; 8]);
                let mut out = block(0x0A0D_0D0A, &section, big_endian);
                // A first interface that nothing comes from, and the one that counts, with nanoseconds (if_tsresol 9).
                let interface = |link: u32, options: &[u8]| {
                    let mut body = two(u16::try_from(link).unwrap(), big_endian);
                    body.extend(two(0, big_endian));
                    body.extend(four(0, big_endian));
                    body.extend_from_slice(options);
                    body
                };
                out.extend(block(1, &interface(147, &[]), big_endian));
                let mut options = two(9, big_endian);
                options.extend(two(1, big_endian));
                options.extend([9, 0, 0, 0]);
                options.extend([0; 4]);
                out.extend(block(1, &interface(link, &options), big_endian));
                out
            }
        }
    }

    fn record(&self, out: &mut Vec<u8>, at: Duration, frame: &[u8]) {
        let kept = &frame[..frame.len().min(self.snap.unwrap_or(usize::MAX))];
        let (length, whole) = (u32::try_from(kept.len()).unwrap(), u32::try_from(frame.len()).unwrap());
        match self.format {
            Format::Pcap { big_endian, nanoseconds } => {
                let part = if nanoseconds { at.subsec_nanos() } else { at.subsec_micros() };
                for value in [u32::try_from(at.as_secs()).unwrap(), part, length, whole] {
                    out.extend(four(value, big_endian));
                }
                out.extend_from_slice(kept);
            }
            Format::PcapNg { big_endian } => {
                let ticks = u64::try_from(at.as_nanos()).unwrap();
                let mut body = four(1, big_endian);
                body.extend(four(u32::try_from(ticks >> 32).unwrap(), big_endian));
                body.extend(four(u32::try_from(ticks & 0xFFFF_FFFF).unwrap(), big_endian));
                body.extend(four(length, big_endian));
                body.extend(four(whole, big_endian));
                body.extend_from_slice(kept);
                while !body.len().is_multiple_of(4) {
                    body.push(0);
                }
                out.extend(block(6, &body, big_endian));
            }
        }
    }
}

fn two(value: u16, big_endian: bool) -> Vec<u8> {
    if big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
}

fn four(value: u32, big_endian: bool) -> Vec<u8> {
    if big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
}

fn block(kind: u32, body: &[u8], big_endian: bool) -> Vec<u8> {
    let length = four(u32::try_from(body.len() + 12).unwrap(), big_endian);
    [four(kind, big_endian), length.clone(), body.to_vec(), length].concat()
}

impl Packet {
    fn ip(&self, fragment: Option<usize>) -> Vec<Vec<u8>> {
        let mut tcp = TcpHeader::new(self.source_port, self.destination_port, self.sequence, 64_000);
        (tcp.syn, tcp.fin, tcp.rst, tcp.ack) = (self.syn, self.fin, self.rst, self.acknowledges.is_some());
        tcp.acknowledgment_number = self.acknowledges.unwrap_or(0);
        tcp.checksum = self.identification;
        let mut payload = tcp.to_bytes().to_vec();
        payload.extend_from_slice(&self.payload);
        let size = fragment.unwrap_or(payload.len()).max(8);
        let pieces: Vec<&[u8]> = payload.chunks(size).collect();
        let count = pieces.len();
        let piece = |(index, piece): (usize, &&[u8])| self.piece(piece, index * size, index + 1 < count);
        // The last one first, as may happen.
        pieces.iter().enumerate().rev().map(piece).collect()
    }

    fn piece(&self, payload: &[u8], offset: usize, more: bool) -> Vec<u8> {
        let is_whole = offset == 0 && !more;
        let offset = u16::try_from(offset / 8).unwrap().try_into().unwrap();
        let length = u16::try_from(payload.len()).unwrap();
        let header = if self.ipv6 {
            let address = |last: u8| {
                let mut address = [0_u8; 16];
                (address[0], address[1], address[15]) = (0x20, 0x01, last);
                address
            };
            let mut header = Ipv6Header {
                payload_length: length,
                next_header: IpNumber::TCP,
                hop_limit: self.ttl,
                source: address(self.source),
                destination: address(self.destination),
                ..Ipv6Header::default()
            };
            if is_whole {
                header.to_bytes().to_vec()
            } else {
                header.payload_length += 8;
                header.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
                let fragment =
                    Ipv6FragmentHeader::new(IpNumber::TCP, offset, more, self.identification.into());
                [header.to_bytes().as_slice(), fragment.to_bytes().as_slice()].concat()
            }
        } else {
            let address = |last: u8| [192, 0, 2, last];
            let mut header = Ipv4Header::new(
                length,
                self.ttl,
                IpNumber::TCP,
                address(self.source),
                address(self.destination),
            )
            .unwrap();
            (header.identification, header.fragment_offset, header.more_fragments) =
                (self.identification, offset, more);
            header.dont_fragment = false;
            header.to_bytes().to_vec()
        };
        [header, payload.to_vec()].concat()
    }
}

/// A TCP connection that is being written down.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) ipv6: bool,
    pub(crate) hosts: [u8; 2],
    pub(crate) ports: [u16; 2],
    pub(crate) next: [u32; 2],
    pub(crate) ttl: [u8; 2],
}

/// Writes packets.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) packets: Vec<Packet>,
}

impl Script {
    pub(crate) fn open(&mut self, connection: &mut Connection) {
        self.syn(connection);
        self.send(connection, 1, true, false, b"");
        connection.next[1] = connection.next[1].wrapping_add(1);
        self.send(connection, 0, false, false, b"");
    }

    /// An attempt without an answer.
    pub(crate) fn syn(&mut self, connection: &mut Connection) {
        self.send(connection, 0, true, false, b"");
        self.packets.last_mut().unwrap().acknowledges = None;
        connection.next[0] = connection.next[0].wrapping_add(1);
    }

    pub(crate) fn say(&mut self, connection: &mut Connection, end: usize, payload: &[u8]) {
        self.send(connection, end, false, false, payload);
        connection.next[end] = connection.next[end].wrapping_add(u32::try_from(payload.len()).unwrap());
        self.send(connection, 1 - end, false, false, b"");
    }

    pub(crate) fn close(&mut self, connection: &mut Connection, end: usize) {
        for end in [end, 1 - end] {
            self.send(connection, end, false, true, b"");
            connection.next[end] = connection.next[end].wrapping_add(1);
        }
        self.send(connection, end, false, false, b"");
    }

    pub(crate) fn reset(&mut self, connection: &Connection, end: usize) {
        self.send(connection, end, false, false, b"");
        self.packets.last_mut().unwrap().rst = true;
    }

    fn send(&mut self, connection: &Connection, end: usize, syn: bool, fin: bool, payload: &[u8]) {
        let identification = u16::try_from(self.packets.len() + 1).unwrap();
        self.packets.push(Packet {
            ipv6: connection.ipv6,
            source: connection.hosts[end],
            destination: connection.hosts[1 - end],
            source_port: connection.ports[end],
            destination_port: connection.ports[1 - end],
            sequence: connection.next[end],
            acknowledges: Some(connection.next[1 - end]),
            syn,
            fin,
            rst: false,
            ttl: connection.ttl[end],
            identification,
            payload: payload.to_vec(),
        });
    }
}

/// A login, a passive download of 1000 bytes, and a goodbye; over IPv4.
pub(crate) fn healthy() -> Vec<Packet> {
    conversation(false)
}

pub(crate) fn conversation(ipv6: bool) -> Vec<Packet> {
    conversation_from(ipv6, 1000)
}

pub(crate) fn conversation_from(ipv6: bool, sequence: u32) -> Vec<Packet> {
    let mut script = Script::default();
    let mut control =
        Connection { ipv6, hosts: [2, 1], ports: [40_000, 21], next: [sequence, sequence], ttl: [64, 60] };
    let mut data = Connection { ports: [40_001, 2134], ..control.clone() };
    script.open(&mut control);
    let negotiation: [(usize, &[u8]); 2] = if ipv6 {
        [(0, b"EPSV\r\n"), (1, b"229 Entering Extended Passive Mode (|||2134|)\r\n")]
    } else {
        [(0, b"PASV\r\n"), (1, b"227 Entering Passive Mode (192,0,2,1,8,86)\r\n")]
    };
    let login: [(usize, &[u8]); 7] = [
        (1, b"220 ready\r\n"),
        (0, b"USER me\r\n"),
        (1, b"331 password?\r\n"),
        (0, b"PASS secret\r\n"),
        (1, b"230 in\r\n"),
        (0, b"TYPE I\r\n"),
        (1, b"200 ok\r\n"),
    ];
    for (end, line) in login.into_iter().chain(negotiation) {
        script.say(&mut control, end, line);
    }
    script.open(&mut data);
    script.say(&mut control, 0, b"RETR file\r\n");
    script.say(&mut control, 1, b"150 here it comes\r\n");
    script.say(&mut data, 1, &[7; 600]);
    script.say(&mut data, 1, &[7; 400]);
    script.close(&mut data, 1);
    script.say(&mut control, 1, b"226 done\r\n");
    script.say(&mut control, 0, b"QUIT\r\n");
    script.say(&mut control, 1, b"221 bye\r\n");
    script.close(&mut control, 1);
    script.packets
}

#[track_caller]
pub(crate) fn explained(bytes: &[u8]) -> Reading {
    explained_from(bytes).unwrap()
}

pub(crate) fn explained_from(input: impl Read + Send) -> Result<Reading, CaptureError> {
    let mut explainer = Explainer::new(Options::default());
    read(input, &mut |packet| {
        explainer.packet(packet);
        ControlFlow::Continue(())
    })?;
    Ok(explainer.finish())
}
