//! What the TLS flags of `wharf serve` mean.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wharf_net::tls::CertificateSource;
use wharf_server::config::{ResumptionPolicy, TlsPolicy, TlsSettings};

use crate::args::serve::{Resumption, TlsArguments, TlsUse};

/// The file in which a certificate of one's own is kept.
const SELF_SIGNED_FILE: &str = "self-signed.pem";

/// What the flags say; none for a server without TLS. `listen` is where the server listens in clear: a certificate that
/// is made is for those addresses too.
pub(super) fn settings(arguments: &TlsArguments, listen: &[SocketAddr]) -> Result<Option<TlsSettings>> {
    let certificates = certificates(arguments, listen)?;
    let policy = match arguments.tls {
        None if certificates.is_empty() => TlsPolicy::Off,
        None | Some(TlsUse::Allow) => TlsPolicy::Allow,
        Some(TlsUse::Off) => TlsPolicy::Off,
        Some(TlsUse::Require) => TlsPolicy::Require,
    };
    let implicit = !arguments.implicit_tls.is_empty();
    if certificates.is_empty() {
        if policy != TlsPolicy::Off || implicit {
            let flag = if implicit { "--implicit-tls" } else { "--tls" };
            bail!("{flag} needs a certificate: give --tls-cert and --tls-key, or --tls-self-signed");
        }
        if arguments.tls_resumption.is_some() {
            tracing::warn!("--tls-resumption changes nothing: there is no certificate, and so no TLS");
        }
        return Ok(None);
    }
    if policy == TlsPolicy::Off && !implicit {
        tracing::warn!("the certificate is not used: --tls off is given, and no --implicit-tls");
        return Ok(None);
    }
    let mut settings = TlsSettings::new(certificates);
    settings.control = policy;
    // Who comes in through the implicit port has TLS already, whatever --tls says about the other ports.
    settings.data = if policy == TlsPolicy::Off { TlsPolicy::Allow } else { policy };
    settings.resumption.policy = match arguments.tls_resumption {
        None | Some(Resumption::Require) => ResumptionPolicy::Require,
        Some(Resumption::Prefer) => ResumptionPolicy::Prefer,
        Some(Resumption::Off) => ResumptionPolicy::Off,
    };
    settings.implicit_listen.clone_from(&arguments.implicit_tls);
    Ok(Some(settings))
}

fn certificates(arguments: &TlsArguments, listen: &[SocketAddr]) -> Result<Vec<CertificateSource>> {
    if arguments.tls_self_signed {
        let file = state_directory()?.join(SELF_SIGNED_FILE);
        return Ok(vec![CertificateSource::SelfSigned {
            file,
            names: own_names(listen, &arguments.implicit_tls),
        }]);
    }
    let (certificates, keys) = (&arguments.tls_cert, &arguments.tls_key);
    if certificates.len() != keys.len() {
        bail!(
            "--tls-cert is given {} and --tls-key {}: each certificate needs its key",
            times(certificates.len()),
            times(keys.len())
        );
    }
    let pairs = certificates.iter().zip(keys);
    Ok(pairs
        .map(|(certificate, key)| CertificateSource::Files {
            certificate: certificate.clone(),
            key: key.clone(),
        })
        .collect())
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// Where programs keep what they made: systemd's StateDirectory, or the user's own.
fn state_directory() -> Result<PathBuf> {
    let given =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("STATE_DIRECTORY")
        .or_else(|| given("XDG_STATE_HOME").map(|state| state.join("wharf")))
        .or_else(|| given("HOME").map(|home| home.join(".local/state/wharf")))
        .context("--tls-self-signed has no place to keep the certificate: set STATE_DIRECTORY or HOME")
}

/// The names and addresses by which clients may know this machine.
fn own_names(listen: &[SocketAddr], implicit: &[SocketAddr]) -> Vec<String> {
    let mut names = Vec::new();
    let host = rustix::system::uname();
    // A host name with other characters can be no name in a certificate.
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    if let Some(host) = host.nodename().to_str().ok().filter(|name| is_name(name)) {
        names.push(host.to_owned());
    }
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let addresses = listen.iter().chain(implicit).map(SocketAddr::ip);
    for address in addresses.filter(|address| !address.is_unspecified()) {
        let address = address.to_string();
        if !names.contains(&address) {
            names.push(address);
        }
    }
    names
}
