//! How a control connection is opened: the name looked up, its addresses tried in turn, or a proxy asked.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::timeout;
use wharf_net::control::ControlConnection;
use wharf_proto::dialogue::Side;

use crate::error::ClientError;
use crate::login::ServerAddress;
use crate::observer::Observer;
use crate::options::{Family, Options};
use crate::proxy::Target;

/// Most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 16;

/// Looks the name up and connects to its addresses in turn.
pub(crate) async fn open_control(
    server: &ServerAddress,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<ControlConnection, ClientError> {
    let limit = options.times.connect;
    if let Some(proxy) = &options.proxy {
        let targets = match proxy.target_of(&server.host, server.port) {
            Some(target) => vec![target],
            None => look_up(server, options).await?.into_iter().map(Target::Address).collect(),
        };
        return proxy.open_control(&targets, limit, observer).await;
    }
    let addresses = look_up(server, options).await?;
    let mut tries = Vec::new();
    for address in addresses {
        observer.connecting(address);
        let problem = match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                match stream.into_std().and_then(|stream| ControlConnection::new(stream, Side::Client)) {
                    Ok(control) => {
                        observer.connected(address);
                        return Ok(control);
                    }
                    Err(error) => error.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} s", limit.as_secs_f32()),
        };
        tries.push((address, problem));
    }
    Err(ClientError::NotConnected { host: server.host.clone(), tries })
}

async fn look_up(server: &ServerAddress, options: &Options) -> Result<Vec<SocketAddr>, ClientError> {
    let not_found = |problem: String| ClientError::NameNotFound { host: server.host.clone(), problem };
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    let found = match timeout(options.times.connect, lookup).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(not_found(error.to_string())),
        Err(_) => return Err(not_found("the resolver did not answer in time".to_owned())),
    };
    let wanted = |address: &SocketAddr| match options.family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.filter(wanted).take(MOST_ADDRESSES) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let family = if options.family == Family::V4 { "IPv4" } else { "IPv6" };
        return Err(not_found(format!("it has no {family} address")));
    }
    Ok(addresses)
}
