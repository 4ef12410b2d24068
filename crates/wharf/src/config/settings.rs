//! From keys to what the server library wants.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wharf_net::passive_ports::PassivePorts as NetPorts;
use wharf_proto::command::Password;
use wharf_proto::pathname::escaped;
use wharf_server::ServerConfig;
use wharf_server::auth::{Accounts, VirtualUser, is_anonymous};
use wharf_server::config::{
    ActivePolicy, ActiveSourcePort, Advertise, AdvertiseRule, AsciiPolicy, CharsetPolicy, FxpPolicy, Modes,
    PassivePolicy, PortMapRule, PrivateAddress as PrivateAddressPolicy, Publish, Times, UploadPolicy,
};
use wharf_storage::{AppendMethod, Durability, UploadMethod};

use super::keys::{Account, Configuration, every_address};
use super::tls_settings::tls_settings;
use super::values::{
    Advertised, Append, Ascii, DurabilityKind, Mode, PassivePorts, PrivateAddress, PublishWhen, SourcePort,
    Uploads,
};
use crate::prompt;

/// Where a password is read from when none stands behind the user's name.
const PASSWORD_VARIABLE: &str = "WHARF_PASSWORD";

/// What the server is told.
///
/// # Errors
/// When users contradict each other, or a password cannot be had.
pub(crate) fn server_config(configuration: &Configuration, is_default_listen: bool) -> Result<ServerConfig> {
    let Configuration {
        listen,
        root: _,
        write,
        charset,
        charsets,
        uploads,
        append,
        publish,
        durability,
        keep_parts,
        modes,
        proxy_protocol,
        ascii,
        passive,
        active,
        fxp,
        users: _,
        tls,
        log: _,
        times,
    } = configuration;
    let accounts = accounts(configuration)?;
    Ok(ServerConfig {
        tls: tls_settings(tls, listen)?,
        listen: listen.clone(),
        // A machine without IPv6 has no [::1]; what was asked for by name has to be there.
        skip_missing_addresses: is_default_listen || *listen == every_address(),
        accounts,
        write: *write,
        charset: CharsetPolicy {
            usual: charset.0,
            networks: charsets.iter().map(|rule| (rule.clients.0.clone(), rule.charset.0)).collect(),
        },
        uploads: UploadPolicy {
            method: match uploads {
                Uploads::Atomic => UploadMethod::Atomic,
                Uploads::InPlace => UploadMethod::InPlace,
            },
            append: match append {
                Append::Copy => AppendMethod::Copy,
                Append::InPlace => AppendMethod::InPlace,
            },
            publish: match publish {
                PublishWhen::WhileConnected => Publish::WhileConnected,
                PublishWhen::OnEof => Publish::OnEof,
            },
            durability: match durability {
                DurabilityKind::Rename => Durability::Rename,
                DurabilityKind::Fsync => Durability::Fsync,
            },
            keep_parts: keep_parts.duration(),
        },
        proxies: proxy_protocol.0.clone(),
        modes: Modes { active: modes.contains(&Mode::Active), passive: modes.contains(&Mode::Passive) },
        passive: PassivePolicy {
            ports: match &passive.ports {
                PassivePorts::Any => NetPorts::Any,
                PassivePorts::Range(range) => NetPorts::Range(range.0.clone()),
            },
            expected_sessions: passive.expected_sessions,
            advertise: passive.advertise.iter().map(rule).collect(),
            port_map: passive.port_map.iter().map(port_map_rule).collect::<Result<_>>()?,
        },
        active: ActivePolicy {
            source_port: match active.source_port {
                SourcePort::ControlMinusOne => ActiveSourcePort::ControlMinusOne,
                SourcePort::Any => ActiveSourcePort::Any,
                SourcePort::Fixed(port) => ActiveSourcePort::Fixed(port),
            },
            private_address: match active.private_address {
                PrivateAddress::Refuse => PrivateAddressPolicy::Refuse,
                PrivateAddress::UseControlPeer => PrivateAddressPolicy::UseControlPeer,
            },
        },
        fxp: FxpPolicy {
            networks: fxp.networks.0.clone(),
            users: fxp.users.iter().map(|name| name.as_bytes().to_vec()).collect(),
        },
        ascii: match ascii {
            Ascii::Convert => AsciiPolicy::Convert,
            Ascii::Binary => AsciiPolicy::Binary,
        },
        times: Times {
            login: times.login.duration(),
            idle: times.idle.duration(),
            data_connection: times.data_connection.duration(),
            data_stall: times.data_stall.duration(),
            tls_handshake: times.tls_handshake.duration(),
            drain: times.drain.duration(),
        },
    })
}

fn rule(rule: &super::keys::AdvertiseRule) -> AdvertiseRule {
    AdvertiseRule {
        clients: rule.clients.0.clone(),
        address: match &rule.address {
            Advertised::Local => Advertise::Local,
            Advertised::Proxy => Advertise::Proxy,
            Advertised::Address(address) => Advertise::Address(*address),
            Advertised::Name(name) => Advertise::Name(name.clone()),
        },
    }
}

fn port_map_rule(rule: &super::keys::PortMapRule) -> Result<PortMapRule> {
    let (outside, inside) = (&rule.outside.0, &rule.inside.0);
    if outside.len() != inside.len() {
        bail!(
            "passive.port_map: {} has {} ports and {} has {}: each outside port needs its inside one",
            rule.outside,
            outside.len(),
            rule.inside,
            inside.len()
        );
    }
    Ok(PortMapRule { clients: rule.clients.0.clone(), outside: outside.clone(), inside: inside.clone() })
}

fn accounts(configuration: &Configuration) -> Result<Accounts> {
    let mut users: Vec<VirtualUser> = Vec::new();
    let anonymous = configuration.users.anonymous;
    for account in &configuration.users.accounts {
        let user = virtual_user(account)?;
        if users.iter().any(|other| other.name == user.name) {
            bail!("user {} is given twice: a user has one password", escaped(&user.name));
        }
        if anonymous == Some(true) && is_anonymous(&user.name) {
            let name = escaped(&user.name);
            bail!("user {name} and anonymous access contradict each other: any password would do for {name}");
        }
        users.push(user);
    }
    Ok(Accounts { anonymous: anonymous.unwrap_or(users.is_empty()), users })
}

fn virtual_user(account: &Account) -> Result<VirtualUser> {
    let name = &account.name;
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
        bail!("user {name:?}: a user's name is not empty and holds no control characters");
    }
    let password = match (&account.password, &account.password_file) {
        (Some(_), Some(_)) => bail!("user {name} has both `password` and `password_file`; leave one out"),
        (Some(password), None) => password.clone(),
        (None, Some(file)) => first_line(file).with_context(|| format!("the password of user {name}"))?,
        (None, None) => password_of(name)?,
    };
    if password.is_empty() {
        bail!("the password of user {name} is empty: anyone could log in; anonymous access is for that");
    }
    let password = Password::new(&password).with_context(|| format!("the password of user {name}"))?;
    Ok(VirtualUser { name: name.as_bytes().to_vec(), password })
}

fn first_line(file: &PathBuf) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn password_of(name: &str) -> Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        bail!("user {name} has no password: give --user {name}:PASSWORD, or set {PASSWORD_VARIABLE}");
    }
    prompt::password(&format!("Password for {name}: ")).context("cannot read the password")
}
