//! Uploads to `wharf serve`: published when they are complete, gone on with when they were cut, and never reported when they
//! are not there. And what belongs to them: checksums, and names in other character sets.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod clients;
mod crash;
mod failing;
mod integrity;
mod names;
mod protocol;
mod takeover;

use std::path::PathBuf;
use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A folder with a wharf.toml and, beside it, the directory that is served.
struct Room {
    folder: TestDirectory,
}

impl Room {
    /// With these lines in its wharf.toml.
    fn with(lines: &str) -> Self {
        let folder = TestDirectory::new();
        folder.make_directory("files");
        folder.write(
            "wharf.toml",
            format!(
                "{lines}\n[log]\nlevel = 'info'\n[users]\nanonymous = true\n\
                 accounts = [{{ name = 'one', password = 'secret' }}, {{ name = 'two', password = 'secret' }}]\n"
            ),
        );
        let mut permissions = std::fs::metadata(folder.join("wharf.toml")).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        std::fs::set_permissions(folder.join("wharf.toml"), permissions).unwrap();
        Self { folder }
    }

    fn serve(&self) -> Served {
        let mut command = Command::new(WHARF);
        command.arg("serve").arg(self.folder.join("files")).args(["--listen", "127.0.0.1:0", "--write"]);
        Served::from_command(command.arg("--config").arg(self.folder.join("wharf.toml")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("files").join(name)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(name)).ok()
    }

    /// All names in the served directory, hidden ones too, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("files")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// A session of one of the users, in TYPE I.
fn log_in(server: &Served, user: &str) -> Conversation {
    let mut client = ScriptedClient::log_in(server.address(), user, "secret");
    client.play("C: TYPE I\nS: 200");
    client
}

/// Begins `command` over a data connection that is up.
#[track_caller]
fn begin(client: &mut Conversation, command: &str) {
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.send_line(command).expect_reply("150");
}

/// Uploads `content`.
#[track_caller]
fn store(client: &mut Conversation, command: &str, content: &[u8]) {
    begin(client, command);
    client.send_data(content).close_data().expect_reply("226");
}

/// Leaves a part: the data connection is reset behind `content`.
#[track_caller]
fn cut(client: &mut Conversation, command: &str, content: &[u8]) {
    begin(client, command);
    client.send_data(content);
    // What was sent has to be read before the reset, which throws away what was not.
    while !client.send_line("STAT").expect_reply("211").contains(&format!(" {} bytes so far", content.len()))
    {
    }
    client.reset_data().expect_reply("426");
}
