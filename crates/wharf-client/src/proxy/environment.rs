//! The proxy that the environment asks for, as curl reads it.

use std::net::IpAddr;

use super::Proxy;
use crate::login::ServerAddress;
use crate::url::Scheme;

/// The proxy for `server`: `ftp_proxy` (`ftps_proxy` for implicit TLS), else `all_proxy`, in small letters or in capitals;
/// none where `no_proxy` names the host. An `http://` one is asked to CONNECT.
///
/// # Errors
/// What is wrong with the one that is named, and where it is.
pub fn from_environment(
    server: &ServerAddress,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, String> {
    let either = |name: &str| {
        let found = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
        found.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value))
    };
    let own = if server.scheme == Scheme::ImplicitTls { "ftps_proxy" } else { "ftp_proxy" };
    let Some((name, value)) = either(own).or_else(|| either("all_proxy")) else { return Ok(None) };
    if either("no_proxy").is_some_and(|(_, list)| is_left_out(&server.host, &list)) {
        return Ok(None);
    }
    let proxy = Proxy::parse(&value);
    proxy.map(Some).map_err(|error| format!("the environment variable {name} cannot be used: {error}"))
}

/// Whether `list` has the host, a domain that it is in, a network that it is in, or `*`.
fn is_left_out(host: &str, list: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            let network = entry.parse::<ipnet::IpNet>().is_ok_and(|network| network.contains(&address));
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            return network || bare.parse() == Ok(address);
        }
        let domain = entry.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(scheme: Scheme, host: &str, variables: &[(&str, &str)]) -> Option<String> {
        let server = ServerAddress { scheme, host: host.to_owned(), port: 21 };
        let found = from_environment(&server, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        found.unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn which_variable_counts() {
        let all = [("ftp_proxy", "socks5://a"), ("ALL_PROXY", "socks5://b"), ("ftps_proxy", "")];
        assert_eq!(proxy(Scheme::Ftp, "h", &all).as_deref(), Some("socks5://a:1080"));
        assert_eq!(proxy(Scheme::ExplicitTls, "h", &all).as_deref(), Some("socks5://a:1080"));
        assert_eq!(proxy(Scheme::ImplicitTls, "h", &all).as_deref(), Some("socks5://b:1080"));
        assert_eq!(proxy(Scheme::Ftp, "h", &[("http_proxy", "x")]), None);
    }

    #[test]
    fn hosts_that_are_left_out() {
        for (host, list) in [
            ("h.example.net", "example.net"),
            ("h.example.net", "a, .EXAMPLE.net"),
            ("example.net", ".example.net"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("::1", "[::1]"),
            ("127.0.0.1", "localhost,127.0.0.1"),
            ("any", "*"),
        ] {
            assert!(is_left_out(host, list), "{host} in {list}");
        }
        for (host, list) in
            [("badexample.net", "example.net"), ("11.0.0.1", "10.0.0.0/8"), ("h", ""), ("h", "hh")]
        {
            assert!(!is_left_out(host, list), "{host} in {list}");
        }
    }
}
