//! The keys of wharf.toml. docs/configuration.md is written from these lines.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use wharf_proto::limits;
use wharf_server::config::{Times as ServerTimes, UploadPolicy};

use super::section::section;
use super::values::{
    Advertised, Append, Ascii, CharsetName, CloseNotify, DurabilityKind, Files, LogForm, LogLevel, Mode,
    Networks, PassivePorts, PortRange, PrivateAddress, PublishWhen, Resumption, Sandbox, Seconds, SourcePort,
    TlsUse, TlsVersion, Uploads,
};

/// The port of an FTP server (RFC 959 §8).
const FTP_PORT: u16 = 21;

/// Where a server with a configuration file listens, unless it says otherwise: everywhere.
pub(crate) fn every_address() -> Vec<SocketAddr> {
    vec![(Ipv6Addr::UNSPECIFIED, FTP_PORT).into(), (Ipv4Addr::UNSPECIFIED, FTP_PORT).into()]
}

impl Configuration {
    /// As a wharf.toml that reads back to the same, but for the passwords.
    ///
    /// # Errors
    /// When a path is not UTF-8, which TOML wants.
    pub(crate) fn printed(&self) -> Result<String, toml::ser::Error> {
        let mut shown = self.clone();
        let mut names = Vec::new();
        for account in &mut shown.users.accounts {
            if account.password.take().is_some() {
                names.push(format!("{:?}", account.name));
            }
        }
        let text = toml::to_string(&shown)?;
        Ok(match names.len() {
            0 => text,
            _ => format!("# Not shown: the passwords of {}.\n{text}", names.join(", ")),
        })
    }
}

section! {
    /// All of wharf.toml.
    Configuration {
        /// Where to listen for control connections. `[::]` with a port serves IPv4 too, unless an IPv4 address has the
        /// same port. An address that is asked for has to be there; of the default, what the machine does not have is
        /// left out.
        listen: Vec<SocketAddr> = every_address(), r#"["192.0.2.1:21", "[2001:db8::1]:21"]"#, "--listen";
        /// The directory that every user sees as `/`. A relative one starts from the folder of the file. It has to be
        /// given, here or on the command line.
        root: Option<PathBuf> = None, r#""/srv/ftp""#, "DIR";
        /// Whether files may be stored, changed and deleted, by every user.
        write: bool = false, "true", "--write";
        /// The character set of names on the wire: `"utf-8"`, `"gbk"`, `"big5"`, `"shift_jis"`, `"latin1"` and what else browsers
        /// know. On the disk they are UTF-8. A client that sends OPTS UTF8 ON has UTF-8 whatever stands here. A name that
        /// means nothing in it is refused.
        charset: CharsetName = CharsetName::default(), r#""gbk""#;
        /// Other character sets for clients from certain networks: the first rule that fits counts.
        charsets: Vec<CharsetRule> = Vec::new(), r#"[{ clients = "10.1.0.0/16", charset = "gbk" }]"#;
        /// Where the data of an upload go until all of them are there: `"atomic"`: into a hidden part in the same directory, which
        /// takes the name when it is complete, so that nobody ever sees half a file; a client that was cut can go on with
        /// it. `"in-place"`: into the file itself.
        uploads: Uploads = Uploads::Atomic, r#""in-place""#;
        /// What an atomic upload does that goes on with a complete file (APPE, or STOR behind REST): `"copy"`: it works on a
        /// copy of it, which costs nothing where the file system can share blocks (btrfs, XFS) and the time to copy the
        /// file where not; `"in-place"`: it writes into the file, as for logs that many small pieces are added to.
        append: Append = Append::Copy, r#""in-place""#;
        /// When the data of an upload count as all: `"while-connected"`: when they have ended in order, the client's control
        /// connection is still open, and there are no fewer than ALLO announced; `"on-eof"` does without the control
        /// connection, for devices that close both at once. A client that is killed looks the same then as one that is done.
        publish: PublishWhen = PublishWhen::WhileConnected, r#""on-eof""#;
        /// What is done before an upload is confirmed with 226: `"rename"`: the file has its name; a power cut may still
        /// lose it. `"fsync"`: file and directory are on the disk, too, which takes the disk's time for each file.
        durability: DurabilityKind = DurabilityKind::Rename, r#""fsync""#;
        /// How long, in seconds, the part of an upload that was cut waits for its user to go on with it.
        keep_parts: Seconds = Seconds::of(UploadPolicy::default().keep_parts), "3600";
        /// The modes on offer. The other one is refused at once, with a sentence that names the right one.
        modes: Vec<Mode> = vec![Mode::Active, Mode::Passive], r#"["passive"]"#, "--modes";
        /// The balancers: every connection from these networks, for control and for data, has to begin with a PROXY header
        /// (version 1 or 2), and the client is whoever it names. From others no header is taken. Name the balancers, no
        /// more: whoever connects from there can claim to be anybody.
        proxy_protocol: Networks = Networks::default(), r#"["10.0.0.5", "10.0.0.6"]"#;
        /// What TYPE A, which is also the type of clients that never send TYPE, does to files: `"convert"` their line
        /// ends, as RFC 959 says, or `"binary"`: nothing, for devices that send binary files that way.
        ascii: Ascii = Ascii::Convert, r#""binary""#, "--ascii";
        /// Whether clients may ask with SITE CANARY what arrived of their PORT and what left of the 227, in a form that no
        /// gateway rewrites. `wharf doctor` finds with it what a gateway (ALG) on the way changes. It tells a client nothing
        /// but its own address, as it looks from the server, what it was told anyway, and after EPSV the address at which the
        /// server listens.
        canary: bool = true, "false";
        /// Passive mode (PASV, EPSV): the server listens, the client connects.
        passive: Passive = Passive::default(), "";
        /// Active mode (PORT, EPRT): the client listens, the server connects.
        active: Active = Active::default(), "";
        /// The user that the server becomes, when it is started as root, before it opens anything but this file; `user` and
        /// `group` are names of /etc/passwd and /etc/group, or numbers. What that user may not read is told at the start,
        /// not at the first reload. A service manager does the same with `User=`.
        user: Option<String> = None, r#""ftp""#;
        /// The group that it gets; without this key the user's own.
        group: Option<String> = None, r#""ftp""#;
        /// Whether the server shuts itself in after its start, so that it reaches the directories that it serves and the files
        /// that this file names, and nothing else (Landlock, Linux 5.13 or later): `"auto"` where the kernel can, `"require"`, or
        /// `"off"`. A reload that names a directory of another place needs a restart then.
        sandbox: Sandbox = Sandbox::Auto, r#""require""#;
        /// Third-party transfers (FXP): the server exchanges files with another server, at a client's word. Nobody may,
        /// unless named here. A port below 1024 is refused all the same (RFC 2577). Under TLS it is for PROT C only: of two
        /// servers each waits for the other to begin.
        fxp: Fxp = Fxp::default(), "";
        /// Who may log in.
        users: Users = Users::default(), "";
        /// Sessions at once. Whoever comes when a limit is reached is told so with 421.
        limits: Limits = Limits::default(), "";
        /// Wrong logins. They are counted by address (of IPv6, by /64) and by the name that was given, whether there is such a user
        /// or not; each count is halved with each `time`.
        bans: Bans = Bans::default(), "";
        /// FTPS (RFC 4217).
        tls: Tls = Tls::default(), "";
        /// Metrics and health, over HTTP: `/metrics` for Prometheus, and `/health`, which says 200 while sessions are taken and
        /// 503 while the server drains.
        admin: Admin = Admin::default(), "";
        /// What is written down.
        log: Log = Log::default(), "";
        /// How long something may take, in seconds.
        times: Times = Times::default(), "";
    }
}

section! {
    /// The character set of clients from certain networks.
    CharsetRule {
        /// The networks of the clients that it is for.
        clients: Networks = Networks::everyone(), r#""10.1.0.0/16""# => required;
        /// As `charset`.
        charset: CharsetName = CharsetName::default(), r#""gbk""# => required;
    }
}

section! {
    /// Passive mode.
    Passive {
        /// The ports to listen on, the first and the last included, or `"any"` that is free. Ports are drawn at random; one
        /// that was just used rests until others had their turn. Open this range in every firewall before the server.
        ports: PassivePorts = PassivePorts::Any, r#""30000-30099""#, "--passive-ports";
        /// How many sessions are expected to transfer at once. It changes nothing but that a range with fewer ports is warned
        /// about. Sessions of different clients share ports when the range is full; those of one address only if they are
        /// different users' and their data connections have to resume their TLS sessions.
        expected_sessions: Option<u32> = None, "100";
        /// Which address the 227 reply tells, in rules that are tried in order by the client's address. The first that
        /// fits counts; where none does it is the address that the client reached. EPSV tells no address.
        advertise: Vec<AdvertiseRule> = Vec::new(),
            r#"[{ clients = "192.168.0.0/16", address = "local" }, { address = "ftp.example.net" }]"#, "--advertise";
        /// For a device that gives the ports other numbers on its outside: the 227 and 229 replies tell the outside port of
        /// the one that is listened on. Rules are tried in order by the client's address and the port; a port that none
        /// names is told as it is.
        port_map: Vec<PortMapRule> = Vec::new(), r#"[{ outside = "50000-50099", inside = "30000-30099" }]"#;
    }
}

section! {
    /// A rule for the address in the 227 reply.
    AdvertiseRule {
        /// The networks of the clients that it is for.
        clients: Networks = Networks::everyone(), r#"["192.168.0.0/16", "10.0.0.0/8"]"#;
        /// `"local"` for the address that the client reached, `"proxy"` for what the balancer's PROXY header names as that
        /// (clients without one go on to the next rule), an IPv4 address, or a name, whose address is
        /// followed as its DNS TTL says: the resolver is asked in the background, no PASV waits for it longer than a
        /// second, and while it fails the last good answer is told.
        address: Advertised = Advertised::Local, r#""203.0.113.7""# => required;
    }
}

section! {
    /// A rule for ports that are renumbered.
    PortMapRule {
        /// The networks of the clients that reach the server through that device.
        clients: Networks = Networks::everyone(), r#""0.0.0.0/0""#;
        /// What these clients have to connect to.
        outside: PortRange = PortRange(1..=1), r#""50000-50099""# => required;
        /// What the device makes of it, which has as many ports: the first of the one becomes the first of the other.
        inside: PortRange = PortRange(1..=1), r#""30000-30099""# => required;
    }
}

section! {
    /// Active mode.
    Active {
        /// The port that data connections come from: `"control-1"` for the control port less one, which is 20 for 21
        /// (any where the process may not bind it), a number, or `"any"`.
        source_port: SourcePort = SourcePort::ControlMinusOne, "20", "--active-source-port";
        /// What becomes of a PORT or EPRT that tells a private address which is not the client's, because a NAT before the
        /// client did not rewrite it: `"refuse"`, or `"use-control-peer"`: the data connection goes to the address that the
        /// control connection comes from. That helps where the NAT forwards the port.
        private_address: PrivateAddress = PrivateAddress::Refuse, r#""use-control-peer""#;
    }
}

section! {
    /// Third-party transfers.
    Fxp {
        /// Hosts with which every user may: PORT may name them, and they may connect to passive ports. Name the other
        /// servers, no more: whoever connects from there is taken for the client.
        networks: Networks = Networks::default(), r#""198.51.100.21""#;
        /// Users who may with any host. `"anonymous"` is a name too, though hardly one to write here.
        users: Vec<String> = Vec::new(), r#"["mirror"]"#;
    }
}

section! {
    /// Who may log in.
    Users {
        /// Whether `anonymous` and `ftp` get in with any password. Without this key they do as long as there are no
        /// accounts, no `file` and nobody to ask.
        anonymous: Option<bool> = None, "true", "--anonymous";
        /// Users that only this server knows.
        accounts: Vec<Account> = Vec::new(), r#"[{ name = "media", password_file = "/etc/wharf/media.password" }]"#, "--user";
        /// A file of users with hashed passwords, each with a root, rights and limits of its own; `wharf user` keeps it, and
        /// users.md describes it. SIGHUP reads it anew.
        file: Option<PathBuf> = None, r#""/etc/wharf/users.toml""#;
        /// A program that is asked about names which no file knows: the path, then its arguments. It reads the question as
        /// JSON on its standard input and answers on its standard output; users.md has the form.
        ask_program: Vec<String> = Vec::new(), r#"["/usr/local/bin/ftp-login", "--strict"]"#;
        /// The same, but a service to which the question is POSTed. It should listen on this machine: the password goes to
        /// it in clear.
        ask_url: Option<String> = None, r#""http://127.0.0.1:8080/ftp-login""#;
        /// Longest wait for the answer, in seconds. Who logs in meanwhile is told 421 when it is over.
        ask_time: Seconds = Seconds::of(limits::LOGIN_ANSWER_TIME), "2";
        /// How long an answer that lets somebody in is used again for the same name, password and address, in seconds; 0 for
        /// never.
        ask_remember: u32 = 60, "300";
        /// Questions at once; further logins wait for their turn.
        ask_at_once: u32 = 8, "2";
    }
}

section! {
    /// A user that only this server knows.
    Account {
        /// As the client sends it.
        name: String = String::new(), r#""media""# => required;
        /// In clear: wharf.toml has to be readable by its owner alone then, or there is a warning. Without it and `password_file` it comes from the variable
        /// WHARF_PASSWORD, or is asked for.
        password: Option<String> = None, r#""correct horse""#;
        /// A file whose first line is the password. A relative path starts from the folder of wharf.toml.
        password_file: Option<PathBuf> = None, r#""/etc/wharf/media.password""#;
    }
}

section! {
    /// Sessions at once.
    Limits {
        /// All sessions together. Without this key the descriptors are the limit.
        sessions: Option<u32> = None, "1000";
        /// The sessions of one address; of IPv6, of one /64.
        sessions_per_address: Option<u32> = None, "20";
        /// The sessions of one user. The users file can say otherwise for each.
        sessions_per_user: Option<u32> = None, "10";
    }
}

section! {
    /// Wrong logins.
    Bans {
        /// Wrong logins of an address after which it is turned away for `time`; 0 for no limit.
        address_failures: u32 = 10, "5";
        /// Wrong logins under one name after which nobody comes in under it for `time`, whoever they are: whoever knows the
        /// name can bring that about, so it is many; 0 for no limit.
        user_failures: u32 = 100, "0";
        /// How long, in seconds; and the time in which counts are halved.
        time: Seconds = Seconds::of(std::time::Duration::from_secs(600)), "3600";
        /// How long a wrong login waits for its answer, in seconds.
        delay: u32 = 1, "3";
        /// Clients that are never turned away, whose wrong logins are not counted and who never wait.
        exempt: Networks = Networks::this_machine(), r#"["127.0.0.1", "192.0.2.0/24"]"#;
    }
}

section! {
    /// Metrics and health.
    Admin {
        /// Where to listen. Anything but a loopback address needs a token.
        listen: Option<SocketAddr> = None, r#""127.0.0.1:9121""#, "--admin";
        /// A file whose first line is the token that `Authorization: Bearer` has to say; 401 without it.
        token_file: Option<PathBuf> = None, r#""/etc/wharf/admin.token""#;
    }
}

section! {
    /// FTPS.
    Tls {
        /// The certificate in PEM, with the intermediate ones behind it, or a list: clients choose by name, and the first
        /// is shown to those that name none.
        certificate: Files = Files::default(), r#""/etc/wharf/cert.pem""#, "--tls-cert";
        /// The private key of the certificate, in PEM; a list where `certificate` is one, in the same order.
        key: Files = Files::default(), r#""/etc/wharf/key.pem""#, "--tls-key";
        /// Whether a certificate is made at the first start and kept. Clients cannot verify it.
        self_signed: bool = false, "true", "--tls-self-signed";
        /// Whether a login may (`"allow"`), must (`"require"`) or cannot (`"off"`) come through TLS. Without this key it may
        /// when there is a certificate.
        control: Option<TlsUse> = None, r#""require""#, "--tls";
        /// The same for data. Without this key it is as for logins.
        data: Option<TlsUse> = None, r#""require""#, "--tls";
        /// Users for whom something else holds.
        users: Vec<TlsUser> = Vec::new(), r#"[{ name = "camera", control = "allow", data = "allow" }]"#;
        /// Whether a data connection has to resume the TLS session of its control connection, which proves that both have
        /// the same client: `"require"`, `"prefer"`, or `"off"`: nothing can be resumed.
        resumption: Resumption = Resumption::Require, r#""prefer""#, "--tls-resumption";
        /// Networks whose clients need not resume.
        resumption_exempt_networks: Networks = Networks::default(), r#""192.0.2.0/24""#;
        /// Users who need not resume.
        resumption_exempt_users: Vec<String> = Vec::new(), r#"["scanner"]"#;
        /// What an upload is that ends without close_notify: `"require"` makes it cut, since anyone on the way can end a
        /// connection; `"tolerate"` takes it as complete, for old clients.
        upload_close_notify: CloseNotify = CloseNotify::Require, r#""tolerate""#;
        /// The oldest version of TLS that is spoken: `"1.2"` or `"1.3"`.
        min_version: TlsVersion = TlsVersion::Tls12, r#""1.3""#;
        /// Where TLS begins with the connection (implicit FTPS, by custom port 990).
        implicit_listen: Vec<SocketAddr> = Vec::new(), r#"["[::]:990"]"#, "--implicit-tls";
        /// Whether CCC may end TLS on the control connection, so that NAT devices can read it again.
        clear_control: bool = false, "true";
        /// Whether PROT C is taken behind PROT P.
        clear_data_again: bool = false, "true";
    }
}

section! {
    /// What holds for one user in place of what holds for all.
    TlsUser {
        /// As the client sends it.
        name: String = String::new(), r#""camera""# => required;
        /// As in `[tls]`.
        control: Option<TlsUse> = None, r#""allow""#;
        /// As in `[tls]`.
        data: Option<TlsUse> = None, r#""off""#;
    }
}

section! {
    /// What is written down.
    Log {
        /// The form of the log on standard error: `"text"` for people, `"json"` for one object a line.
        form: LogForm = LogForm::Text, r#""json""#, "--log";
        /// A file that the log goes to, in place of standard error. SIGHUP opens it anew.
        file: Option<PathBuf> = None, r#""/var/log/wharf.log""#, "--log-file";
        /// How much it says: `"error"`, `"warn"`, `"info"` (logins and transfers) or `"debug"` (every session).
        level: LogLevel = LogLevel::Warn, r#""info""#, "--quiet, --verbose";
        /// A file with a line for each transfer, in the form of wu-ftpd's xferlog. SIGHUP opens it anew.
        xferlog: Option<PathBuf> = None, r#""/var/log/xferlog""#, "--xferlog";
    }
}

section! {
    /// How long something may take.
    Times {
        /// From the greeting until the login is complete.
        login: Seconds = Seconds::of(ServerTimes::default().login), "30";
        /// Silence between commands.
        idle: Seconds = Seconds::of(ServerTimes::default().idle), "900";
        /// Until a data connection is up.
        data_connection: Seconds = Seconds::of(ServerTimes::default().data_connection), "15";
        /// Without a byte on a data connection.
        data_stall: Seconds = Seconds::of(ServerTimes::default().data_stall), "60";
        /// For a TLS handshake, on control and data connections.
        tls_handshake: Seconds = Seconds::of(ServerTimes::default().tls_handshake), "5";
        /// For running transfers when the server is told to stop.
        drain: Seconds = Seconds::of(ServerTimes::default().drain), "3600";
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::{Key, Section};
    use super::*;

    /// Each key with its example, inside the tables that it stands in.
    fn examples(keys: &[Key], before: &str, examples: &mut Vec<String>) {
        for key in keys {
            if !key.example.is_empty() {
                examples.push(format!("{before}{} = {}", key.name, key.example));
            }
            if key.example.is_empty() {
                super::tests::examples(key.inside, &format!("{before}{}.", key.name), examples);
            }
        }
    }

    #[test]
    fn every_example_can_be_read_and_is_not_the_default() {
        let mut all = Vec::new();
        examples(Configuration::KEYS, "", &mut all);
        assert!(all.len() > 10);
        for example in all {
            let read: Configuration =
                toml::from_str(&example).unwrap_or_else(|error| panic!("{example}: {error}"));
            assert_ne!(read, Configuration::default(), "{example}");
        }
    }

    #[test]
    fn the_defaults_read_back_to_the_same() {
        let written = toml::to_string(&Configuration::default()).unwrap();
        assert_eq!(toml::from_str::<Configuration>(&written).unwrap(), Configuration::default(), "{written}");
    }

    #[test]
    fn every_key_is_explained() {
        fn check(keys: &[Key]) {
            for key in keys {
                assert!(!key.about.is_empty(), "{key:?}");
                check(key.inside);
            }
        }
        check(Configuration::KEYS);
    }
}
