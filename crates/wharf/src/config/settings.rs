//! From keys to what the server library wants.

use anyhow::{Context, Result, bail};
use wharf_net::passive_ports::PassivePorts as NetPorts;
use wharf_server::config::{
    ActivePolicy, ActiveSourcePort, Advertise, AdvertiseRule, AsciiPolicy, BanSettings, CharsetPolicy,
    FxpPolicy, Modes, PassivePolicy, PortMapRule, PrivateAddress as PrivateAddressPolicy, Publish,
    SessionLimits, Times, UploadPolicy,
};
use wharf_server::{AdminSettings, AdminToken, ServerConfig};
use wharf_storage::{AppendMethod, Durability, UploadMethod};

use super::accounts::{Passwords, accounts, first_line};
use super::keys::{Admin, Configuration, every_address};
use super::tls_settings::tls_settings;
use super::values::{
    Advertised, Append, Ascii, DurabilityKind, Mode, PassivePorts, PrivateAddress, PublishWhen, SourcePort,
    Uploads,
};

/// What the server is told.
///
/// # Errors
/// When users contradict each other, or a password cannot be had.
pub(crate) fn server_config(
    configuration: &Configuration,
    is_default_listen: bool,
    passwords: &Passwords,
) -> Result<ServerConfig> {
    let Configuration {
        listen,
        root: _,
        write: _,
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
        canary,
        passive,
        active,
        user: _,
        group: _,
        sandbox: _,
        fxp,
        users: _,
        limits,
        bans,
        tls,
        admin,
        log: _,
        times,
    } = configuration;
    let accounts = accounts(configuration, passwords)?;
    Ok(ServerConfig {
        tls: tls_settings(tls, listen)?,
        listen: listen.clone(),
        // A machine without IPv6 has no [::1]; what was asked for by name has to be there.
        skip_missing_addresses: is_default_listen || *listen == every_address(),
        accounts,
        sessions: SessionLimits {
            total: limits.sessions,
            per_address: limits.sessions_per_address,
            per_user: limits.sessions_per_user,
        },
        bans: BanSettings {
            address_failures: Some(bans.address_failures).filter(|most| *most > 0),
            user_failures: Some(bans.user_failures).filter(|most| *most > 0),
            time: bans.time.duration(),
            delay: std::time::Duration::from_secs(bans.delay.into()),
            exempt: bans.exempt.0.clone(),
        },
        admin: admin_settings(admin)?,
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
        canary: *canary,
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

fn admin_settings(admin: &Admin) -> Result<Option<AdminSettings>> {
    let Some(listen) = admin.listen else {
        if admin.token_file.is_some() {
            tracing::warn!("admin.token_file changes nothing: there is no admin.listen");
        }
        return Ok(None);
    };
    let token = admin.token_file.as_ref().map(|file| {
        let token = first_line(file).context("admin.token_file")?;
        if token.trim().is_empty() {
            bail!("admin.token_file: the first line of {} is empty", file.display());
        }
        Ok(AdminToken::new(token.trim()))
    });
    Ok(Some(AdminSettings { listen, token: token.transpose()? }))
}
