//! Names in other character sets than UTF-8.

use wharf_testkit::scripted::Conversation;

use super::{Room, log_in};

/// "测试" and "café" in GBK and Latin-1.
const GBK: &[u8] = b"\xb2\xe2\xca\xd4";
const LATIN1: &[u8] = b"caf\xe9";

fn line(command: &str, name: &[u8]) -> Vec<u8> {
    [command.as_bytes(), b" ", name, b"\r\n"].concat()
}

#[track_caller]
fn ask(client: &mut Conversation, command: &str, name: &[u8], reply: &str) {
    client.send(line(command, name)).expect_reply(reply);
}

#[track_caller]
fn store(client: &mut Conversation, name: &[u8]) {
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    ask(client, "STOR", name, "150");
    client.send_data("x").close_data().expect_reply("226");
}

#[track_caller]
fn listed(client: &mut Conversation, command: &str) -> Vec<u8> {
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.send_line(command).expect_reply("150");
    let listing = client.receive_data();
    client.expect_reply("226");
    listing
}

fn holds(listing: &[u8], name: &[u8]) -> bool {
    listing.windows(name.len()).any(|part| part == name)
}

#[test]
fn names_are_converted_on_the_wire_and_utf8_on_the_disk() {
    let room = Room::with("charset = 'gbk'");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, GBK);
    assert_eq!(room.names(), ["测试"]);
    ask(&mut client, "SIZE", GBK, "213 1");
    ask(&mut client, "MKD", &[GBK, b"/../d", GBK].concat(), "257");
    assert_eq!(room.names(), ["d测试", "测试"]);
    for command in ["NLST", "LIST", "MLSD"] {
        let listing = listed(&mut client, command);
        assert!(holds(&listing, GBK) && !holds(&listing, "测试".as_bytes()), "{listing:?}");
    }
    client.send(line("CWD", &[b"d", GBK].concat())).expect_line("250 *");
    client.send("PWD\r\n").expect_bytes([b"257 \"/d", GBK, b"\" is the current directory.\r\n"].concat());
    client.play("C: CWD /\nS: 250");
    ask(&mut client, "RNFR", GBK, "350");
    ask(&mut client, "RNTO", &[GBK, GBK].concat(), "250");
    assert_eq!(room.names(), ["d测试", "测试测试"]);

    // Half a character, and bytes that start none, are no names: refused, and nothing is made of them.
    for wrong in [&b"\xb2"[..], b"a\xb2/b", b"\xff\xff"] {
        client.play("C: PASV\nS: 227");
        ask(&mut client, "STOR", wrong, "501");
        ask(&mut client, "MKD", wrong, "501");
        ask(&mut client, "SIZE", wrong, "501");
    }
    assert_eq!(room.names(), ["d测试", "测试测试"]);

    // What the character set lacks is shown as it is, and reached in UTF-8.
    std::fs::write(room.path("😀"), "x").unwrap();
    assert!(holds(&listed(&mut client, "NLST"), "😀".as_bytes()));
    client.play("C: OPTS UTF8 ON\nS: 200");
    ask(&mut client, "SIZE", "😀".as_bytes(), "213 1");
    ask(&mut client, "SIZE", "测试测试".as_bytes(), "213 1");
    assert!(holds(&listed(&mut client, "NLST"), "测试测试".as_bytes()));
    client.play("C: OPTS UTF8 OFF\nS: 200 *GBK*");
    ask(&mut client, "DELE", &[GBK, GBK].concat(), "250");
}

#[test]
fn a_network_has_a_character_set_of_its_own() {
    let room = Room::with(
        "charset = 'gbk'\ncharsets = [{ clients = '10.0.0.0/8', charset = 'big5' }, { clients = '127.0.0.0/8', charset = 'latin1' }]",
    );
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, LATIN1);
    assert_eq!(room.names(), ["café"]);
    assert!(holds(&listed(&mut client, "NLST"), LATIN1));
}

#[test]
fn under_utf8_bytes_go_round_unchanged() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, LATIN1);
    assert!(holds(&listed(&mut client, "NLST"), b"caf\xe9\r\n"));
    client.play("C: OPTS UTF8 OFF\nS: 200\nC: OPTS UTF8 ON\nS: 200");
    ask(&mut client, "SIZE", LATIN1, "213 1");
    ask(&mut client, "DELE", LATIN1, "250");
}
