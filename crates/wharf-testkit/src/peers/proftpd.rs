//! ProFTPD's configuration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Account, Modes, Setup, USER};

pub(super) fn command(setup: &Setup<'_>) -> Command {
    let options = setup.options;
    let root = setup.root.display();
    let Account { name, user, group, group_name } = &setup.account;
    let users = format!("{USER}:{}:{user}:{group}::{root}:/bin/sh\n", setup.password_hash());
    let users = setup.directory.write("users", users);
    // It refuses a file that others could read.
    std::fs::set_permissions(&users, Permissions::from_mode(0o600)).unwrap();
    let mut text = format!(
        "\
ModulePath {modules}
ServerType standalone
ServerName \"a peer\"
DefaultServer on
UseIPv6 {ipv6}
DefaultAddress {address}
Port {port}
SocketBindTight on
User {name}
Group {group_name}
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
UseFtpUsers off
UseReverseDNS off
DefaultRoot ~
Umask 022
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
TimesGMT on
MaxInstances 100
TimeoutIdle 60
TimeoutNoTransfer 60
TimeoutStalled 60
WtmpLog off
TransferLog none
SystemLog {log}
PidFile {directory}/proftpd.pid
ScoreboardFile {directory}/scoreboard
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
<IfModule mod_ctrls.c>
ControlsEngine off
</IfModule>
<IfModule mod_auth_pam.c>
AuthPAM off
</IfModule>
",
        modules = setup.installed.join("usr/lib/proftpd").display(),
        ipv6 = if setup.address.is_ipv6() { "on" } else { "off" },
        address = setup.address.ip(),
        port = setup.address.port(),
        users = users.display(),
        log = setup.directory.join("proftpd.log").display(),
        directory = setup.directory.path().display(),
    );
    if options.from_port_20 {
        // By itself it gives root's rights up at the login, and binds any port then.
        text += "RootRevoke off\n";
    }
    if options.allows_fxp {
        text += "AllowForeignAddress on\n";
    }
    match options.modes {
        Modes::Both => {}
        Modes::ActiveOnly => text += "<Limit PASV EPSV>\nDenyAll\n</Limit>\n",
        Modes::PassiveOnly => text += "<Limit PORT EPRT>\nDenyAll\n</Limit>\n",
    }
    if let Some(ports) = &options.passive_ports {
        text += &format!("PassivePorts {} {}\n", ports.start(), ports.end());
    }
    if let Some(address) = options.advertised {
        text += &format!("MasqueradeAddress {address}\n");
    }
    if let Some(most) = options.sessions {
        text += &format!("MaxClientsPerHost {most}\n");
    }
    if options.digests {
        text += "LoadModule mod_digest.c\nDigestEngine on\n";
    }
    if let Some(certificate) = options.certificate {
        text += &format!(
            "LoadModule mod_tls.c\nTLSEngine on\nTLSRequired off\nTLSLog {log}\nTLSECCertificateFile {}\n\
             TLSECCertificateKeyFile {}\n",
            certificate.certificate().display(),
            certificate.key().display(),
            log = setup.directory.join("tls.log").display()
        );
        if options.allows_fxp {
            // As the client of TLS it verifies the other server, and that one has no session of ours to resume.
            text += "TLSVerifyServer off\nTLSOptions NoSessionReuseRequired\n";
        }
    }
    let file = setup.directory.write("proftpd.conf", text);
    let mut command = setup.program("usr/sbin/proftpd");
    command.args(["-n", "-q", "-c"]).arg(file);
    command
}
