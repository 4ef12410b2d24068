//! vsftpd's configuration.

use std::process::Command;

use super::{Modes, Setup};

/// Its name.
pub(super) const FILE: &str = "vsftpd.conf";

pub(super) fn command(setup: &Setup<'_>) -> Command {
    let empty = setup.directory.make_directory("empty");
    let options = setup.options;
    let (listen, listen_address) = if setup.address.is_ipv4() {
        ("listen", "listen_address")
    } else {
        ("listen_ipv6", "listen_address6")
    };
    let yes = |on: bool| if on { "YES" } else { "NO" };
    // seccomp_sandbox: under newer kernels its filter kills the session ("500 OOPS: priv_sock_get_cmd").
    let mut text = format!(
        "\
{listen}=YES
{listen_address}={address}
listen_port={port}
background=NO
seccomp_sandbox=NO
isolate_network=NO
isolate=NO
tcp_wrappers=NO
session_support=NO
max_clients=0
max_per_ip=0
local_enable=NO
anonymous_enable=YES
ftp_username={account}
nopriv_user={account}
anon_root={root}
anon_world_readable_only=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
ascii_upload_enable=YES
ascii_download_enable=YES
ls_recurse_enable=YES
mdtm_write=YES
xferlog_enable=NO
secure_chroot_dir={empty}
idle_session_timeout=60
data_connection_timeout=60
accept_timeout=20
connect_timeout=20
connect_from_port_20={from_port_20}
pasv_enable={passive}
port_enable={active}
",
        address = setup.address.ip(),
        port = setup.address.port(),
        account = setup.account.name,
        root = setup.root.display(),
        empty = empty.display(),
        from_port_20 = yes(options.from_port_20),
        passive = yes(options.modes != Modes::ActiveOnly),
        active = yes(options.modes != Modes::PassiveOnly),
    );
    if options.allows_fxp {
        text += "pasv_promiscuous=YES\nport_promiscuous=YES\n";
    }
    if let Some(ports) = &options.passive_ports {
        text += &format!("pasv_min_port={}\npasv_max_port={}\n", ports.start(), ports.end());
    }
    if let Some(address) = options.advertised {
        text += &format!("pasv_address={address}\n");
    }
    if let Some(certificate) = options.certificate {
        text += &format!(
            "ssl_enable=YES\nallow_anon_ssl=YES\nrequire_ssl_reuse=YES\nssl_ciphers=HIGH\nrsa_cert_file={}\n\
             rsa_private_key_file={}\n",
            certificate.certificate().display(),
            certificate.key().display()
        );
    }
    text += options.vsftpd_lines;
    let file = setup.directory.write(FILE, text);
    let mut command = setup.program("usr/sbin/vsftpd");
    command.arg(file);
    command
}
