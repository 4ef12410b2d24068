//! Pure-FTPd's switches and its user database.

use std::process::Command;

use super::{Account, Modes, Setup, USER};
use crate::process::run;

pub(super) fn command(setup: &Setup<'_>) -> Command {
    let options = setup.options;
    // The `/./` is where the user's root ends.
    let Account { user, group, .. } = setup.account;
    let hash = setup.password_hash();
    let line = format!("{USER}:{hash}:{user}:{group}::{}/./::::::::::::\n", setup.root.display());
    let users = setup.directory.write("users", line);
    let database = setup.directory.join("users.pdb");
    run(setup.program("usr/bin/pure-pw").arg("mkdb").arg(&database).arg("-f").arg(users)).assert_success();
    let mut command = setup.program("usr/sbin/pure-ftpd");
    command.arg(if setup.address.is_ipv4() { "-4" } else { "-6" });
    command.arg("-S").arg(format!("{},{}", setup.address.ip(), setup.address.port()));
    command.arg("-l").arg(format!("puredb:{}", database.display()));
    command.arg("-g").arg(setup.directory.join("pid"));
    // No anonymous user, no host names, any uid, no syslog, long listings, as many sessions from here as any test holds.
    command.args(["-E", "-H", "-u", "1", "-f", "none", "-L", "100000:20", "-I", "5"]);
    command.args(["-c", "5000", "-C", "5000"]);
    if options.modes == Modes::ActiveOnly {
        // "NAT mode" stands for it: no passive mode for clients.
        command.arg("-N");
    }
    if options.allows_fxp {
        // For users, not for anonymous.
        command.arg("-W");
    }
    if let Some(certificate) = options.certificate {
        let both =
            [certificate.certificate(), certificate.key()].map(|file| std::fs::read(file).unwrap()).concat();
        command.args(["-Y", "1", "-2"]).arg(setup.directory.write("certificate.pem", both));
    }
    if let Some(ports) = &options.passive_ports {
        command.arg("-p").arg(format!("{}:{}", ports.start(), ports.end()));
    }
    if let Some(address) = options.advertised {
        command.arg("-P").arg(address.to_string());
    }
    command
}
