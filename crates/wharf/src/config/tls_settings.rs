//! From `[tls]` and its flags to what the server library wants.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use wharf_net::tls::{CertificateSource, TlsVersion as MinimumVersion};
use wharf_server::config::{
    CloseNotify as CloseNotifyPolicy, Resumption as ResumptionSettings, ResumptionPolicy, TlsPolicy,
    TlsSettings, UserTlsPolicy,
};

use super::keys::Tls;
use super::values::{CloseNotify, Resumption, TlsUse, TlsVersion};
use crate::state;

/// The file in which a certificate of one's own is kept.
const SELF_SIGNED_FILE: &str = "self-signed.pem";

/// What `[tls]` says; none for a server without TLS. `listen` is where the server listens in clear: a certificate that is
/// made is for those addresses too.
pub(super) fn tls_settings(tls: &Tls, listen: &[SocketAddr]) -> Result<Option<TlsSettings>> {
    let certificates = certificates(tls, listen)?;
    let implicit = !tls.implicit_listen.is_empty();
    if certificates.is_empty() {
        let wants = |using: Option<TlsUse>| using.is_some_and(|using| using != TlsUse::Off);
        if implicit || wants(tls.control) || wants(tls.data) {
            let flag = if implicit { "--implicit-tls" } else { "--tls" };
            bail!("{flag} needs a certificate: give --tls-cert and --tls-key, or --tls-self-signed");
        }
        if tls.resumption != Resumption::Require {
            tracing::warn!("--tls-resumption changes nothing: there is no certificate, and so no TLS");
        }
        return Ok(None);
    }
    let control = tls.control.map_or(TlsPolicy::Allow, policy);
    if control == TlsPolicy::Off && !implicit {
        tracing::warn!("the certificate is not used: --tls off is given, and no --implicit-tls");
        return Ok(None);
    }
    // Who comes in through the implicit port has TLS already, whatever is said about the other ports.
    let for_data = if control == TlsPolicy::Off { TlsPolicy::Allow } else { control };
    let users = tls.users.iter().map(|user| UserTlsPolicy {
        name: user.name.as_bytes().to_vec(),
        control: user.control.map(policy),
        data: user.data.map(policy),
    });
    Ok(Some(TlsSettings {
        control,
        data: match tls.data {
            Some(TlsUse::Off) if tls.control == Some(TlsUse::Off) => for_data,
            Some(data) => policy(data),
            None => for_data,
        },
        users: users.collect(),
        resumption: ResumptionSettings {
            policy: match tls.resumption {
                Resumption::Require => ResumptionPolicy::Require,
                Resumption::Prefer => ResumptionPolicy::Prefer,
                Resumption::Off => ResumptionPolicy::Off,
            },
            exempt_networks: tls.resumption_exempt_networks.0.clone(),
            exempt_users: tls.resumption_exempt_users.iter().map(|name| name.as_bytes().to_vec()).collect(),
        },
        upload_close_notify: match tls.upload_close_notify {
            CloseNotify::Require => CloseNotifyPolicy::Require,
            CloseNotify::Tolerate => CloseNotifyPolicy::Tolerate,
        },
        minimum_version: match tls.min_version {
            TlsVersion::Tls12 => MinimumVersion::Tls12,
            TlsVersion::Tls13 => MinimumVersion::Tls13,
        },
        implicit_listen: tls.implicit_listen.clone(),
        clear_control: tls.clear_control,
        clear_data_again: tls.clear_data_again,
        ..TlsSettings::new(certificates)
    }))
}

fn policy(using: TlsUse) -> TlsPolicy {
    match using {
        TlsUse::Off => TlsPolicy::Off,
        TlsUse::Allow => TlsPolicy::Allow,
        TlsUse::Require => TlsPolicy::Require,
    }
}

fn certificates(tls: &Tls, listen: &[SocketAddr]) -> Result<Vec<CertificateSource>> {
    let (certificates, keys) = (&tls.certificate.0, &tls.key.0);
    if tls.self_signed {
        if !certificates.is_empty() || !keys.is_empty() {
            bail!("tls.self_signed and tls.certificate contradict each other; leave one out");
        }
        let directory = state::directory()
            .context("--tls-self-signed has no place to keep the certificate: set STATE_DIRECTORY or HOME")?;
        let file = directory.join(SELF_SIGNED_FILE);
        return Ok(vec![CertificateSource::SelfSigned {
            file,
            names: own_names(listen, &tls.implicit_listen),
        }]);
    }
    if certificates.len() != keys.len() {
        bail!(
            "--tls-cert (tls.certificate) is given {} and --tls-key (tls.key) {}: each certificate needs its key",
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
