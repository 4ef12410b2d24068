//! Payload that is never copied into the program: what only Linux has, and what stands in for it elsewhere.

use std::fs::File;
use std::io;
use std::net::TcpStream;

/// Throws away what has come, at most as much as `room` holds, waiting for the first byte; 0 at the end.
#[cfg(target_os = "linux")]
pub(super) fn discard(socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    use rustix::net::RecvFlags;
    // tcp(7): with MSG_TRUNC the bytes are dropped in the kernel, and `room` is not touched.
    let received = rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut *room, RecvFlags::TRUNC));
    Ok(received.map(|(_, count)| count)?)
}

/// As on Linux, by reading.
#[cfg(not(target_os = "linux"))]
pub(super) fn discard(socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    let length = room.len().min(super::READ);
    super::read(socket, &mut room[..length])
}

/// Sends at most `count` bytes of `file` from `offset` on, and moves that; 0 at the end of the file.
#[cfg(target_os = "linux")]
pub(super) fn send_file(
    socket: &TcpStream,
    file: &File,
    offset: &mut u64,
    count: usize,
) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::sendfile(socket, file, Some(&mut *offset), count))?)
}

/// As on Linux, by reading and writing.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_file(
    mut socket: &TcpStream,
    file: &File,
    offset: &mut u64,
    count: usize,
) -> io::Result<usize> {
    let mut piece = vec![0; count.min(super::READ)];
    let read = rustix::io::pread(file, &mut piece, *offset)?;
    io::Write::write_all(&mut socket, &piece[..read])?;
    *offset += read as u64;
    Ok(read)
}

/// The name of the connection's congestion control.
#[cfg(target_os = "linux")]
pub(super) fn congestion_control(socket: &TcpStream) -> Option<String> {
    rustix::net::sockopt::tcp_congestion(socket).ok()
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn congestion_control(_: &TcpStream) -> Option<String> {
    None
}
