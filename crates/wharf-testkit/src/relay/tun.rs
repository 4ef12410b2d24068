//! Making a TUN device, for which no safe call exists. The crate's only unsafe code.
#![allow(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open as open_file};
use rustix::ioctl::{Setter, ioctl, opcode};

/// TUNSETIFF of `linux/if_tun.h`: `_IOW('T', 202, int)`, which is given a `struct ifreq` nonetheless.
const SET_INTERFACE: rustix::ioctl::Opcode = opcode::write::<core::ffi::c_int>(b'T', 202);
/// IFF_TUN (IP packets, no Ethernet) and IFF_NO_PI (nothing in front of them).
const FLAGS: i16 = 0x0001 | 0x1000;
/// IFNAMSIZ.
const NAME: usize = 16;

/// `struct ifreq` as this request reads it: 40 bytes.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME],
    flags: i16,
    rest: [u8; 22],
}

/// Makes the device `name` in the network namespace of the calling thread. It is gone with its descriptor.
pub(super) fn open(name: &str) -> io::Result<OwnedFd> {
    let device = open_file("/dev/net/tun", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let mut request = InterfaceRequest { name: [0; NAME], flags: FLAGS, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: TUNSETIFF reads one `struct ifreq`, which `InterfaceRequest` lays out; it keeps no pointer to it.
    unsafe { ioctl(&device, Setter::<SET_INTERFACE, InterfaceRequest>::new(request)) }?;
    Ok(device)
}
