//! Who forbade a connection by ICMP: the error queue of a socket (ip(7), IP_RECVERR), for which no safe call exists. The
//! crate's only unsafe code.
#![allow(unsafe_code, reason = "IP_RECVERR has no safe wrapper")]

use std::ffi::c_int;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use socket2::{MaybeUninitSlice, MsgHdrMut, Socket};

/// Room for the ancillary data of one message.
const ANCILLARY: usize = 512;
/// `struct sock_extended_err`: errno, origin, type, code, padding, info, data.
const EXTENDED_ERROR: usize = 16;
/// Origins of an error that are ICMP messages (linux/errqueue.h).
const FROM_ICMP: u8 = 2;
const FROM_ICMPV6: u8 = 3;

/// An ICMP message about a connection attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Who sent it.
    pub(super) sender: IpAddr,
    /// Its type and code in words.
    pub(super) message: String,
}

/// Has the kernel keep the ICMP messages about `socket`.
pub(super) fn keep_errors(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    let (level, name) =
        if is_ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<c_int>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the option is an int, which is where and as long as
    // the call is told, and is only read.
    let outcome =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&on).cast(), length) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The oldest ICMP message that was kept.
pub(super) fn kept_error(socket: &Socket) -> Option<Refusal> {
    let mut payload = [MaybeUninit::<u8>::uninit(); 128];
    let mut control = [MaybeUninit::<u8>::zeroed(); ANCILLARY];
    let length = {
        let mut pieces = [MaybeUninitSlice::new(&mut payload)];
        let mut message = MsgHdrMut::new().with_buffers(&mut pieces).with_control(&mut control);
        socket.recvmsg(&mut message, libc::MSG_ERRQUEUE).ok()?;
        message.control_len()
    };
    // SAFETY: the array was zeroed, and the kernel wrote bytes over a part of that: each byte is initialised.
    let bytes = control.map(|byte| unsafe { byte.assume_init() });
    refusal(&bytes[..length.min(ANCILLARY)])
}

/// Reads a control message (cmsg(3)) that holds an extended error, and the address of who sent it behind that.
fn refusal(control: &[u8]) -> Option<Refusal> {
    let header = size_of::<usize>() + 2 * size_of::<c_int>();
    let body = control.get(header..)?;
    let error = body.get(..EXTENDED_ERROR)?;
    let (origin, kind, code) = (error[4], error[5], error[6]);
    let address = &body[EXTENDED_ERROR..];
    let sender = match origin {
        // `struct sockaddr_in`: family and port before the address.
        FROM_ICMP => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address.get(4..8)?).ok()?)),
        // `struct sockaddr_in6`: the flow behind the port.
        FROM_ICMPV6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address.get(8..24)?).ok()?)),
        _ => return None,
    };
    Some(Refusal { sender, message: in_words(origin == FROM_ICMPV6, kind, code) })
}

/// RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1.
fn in_words(is_v6: bool, kind: u8, code: u8) -> String {
    let words = match (is_v6, kind, code) {
        (false, 3, 0) | (true, 1, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 6) => "route rejected",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        _ => return format!("type {kind}, code {code}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sent_the_message_stands_behind_the_error() {
        let mut control = vec![0; size_of::<usize>() + 2 * size_of::<c_int>()];
        control.extend([113, 0, 0, 0, FROM_ICMP, 3, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        control.extend([2, 0, 0, 0, 198, 51, 100, 2]);
        let wanted = Refusal {
            sender: Ipv4Addr::new(198, 51, 100, 2).into(),
            message: "administratively prohibited".into(),
        };
        assert_eq!(refusal(&control), Some(wanted));
        assert_eq!(refusal(&control[..30]), None);
        control[20] = 1; // a local error
        assert_eq!(refusal(&control), None);
    }
}
