//! What a server is told about TLS (RFC 4217).

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use wharf_net::tls::{CertificateSource, TlsVersion};

/// Everything about TLS. A server without it knows no AUTH.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Certificates with their keys; the first is shown where the client names no server, or an unknown one (SNI).
    pub certificates: Vec<CertificateSource>,
    /// Whether a login may, or must, come through TLS.
    pub control: TlsPolicy,
    /// Whether data may, or must, go through TLS.
    pub data: TlsPolicy,
    /// Users for whom other policies hold.
    pub users: Vec<UserTlsPolicy>,
    /// Whether a data connection has to resume the TLS session of its control connection.
    pub resumption: Resumption,
    /// What an upload that ends without close_notify is.
    pub upload_close_notify: CloseNotify,
    /// The oldest version that is spoken.
    pub minimum_version: TlsVersion,
    /// Where TLS begins with the connection, without AUTH (implicit FTPS, by custom port 990).
    pub implicit_listen: Vec<SocketAddr>,
    /// Whether CCC may end TLS on the control connection.
    pub clear_control: bool,
    /// Whether PROT C is taken behind PROT P.
    pub clear_data_again: bool,
}

impl TlsSettings {
    /// With these certificates, and what is safe and works with most clients for everything else.
    #[must_use]
    pub fn new(certificates: Vec<CertificateSource>) -> Self {
        Self {
            certificates,
            control: TlsPolicy::Allow,
            data: TlsPolicy::Allow,
            users: Vec::new(),
            resumption: Resumption::default(),
            upload_close_notify: CloseNotify::default(),
            minimum_version: TlsVersion::default(),
            implicit_listen: Vec::new(),
            clear_control: false,
            clear_data_again: false,
        }
    }

    /// The policy for the control connection of the user `name`.
    #[must_use]
    pub fn control_for(&self, name: &[u8]) -> TlsPolicy {
        self.user(name).and_then(|user| user.control).unwrap_or(self.control)
    }

    /// The policy for the data connections of the user `name`.
    #[must_use]
    pub fn data_for(&self, name: &[u8]) -> TlsPolicy {
        self.user(name).and_then(|user| user.data).unwrap_or(self.data)
    }

    fn user(&self, name: &[u8]) -> Option<&UserTlsPolicy> {
        self.users.iter().find(|user| user.name == name)
    }
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsPolicy {
    /// It is not on offer.
    Off,
    /// The client chooses.
    #[default]
    Allow,
    /// Nothing goes in clear.
    Require,
}

/// What holds for one user in place of the policies for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTlsPolicy {
    /// As the client sends it.
    pub name: Vec<u8>,
    /// For the control connection; as for all where nothing is set.
    pub control: Option<TlsPolicy>,
    /// For data connections; as for all where nothing is set.
    pub data: Option<TlsPolicy>,
}

/// Whether a data connection has to resume the TLS session of its control connection, which proves that both have the
/// same client: whoever merely connects to the port first gets nothing (threats 4 and 7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumption {
    /// For all who are not exempt.
    pub policy: ResumptionPolicy,
    /// Networks whose clients need not resume.
    pub exempt_networks: Vec<IpNet>,
    /// Users who need not resume, as the client sends their names.
    pub exempt_users: Vec<Vec<u8>>,
}

impl Resumption {
    /// What holds for the user `name` at `client`.
    #[must_use]
    pub fn policy_for(&self, name: &[u8], client: IpAddr) -> ResumptionPolicy {
        let is_exempt = self.exempt_networks.iter().any(|network| network.contains(&client))
            || self.exempt_users.iter().any(|user| user == name);
        match self.policy {
            ResumptionPolicy::Require if is_exempt => ResumptionPolicy::Prefer,
            policy => policy,
        }
    }
}

/// What is asked of a data connection's TLS session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumptionPolicy {
    /// It resumes the control connection's, or is refused with 522.
    #[default]
    Require,
    /// It may resume.
    Prefer,
    /// Nothing can be resumed: no tickets are given.
    Off,
}

/// What an upload under TLS is that ends with the TCP connection alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseNotify {
    /// Cut: 426. Anyone on the way can end a TCP connection (threat 8).
    #[default]
    Require,
    /// Complete, unless ALLO told another size: for clients that never send close_notify.
    Tolerate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_for_a_user_goes_before_what_is_set_for_all() {
        let mut settings = TlsSettings::new(Vec::new());
        settings.control = TlsPolicy::Require;
        let name = b"camera".to_vec();
        settings.users = vec![UserTlsPolicy { name, control: Some(TlsPolicy::Allow), data: None }];
        assert_eq!(settings.control_for(b"camera"), TlsPolicy::Allow);
        assert_eq!(settings.data_for(b"camera"), TlsPolicy::Allow);
        assert_eq!(settings.control_for(b"Camera"), TlsPolicy::Require);
    }

    #[test]
    fn who_is_exempt_need_not_resume_and_off_stays_off() {
        let mut resumption = Resumption {
            policy: ResumptionPolicy::Require,
            exempt_networks: vec!["192.0.2.0/24".parse().unwrap()],
            exempt_users: vec![b"old".to_vec()],
        };
        let (inside, outside) = ([192, 0, 2, 7].into(), [198, 51, 100, 7].into());
        assert_eq!(resumption.policy_for(b"new", inside), ResumptionPolicy::Prefer);
        assert_eq!(resumption.policy_for(b"old", outside), ResumptionPolicy::Prefer);
        assert_eq!(resumption.policy_for(b"new", outside), ResumptionPolicy::Require);
        resumption.policy = ResumptionPolicy::Off;
        assert_eq!(resumption.policy_for(b"old", outside), ResumptionPolicy::Off);
    }
}
