//! A small proxy for tests: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT on one port, which keeps a list of where it was asked to go.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy on 127.0.0.1, on threads that end with the test's process.
pub struct TestProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Manners {
    login: Option<(&'static str, &'static str)>,
    /// Refuses all but its first connection.
    only_one: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// For everybody, or for who logs in so.
    #[must_use]
    pub fn start(login: Option<(&'static str, &'static str)>) -> Self {
        Self::with(login, false)
    }

    /// One that leads to control connections only: each but the first is refused.
    #[must_use]
    pub fn start_for_one() -> Self {
        Self::with(None, true)
    }

    fn with(login: Option<(&'static str, &'static str)>, only_one: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let manners = Manners { login, only_one, asked: asked.clone() };
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let manners = manners.clone();
                // Its end is the client's business.
                thread::spawn(move || _ = serve(client, &manners));
            }
        });
        Self { address, asked }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it was asked to go so far, as `host:port`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, manners: &Manners) -> io::Result<()> {
    let mut first = [0];
    client.read_exact(&mut first)?;
    if first[0] == 5 { socks(client, manners) } else { http(client, first[0], manners) }
}

fn note(manners: &Manners, target: &str) -> bool {
    let mut asked = manners.asked.lock().unwrap();
    asked.push(target.to_owned());
    !manners.only_one || asked.len() == 1
}

fn socks(mut client: TcpStream, manners: &Manners) -> io::Result<()> {
    let methods = sized(&mut client)?;
    match manners.login {
        None => client.write_all(&[5, 0])?,
        Some(_) if !methods.contains(&2) => return client.write_all(&[5, 0xFF]),
        Some((user, password)) => {
            client.write_all(&[5, 2])?;
            client.read_exact(&mut [0])?;
            let given = (sized(&mut client)?, sized(&mut client)?);
            let is_right = given == (user.into(), password.into());
            client.write_all(&[1, u8::from(!is_right)])?;
            if !is_right {
                return Ok(());
            }
        }
    }
    let mut request = [0; 4];
    client.read_exact(&mut request)?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address)?;
            Ipv4Addr::from(address).to_string()
        }
        4 => {
            let mut address = [0; 16];
            client.read_exact(&mut address)?;
            format!("[{}]", Ipv6Addr::from(address))
        }
        _ => String::from_utf8(sized(&mut client)?).unwrap(),
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let target = format!("{host}:{}", u16::from_be_bytes(port));
    let answer = |code: u8| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    if !note(manners, &target) {
        return client.write_all(&answer(2)); // not allowed
    }
    match TcpStream::connect(&*target) {
        Ok(server) => {
            client.write_all(&answer(0))?;
            relay(client, server)
        }
        Err(_) => client.write_all(&answer(5)), // refused
    }
}

fn sized(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0];
    client.read_exact(&mut length)?;
    let mut bytes = vec![0; length[0].into()];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn http(mut client: TcpStream, first: u8, manners: &Manners) -> io::Result<()> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    // RFC 7617: `aladdin:opensesame` in base64.
    if manners.login.is_some()
        && !head.contains("\r\nProxy-Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l\r\n")
    {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    if !note(manners, target) {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    }
    let server = target.to_socket_addrs().and_then(|mut found| TcpStream::connect(found.next().unwrap()));
    match server {
        Ok(server) => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")?;
            relay(client, server)
        }
        Err(_) => client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
    }
}

fn relay(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let copied = io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Write);
    copied.map(|_| ())
}
