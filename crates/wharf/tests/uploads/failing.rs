//! System calls that fail under a running server (threat 24): no 226 for what is not there, the old file stays, and the server
//! goes on. The kernel is made to fail them by strace.

use std::process::Command;
use std::time::Duration;

use wharf_testkit::clients::is_installed;
use wharf_testkit::directory::sample;
use wharf_testkit::process::Background;
use wharf_testkit::served::Served;
use wharf_testkit::skip;

use super::{Room, begin, log_in, store};

/// Makes `calls` of the server fail as long as it lives; `path` restricts it to that file.
struct Failing(Background);

impl Failing {
    fn start(server: &mut Served, inject: &str, path: Option<&std::path::Path>) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null"]).arg("-e").arg(format!("inject={inject}"));
        if let Some(path) = path {
            command.arg("-P").arg(path);
        }
        let strace = Background::start(command.args(["-p", &server.program().id().to_string()]));
        strace.wait_for_errors(Duration::from_secs(20), |said| said.contains("attached"));
        Self(strace)
    }

    /// The kernel works again when this returns.
    fn stop(mut self) {
        self.0.signal(rustix::process::Signal::INT);
        self.0.wait(Duration::from_secs(20));
    }
}

fn can_inject() -> bool {
    is_installed("strace") && wharf_testkit::is_root()
}

#[test]
fn no_upload_is_confirmed_whose_system_calls_failed() {
    if !can_inject() {
        skip!("strace as root is needed");
    }
    let room = Room::with("durability = 'fsync'");
    std::fs::write(room.path("file"), "old").unwrap();
    let mut server = room.serve();
    let mut client = log_in(&server, "one");
    // Its part has the same name each time.
    begin(&mut client, "STOR file");
    let part = room.names().into_iter().find(|name| name.starts_with(".wharf-")).unwrap();
    client.send_data("old").close_data().expect_reply("226");
    let part = room.path(&part);
    let small = sample(5000);
    let large = sample(8 << 20);
    for (inject, on_part, content, code) in [
        ("write:error=EIO", true, &small, "451"),
        ("write:error=ENOSPC", true, &small, "452"),
        ("write:error=EDQUOT", true, &small, "552"),
        ("write:error=EFBIG", true, &small, "552"),
        ("write:error=EIO:when=3+", true, &large, "451"),
        ("splice:error=ENOSPC:when=4+", true, &large, "452"),
        ("splice:error=EIO:when=3", true, &large, "451"),
        ("fsync:error=EIO", false, &small, "451"),
        ("fsync:error=EDQUOT", false, &small, "552"),
        ("renameat,renameat2:error=EIO", false, &small, "451"),
        ("renameat,renameat2:error=EACCES", false, &small, "550"),
        ("renameat,renameat2:error=ENOSPC", false, &small, "452"),
    ] {
        let failing = Failing::start(&mut server, inject, on_part.then_some(part.as_path()));
        begin(&mut client, "STOR file");
        // The server may cut the connection before all of it is sent.
        let _ = std::io::Write::write_all(client.data_stream(), content);
        client.close_data().expect_reply(code);
        failing.stop();
        assert_eq!(room.read("file").unwrap(), b"old", "{inject}");
        assert_eq!(room.names(), ["file"], "{inject}");
        client.play("C: NOOP\nS: 200");
    }
    // Interrupted calls are made again, and what is confirmed is there.
    let failing = Failing::start(&mut server, "write:error=EINTR:when=1..2", Some(&part));
    store(&mut client, "STOR file", &large);
    failing.stop();
    assert_eq!(room.read("file").unwrap(), large);
}

#[test]
fn no_download_and_no_rename_is_confirmed_whose_system_calls_failed() {
    if !can_inject() {
        skip!("strace as root is needed");
    }
    let room = Room::with("");
    let content = sample(3 << 20);
    std::fs::write(room.path("file"), &content).unwrap();
    let mut server = room.serve();
    let mut client = log_in(&server, "one");
    for inject in ["sendfile:error=EIO", "sendfile:error=EIO:when=2+", "sendfile:error=ENOMEM"] {
        let failing = Failing::start(&mut server, inject, None);
        begin(&mut client, "RETR file");
        let mut came = Vec::new();
        let _ = std::io::Read::read_to_end(client.data_stream(), &mut came);
        client.expect_reply("451");
        assert!(came.len() < content.len());
        failing.stop();
        client.close_data();
    }
    for (error, code) in [("EIO", "451"), ("ENOSPC", "452"), ("EDQUOT", "552"), ("EACCES", "550")] {
        let failing = Failing::start(&mut server, &format!("renameat,renameat2:error={error}"), None);
        client.play(&format!("C: RNFR file\nS: 350\nC: RNTO other\nS: {code}"));
        failing.stop();
        assert_eq!(room.names(), ["file"]);
    }
    client.play("C: RNFR file\nS: 350\nC: RNTO other\nS: 250");
}
