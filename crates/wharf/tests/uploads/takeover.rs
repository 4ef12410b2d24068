//! A client that comes back before its old upload is given up.

use wharf_testkit::scripted::ScriptedClient;

use super::{Room, begin, log_in, store};

/// Begins an upload and sends this much of it; then nothing comes any more, and no FIN either.
fn fall_silent(client: &mut wharf_testkit::scripted::Conversation, command: &str, content: &[u8]) {
    begin(client, command);
    client.send_data(content);
    let told = format!(" {} bytes so far", content.len());
    while !client.send_line("STAT").expect_reply("211").contains(&told) {}
}

#[test]
fn the_same_user_takes_its_upload_over_and_nobody_else_does() {
    for method in ["atomic", "in-place"] {
        let room = Room::with(&format!("uploads = '{method}'"));
        let server = room.serve();
        let mut two = log_in(&server, "two");
        for command in ["STOR file", "APPE file"] {
            let (mut silent, mut again) = (log_in(&server, "one"), log_in(&server, "one"));
            fall_silent(&mut silent, "STOR file", b"0123456789");
            two.play(&format!("C: PASV\nS: 227 *({{six}})*\nC: {command}\nS: 450"));
            let size = again.send_line("SIZE file").expect_reply("213");
            let kept: usize = size[4..].trim().parse().unwrap();
            if command == "STOR file" {
                again.play(&format!("C: REST {kept}\nS: 350"));
            }
            store(&mut again, command, &b"0123456789abc"[kept..]);
            let told = silent.expect_reply("426");
            assert!(told.contains("anew in another session"), "{told}");
            assert_eq!(room.read("file").unwrap(), b"0123456789abc", "{method} {command}");
            // Its session is as good as before.
            silent.close_data();
            store(&mut silent, "STOR other", b"other");
            again.play("C: DELE file\nS: 250\nC: DELE other\nS: 250");
        }
        assert!(room.names().is_empty());
    }
}

#[test]
fn an_upload_that_is_taken_over_again_and_again_is_the_last_ones() {
    let room = Room::with("");
    let server = room.serve();
    let mut clients: Vec<_> = (0..4).map(|_| log_in(&server, "one")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        begin(client, "STOR file");
        client.send_data(format!("from {number}"));
    }
    let mut last = clients.pop().unwrap();
    last.close_data().expect_reply("226");
    for client in &mut clients {
        client.expect_reply("426");
    }
    assert_eq!(room.read("file").unwrap(), b"from 3");
    assert_eq!(room.names(), ["file"]);
}

/// All that is known of anonymous users is an address, which many may share.
#[test]
fn anonymous_users_wait() {
    let room = Room::with("");
    let server = room.serve();
    let [mut first, mut second] =
        [(); 2].map(|()| ScriptedClient::log_in(server.address(), "anonymous", "me@"));
    begin(&mut first, "STOR file");
    second.play("C: PASV\nS: 227\nC: STOR file\nS: 450");
    first.send_data("first").close_data().expect_reply("226");
    assert_eq!(room.read("file").unwrap(), b"first");
}

/// A session that is busy runs on a thread of its own, which has its control connection to look after.
#[test]
fn an_endless_upload_behind_many_small_ones_hears_what_is_said() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    for number in 0..20 {
        store(&mut client, &format!("STOR small{number}"), b"small");
    }
    begin(&mut client, "STOR large");
    let mut data = client.data_stream().try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let piece = vec![7; 256 * 1024];
        while std::io::Write::write_all(&mut data, &piece).is_ok() {}
    });
    while client.send_line("STAT").expect_reply("211").contains(" 0 bytes so far") {}
    client.play("C: ABOR\nS: 426\nS: 226");
    sender.join().unwrap();
    assert_eq!(room.read("large"), None);
}
