//! Every directive of vsftpd.conf(5), of vsftpd 3.0.3, and those that later versions added.

/// A directive.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As it would stand in the file; empty where there is none.
    pub(super) default: &'static str,
    pub(super) fate: Fate,
}

/// What its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// YES or NO.
    Switch,
    /// A number.
    Number,
    /// Anything.
    Text,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It becomes a key, alone or with others: `mapping.rs` says which.
    Mapped,
    /// There is nothing to set: why.
    Needless(&'static str),
    /// Wharf cannot: what to do instead.
    Impossible(&'static str),
    /// A switch of which each value has a fate of its own.
    Either { on: &'static Fate, off: &'static Fate },
}

const fn switch(name: &'static str, on_by_default: bool, fate: Fate) -> Directive {
    Directive { name, kind: Kind::Switch, default: if on_by_default { "YES" } else { "NO" }, fate }
}

const fn number(name: &'static str, default: &'static str, fate: Fate) -> Directive {
    Directive { name, kind: Kind::Number, default, fate }
}

const fn text(name: &'static str, default: &'static str, fate: Fate) -> Directive {
    Directive { name, kind: Kind::Text, default, fate }
}

use Fate::{Either, Impossible, Mapped, Needless};

const AS_IT_IS: Fate = Needless("it is so with Wharf");
const ONE_PROCESS: Fate =
    Needless("Wharf serves all sessions in one process, which gives its privileges up after the start");
const CONFINED: Fate = Needless(
    "every user sees its root as / and gets nowhere else, by .. or by symbolic link; its files may be written",
);
const NO_EMAILS: Fate = Impossible(
    "anonymous passwords are not looked at; [bans] turns away who guesses passwords, and accounts keep the others out",
);
const ONE_OWNER: Fate = Impossible(
    "files belong to the user that Wharf runs as (`user` in wharf.toml, or User= of its systemd unit) with that process's umask (UMask=)",
);
const NO_CLIENT_CERTIFICATES: Fate =
    Impossible("clients are asked for no certificates; passwords are, and [users] can name networks");
const BY_RIGHTS: Fate = Impossible(
    "what is allowed is said by right, not by command: `rights` in the users file (read, write, overwrite, delete, list, rename, mkdir)",
);
const BY_RULES: Fate = Impossible(
    "`rules` in the users file give rights by path pattern: [{ path = \"/**/*.mp3\", rights = [\"read\", \"list\"] }]",
);
const BROKEN_TLS: Fate =
    Impossible("this version of TLS is broken, and Wharf does not have it: clients need TLS 1.2 or 1.3");
const NEWER_TLS: Fate =
    Needless("`tls.min_version` chooses between TLS 1.2 and 1.3; older versions are not spoken");
const NO_DSA: Fate =
    Impossible("TLS 1.2 and 1.3 have no use for DSA: `tls.certificate` takes RSA and ECDSA ones");

/// All of them, by kind and name.
pub(super) const DIRECTIVES: &[Directive] = &[
    switch("allow_anon_ssl", false, Mapped),
    switch("allow_writeable_chroot", false, CONFINED),
    switch("anon_mkdir_write_enable", false, Mapped),
    switch("anon_other_write_enable", false, Mapped),
    switch("anon_upload_enable", false, Mapped),
    switch(
        "anon_world_readable_only",
        true,
        Either {
            on: &Impossible(
                "what the process may read is served: let Wharf run as a user who may read only what everybody may",
            ),
            off: &AS_IT_IS,
        },
    ),
    switch("anonymous_enable", false, Mapped),
    switch("ascii_download_enable", false, Mapped),
    switch("ascii_upload_enable", false, Mapped),
    switch("async_abor_enable", false, Needless("ABOR acts at once, with Telnet's signals and without")),
    switch(
        "background",
        false,
        Needless("Wharf stays in the foreground; a service manager (systemd) starts it"),
    ),
    switch("better_stou", false, Needless("STOU always makes a name that nobody can foresee")),
    switch("check_shell", true, Needless("Wharf has users of its own, who have no shell")),
    switch(
        "chmod_enable",
        true,
        Either {
            on: &Needless("SITE CHMOD needs the right `overwrite`"),
            off: &Impossible("SITE CHMOD goes with the right `overwrite`, which a users file can take away"),
        },
    ),
    switch("chown_uploads", false, Either { on: &ONE_OWNER, off: &AS_IT_IS }),
    switch("chroot_list_enable", false, CONFINED),
    switch(
        "chroot_local_user",
        false,
        Either {
            on: &CONFINED,
            off: &Impossible(
                "a user sees its root as / and nothing else: who needs the whole machine gets root = \"/\"",
            ),
        },
    ),
    switch("connect_from_port_20", false, Mapped),
    switch("debug_ssl", false, Needless("`wharf serve -vv`, or log.level = \"debug\", tells of handshakes")),
    switch(
        "delete_failed_uploads",
        false,
        Either {
            on: &Needless(
                "an upload gets its name when it is complete (`uploads`); the part of a cut one goes after `keep_parts`",
            ),
            off: &Needless(
                "the part of a cut upload waits for its user to go on with it (`uploads`, `keep_parts`)",
            ),
        },
    ),
    switch("deny_email_enable", false, Either { on: &NO_EMAILS, off: &AS_IT_IS }),
    switch("dirlist_enable", true, Mapped),
    switch(
        "dirmessage_enable",
        false,
        Either {
            on: &Impossible("no messages are shown for directories; clients of today hide them"),
            off: &AS_IT_IS,
        },
    ),
    switch("download_enable", true, Mapped),
    switch("dual_log_enable", false, Mapped),
    switch(
        "force_dot_files",
        false,
        Either {
            on: &Impossible(
                "names that begin with a dot are in MLSD, and in LIST -a, which clients send when they want them",
            ),
            off: &AS_IT_IS,
        },
    ),
    switch("force_anon_data_ssl", false, Mapped),
    switch("force_anon_logins_ssl", false, Mapped),
    switch("force_local_data_ssl", true, Mapped),
    switch("force_local_logins_ssl", true, Mapped),
    switch(
        "ftp_enable",
        true,
        Either { on: &AS_IT_IS, off: &Impossible("then nothing is served: do not start Wharf") },
    ),
    switch("guest_enable", false, Mapped),
    switch("hide_ids", false, Needless("listings show `ftp` as owner and group of everything")),
    switch(
        "http_enable",
        false,
        Either { on: &Impossible("Wharf speaks no HTTP but on `admin.listen`"), off: &AS_IT_IS },
    ),
    switch("implicit_ssl", false, Mapped),
    switch("isolate", true, ONE_PROCESS),
    switch("isolate_network", true, ONE_PROCESS),
    switch("listen", false, Mapped),
    switch("listen_ipv6", false, Mapped),
    switch("local_enable", false, Mapped),
    switch(
        "lock_upload_files",
        true,
        Needless(
            "a second upload of a name is refused with 450 while the first runs, and readers see the old file whole",
        ),
    ),
    switch(
        "log_ftp_protocol",
        false,
        Either {
            on: &Impossible(
                "the log tells of logins, changes and transfers; `wharf explain` shows each command from a capture",
            ),
            off: &AS_IT_IS,
        },
    ),
    switch(
        "ls_recurse_enable",
        false,
        Either {
            on: &Impossible("LIST -R is not done: `wharf mirror`, lftp and rclone walk trees by themselves"),
            off: &AS_IT_IS,
        },
    ),
    switch("mdtm_write", true, Needless("times are set with MFMT, by those who have the right `overwrite`")),
    switch(
        "no_anon_password",
        false,
        Needless("anonymous users get in with any password, which every client sends"),
    ),
    switch("no_log_lock", false, AS_IT_IS),
    switch("one_process_model", false, ONE_PROCESS),
    switch("passwd_chroot_enable", false, CONFINED),
    switch("pasv_addr_resolve", false, Mapped),
    switch("pasv_enable", true, Mapped),
    switch("pasv_promiscuous", false, Mapped),
    switch("port_enable", true, Mapped),
    switch("port_promiscuous", false, Mapped),
    switch("ptrace_sandbox", false, ONE_PROCESS),
    switch("require_cert", false, Either { on: &NO_CLIENT_CERTIFICATES, off: &AS_IT_IS }),
    switch("require_ssl_reuse", true, Mapped),
    switch(
        "run_as_launching_user",
        false,
        Needless("without `user` in wharf.toml Wharf stays who started it"),
    ),
    switch("seccomp_sandbox", true, Needless("`sandbox` shuts Wharf in with Landlock")),
    switch("secure_email_list_enable", false, Either { on: &NO_EMAILS, off: &AS_IT_IS }),
    switch(
        "session_support",
        false,
        Either {
            on: &Impossible("utmp and wtmp are not written: the log tells of each login"),
            off: &AS_IT_IS,
        },
    ),
    switch(
        "setproctitle_enable",
        false,
        Either { on: &Needless("`admin.listen` tells of sessions and transfers (/metrics)"), off: &AS_IT_IS },
    ),
    switch("ssl_enable", false, Mapped),
    switch("ssl_request_cert", true, Either { on: &NO_CLIENT_CERTIFICATES, off: &AS_IT_IS }),
    switch("ssl_sslv2", false, Either { on: &BROKEN_TLS, off: &AS_IT_IS }),
    switch("ssl_sslv3", false, Either { on: &BROKEN_TLS, off: &AS_IT_IS }),
    switch("ssl_tlsv1", true, NEWER_TLS),
    switch("ssl_tlsv1_1", true, NEWER_TLS),
    switch("ssl_tlsv1_2", true, NEWER_TLS),
    switch("ssl_tlsv1_3", true, NEWER_TLS),
    switch("strict_ssl_read_eof", false, Mapped),
    switch(
        "strict_ssl_write_shutdown",
        false,
        Needless("downloads end with close_notify; whether the client says its own proves nothing"),
    ),
    switch("syslog_enable", false, Mapped),
    switch(
        "tcp_wrappers",
        false,
        Either {
            on: &Impossible("a firewall does that for all; `networks` in the users file for a user"),
            off: &AS_IT_IS,
        },
    ),
    switch(
        "text_userdb_names",
        false,
        Either { on: &Impossible("listings show `ftp` as owner and group of everything"), off: &AS_IT_IS },
    ),
    switch(
        "tilde_user_enable",
        false,
        Either { on: &Impossible("~NAME is a name like any other"), off: &AS_IT_IS },
    ),
    switch(
        "use_localtime",
        false,
        Either {
            on: &Impossible("listings and MDTM tell UTC, as RFC 3659 wants it; clients show their own time"),
            off: &AS_IT_IS,
        },
    ),
    switch("use_sendfile", true, AS_IT_IS),
    switch("userlist_deny", true, Mapped),
    switch("userlist_enable", false, Mapped),
    switch(
        "utf8_filesystem",
        false,
        Needless("names are UTF-8 on the wire (`charset`), and bytes stay what they are"),
    ),
    switch("validate_cert", false, Either { on: &NO_CLIENT_CERTIFICATES, off: &AS_IT_IS }),
    switch("virtual_use_local_privs", false, Mapped),
    switch("write_enable", false, Mapped),
    switch("xferlog_enable", false, Mapped),
    switch("xferlog_std_format", false, Mapped),
    number("accept_timeout", "60", Mapped),
    number("anon_max_rate", "0", Mapped),
    number("anon_umask", "077", ONE_OWNER),
    number("chown_upload_mode", "0600", ONE_OWNER),
    number("connect_timeout", "60", Mapped),
    number("data_connection_timeout", "300", Mapped),
    number("delay_failed_login", "1", Mapped),
    number(
        "delay_successful_login",
        "0",
        Impossible("a login that is right is answered at once; [bans] slows down who guesses"),
    ),
    number("file_open_mode", "0666", ONE_OWNER),
    number("ftp_data_port", "20", Mapped),
    number("idle_session_timeout", "300", Mapped),
    number("listen_port", "21", Mapped),
    number("local_max_rate", "0", Mapped),
    number("local_umask", "077", ONE_OWNER),
    number("max_clients", "0", Mapped),
    number(
        "max_login_fails",
        "3",
        Needless("a session is ended after a few wrong logins, and [bans] counts them over all sessions"),
    ),
    number("max_per_ip", "0", Mapped),
    number("pasv_max_port", "0", Mapped),
    number("pasv_min_port", "0", Mapped),
    number("trans_chunk_size", "0", Needless("transfers are cut into pieces as their speed needs it")),
    text("anon_root", "", Mapped),
    text("banned_email_file", "/etc/vsftpd.banned_emails", NO_EMAILS),
    text("banner_file", "", Impossible("the greeting is Wharf's own")),
    text("ca_certs_file", "", NO_CLIENT_CERTIFICATES),
    text("chown_username", "root", ONE_OWNER),
    text("chroot_list_file", "/etc/vsftpd.chroot_list", CONFINED),
    text("cmds_allowed", "", BY_RIGHTS),
    text("cmds_denied", "", BY_RIGHTS),
    text("deny_file", "", Mapped),
    text("download_file", "", BY_RULES),
    text("dsa_cert_file", "", NO_DSA),
    text("dsa_private_key_file", "", NO_DSA),
    text("email_password_file", "/etc/vsftpd.email_passwords", NO_EMAILS),
    text("ftp_username", "ftp", Mapped),
    text("ftpd_banner", "", Impossible("the greeting is Wharf's own")),
    text("guest_username", "ftp", Mapped),
    text(
        "hide_file",
        "",
        Impossible(
            "what a user may list, read and write goes together: `rules` in the users file without any right hide and deny",
        ),
    ),
    text("listen_address", "", Mapped),
    text("listen_address6", "", Mapped),
    text("local_root", "", Mapped),
    text(
        "message_file",
        ".message",
        Impossible("no messages are shown for directories; clients of today hide them"),
    ),
    text("nopriv_user", "nobody", ONE_PROCESS),
    text(
        "pam_service_name",
        "vsftpd",
        Impossible(
            "PAM is not asked: `users.file` has the users, or `users.ask_program` names a program that asks PAM",
        ),
    ),
    text("pasv_address", "", Mapped),
    text("rsa_cert_file", "/usr/share/ssl/certs/vsftpd.pem", Mapped),
    text("rsa_private_key_file", "", Mapped),
    text("secure_chroot_dir", "/var/run/vsftpd/empty", ONE_PROCESS),
    text(
        "ssl_ciphers",
        "DES-CBC3-SHA",
        Needless(
            "the ciphers of TLS 1.2 and 1.3 that rustls has are all safe, and there is no choice among them",
        ),
    ),
    text(
        "ssl_sni_hostname",
        "",
        Needless("with several certificates clients choose by name (`tls.certificate`)"),
    ),
    text("upload_file", "", BY_RULES),
    text("user_config_dir", "", Mapped),
    text("user_sub_token", "", Mapped),
    text("userlist_file", "/etc/vsftpd.user_list", Mapped),
    text("vsftpd_log_file", "/var/log/vsftpd.log", Mapped),
    text("xferlog_file", "/var/log/xferlog", Mapped),
];

impl Fate {
    /// What it comes to with this value.
    pub(super) fn with(self, is_on: bool) -> Self {
        match self {
            Either { on, off } => {
                if is_on {
                    *on
                } else {
                    *off
                }
            }
            other => other,
        }
    }
}
