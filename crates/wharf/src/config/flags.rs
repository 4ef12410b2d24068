//! What the flags change: each takes the place of its key, lists as a whole.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};

use super::keys::{Account, AdvertiseRule, Configuration};
use super::values::{Files, LogLevel, Networks};
use crate::args::serve::{ServeArguments, TlsArguments};

/// The port of a server that is only tried out: no rights are needed for it.
const TRY_PORT: u16 = 2121;

/// What the file, where there is one, and the flags ask for together.
///
/// # Errors
/// When the file is not understood, or no directory is named.
pub(crate) fn effective(arguments: &ServeArguments) -> Result<Configuration> {
    let mut configuration = match &arguments.config {
        Some(file) => Configuration::read(file)?,
        None => Configuration {
            listen: vec![(Ipv4Addr::LOCALHOST, TRY_PORT).into(), (Ipv6Addr::LOCALHOST, TRY_PORT).into()],
            root: Some(".".into()),
            ..Configuration::default()
        },
    };
    configuration.override_with(arguments);
    if let (None, Some(file)) = (&configuration.root, &arguments.config) {
        // Whatever folder a service manager starts us in would be served otherwise, `/` for instance.
        bail!("{}: `root` is missing: name the directory to serve, here or as DIR", file.display());
    }
    Ok(configuration)
}

/// Puts what a flag gave in the place of a value.
fn put<T: Clone>(place: &mut T, given: &Option<T>) {
    if let Some(value) = given {
        place.clone_from(value);
    }
}

impl Configuration {
    fn override_with(&mut self, arguments: &ServeArguments) {
        let ServeArguments {
            directory,
            config: _,
            listen,
            user,
            anonymous,
            write,
            modes,
            passive_ports,
            advertise,
            active_source_port,
            ascii,
            tls,
            admin,
            log,
            log_file,
            xferlog,
            verbose,
            quiet,
            check: _,
            print_config: _,
            configuration_reference: _,
        } = arguments;
        if directory.is_some() {
            self.root.clone_from(directory);
        }
        put(&mut self.listen, &Some(listen.clone()).filter(|list| !list.is_empty()));
        put(&mut self.modes, &Some(modes.clone()).filter(|list| !list.is_empty()));
        self.write |= write;
        put(&mut self.passive.ports, passive_ports);
        if let Some(address) = advertise {
            let rule = AdvertiseRule { clients: Networks::everyone(), address: address.clone() };
            self.passive.advertise = vec![rule];
        }
        put(&mut self.active.source_port, active_source_port);
        put(&mut self.ascii, ascii);
        if *anonymous {
            self.users.anonymous = Some(true);
        }
        if !user.is_empty() {
            self.users.accounts = user.iter().map(|text| account(text)).collect();
        }
        self.override_tls_with(tls);
        if admin.is_some() {
            self.admin.listen = *admin;
        }
        if log_file.is_some() {
            self.log.file.clone_from(log_file);
        }
        put(&mut self.log.form, log);
        if xferlog.is_some() {
            self.log.xferlog.clone_from(xferlog);
        }
        match (quiet, verbose) {
            (true, _) => self.log.level = LogLevel::Error,
            (_, 0) => {}
            (_, 1) => self.log.level = LogLevel::Info,
            _ => self.log.level = LogLevel::Debug,
        }
    }
}

impl Configuration {
    fn override_tls_with(&mut self, arguments: &TlsArguments) {
        let TlsArguments { tls, tls_cert, tls_key, tls_self_signed, tls_resumption, implicit_tls } =
            arguments;
        if tls.is_some() {
            (self.tls.control, self.tls.data) = (*tls, *tls);
        }
        if !tls_cert.is_empty() || !tls_key.is_empty() || *tls_self_signed {
            // A certificate without the key that belongs to it would be worth nothing.
            self.tls.certificate = Files(tls_cert.clone());
            self.tls.key = Files(tls_key.clone());
            self.tls.self_signed = *tls_self_signed;
        }
        put(&mut self.tls.resumption, tls_resumption);
        put(&mut self.tls.implicit_listen, &Some(implicit_tls.clone()).filter(|list| !list.is_empty()));
    }
}

/// `NAME[:PASSWORD]`.
fn account(text: &str) -> Account {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password.to_owned())),
        None => (text, None),
    };
    Account { name: name.to_owned(), password, password_file: None }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn effective_of(flags: &[&str]) -> Configuration {
        let words = ["wharf", "serve"].iter().chain(flags);
        let Command::Serve(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            unreachable!("serve was typed")
        };
        effective(&arguments).unwrap()
    }

    /// Every flag beside a file that sets its key otherwise.
    #[test]
    fn flags_override_the_file_lists_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wharf.toml");
        let text = "listen = ['192.0.2.1:21', '192.0.2.2:21']\nroot = '/from/file'\nmodes = ['active']\nascii = 'binary'\n\
                    [passive]\nports = '1000-1999'\nadvertise = [{ address = 'local' }, { address = 'a.example' }]\n\
                    [active]\nsource_port = 20\n\
                    [users]\nanonymous = false\naccounts = [{ name = 'a', password = 'b' }]\n\
                    [tls]\ncertificate = ['a', 'b']\nkey = ['c', 'd']\ncontrol = 'off'\nresumption = 'off'\nimplicit_listen = ['[::]:990']\n\
                    [log]\nform = 'json'\nlevel = 'debug'\nxferlog = '/from/file'\n";
        std::fs::write(&file, text).unwrap();
        let with = |flags: &[&str]| {
            let config = file.to_str().unwrap();
            effective_of(&[&["--config", config], flags].concat())
        };
        let unchanged = with(&[]);
        let flags: &[(&[&str], &str)] = &[
            (&["/dir"], "root = '/dir'"),
            (&["--listen", "127.0.0.1:1", "--listen", "[::1]:1"], "listen = ['127.0.0.1:1', '[::1]:1']"),
            (&["--modes", "passive,active"], "modes = ['passive', 'active']"),
            (&["--write"], "write = true"),
            (&["--ascii", "convert"], "ascii = 'convert'"),
            (&["--passive-ports", "5-6"], "passive.ports = '5-6'"),
            (&["--advertise", "192.0.2.9"], "passive.advertise = [{ address = '192.0.2.9' }]"),
            (&["--active-source-port", "any"], "active.source_port = 'any'"),
            (&["--anonymous"], "users.anonymous = true"),
            (&["--user", "x:y:z"], "users.accounts = [{ name = 'x', password = 'y:z' }]"),
            (&["--tls", "require"], "tls.control = 'require'\ntls.data = 'require'"),
            (&["--tls-cert", "/c", "--tls-key", "/k"], "tls.certificate = '/c'\ntls.key = '/k'"),
            (&["--tls-self-signed"], "tls.self_signed = true\ntls.certificate = []\ntls.key = []"),
            (&["--tls-resumption", "prefer"], "tls.resumption = 'prefer'"),
            (&["--implicit-tls", "[::1]:990"], "tls.implicit_listen = ['[::1]:990']"),
            (&["--log", "text"], "log.form = 'text'"),
            (&["-q"], "log.level = 'error'"),
            (&["-v"], "log.level = 'info'"),
            (&["--xferlog", "/x"], "log.xferlog = '/x'"),
            (&["--admin", "127.0.0.1:1"], "admin.listen = '127.0.0.1:1'"),
            (&["--log-file", "/l"], "log.file = '/l'"),
        ];
        for (flags, toml) in flags {
            let mut expected = toml::Value::try_from(&unchanged).unwrap();
            merge(&mut expected, toml::from_str(toml).unwrap());
            let expected: Configuration = expected.try_into().unwrap();
            let got = with(flags);
            assert_eq!(got, expected, "{flags:?}");
            assert_ne!(got, unchanged, "{flags:?} changed nothing");
        }
    }

    fn merge(into: &mut toml::Value, from: toml::Value) {
        match (into, from) {
            (toml::Value::Table(into), toml::Value::Table(from)) => {
                for (key, value) in from {
                    match into.get_mut(&key) {
                        Some(place) => merge(place, value),
                        None => _ = into.insert(key, value),
                    }
                }
            }
            (into, from) => *into = from,
        }
    }
}
