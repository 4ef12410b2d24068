//! What a network is made of.

/// A network to be: hosts, and links between them.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    hosts: Vec<Host>,
    links: Vec<Link>,
}

/// A machine, which has its own kernel state: addresses, routes, rules, connection tracking.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    settings: Vec<(String, String)>,
    routes: Vec<(String, String)>,
    rules: Option<String>,
}

/// A cable between two hosts.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) name: String,
    /// Hosts, and the addresses with their prefix lengths that they have here.
    pub(super) ends: [(String, Vec<String>); 2],
    /// In bytes; the kernel's 1500 where nothing is said.
    pub(super) mtu: Option<u32>,
}

impl Topology {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more host.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// With a link: its name is that of the interface at both ends (15 characters at most), so that rules and
    /// captures can name it; each end is a host and its addresses, such as `192.0.2.1/24` and `2001:db8::1/64`.
    #[must_use]
    pub fn link<A: ToString>(mut self, name: &str, ends: [(&str, &[A]); 2]) -> Self {
        let ends = ends
            .map(|(host, addresses)| (host.to_owned(), addresses.iter().map(ToString::to_string).collect()));
        self.links.push(Link { name: name.to_owned(), ends, mtu: None });
        self
    }

    /// With the last link's longest packet, in bytes.
    #[must_use]
    pub fn mtu(mut self, bytes: u32) -> Self {
        if let Some(link) = self.links.last_mut() {
            link.mtu = Some(bytes);
        }
        self
    }

    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }
}

impl Host {
    /// A machine that forwards nothing and filters nothing.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), settings: Vec::new(), routes: Vec::new(), rules: None }
    }

    /// It passes packets on: a router. It sends every ICMP that it should; left alone, the kernel sends one a second,
    /// and of several clients only the first would learn what is wrong.
    #[must_use]
    pub fn forwarding(self) -> Self {
        self.setting("net.ipv4.ip_forward", "1")
            .setting("net.ipv6.conf.all.forwarding", "1")
            .setting("net.ipv4.icmp_ratelimit", "0")
            .setting("net.ipv6.icmp.ratelimit", "0")
    }

    /// With a kernel setting, by its name for sysctl.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Everything that is not next door goes to `gateway`, an IPv4 or IPv6 address.
    #[must_use]
    pub fn default_route(self, gateway: &str) -> Self {
        self.route("default", gateway)
    }

    /// What goes to `target`, a network such as 10.0.0.0/8, goes by `gateway`.
    #[must_use]
    pub fn route(mut self, target: &str, gateway: &str) -> Self {
        self.routes.push((target.to_owned(), gateway.to_owned()));
        self
    }

    /// Its nft rules, whole tables of them, as `nft -f` reads them.
    #[must_use]
    pub fn nft(mut self, rules: &str) -> Self {
        self.rules = Some(rules.to_owned());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    pub(super) fn routes(&self) -> &[(String, String)] {
        &self.routes
    }

    pub(super) fn rules(&self) -> Option<&str> {
        self.rules.as_deref()
    }
}
