//! Asking an HTTP service: JSON is POSTed, JSON comes back with status 200.

use std::fmt;
use std::str::FromStr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use wharf_proto::limits;

use super::AskError;

/// `http://HOST[:PORT]/PATH`. There is no https here: let the service listen on this machine, or put a TLS proxy there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// `host:port`.
    authority: String,
    path: String,
}

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an URL such as http://127.0.0.1:8080/login is wanted; for https, put a proxy on this machine")]
pub struct UrlError;

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("http://").ok_or(UrlError)?;
        let (host, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        // Whatever a user and password would be good for: the service is on this machine.
        if host.is_empty() || host.contains('@') || text.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
            return Err(UrlError);
        }
        let bare = host.rsplit(']').next().unwrap_or(host);
        let authority = if bare.contains(':') { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { authority, path: path.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

pub(super) async fn ask(url: &HttpUrl, question: Vec<u8>) -> Result<Vec<u8>, AskError> {
    let failed = |error: &dyn fmt::Display| AskError::NotAsked(error.to_string());
    let stream = TcpStream::connect(&url.authority).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let request = Request::post(&url.path)
        .header("host", &url.authority)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(Bytes::from(question)))
        .map_err(|error| failed(&error))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), limits::LOGIN_ANSWER).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                AskError::TooLong(limits::LOGIN_ANSWER)
            } else {
                failed(&error)
            }
        })?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection has to be driven beside the question; it ends with the answer.
    let mut asked = std::pin::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        ended = connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(failed(&error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_those_that_are_none_are_told() {
        for (text, shown) in [
            ("http://127.0.0.1:8080/login", "http://127.0.0.1:8080/login"),
            ("http://localhost", "http://localhost:80/"),
            ("http://[::1]/a?b=c", "http://[::1]:80/a?b=c"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
        ] {
            assert_eq!(text.parse::<HttpUrl>().unwrap().to_string(), shown);
        }
        for wrong in ["", "https://localhost/", "http://", "http:///x", "http://a:b@c/", "http://a/b c"] {
            assert_eq!(wrong.parse::<HttpUrl>(), Err(UrlError), "{wrong}");
        }
    }
}
