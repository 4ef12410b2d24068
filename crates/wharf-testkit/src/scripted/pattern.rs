//! Patterns for lines, and the addresses in them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `*` is anything, `{six}`, `{eprt}` and `{port}` are an address; the rest is what it is.
pub(super) struct Match {
    /// What the placeholder stood for. Without an address of its own (`{port}`) the peer's is taken.
    pub(super) address: Option<(Option<IpAddr>, u16)>,
}

/// Whether `line` is what `pattern` says.
pub(super) fn matches(pattern: &str, line: &str) -> Option<Match> {
    for (placeholder, read) in READERS {
        let Some((before, after)) = pattern.split_once(placeholder) else { continue };
        // Of all the places where an address could be, the first that makes the whole line fit.
        for (start, _) in line.char_indices() {
            let Some((address, length)) = read(&line[start..]) else { continue };
            if glob(before, &line[..start]) && glob(after, &line[start + length..]) {
                return Some(Match { address: Some(address) });
            }
        }
        return None;
    }
    glob(pattern, line).then_some(Match { address: None })
}

/// `line` with `address` in the place of its placeholder; `None` if it has none.
pub(super) fn needs_address(line: &str) -> bool {
    READERS.iter().any(|(placeholder, _)| line.contains(placeholder))
}

/// `line` with `address` in the place of its placeholder.
pub(super) fn fill_in(line: &str, address: SocketAddr) -> String {
    let port = address.port();
    let six = match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{a},{b},{c},{d},{},{}", port / 256, port % 256)
        }
        IpAddr::V6(_) => "no,six,numbers,for,IPv6,!".into(),
    };
    let family = if address.is_ipv4() { 1 } else { 2 };
    let eprt = format!("|{family}|{}|{port}|", address.ip());
    line.replace("{six}", &six).replace("{eprt}", &eprt).replace("{port}", &port.to_string())
}

type Reader = fn(&str) -> Option<((Option<IpAddr>, u16), usize)>;

const READERS: [(&str, Reader); 3] = [("{six}", read_six), ("{eprt}", read_eprt), ("{port}", read_port)];

fn read_six(text: &str) -> Option<((Option<IpAddr>, u16), usize)> {
    let length = text.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(text.len());
    let numbers: Vec<u8> = text[..length].split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Some(((Some(address), u16::from_be_bytes([high, low])), length))
}

fn read_eprt(text: &str) -> Option<((Option<IpAddr>, u16), usize)> {
    let mut fields = text.strip_prefix('|')?.splitn(4, '|');
    let (_family, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    let rest = fields.next()?;
    Some(((Some(address.parse().ok()?), port.parse().ok()?), text.len() - rest.len()))
}

fn read_port(text: &str) -> Option<((Option<IpAddr>, u16), usize)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some(((None, text[..length].parse().ok()?), length))
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert!(glob("USER *", "USER x y") && glob("*", "") && glob("a*b*c", "a-b-b-c"));
        assert!(!glob("USER", "USER x") && !glob("a*b*c", "a-c") && !glob("*ab", "b"));
    }

    #[test]
    fn addresses_are_read_from_a_line() {
        let address = |pattern, line| matches(pattern, line).map(|found| found.address.unwrap());
        let six = address("227 *({six})*", "227 Entering (127,0,0,2,4,1).");
        assert_eq!(six, Some((Some("127.0.0.2".parse().unwrap()), 1025)));
        assert_eq!(address("EPRT {eprt}", "EPRT |2|::1|80|"), Some((Some("::1".parse().unwrap()), 80)));
        assert_eq!(address("229 *(|||{port}|)", "229 12 (|||4000|)"), Some((None, 4000)));
        assert!(matches("PORT {six}", "PORT 1,2,3,4,5,256").is_none());
    }

    #[test]
    fn addresses_are_written_into_a_line() {
        let address = "127.0.0.1:1025".parse().unwrap();
        assert_eq!(
            fill_in("PORT {six} {eprt} {port}", address),
            "PORT 127,0,0,1,4,1 |1|127.0.0.1|1025| 1025"
        );
    }
}
