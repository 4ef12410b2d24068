//! What a client sees of an upload.

use std::time::Duration;

use super::{Room, begin, cut, log_in, store};

#[test]
fn nobody_sees_an_upload_before_it_is_complete() {
    let room = Room::with("");
    std::fs::write(room.path("file"), "old").unwrap();
    let server = room.serve();
    let (mut client, mut other) = (log_in(&server, "one"), log_in(&server, "two"));
    for name in ["file", "new"] {
        begin(&mut client, &format!("STOR {name}"));
        client.send_data("half of it");
        // A second writer has to wait, and so has somebody who would move another file there.
        other.play(&format!(
            "C: PASV\nS: 227 *({{six}})*\nC: STOR {name}\nS: 450\nC: PASV\nS: 227\nC: APPE {name}\nS: 450"
        ));
        assert_eq!(room.read("file").unwrap(), b"old");
        begin(&mut other, "NLST -a");
        assert_eq!(other.receive_data(), b"file\r\n", "{name}");
        other.expect_reply("226");
        client.send_data(", and the rest").close_data().expect_reply("226");
        assert_eq!(room.read(name).unwrap(), b"half of it, and the rest");
        std::fs::write(room.path("file"), "old").unwrap();
    }
    assert_eq!(room.names(), ["file", "new"]);
    let [part] = {
        cut(&mut client, "STOR cut", b"half");
        let mut names = room.names();
        names.retain(|name| name.starts_with(".wharf-"));
        <[String; 1]>::try_from(names).unwrap()
    };
    for command in ["RETR", "SIZE", "MDTM", "DELE", "RNFR", "MLST", "HASH", "SITE CHMOD 666"] {
        if command == "RETR" {
            other.play("C: PASV\nS: 227");
        }
        other.send_line(&format!("{command} {part}")).expect_reply("550");
    }
    other.play(&format!(
        "C: PASV\nS: 227\nC: STOR {part}\nS: 550\nC: RNFR file\nS: 350\nC: RNTO {part}\nS: 550"
    ));
}

#[test]
fn a_cut_upload_is_gone_on_with_by_the_same_user() {
    let room = Room::with("");
    let server = room.serve();
    let (mut one, mut two) = (log_in(&server, "one"), log_in(&server, "two"));
    cut(&mut one, "STOR file", b"0123456789");
    // One byte less than came: whoever has sent everything, and was not told, still has something to send.
    one.play("C: SIZE file\nS: 213 9\nC: MDTM file\nS: 550\nC: RNFR file\nS: 550");
    two.play("C: SIZE file\nS: 550\nC: REST 9\nS: 350\nC: PASV\nS: 227\nC: STOR file\nS: 554");
    drop(server.stop());

    // It outlives the server.
    let server = room.serve();
    let mut one = log_in(&server, "one");
    one.play("C: SIZE file\nS: 213 9\nC: REST 11\nS: 350\nC: PASV\nS: 227\nC: STOR file\nS: 554");
    one.play("C: REST 9\nS: 350");
    store(&mut one, "STOR file", b"9abc");
    assert_eq!(room.read("file").unwrap(), b"0123456789abc");
    assert_eq!(room.names(), ["file"]);

    cut(&mut one, "STOR other", b"0123456789");
    one.play("C: SIZE other\nS: 213 9");
    store(&mut one, "APPE other", b"9abc");
    assert_eq!(room.read("other").unwrap(), b"0123456789abc");

    // A file that is there hides what was cut behind it, and what is deleted is gone.
    cut(&mut one, "STOR other", b"x");
    one.play("C: SIZE other\nS: 213 13");
    cut(&mut one, "STOR third", b"0123456789");
    one.play("C: DELE third\nS: 250\nC: SIZE third\nS: 550\nC: DELE third\nS: 550");
    assert_eq!(room.names(), ["file", "other"]);
}

#[test]
fn a_client_that_was_killed_publishes_nothing() {
    let room = Room::with("");
    let server = room.serve();
    // A process that dies: both connections are closed in order (threat 18).
    let mut client = log_in(&server, "one");
    begin(&mut client, "STOR file");
    client.send_data("looks complete").close().close_data();
    drop(client);
    server_says(&server, "possible_cause=\"transfer-cut\"", "transfer cut");
    assert_eq!(room.read("file"), None);
    // QUIT is another thing (RFC 959 §4.1.1): the transfer comes to its end first.
    let mut client = log_in(&server, "one");
    begin(&mut client, "STOR file");
    client.send_line("QUIT").half_close();
    client.send_data("complete").close_data().play("S: 226\nS: 221").expect_close();
    assert_eq!(room.read("file").unwrap(), b"complete");

    let room = Room::with("publish = 'on-eof'");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    begin(&mut client, "STOR file");
    client.close();
    client.send_data("from a device").close_data();
    server_says(&server, "transfer complete", "transfer complete");
    assert_eq!(room.read("file").unwrap(), b"from a device");
}

/// Waits for one or the other in the log.
#[track_caller]
fn server_says(server: &wharf_testkit::served::Served, text: &str, or: &str) {
    let deadline = std::time::Instant::now() + wharf_testkit::scripted::STEP_LIMIT;
    while !server.log().contains(text) && !server.log().contains(or) {
        assert!(std::time::Instant::now() < deadline, "no `{text}` in the log:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(5)); // the log comes through a pipe that nobody announces
    }
}

#[test]
fn what_allo_announced_has_to_come() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    client.play("C: ALLO 10\nS: 202");
    begin(&mut client, "STOR file");
    let told = client.send_data("012345678").close_data().expect_reply("426");
    assert!(told.contains("9 bytes") && told.contains("ALLO announced 10"), "{told}");
    assert_eq!(room.read("file"), None);
    // Of the rest, or of the whole; it is forgotten behind the transfer that it was for.
    for announced in [10, 2] {
        client.play(&format!("C: SIZE file\nS: 213 8\nC: ALLO {announced}\nS: 202\nC: REST 8\nS: 350"));
        store(&mut client, "STOR file", b"89");
        assert_eq!(room.read("file").unwrap(), b"0123456789");
        client.play("C: DELE file\nS: 250");
        cut(&mut client, "STOR file", b"012345678");
    }
    store(&mut client, "STOR file", b"");
}

#[test]
fn a_complete_file_is_appended_to_all_at_once_or_in_place() {
    let room = Room::with("");
    std::fs::write(room.path("log"), "one ").unwrap();
    let server = room.serve();
    let mut client = log_in(&server, "one");
    begin(&mut client, "APPE log");
    client.send_data("two");
    assert_eq!(room.read("log").unwrap(), b"one ");
    client.close_data().expect_reply("226");
    client.play("C: REST 4\nS: 350");
    store(&mut client, "STOR log", b"TWO");
    assert_eq!(room.read("log").unwrap(), b"one TWO");
    cut(&mut client, "APPE log", b" three");
    assert_eq!(room.read("log").unwrap(), b"one TWO");
    assert_eq!(room.names(), ["log"]);

    let room = Room::with("append = 'in-place'\ndurability = 'fsync'");
    std::fs::write(room.path("log"), "one ").unwrap();
    let server = room.serve();
    let mut client = log_in(&server, "one");
    cut(&mut client, "APPE log", b"two");
    assert_eq!(room.read("log").unwrap(), b"one two");
    store(&mut client, "STOR log", b"new");
    assert_eq!(room.read("log").unwrap(), b"new");
}

#[test]
fn in_place_a_file_is_kept_until_its_data_connection_is_up() {
    let room = Room::with("uploads = 'in-place'\n[times]\ndata_connection = 1");
    std::fs::write(room.path("file"), "old").unwrap();
    let server = room.serve();
    let mut client = log_in(&server, "one");
    client.play("C: PASV\nS: 227\nC: STOR file\nS: 150\nS: 425");
    assert_eq!(room.read("file").unwrap(), b"old");
    cut(&mut client, "STOR file", b"ne");
    assert_eq!(room.read("file").unwrap(), b"ne");
    client.play("C: SIZE file\nS: 213 2\nC: REST 2\nS: 350");
    store(&mut client, "STOR file", b"w");
    assert_eq!(room.read("file").unwrap(), b"new");
}

#[test]
fn a_part_is_kept_when_its_continuation_gets_no_data_connection() {
    let room = Room::with("[times]\ndata_connection = 1");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    cut(&mut client, "STOR file", b"0123456789");
    client.play("C: PASV\nS: 227\nC: STOR file\nS: 150\nS: 425\nC: SIZE file\nS: 213 9");
}

#[test]
fn parts_are_removed_after_their_time() {
    let room = Room::with("keep_parts = 1");
    std::fs::create_dir(room.path("deep")).unwrap();
    let server = room.serve();
    let mut client = log_in(&server, "one");
    cut(&mut client, "STOR deep/file", b"0123456789");
    store(&mut client, "STOR deep/.hidden", b"a file like others");
    server_says(&server, "parts of uploads that nobody went on with were removed", "removed=1");
    client.play("C: SIZE deep/file\nS: 550\nC: DELE deep/.hidden\nS: 250\nC: RMD deep\nS: 250");
    cut(&mut client, "STOR file", b"0123456789");
    drop((client, server.stop()));
    // Those of a process that is gone, too.
    let old = std::fs::File::open(room.path(&room.names()[0])).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(10)).unwrap();
    let server = room.serve();
    server_says(&server, "parts of uploads that nobody went on with were removed", "removed=1");
    assert!(room.names().is_empty());
}

#[test]
fn stou_takes_names_that_nobody_has_or_is_about_to_have() {
    let room = Room::with("");
    let server = room.serve();
    let (mut one, mut two) = (log_in(&server, "one"), log_in(&server, "two"));
    one.play("C: PASV\nS: 227 *({six})*").open_data();
    let first = one.send_line("STOU wanted").expect_reply("150");
    two.play("C: PASV\nS: 227 *({six})*").open_data();
    let second = two.send_line("STOU wanted").expect_reply("150");
    let name = |reply: &str| reply.split_once("FILE: ").unwrap().1.trim().to_owned();
    assert_ne!(name(&first), name(&second));
    assert!(!room.path(&name(&first)).exists());
    one.send_data("1").close_data().expect_reply("226");
    two.send_data("2").close_data().expect_reply("226");
    assert_eq!(room.read(&name(&first)).unwrap(), b"1");
    assert_eq!(room.read(&name(&second)).unwrap(), b"2");
}

#[test]
fn an_umask_is_for_new_files_and_a_replaced_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    let mode = |name: &str| room.path(name).metadata().unwrap().permissions().mode() & 0o777;
    client.play("C: SITE UMASK 077\nS: 200");
    store(&mut client, "STOR new", b"x");
    assert_eq!(mode("new"), 0o600);
    std::fs::set_permissions(room.path("new"), PermissionsExt::from_mode(0o640)).unwrap();
    store(&mut client, "STOR new", b"y");
    assert_eq!(mode("new"), 0o640);
}
