//! HTTP CONNECT (RFC 9110 §9.3.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf_proto::command::Password;
use wharf_proto::pathname::escaped;

use super::{ProxyError, Target};

/// Longest head of an answer, in bytes.
const HEAD: usize = 16 * 1024;
/// Most fields in it.
const FIELDS: usize = 64;

/// Asks for `target`; behind this, `stream` leads there.
pub(super) async fn connect(
    stream: &mut TcpStream,
    target: &Target,
    login: Option<&(String, Password)>,
) -> Result<(), ProxyError> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some((user, password)) = login {
        // RFC 7617.
        let pair = [user.as_bytes(), b":", password.reveal()].concat();
        request.extend_from_slice(
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(pair)).as_bytes(),
        );
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    let mut head = Vec::new();
    // One by one: what comes behind the head is the server's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(ProxyError::Refused("its answer has no end".to_owned()));
        }
        head.push(stream.read_u8().await?);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let is_whole = answer.parse(&head).is_ok_and(|status| status.is_complete());
    match answer.code.filter(|_| is_whole) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(ProxyError::Refused(
            "407: it wants a user and a password, as in http://user:password@host, or does not take these"
                .to_owned(),
        )),
        Some(code) => {
            let reason = escaped(answer.reason.unwrap_or_default().as_bytes());
            Err(ProxyError::Refused(format!("{code} {reason}: it does not connect to {target}")))
        }
        None => Err(ProxyError::Refused("what it answers is no HTTP".to_owned())),
    }
}
