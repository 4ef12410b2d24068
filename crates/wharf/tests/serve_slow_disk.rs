//! A disk that hangs holds up whoever reads from it, and nobody else.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::thread;
use std::time::Duration;

use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::slow_disk::{COLD, Disk, SlowDisk};
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than is ever sent in one go, in bytes.
const LENGTH: usize = 4 << 20;
/// Longest wait until somebody reads.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_disk_that_hangs_holds_up_only_those_who_read_from_it() {
    let directory = TestDirectory::new();
    directory.write("warm", "at once");
    let place = directory.make_directory("disk");
    let served = Served::start(WHARF, directory.path(), &[]);
    // Behind the server, so that it goes first: nobody can be killed while he waits for a disk.
    let disk = match SlowDisk::mount(&place, Disk::Hanging, LENGTH) {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    let log_in = || ScriptedClient::log_in(served.address(), "anonymous", "guest");
    let mut other = log_in();
    // More of them than there are threads for all sessions together.
    let readers = 2 * thread::available_parallelism().unwrap().get();
    let mut held_up: Vec<_> = std::iter::repeat_with(log_in).take(readers).collect();
    for reader in &mut held_up {
        reader.play(&format!("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({{six}})*\nC: RETR disk/{COLD}\nS: 150"));
        reader.open_data();
    }
    disk.wait_for_reader(LIMIT);
    other
        .play("C: NOOP\nS: 200\nC: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR warm\nS: 150")
        .open_data();
    assert_eq!(other.receive_data(), b"at once");
    other.play("S: 226");
    log_in().play("C: NOOP\nS: 200");
    // Theirs is answered, too: only the data wait.
    for reader in &mut held_up {
        reader.send_line("STAT").expect_reply("211");
    }
}
