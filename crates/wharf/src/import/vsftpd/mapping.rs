//! From directives to keys.

use std::path::PathBuf;

use toml::Value;

use super::conf::Conf;
use super::directives::{DIRECTIVES, Fate, Kind};

/// The range of vsftpd, where one end of it is not given.
const FIRST_PASSIVE_PORT: u64 = 1024;
const LAST_PASSIVE_PORT: u64 = 65535;
/// Why a directive does nothing.
const NOBODY_ANONYMOUS: &str = "nobody gets in anonymously";
const NOBODY_LOCAL: &str = "local_enable is not on: nobody but anonymous users gets in";
/// Directives about local users that vsftpd does not look at for others.
const OF_LOCAL_USERS: &[&str] = &[
    "check_shell",
    "chmod_enable",
    "chroot_list_enable",
    "chroot_list_file",
    "chroot_local_user",
    "local_umask",
    "pam_service_name",
    "passwd_chroot_enable",
    "tilde_user_enable",
];
/// Where Debian's user `ftp` lives.
const USUAL_ANONYMOUS_ROOT: &str = "/srv/ftp";

/// A wharf.toml and a users file in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Keys of wharf.toml, in the order of their sections.
    pub(super) keys: Vec<Key>,
    /// Keys of the users file. Without any, none is needed.
    pub(super) users: Vec<Key>,
    /// Directives that the file gives and that became something else than a key.
    pub(super) needless: Vec<(&'static str, String)>,
    /// Those that were not carried over, and what to do instead.
    pub(super) impossible: Vec<(&'static str, String)>,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Key {
    /// The table that it stands in; empty for the top.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// The directives that it comes of.
    pub(super) from: &'static [&'static str],
}

impl Draft {
    /// What a file comes to.
    pub(super) fn of(conf: &Conf) -> Self {
        let mut draft = Self::default();
        draft.listen(conf);
        draft.root(conf);
        draft.modes(conf);
        draft.times(conf);
        draft.tls(conf);
        draft.logs(conf);
        draft.limits(conf);
        draft.anonymous(conf);
        draft.local(conf);
        draft.rules(conf);
        draft.rest(conf);
        draft
    }

    fn set(
        &mut self,
        section: &'static str,
        name: &'static str,
        value: impl Into<Value>,
        from: &'static [&'static str],
    ) {
        self.keys.push(Key { section, name, value: value.into(), from });
    }

    fn set_user(
        &mut self,
        section: &'static str,
        name: &'static str,
        value: impl Into<Value>,
        from: &'static [&'static str],
    ) {
        self.users.push(Key { section, name, value: value.into(), from });
    }

    fn needless(&mut self, name: &'static str, why: impl Into<String>) {
        self.needless.push((name, why.into()));
    }

    fn impossible(&mut self, name: &'static str, instead: impl Into<String>) {
        self.impossible.push((name, instead.into()));
    }

    fn tells_of(&self, name: &str) -> bool {
        let keys = self.keys.iter().chain(&self.users);
        keys.flat_map(|key| key.from).any(|from| *from == name)
            || self.needless.iter().chain(&self.impossible).any(|(told, _)| *told == name)
    }

    fn listen(&mut self, conf: &Conf) {
        const FROM: &[&str] = &["listen", "listen_ipv6", "listen_port", "listen_address", "listen_address6"];
        let port = conf.number("listen_port");
        let address = |name: &str, any: &str| match conf.text(name) {
            "" => any.to_owned(),
            address => address.to_owned(),
        };
        let listen = if conf.is_on("listen_ipv6") {
            format!("[{}]:{port}", address("listen_address6", "::"))
        } else {
            if !conf.is_on("listen") {
                self.impossible(
                    "listen",
                    "it was started by inetd for each connection; Wharf listens by itself, or takes systemd's socket",
                );
            }
            format!("{}:{port}", address("listen_address", "0.0.0.0"))
        };
        let listen = Value::Array(vec![listen.into()]);
        if conf.is_on("ssl_enable") && conf.is_on("implicit_ssl") {
            self.set("", "listen", Value::Array(Vec::new()), &["implicit_ssl"]);
            self.set("tls", "implicit_listen", listen, FROM);
        } else {
            self.set("", "listen", listen, FROM);
        }
    }

    /// What everybody sees as `/` who has no root of its own.
    fn root(&mut self, conf: &Conf) {
        if conf.is_on("anonymous_enable") || !conf.is_on("local_enable") {
            self.set("", "root", anonymous_root(conf), &["anon_root", "ftp_username"]);
        } else {
            self.set("", "root", local_root(conf), &["local_root", "guest_username", "user_sub_token"]);
        }
    }

    fn modes(&mut self, conf: &Conf) {
        let modes: Vec<Value> = [("port_enable", "active"), ("pasv_enable", "passive")]
            .into_iter()
            .filter(|(directive, _)| conf.is_on(directive))
            .map(|(_, mode)| mode.into())
            .collect();
        if modes.is_empty() {
            self.impossible("pasv_enable", "with neither mode no file could be transferred");
        } else {
            self.set("", "modes", modes, &["port_enable", "pasv_enable"]);
        }
        let (first, last) = (conf.number("pasv_min_port"), conf.number("pasv_max_port"));
        if first > 0 || last > 0 {
            let first = first.max(FIRST_PASSIVE_PORT);
            let last = if last == 0 { LAST_PASSIVE_PORT } else { last };
            self.set("passive", "ports", format!("{first}-{last}"), &["pasv_min_port", "pasv_max_port"]);
        }
        if !conf.text("pasv_address").is_empty() {
            let mut rule = toml::Table::new();
            rule.insert("address".into(), conf.text("pasv_address").into());
            // A name is followed as its DNS TTL says, and not looked up once at the start.
            let rules = Value::Array(vec![rule.into()]);
            self.set("passive", "advertise", rules, &["pasv_address", "pasv_addr_resolve"]);
        }
        let source: Value = if conf.is_on("connect_from_port_20") {
            i64::try_from(conf.number("ftp_data_port")).unwrap_or(20).into()
        } else {
            "any".into()
        };
        self.set("active", "source_port", source, &["connect_from_port_20", "ftp_data_port"]);
        if conf.is_on("pasv_promiscuous") || conf.is_on("port_promiscuous") {
            let everywhere = Value::Array(vec!["0.0.0.0/0".into(), "::/0".into()]);
            self.set("fxp", "networks", everywhere, &["pasv_promiscuous", "port_promiscuous"]);
        }
        let ascii = if conf.is_on("ascii_download_enable") || conf.is_on("ascii_upload_enable") {
            "convert"
        } else {
            "binary"
        };
        self.set("", "ascii", ascii, &["ascii_download_enable", "ascii_upload_enable"]);
    }

    fn times(&mut self, conf: &Conf) {
        let mut time = |name, seconds: u64, from| {
            // No time at all is no time limit with vsftpd, and with nobody else.
            let seconds = if seconds == 0 { 86_400 } else { seconds };
            self.set("times", name, i64::try_from(seconds).unwrap_or(86_400), from);
        };
        time("idle", conf.number("idle_session_timeout"), &["idle_session_timeout"]);
        let connection = conf.number("accept_timeout").max(conf.number("connect_timeout"));
        time("data_connection", connection, &["accept_timeout", "connect_timeout"]);
        time("data_stall", conf.number("data_connection_timeout"), &["data_connection_timeout"]);
    }

    fn tls(&mut self, conf: &Conf) {
        const DIRECTIVES: &[&str] = &[
            "allow_anon_ssl",
            "force_anon_data_ssl",
            "force_anon_logins_ssl",
            "force_local_data_ssl",
            "force_local_logins_ssl",
            "implicit_ssl",
            "require_ssl_reuse",
            "rsa_cert_file",
            "rsa_private_key_file",
            "strict_ssl_read_eof",
        ];
        if !conf.is_on("ssl_enable") {
            for name in DIRECTIVES.iter().filter(|name| conf.gives(name)) {
                self.needless(name, "ssl_enable is not on, so that vsftpd does not look at it");
            }
            if conf.gives("ssl_enable") {
                self.needless("ssl_enable", "without `tls.certificate` there is no TLS");
            }
            return;
        }
        let certificate = conf.text("rsa_cert_file");
        let key =
            Some(conf.text("rsa_private_key_file")).filter(|key| !key.is_empty()).unwrap_or(certificate);
        self.set("tls", "certificate", certificate, &["ssl_enable", "rsa_cert_file"]);
        self.set("tls", "key", key, &["rsa_private_key_file"]);
        let anonymous = conf.is_on("anonymous_enable");
        let local = conf.is_on("local_enable");
        let forced = |directive| if conf.is_on(directive) { "require" } else { "allow" };
        let anonymously = |directive| match conf.is_on("allow_anon_ssl") {
            true => forced(directive),
            false => "off",
        };
        let anonymous_words = (anonymously("force_anon_logins_ssl"), anonymously("force_anon_data_ssl"));
        let local_words = (forced("force_local_logins_ssl"), forced("force_local_data_ssl"));
        let usual = if local { local_words } else { anonymous_words };
        let local_from: &[&str] = &["force_local_logins_ssl"];
        self.set("tls", "control", usual.0, if local { local_from } else { &["force_anon_logins_ssl"] });
        self.set(
            "tls",
            "data",
            usual.1,
            if local { &["force_local_data_ssl"] } else { &["force_anon_data_ssl"] },
        );
        if anonymous && local && anonymous_words != usual {
            let mut user = toml::Table::new();
            user.insert("name".into(), "anonymous".into());
            user.insert("control".into(), anonymous_words.0.into());
            user.insert("data".into(), anonymous_words.1.into());
            let from = &["allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl"];
            self.set("tls", "users", Value::Array(vec![user.into()]), from);
        }
        let resumption = if conf.is_on("require_ssl_reuse") { "require" } else { "prefer" };
        self.set("tls", "resumption", resumption, &["require_ssl_reuse"]);
        let end = if conf.is_on("strict_ssl_read_eof") { "require" } else { "tolerate" };
        self.set("tls", "upload_close_notify", end, &["strict_ssl_read_eof"]);
    }

    fn logs(&mut self, conf: &Conf) {
        const FROM: &[&str] =
            &["xferlog_enable", "xferlog_std_format", "dual_log_enable", "xferlog_file", "vsftpd_log_file"];
        let (enabled, standard, dual) =
            (conf.is_on("xferlog_enable"), conf.is_on("xferlog_std_format"), conf.is_on("dual_log_enable"));
        if (enabled && standard) || dual {
            self.set("log", "xferlog", conf.text("xferlog_file"), &["xferlog_file", "xferlog_enable"]);
        }
        if (enabled && !standard) || dual {
            self.set("log", "level", "info", &["xferlog_enable"]);
            if conf.is_on("syslog_enable") {
                self.needless(
                    "syslog_enable",
                    "the log goes to standard error, which systemd keeps in its journal",
                );
            } else {
                self.set("log", "file", conf.text("vsftpd_log_file"), &["vsftpd_log_file"]);
            }
        }
        for name in FROM.iter().chain(&["syslog_enable"]).filter(|name| conf.gives(name)) {
            let is_used = self.keys.iter().any(|key| key.from.contains(name));
            let is_told = self.needless.iter().any(|(told, _)| told == name);
            if !is_used && !is_told {
                self.needless(name, "no log of vsftpd's is switched on that it would change");
            }
        }
    }

    fn limits(&mut self, conf: &Conf) {
        for (directive, from, name) in [
            ("max_clients", &["max_clients"] as &'static [&'static str], "sessions"),
            ("max_per_ip", &["max_per_ip"], "sessions_per_address"),
        ] {
            match conf.number(directive) {
                0 if conf.gives(directive) => self.needless(from[0], "there is no limit without one"),
                0 => {}
                most => self.set("limits", name, i64::try_from(most).unwrap_or(i64::MAX), from),
            }
        }
        let delay = i64::try_from(conf.number("delay_failed_login")).unwrap_or(1);
        self.set("bans", "delay", delay, &["delay_failed_login"]);
    }

    fn anonymous(&mut self, conf: &Conf) {
        let is_on = conf.is_on("anonymous_enable");
        self.set("users", "anonymous", is_on, &["anonymous_enable"]);
        const FROM: &[&str] =
            &["anon_upload_enable", "anon_mkdir_write_enable", "anon_other_write_enable", "anon_max_rate"];
        if !is_on && !is_guest(conf) {
            for name in FROM.iter().filter(|name| conf.gives(name)) {
                self.needless(name, NOBODY_ANONYMOUS);
            }
            return;
        }
        if is_on {
            if conf.is_on("local_enable") {
                self.set_user("anonymous", "root", anonymous_root(conf), &["anon_root", "ftp_username"]);
            }
            self.set_user(
                "anonymous",
                "rights",
                anonymous_rights(conf),
                &[
                    "anonymous_enable",
                    "write_enable",
                    "anon_upload_enable",
                    "anon_mkdir_write_enable",
                    "anon_other_write_enable",
                    "download_enable",
                    "dirlist_enable",
                ],
            );
            if conf.is_on("anon_other_write_enable") && !conf.is_on("anon_upload_enable") {
                self.impossible(
                    "anon_upload_enable",
                    "APPE to a file that is there needs the right `write` as well; with vsftpd it does not",
                );
            }
            self.rates("anonymous", conf.number("anon_max_rate"), &["anon_max_rate"]);
        }
    }

    fn rates(&mut self, section: &'static str, rate: u64, from: &'static [&'static str]) {
        if let Some(rate) = i64::try_from(rate).ok().filter(|rate| *rate > 0) {
            self.set_user(section, "download_rate", rate, from);
            self.set_user(section, "upload_rate", rate, from);
        }
    }

    /// Everybody who is not anonymous. Whom vsftpd lets in is PAM's matter, and stands in no file that could be read.
    fn local(&mut self, conf: &Conf) {
        const FROM: &[&str] =
            &["local_root", "guest_username", "user_sub_token", "virtual_use_local_privs", "local_max_rate"];
        const LIST: &[&str] = &["userlist_enable", "userlist_deny", "userlist_file"];
        if !conf.is_on("local_enable") {
            for name in FROM
                .iter()
                .chain(LIST)
                .chain(&["guest_enable", "user_config_dir"])
                .filter(|name| conf.gives(name))
            {
                self.needless(name, NOBODY_LOCAL);
            }
            if conf.gives("local_enable") {
                self.needless(
                    "local_enable",
                    "nobody but anonymous users gets in where there are no accounts",
                );
            }
            return;
        }
        self.impossible(
            "local_enable",
            "accounts of the machine and PAM are not asked: `wharf user add NAME` gives each of them a password of its own in the users file, \
             or `users.ask_program` names a program that asks PAM. Files are then reached with the rights of the user that Wharf runs as",
        );
        let rights = match is_guest(conf) {
            true => anonymous_rights(conf),
            false => local_rights(conf),
        };
        self.set_user(
            "defaults",
            "root",
            local_root(conf),
            &["local_root", "guest_enable", "guest_username", "user_sub_token"],
        );
        self.set_user(
            "defaults",
            "rights",
            rights,
            &["write_enable", "virtual_use_local_privs", "download_enable", "dirlist_enable"],
        );
        let (rate, from): (_, &[&str]) = match is_guest(conf) {
            true => (conf.number("anon_max_rate"), &["anon_max_rate"]),
            false => (conf.number("local_max_rate"), &["local_max_rate"]),
        };
        self.rates("defaults", rate, from);
        self.user_list(conf);
        if !conf.text("user_config_dir").is_empty() {
            let directory = conf.text("user_config_dir");
            self.impossible(
                "user_config_dir",
                format!("{directory} has a file for each user: `root`, `rights` and rates in its [[user]] take their place"),
            );
        }
    }

    fn user_list(&mut self, conf: &Conf) {
        let file = conf.text("userlist_file");
        if !conf.is_on("userlist_enable") {
            for name in ["userlist_enable", "userlist_deny", "userlist_file"] {
                if conf.gives(name) {
                    self.needless(name, "no list is looked at");
                }
            }
        } else if conf.is_on("userlist_deny") {
            self.needless(
                "userlist_enable",
                format!("nobody gets in who is not in the users file: leave out of it whom {file} names"),
            );
        } else {
            self.needless(
                "userlist_enable",
                format!("nobody gets in who is not in the users file: add those whom {file} names"),
            );
        }
    }

    fn rules(&mut self, conf: &Conf) {
        let patterns = conf.text("deny_file");
        if patterns.is_empty() {
            return;
        }
        let mut rules = Vec::new();
        for pattern in alternatives(patterns) {
            for path in [format!("/**/{pattern}"), format!("/**/{pattern}/**")] {
                let mut rule = toml::Table::new();
                rule.insert("path".into(), path.into());
                rule.insert("rights".into(), Value::Array(Vec::new()));
                rules.push(Value::Table(rule));
            }
        }
        for section in ["defaults", "anonymous"] {
            if self.users.iter().any(|key| key.section == section) {
                self.set_user(section, "rules", rules.clone(), &["deny_file"]);
            }
        }
    }

    /// Whatever the file gives and nothing of the above has looked at.
    fn rest(&mut self, conf: &Conf) {
        for (directive, given) in conf.given() {
            if self.tells_of(directive.name) {
                continue;
            }
            let idle = if given.value.is_empty() || (directive.kind == Kind::Number && given.value == "0") {
                Some("it sets nothing")
            } else if directive.name.starts_with("anon_")
                && !conf.is_on("anonymous_enable")
                && !is_guest(conf)
            {
                Some(NOBODY_ANONYMOUS)
            } else if OF_LOCAL_USERS.contains(&directive.name) && !conf.is_on("local_enable") {
                Some(NOBODY_LOCAL)
            } else {
                None
            };
            if let Some(why) = idle {
                self.needless(directive.name, why);
                continue;
            }
            match directive.fate.with(conf.is_on(directive.name)) {
                Fate::Needless(why) => self.needless(directive.name, why),
                Fate::Impossible(instead) => self.impossible(directive.name, instead),
                Fate::Mapped | Fate::Either { .. } => {
                    self.needless(directive.name, "nothing in this file makes use of it");
                }
            }
        }
        // What vsftpd does without being told, and people may count on.
        if conf.is_on("anonymous_enable") && !conf.gives("anon_world_readable_only") {
            let directive = DIRECTIVES.iter().find(|directive| directive.name == "anon_world_readable_only");
            if let Some(Fate::Impossible(instead)) = directive.map(|directive| directive.fate.with(true)) {
                self.impossible("anon_world_readable_only", instead);
            }
        }
    }
}

/// Whether everybody is classed as anonymous, as far as rights go.
fn is_guest(conf: &Conf) -> bool {
    conf.is_on("local_enable") && conf.is_on("guest_enable") && !conf.is_on("virtual_use_local_privs")
}

/// The rights of anonymous users, and of guests.
fn anonymous_rights(conf: &Conf) -> Value {
    let writes = conf.is_on("write_enable");
    rights(
        conf,
        &[
            ("write", writes && conf.is_on("anon_upload_enable")),
            ("overwrite", writes && conf.is_on("anon_other_write_enable")),
            ("delete", writes && conf.is_on("anon_other_write_enable")),
            ("rename", writes && conf.is_on("anon_other_write_enable")),
            ("mkdir", writes && conf.is_on("anon_mkdir_write_enable")),
        ],
    )
}

/// The rights of everybody else.
fn local_rights(conf: &Conf) -> Value {
    let writes = conf.is_on("write_enable");
    rights(conf, &["write", "overwrite", "delete", "rename", "mkdir"].map(|right| (right, writes)))
}

fn rights(conf: &Conf, more: &[(&str, bool)]) -> Value {
    let usual = [("read", conf.is_on("download_enable")), ("list", conf.is_on("dirlist_enable"))];
    let all = usual.iter().chain(more).filter(|(_, has)| *has);
    Value::Array(all.map(|(right, _)| (*right).into()).collect())
}

/// What anonymous users see as `/`.
fn anonymous_root(conf: &Conf) -> Value {
    let root = match conf.text("anon_root") {
        "" => home(conf.text("ftp_username")).unwrap_or_else(|| USUAL_ANONYMOUS_ROOT.into()),
        root => root.into(),
    };
    root.display().to_string().into()
}

/// What users who are not anonymous see as `/`, with `%u` for their names.
fn local_root(conf: &Conf) -> Value {
    let template = match conf.text("local_root") {
        "" if conf.is_on("guest_enable") => {
            home(conf.text("guest_username")).map(|home| home.display().to_string())
        }
        "" => None,
        root => Some(root.to_owned()),
    };
    let template = template.unwrap_or_else(|| "/home/%u".to_owned());
    match conf.text("user_sub_token") {
        "" => template.into(),
        token => template.replace(token, "%u").into(),
    }
}

/// The home directory of a user of this machine.
fn home(user: &str) -> Option<PathBuf> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&user))?;
    found.get(5).map(PathBuf::from)
}

/// `{*.mp3,.private}`: the patterns of a list. A text without any sign of a pattern names what contains it.
fn alternatives(patterns: &str) -> Vec<String> {
    match patterns.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(list) => list.split(',').filter(|pattern| !pattern.is_empty()).map(str::to_owned).collect(),
        None if patterns.contains(['*', '?', '{']) => vec![patterns.to_owned()],
        None => vec![format!("*{patterns}*")],
    }
}
