//! A far server on one machine: two network namespaces joined by a link that holds every packet back for a while.
//!
//! The link is a pair of TUN devices with this program in between. It works on packets and rewrites nothing, so that
//! handshakes, control connections and data connections in either direction are all delayed alike; there is no loss, and
//! order is kept.

mod tun;

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::namespace::NetworkNamespace;
use crate::process;

/// Longest packet: more than the devices' MTU.
const PACKET: usize = 2048;

/// Two namespaces with a slow link between them, gone with this guard.
#[derive(Debug)]
pub struct DelayedLink {
    /// Where clients run, at [`CLIENT`](Self::CLIENT).
    pub client: NetworkNamespace,
    /// Where servers run, at [`SERVER`](Self::SERVER).
    pub server: NetworkNamespace,
    /// Closed to end the threads.
    stop: Option<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

impl DelayedLink {
    /// The client's address.
    pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
    /// The server's address.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

    /// Makes one on which each packet takes `delay` in either direction; the error is the reason why it cannot be had here,
    /// fit for [`skip!`](crate::skip!).
    ///
    /// # Errors
    /// When there are no namespaces, or no TUN devices.
    pub fn new(delay: Duration) -> Result<Self, String> {
        let (client, server) = (NetworkNamespace::new()?, NetworkNamespace::new()?);
        let ends = [(&client, Self::CLIENT, Self::SERVER), (&server, Self::SERVER, Self::CLIENT)];
        let mut devices = Vec::new();
        for (namespace, own, other) in ends {
            let device = namespace.enter(|| tun::open("delay0"));
            devices
                .push(Arc::new(device.map_err(|error| format!("no TUN device can be made here: {error}"))?));
            let (own, other) = (own.to_string(), other.to_string());
            for words in [
                &["addr", "add", &own, "peer", &other, "dev", "delay0"][..],
                &["link", "set", "delay0", "up"],
            ] {
                process::run(namespace.command("ip").args(words)).assert_success();
            }
        }
        // A program that the test starts must not hold it open.
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| error.to_string())?;
        let stopped = Arc::new(stopped);
        let mut threads = Vec::new();
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to): (Arc<OwnedFd>, Arc<OwnedFd>) = (devices[from].clone(), devices[to].clone());
            let (sender, receiver) = channel();
            let stopped = stopped.clone();
            threads.push(thread::spawn(move || take(&from, &stopped, delay, &sender)));
            threads.push(thread::spawn(move || give(&to, &receiver)));
        }
        Ok(Self { client, server, stop: Some(stop), threads })
    }
}

impl Drop for DelayedLink {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Takes packets from a device until `stopped` is hung up.
fn take(device: &OwnedFd, stopped: &OwnedFd, delay: Duration, sender: &Sender<(Instant, Vec<u8>)>) {
    let mut packet = [0; PACKET];
    loop {
        let mut ready = [
            PollFd::new(device, PollFlags::IN),
            PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::empty()),
        ];
        if poll(&mut ready, None).is_err() || !ready[1].revents().is_empty() {
            return;
        }
        let Ok(length) = rustix::io::read(device, &mut packet) else { continue };
        if sender.send((Instant::now() + delay, packet[..length].to_vec())).is_err() {
            return;
        }
    }
}

/// Gives each packet to the other device when its time has come.
fn give(device: &OwnedFd, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, packet)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is going away loses packets, as a network does.
        let _ = rustix::io::write(device, &packet);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_takes_both_ways_and_so_does_what_is_said_on_it() {
        let delay = Duration::from_millis(30);
        let link = match DelayedLink::new(delay) {
            Ok(link) => link,
            Err(reason) => crate::skip!("{reason}"),
        };
        for (near, far, address) in [
            (&link.client, &link.server, DelayedLink::SERVER),
            (&link.server, &link.client, DelayedLink::CLIENT),
        ] {
            let listener = far.enter(|| TcpListener::bind((address, 0)).unwrap());
            let echo = listener.local_addr().unwrap();
            let echoing = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut word = [0; 5];
                stream.read_exact(&mut word).unwrap();
                stream.write_all(&word).unwrap();
            });
            let started = Instant::now();
            let mut stream = near.enter(|| TcpStream::connect(echo).unwrap());
            assert!(started.elapsed() >= 2 * delay, "the handshake was not delayed");
            stream.write_all(b"hello").unwrap();
            let mut word = [0; 5];
            stream.read_exact(&mut word).unwrap();
            assert_eq!(&word, b"hello");
            assert!(started.elapsed() >= 4 * delay, "the data was not delayed");
            echoing.join().unwrap();
        }
    }
}
