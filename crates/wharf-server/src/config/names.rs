//! The character sets of names.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Charset;
use crate::advertised::is_in;

/// Which character set names have on the wire, unless a user's record says otherwise or the client asks for UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CharsetPolicy {
    /// The usual one.
    pub usual: Charset,
    /// Those of clients from certain networks: the first that fits counts.
    pub networks: Vec<(Vec<IpNet>, Charset)>,
}

impl CharsetPolicy {
    pub(crate) fn for_client(&self, client: IpAddr) -> Charset {
        let fits = self.networks.iter().find(|(networks, _)| is_in(networks, client));
        fits.map_or(self.usual, |&(_, charset)| charset)
    }
}
