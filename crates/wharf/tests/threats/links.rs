//! Threat 2: symbolic links that lead out of the root.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use wharf_testkit::{TestDirectory, soak_rounds};

use crate::{ask, log_in, serve};

/// All that can be seen of what lies outside.
fn seen(path: &Path) -> Vec<(String, u32, i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.push(path.to_owned());
    names.sort();
    for place in names {
        let metadata = place.symlink_metadata().unwrap();
        let content = std::fs::read(&place).unwrap_or_default();
        let mode = metadata.permissions().mode();
        found.push((place.display().to_string(), mode, metadata.mtime(), content));
    }
    found
}

#[test]
fn a_link_out_of_the_root_is_followed_by_no_command() {
    let around = TestDirectory::new();
    around.write("outside/f", "secret");
    around.make_directory("outside/sub");
    around.write("root/inside", "inside");
    let absolute = around.join("outside").to_str().unwrap().to_owned();
    for (name, target) in [
        ("file", "../outside/f".to_owned()),
        ("absolute", format!("{absolute}/f")),
        ("directory", "../outside".to_owned()),
        ("absolute-directory", absolute),
        ("chain", "directory".to_owned()),
        ("self", "self".to_owned()),
        ("proc", "/proc/self/root".to_owned()),
    ] {
        around.make_link(Path::new("root").join(name), target);
    }
    let outside = around.join("outside");
    let before = seen(&outside);
    let server = serve(around.join("root"));
    let mut client = log_in(server.address());
    for file in
        ["file", "absolute", "directory/f", "absolute-directory/f", "chain/f", "self", "proc/etc/passwd"]
    {
        for command in ["RETR", "STOR", "APPE"] {
            client.play("C: PASV\nS: 227");
            ask(&mut client, format!("{command} {file}"), "550");
        }
        for command in
            ["SIZE", "MDTM", "MFMT 20010101000000", "MLST", "SITE CHMOD 666", "RNFR", "CWD", "STAT"]
        {
            ask(&mut client, format!("{command} {file}"), "550");
        }
    }
    for directory in ["directory", "absolute-directory", "chain", "proc"] {
        for command in ["LIST", "NLST", "MLSD", "STOR", "RETR"] {
            client.play("C: PASV\nS: 227");
            ask(&mut client, format!("{command} {directory}"), "550");
        }
        for command in ["STOR", "APPE", "STOU"] {
            client.play("C: PASV\nS: 227");
            ask(&mut client, format!("{command} {directory}/new"), "550");
        }
        for command in ["CWD", "RMD", "SITE CHMOD 777", "MFMT 20010101000000", "MKD", "STAT", "RNFR", "MLST"]
        {
            ask(&mut client, format!("{command} {directory}"), "550");
        }
        for (command, name) in [("MKD", "new"), ("RMD", "sub"), ("DELE", "f"), ("RNFR", "f")] {
            ask(&mut client, format!("{command} {directory}/{name}"), "550");
        }
        client.play("C: RNFR inside\nS: 350");
        ask(&mut client, format!("RNTO {directory}/moved"), "550");
    }
    // A link itself stands in the root: deleting it, or renaming over it, touches the link.
    client.play("C: DELE file\nS: 250\nC: RNFR inside\nS: 350\nC: RNTO absolute\nS: 250");
    assert_eq!(around.read("root/absolute"), b"inside");
    assert!(!around.holds("root/file"));
    assert_eq!(seen(&outside), before, "something outside was touched");
}

#[test]
fn a_directory_that_is_swapped_for_a_link_meanwhile_leads_nowhere() {
    let around = TestDirectory::new();
    around.write("outside/f", "a secret that is longer");
    around.write("root/swapped/f", "inside");
    around.make_link("root/link", "../outside");
    let (directory, link) = (around.join("root/swapped"), around.join("root/link"));
    let server = serve(around.join("root"));
    let mut client = log_in(server.address());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &directory, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        // In a closure, so that a failure stops the other thread too.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut inside = 0;
            for round in 0..soak_rounds(300) {
                let reply = ask(&mut client, "SIZE swapped/f", "*");
                assert!(reply == "213 6" || reply.starts_with("550"), "{reply}");
                inside += u32::from(reply == "213 6");
                let reply = ask(&mut client, format!("MKD swapped/{round}"), "*");
                assert!(reply.starts_with("257") || reply.starts_with("550"), "{reply}");
                ask(&mut client, "SITE CHMOD 600 swapped/f", "*");
                client.play("C: PASV\nS: 227 *({six})*");
                let reply = ask(&mut client, "RETR swapped/f", "*");
                if reply.starts_with("150") {
                    client.open_data();
                    assert_eq!(client.receive_data(), b"inside");
                    client.expect_reply("226");
                }
            }
            assert!(inside > 0, "never saw the directory, so nothing was tried");
        }));
        stop.store(true, Ordering::Relaxed);
        swapping.join().unwrap();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let names: Vec<_> =
        std::fs::read_dir(around.join("outside")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["f"], "something was created outside");
    assert_ne!(around.join("outside/f").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
