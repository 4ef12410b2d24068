//! From a captured packet to what TCP and ICMP say: link layers, IP, extension headers, fragments.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice, ether_type, ip_number,
};
use wharf_proto::dialogue::canonical;

use super::fragments::{Fragment, Fragments};

/// One TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Sequence number of its first byte.
    pub sequence: u32,
    /// What it acknowledges, if it does.
    pub acknowledges: Option<u32>,
    /// Its flags.
    pub flags: Flags,
    /// Its checksum and the packet's identification, by which copies of one packet are known.
    pub fingerprint: u64,
    /// Hops that are left to it.
    pub ttl: u8,
    /// As much of the payload as was captured.
    pub payload: &'a [u8],
    /// Bytes of payload behind these that were there and not captured.
    pub missing: u32,
}

impl Segment<'_> {
    /// Bytes of payload, captured or not.
    #[must_use]
    pub fn length(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).saturating_add(self.missing)
    }
}

/// The flags that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// SYN
    pub syn: bool,
    /// FIN
    pub fin: bool,
    /// RST
    pub rst: bool,
}

/// An ICMP message about a TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Who sent it.
    pub sender: IpAddr,
    /// The source of the segment that it is about.
    pub source: SocketAddr,
    /// The destination of that segment.
    pub destination: SocketAddr,
    /// What it says.
    pub message: IcmpMessage,
}

/// What an ICMP message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpMessage {
    /// A router or firewall forbids it.
    Prohibited,
    /// There is no way to the network or host.
    Unreachable,
    /// Nothing listens there.
    PortUnreachable,
    /// The packet is too big for the way.
    TooBig,
}

/// What a packet turned out to be.
#[derive(Debug)]
pub enum Layer<'a> {
    /// TCP
    Tcp(Segment<'a>),
    /// ICMP about TCP
    Icmp(Icmp),
}

/// What a network layer says of its payload.
struct Network<'a> {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    identification: u16,
    protocol: u8,
    payload: &'a [u8],
    missing: u32,
    fragment: Option<Fragment>,
}

/// Takes packets apart. Holds the fragments that wait for others.
#[derive(Debug, Default)]
pub struct Dissector {
    fragments: Fragments,
    /// The datagram that was put together last.
    whole: Vec<u8>,
}

// Link types: https://www.tcpdump.org/linktypes.html
const NULL: i32 = 0;
const ETHERNET: i32 = 1;
const PPP: i32 = 9;
const RAW_OF_BSD: [i32; 2] = [12, 14];
const PPP_HDLC: i32 = 50;
const PPP_ETHER: i32 = 51;
const RAW: i32 = 101;
const LOOP: i32 = 108;
const LINUX_SLL: i32 = 113;
const IPV4: i32 = 228;
const IPV6: i32 = 229;
const LINUX_SLL2: i32 = 276;
const PPPOE_SESSION: u16 = 0x8864;

impl Dissector {
    /// What `data` is, if it is TCP or an ICMP message about TCP.
    pub fn dissect<'a>(&'a mut self, link_type: i32, data: &'a [u8]) -> Option<Layer<'a>> {
        let sliced = link(link_type, data)?;
        let network = network(&sliced)?;
        let (network, payload) = match &network.fragment {
            Some(fragment) => {
                let key = (network.source, network.destination, network.protocol);
                self.whole = self.fragments.take(key, *fragment, network.payload)?;
                let payload: &[u8] = &self.whole;
                (Network { missing: 0, payload, fragment: None, ..network }, payload)
            }
            None => {
                if let Some(TransportSlice::Tcp(tcp)) = &sliced.transport {
                    return Some(Layer::Tcp(segment(&network, tcp)));
                }
                let payload = network.payload;
                (network, payload)
            }
        };
        match network.protocol {
            6 => TcpSlice::from_slice(payload).ok().map(|tcp| Layer::Tcp(segment(&network, &tcp))),
            1 => icmp_v4(network.source, payload).map(Layer::Icmp),
            58 => icmp_v6(network.source, payload).map(Layer::Icmp),
            _ => None,
        }
    }
}

fn link(link_type: i32, data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let number = |at: usize| data.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    match link_type {
        ETHERNET => match number(12)? {
            PPPOE_SESSION => ppp(data.get(20..)?),
            _ => LaxSlicedPacket::from_ethernet(data).ok(),
        },
        LINUX_SLL => Some(LaxSlicedPacket::from_ether_type(number(14)?.into(), data.get(16..)?)),
        LINUX_SLL2 => Some(LaxSlicedPacket::from_ether_type(number(0)?.into(), data.get(20..)?)),
        // The number before it is the address family of the system that captured; the packet itself says the same.
        NULL | LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        PPP | PPP_HDLC => ppp(data),
        PPP_ETHER => ppp(data.get(6..)?),
        RAW | IPV4 | IPV6 => LaxSlicedPacket::from_ip(data).ok(),
        raw if RAW_OF_BSD.contains(&raw) => LaxSlicedPacket::from_ip(data).ok(),
        _ => None,
    }
}

/// RFC 1661 §2, RFC 1662 §3.1: address and control may be left out, and the protocol's first byte where it is zero.
fn ppp(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let data = data.strip_prefix(&[0xFF, 0x03]).unwrap_or(data);
    let (ether, rest) = match data {
        [0x00, 0x21, rest @ ..] | [0x21, rest @ ..] => (ether_type::IPV4, rest),
        [0x00, 0x57, rest @ ..] | [0x57, rest @ ..] => (ether_type::IPV6, rest),
        _ => return None,
    };
    Some(LaxSlicedPacket::from_ether_type(ether, rest))
}

fn network<'a>(sliced: &LaxSlicedPacket<'a>) -> Option<Network<'a>> {
    let missing = |declared: usize, there: usize| u32::try_from(declared.saturating_sub(there)).unwrap_or(0);
    match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let payload = ip.payload();
            let declared = usize::from(header.total_len()).saturating_sub(header.slice().len());
            let fragment = payload.fragmented.then(|| Fragment {
                identification: header.identification().into(),
                offset: usize::from(header.fragments_offset().value()) * 8,
                more: header.more_fragments(),
            });
            Some(Network {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                ttl: header.ttl(),
                identification: header.identification(),
                protocol: payload.ip_number.0,
                payload: payload.payload,
                missing: if payload.incomplete { missing(declared, payload.payload.len()) } else { 0 },
                fragment,
            })
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let payload = ip.payload();
            let before = ip.extensions().slice().len();
            let declared = usize::from(header.payload_length()).saturating_sub(before);
            Some(Network {
                source: canonical(header.source_addr().into()),
                destination: canonical(header.destination_addr().into()),
                ttl: header.hop_limit(),
                identification: 0,
                protocol: payload.ip_number.0,
                payload: payload.payload,
                missing: if payload.incomplete { missing(declared, payload.payload.len()) } else { 0 },
                fragment: payload.fragmented.then(|| fragment_v6(ip)).flatten(),
            })
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn fragment_v6(ip: &etherparse::LaxIpv6Slice<'_>) -> Option<Fragment> {
    ip.extensions().clone().into_iter().find_map(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) => Some(Fragment {
            identification: fragment.identification(),
            offset: usize::from(fragment.fragment_offset().value()) * 8,
            more: fragment.more_fragments(),
        }),
        _ => None,
    })
}

fn segment<'a>(network: &Network<'a>, tcp: &TcpSlice<'a>) -> Segment<'a> {
    Segment {
        source: SocketAddr::new(network.source, tcp.source_port()),
        destination: SocketAddr::new(network.destination, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledges: tcp.ack().then(|| tcp.acknowledgment_number()),
        flags: Flags { syn: tcp.syn(), fin: tcp.fin(), rst: tcp.rst() },
        fingerprint: u64::from(tcp.checksum()) << 16 | u64::from(network.identification),
        ttl: network.ttl,
        payload: tcp.payload(),
        missing: network.missing,
    }
}

/// RFC 792: type 3 is "destination unreachable".
fn icmp_v4(sender: IpAddr, packet: &[u8]) -> Option<Icmp> {
    let message = match (packet.first()?, packet.get(1)?) {
        (3, 3) => IcmpMessage::PortUnreachable,
        (3, 4) => IcmpMessage::TooBig,
        (3, 9 | 10 | 13) => IcmpMessage::Prohibited,
        (3, _) => IcmpMessage::Unreachable,
        _ => return None,
    };
    let quoted = packet.get(8..)?;
    let header = usize::from(quoted.first()? & 0x0F) * 4;
    let address = |at: usize| {
        quoted.get(at..at + 4).map(|bytes| IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    (*quoted.get(9)? == ip_number::TCP.0).then_some(())?;
    let (source, destination) = (address(12)?, address(16)?);
    about(sender, message, source, destination, quoted.get(header..)?)
}

/// RFC 4443 §3.
fn icmp_v6(sender: IpAddr, packet: &[u8]) -> Option<Icmp> {
    let message = match (packet.first()?, packet.get(1)?) {
        (1, 1 | 5 | 6) => IcmpMessage::Prohibited,
        (1, 4) => IcmpMessage::PortUnreachable,
        (1, _) => IcmpMessage::Unreachable,
        (2, _) => IcmpMessage::TooBig,
        _ => return None,
    };
    let quoted = packet.get(8..)?;
    let address = |at: usize| {
        quoted.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(IpAddr::from)
    };
    (*quoted.get(6)? == ip_number::TCP.0).then_some(())?;
    about(sender, message, address(8)?, address(24)?, quoted.get(40..)?)
}

fn about(
    sender: IpAddr,
    message: IcmpMessage,
    source: IpAddr,
    destination: IpAddr,
    tcp: &[u8],
) -> Option<Icmp> {
    let port = |at: usize| tcp.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    Some(Icmp {
        sender,
        source: SocketAddr::new(source, port(0)?),
        destination: SocketAddr::new(destination, port(2)?),
        message,
    })
}
