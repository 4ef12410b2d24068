//! A box before a real server that reads the control connection and has ideas of its own, as old proxies and gateways have.
//! Data connections do not pass it: both sides tell their own addresses, and these are the same machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What it does to a session in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddling {
    /// Nothing.
    None,
    /// It makes `TYPE A` of `TYPE I`.
    ForcesAscii,
    /// It sends EPSV ALL behind each login, and keeps the answer to itself.
    SaysEpsvAll,
    /// It says yes to PORT and EPRT itself, and the server hears nothing of them.
    AnswersPort,
}

/// A running one, on 127.0.0.1, gone with its guard; its sessions end with their client or their server.
#[derive(Debug)]
pub struct MeddlingBox {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MeddlingBox {
    /// Starts one before `server`.
    #[must_use]
    pub fn start(server: SocketAddr, meddling: Meddling) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let accept = move || {
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // A session that breaks off is the business of its two sides.
                thread::spawn(move || pass_on(client, server, meddling));
            }
        };
        Self { address, is_over, thread: Some(thread::spawn(accept)) }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MeddlingBox {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pass_on(client: TcpStream, server: SocketAddr, meddling: Meddling) -> Option<()> {
    let server = TcpStream::connect(server).ok()?;
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok()?;
    }
    let (from_client, to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || commands(from_client, to_server, meddling));
    replies(server, client, meddling)
}

/// From the client to the server, until either ends.
fn commands(mut client: TcpStream, mut server: TcpStream, meddling: Meddling) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?);
    while let Some(line) = line(&mut lines) {
        let is_active = line.starts_with(b"PORT ") || line.starts_with(b"EPRT ");
        match meddling {
            Meddling::ForcesAscii if line.starts_with(b"TYPE I") => server.write_all(b"TYPE A\r\n").ok()?,
            Meddling::AnswersPort if is_active => client.write_all(b"200 Command okay.\r\n").ok()?,
            _ => server.write_all(&line).ok()?,
        }
    }
    server.shutdown(Shutdown::Write).ok()
}

/// From the server to the client, until either ends.
fn replies(mut server: TcpStream, mut client: TcpStream, meddling: Meddling) -> Option<()> {
    let mut lines = BufReader::new(server.try_clone().ok()?);
    while let Some(reply) = line(&mut lines) {
        // The client has nothing under way before it has read this.
        if meddling == Meddling::SaysEpsvAll && reply.starts_with(b"230 ") {
            server.write_all(b"EPSV ALL\r\n").ok()?;
            line(&mut lines)?;
        }
        client.write_all(&reply).ok()?;
    }
    client.shutdown(Shutdown::Both).ok()
}

fn line(lines: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).ok()?;
    (!line.is_empty()).then_some(line)
}
