//! pyftpdlib, by a script of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Modes, PASSWORD, Setup, USER};
use crate::clients;

/// The arguments are: address, port, root, user, password, modes, first and last passive port, advertised address, fxp or nothing,
/// seconds to close a file.
const SCRIPT: &str = r#"
import io, sys, time
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

address, port, root, user, password, modes, first, last, advertised, fxp, slow = sys.argv[1:]

class Authorizer(DummyAuthorizer):
    pass

class Slow(io.FileIO):
    def close(self):
        if not self.closed:
            time.sleep(float(slow))
        super().close()

class SlowStorage(AbstractedFS):
    def open(self, filename, mode):
        return Slow(filename, mode.replace("b", "")) if "w" in mode else super().open(filename, mode)

class Handler(FTPHandler):
    authorizer = Authorizer()
    proto_cmds = dict(FTPHandler.proto_cmds)
    auth_failed_timeout = 0

Handler.authorizer.add_user(user, password, root, perm="elradfmwMT")
for verb in {"active": ["PASV", "EPSV"], "passive": ["PORT", "EPRT"], "both": []}[modes]:
    del Handler.proto_cmds[verb]
if first:
    Handler.passive_ports = range(int(first), int(last) + 1)
if advertised:
    Handler.masquerade_address = advertised
Handler.permit_foreign_addresses = bool(fxp)
if float(slow):
    Handler.abstracted_fs = SlowStorage
FTPServer((address, int(port)), Handler).serve_forever()
"#;

pub(super) fn command(setup: &Setup<'_>) -> Command {
    let options = setup.options;
    let mut command = python(&setup.installed).unwrap();
    command.args(["-c", SCRIPT, &setup.address.ip().to_string(), &setup.address.port().to_string()]);
    command.arg(setup.root).args([USER, PASSWORD]);
    command.arg(match options.modes {
        Modes::Both => "both",
        Modes::ActiveOnly => "active",
        Modes::PassiveOnly => "passive",
    });
    let ports =
        options.passive_ports.as_ref().map(|ports| (ports.start().to_string(), ports.end().to_string()));
    let (first, last) = ports.unwrap_or_default();
    let advertised = options.advertised.map(|address| address.to_string()).unwrap_or_default();
    let fxp = if options.allows_fxp { "fxp" } else { "" };
    command.args([first, last, advertised, fxp.to_owned(), options.slow_storage.as_secs_f32().to_string()]);
    command
}

/// The Python that finds pyftpdlib: a virtual environment's, or the system's with a folder of packages.
pub(super) fn python(installed: &Path) -> Option<Command> {
    let environment: PathBuf = installed.join("bin/python");
    if environment.exists() {
        return Some(Command::new(environment));
    }
    let packages = installed.join("site");
    if !packages.is_dir() || !clients::is_installed("python3") {
        return None;
    }
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages);
    Some(command)
}
