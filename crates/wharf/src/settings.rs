//! From flags to what the client library wants.

use std::path::PathBuf;

use wharf_client::options::{
    ActiveOptions, Family, ModeChoice, Options, Times, TlsMode, TlsOptions, TransferOptions,
};
use wharf_client::rate::RateLimit;
use wharf_client::{ClientError, FtpUrl, ServerAddress, proxy};
use wharf_net::passive_ports::PassivePorts;
use wharf_net::tls::ConnectorOptions;
use wharf_proto::dialogue::{DataMode, NegotiationCommand};

use crate::args::connection::{ConnectionArguments, Mode, ProxyChoice};
use crate::args::reach::{ReachArguments, Tls};
use crate::output::masked;

/// How the client behaves.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    /// How sessions connect and transfer.
    pub(crate) options: Options,
    /// How often something is tried again.
    pub(crate) retries: u32,
    /// How much is said.
    pub(crate) talk: Talk,
    /// Whether results are JSON on standard output.
    pub(crate) json: bool,
    proxy: Option<ProxyChoice>,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Errors.
    Quiet,
    /// Progress, where it is a terminal.
    Usual,
    /// The dialogue too.
    Dialogue,
}

impl ClientSettings {
    /// What the flags ask for.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(crate) fn resolve(arguments: &ConnectionArguments, json: bool) -> Result<Self, ClientError> {
        let only = arguments.mode.map(|mode| match mode {
            Mode::Auto => ModeChoice::Auto,
            Mode::Epsv => ModeChoice::Only(NegotiationCommand::Epsv),
            Mode::Pasv => ModeChoice::Only(NegotiationCommand::Pasv),
            Mode::Eprt => ModeChoice::Only(NegotiationCommand::Eprt),
            Mode::Port => ModeChoice::Only(NegotiationCommand::Port),
        });
        let mode = match (arguments.passive, &arguments.active, only) {
            (true, _, _) => ModeChoice::Passive,
            (_, Some(_), Some(ModeChoice::Only(command))) if command.mode() == DataMode::Passive => {
                return Err(ClientError::Usage(format!(
                    "--active and --mode {} contradict each other; leave one out",
                    command.to_string().to_lowercase()
                )));
            }
            (_, _, Some(choice)) => choice,
            (_, Some(_), None) => ModeChoice::Active,
            (_, None, None) => ModeChoice::Auto,
        };
        let active = arguments.active.clone().unwrap_or_default();
        let options = Options {
            mode,
            active: ActiveOptions {
                told: active.told,
                ports: active.ports.map_or(PassivePorts::Any, PassivePorts::Range),
            },
            family: family(&arguments.reach),
            tls: with_identity(tls(&arguments.reach), arguments),
            times: arguments.timeout.map_or_else(Times::default, Times::with_timeout),
            charset: arguments.charset,
            proxy: None,
            remembered: Vec::new(),
            transfers: TransferOptions {
                rate: arguments.limit_rate.map(RateLimit::new),
                ..TransferOptions::default()
            },
        };
        let talk = match (arguments.quiet, arguments.verbose) {
            (true, _) => Talk::Quiet,
            (_, true) => Talk::Dialogue,
            _ => Talk::Usual,
        };
        Ok(Self { options, retries: arguments.retry, talk, json, proxy: arguments.proxy.clone() })
    }

    /// How a session with the server of `url` connects: through the proxy that was asked for, or that the environment names.
    ///
    /// # Errors
    /// When what the environment names is none.
    pub(crate) fn options_for(&self, url: &FtpUrl) -> Result<Options, ClientError> {
        let proxy = match &self.proxy {
            Some(ProxyChoice::None) => None,
            Some(ProxyChoice::Proxy(proxy)) => Some(proxy.clone()),
            None => proxy::from_environment(&ServerAddress::from(url), |name| std::env::var(name).ok())
                .map_err(ClientError::Usage)?,
        };
        Ok(Options { proxy, ..self.options.clone() })
    }
}

/// Over which family a server is reached.
pub(crate) fn family(arguments: &ReachArguments) -> Family {
    match (arguments.ipv4, arguments.ipv6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    }
}

/// When TLS is spoken, and who is believed.
pub(crate) fn tls(arguments: &ReachArguments) -> TlsOptions {
    TlsOptions {
        mode: match arguments.tls {
            Tls::Off => TlsMode::Off,
            Tls::Auto => TlsMode::Auto,
            Tls::Require => TlsMode::Require,
        },
        insecure: arguments.insecure,
        connector: ConnectorOptions { authorities: arguments.ca.clone(), identity: None, newest: None },
        clear_control: false,
    }
}

/// Who we are, for servers that ask, and whether the control connection stays under TLS.
fn with_identity(mut options: TlsOptions, arguments: &ConnectionArguments) -> TlsOptions {
    let key = |certificate: &PathBuf| arguments.key.clone().unwrap_or_else(|| certificate.clone());
    options.connector.identity =
        arguments.cert.clone().map(|certificate| (certificate.clone(), key(&certificate)));
    options.clear_control = arguments.ccc;
    options
}

/// The URLs, all of them read before anything is done.
///
/// # Errors
/// What is wrong with the first that is wrong.
pub(crate) fn parse_urls(texts: &[String]) -> Result<Vec<FtpUrl>, ClientError> {
    texts.iter().map(|text| parse_url(text)).collect()
}

/// One URL.
///
/// # Errors
/// What is wrong with it, and with which: without its password.
pub(crate) fn parse_url(text: &str) -> Result<FtpUrl, ClientError> {
    FtpUrl::parse(text)
        .map_err(|error| ClientError::Usage(format!("{}: the URL cannot be used: {error}", masked(text))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn resolve(flags: &[&str]) -> Result<Options, String> {
        let words = ["wharf", "get"].iter().chain(flags).chain(&["ftp://h/x"]);
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Get(get) = arguments.command else { unreachable!("get was typed") };
        let settings = ClientSettings::resolve(&get.connection, false);
        settings.map(|settings| settings.options).map_err(|error| error.to_string())
    }

    fn mode(flags: &[&str]) -> ModeChoice {
        resolve(flags).unwrap().mode
    }

    #[test]
    fn modes() {
        assert_eq!(mode(&[]), ModeChoice::Auto);
        assert_eq!(mode(&["--passive"]), ModeChoice::Passive);
        assert_eq!(mode(&["--active"]), ModeChoice::Active);
        assert_eq!(mode(&["--active=192.0.2.1:5-6", "--mode", "auto"]), ModeChoice::Auto);
        assert_eq!(mode(&["--mode", "pasv"]), ModeChoice::Only(NegotiationCommand::Pasv));
        assert_eq!(mode(&["--active", "--mode", "port"]), ModeChoice::Only(NegotiationCommand::Port));
        for wrong in [
            &["--active", "--passive"][..],
            &["--passive", "--mode", "pasv"],
            &["--active", "--mode", "epsv"],
            &["--mode", "x"],
            &["-4", "-6"],
            &["--tls", "perhaps"],
            &["--key", "key.pem"],
            &["--segments", "0"],
        ] {
            assert!(resolve(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_rest() {
        let options = resolve(&["-6", "--timeout", "1", "--active=:50000-50009"]).unwrap();
        assert_eq!(options.family, Family::V6);
        assert_eq!(options.times.passive.as_secs(), 1);
        assert_eq!(options.active.ports, PassivePorts::Range(50000..=50009));
        assert_eq!(options.tls, TlsOptions::default());
        let tls =
            resolve(&["--tls", "off", "--ca", "a", "--ca", "b", "--cert", "both", "--ccc"]).unwrap().tls;
        assert_eq!((tls.mode, tls.clear_control, tls.insecure), (TlsMode::Off, true, false));
        assert_eq!(tls.connector.authorities, [PathBuf::from("a"), "b".into()]);
        assert_eq!(tls.connector.identity, Some(("both".into(), "both".into())));
    }
}
