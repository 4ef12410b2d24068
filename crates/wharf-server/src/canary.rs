//! What a client told with PORT or EPRT and was told with 227 or 229, for SITE CANARY: said in hexadecimal digits, which no
//! gateway on the way takes for an address, it shows whether one rewrote the text.

use std::fmt::Write;
use std::net::SocketAddr;

use wharf_proto::Reply;

use crate::replies;

/// The last endpoint in each direction; nothing that the client does not know, but for how it looks from here.
#[derive(Debug, Default)]
pub(crate) struct Canary {
    /// As PORT or EPRT arrived, accepted or not.
    pub(crate) heard: Option<SocketAddr>,
    /// As 227 or 229 left.
    pub(crate) told: Option<SocketAddr>,
}

impl Canary {
    /// `CANARY peer=… heard=… told=…`, `-` for what there is not.
    pub(crate) fn sing(&self, client: SocketAddr) -> Reply {
        let hexadecimal = |endpoint: Option<SocketAddr>| match endpoint {
            None => "-".to_owned(),
            Some(endpoint) => endpoint.to_string().bytes().fold(String::new(), |mut digits, byte| {
                let _ = write!(digits, "{byte:02x}");
                digits
            }),
        };
        replies::canary(&hexadecimal(Some(client)), &hexadecimal(self.heard), &hexadecimal(self.told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gateway_recognises_an_address_in_its_song() {
        let canary = Canary { heard: "10.0.0.1:2125".parse().ok(), told: None };
        let song = canary.sing("198.51.100.1:4000".parse().unwrap());
        assert_eq!(
            song.to_string(),
            "200 CANARY peer=3139382e35312e3130302e313a34303030 heard=31302e302e302e313a32313235 told=-"
        );
    }
}
