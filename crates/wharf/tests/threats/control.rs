//! Threats 9, 11, 15 and 19: what comes over the control connection, and when.

use std::fmt::Write as _;
use std::fs::File;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::{Conversation, ScriptedClient};

use crate::{ask, fetch, log_in, open_passive, serve};

#[test]
fn a_browser_is_sent_away() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    for request in ["GET / HTTP/1.1", "POST /upload HTTP/1.1", "HEAD / HTTP/1.0", "CONNECT x:25 HTTP/1.1"] {
        let mut client = ScriptedClient::connect(server.address());
        // The body of a cross-protocol request holds commands; none of them may be carried out.
        client.send(format!(
            "{request}\r\nHost: x\r\nContent-Type: text/plain\r\n\r\nUSER anonymous\r\nPASS x\r\nMKD made\r\n"
        ));
        client.expect_reply("220");
        client.expect_reply("500");
        client.expect_reply("421");
        client.expect_close();
    }
    assert_eq!(root.names(), [""; 0]);
}

#[test]
fn three_unknown_commands_before_login_are_the_last() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    ScriptedClient::connect(server.address())
        .play(
            "S: 220
             C: EHLO x
             S: 500
             C: NOOP
             S: 200
             C: MAIL FROM:<x>
             S: 500
             C: RCPT TO:<y>
             S: 500
             S: 421",
        )
        .expect_close();
    // Who is logged in may mistype.
    log_in(server.address())
        .play("C: AAAA\nS: 500\nC: BBBB\nS: 500\nC: CCCC\nS: 500\nC: DDDD\nS: 500\nC: NOOP\nS: 200");
}

#[test]
fn too_many_wrong_passwords_end_the_session_with_one_reply_each() {
    let root = TestDirectory::new();
    let server = wharf_testkit::served::Served::start(
        env!("CARGO_BIN_EXE_wharf"),
        root.path(),
        &["--user", "test:secret"],
    );
    let mut client = ScriptedClient::connect(server.address());
    client.expect_reply("220");
    for _ in 0..4 {
        client.play("C: USER test\nS: 331\nC: PASS wrong\nS: 530");
    }
    client.play("C: USER test\nS: 331\nC: PASS wrong\nS: 421").expect_close();
}

#[test]
fn a_glob_bomb_lists_each_name_once_at_most() {
    let root = TestDirectory::new();
    for index in 0..60 {
        root.make_directory(format!("d{index}/{}", "a".repeat(250)));
        root.write(format!("{}{index:03}", "a".repeat(240)), "");
    }
    let server = serve(root.path());
    let mut client = log_in(server.address());
    let count = |listing: &[u8]| listing.iter().filter(|&&byte| byte == b'\n').count();
    for pattern in ["*/../*/../*/../*/../*/../*", "*", "*/../*"] {
        assert_eq!(count(&fetch(&mut client, format!("NLST {pattern}"))), 120, "{pattern}");
    }
    // Backtracking is bounded, so these end at all: 2^60 ways and more to fit such a name.
    for pattern in ["*a".repeat(100) + "b", "*".repeat(200) + "b", "*[a-b]".repeat(40) + "c"] {
        assert_eq!(count(&fetch(&mut client, format!("LIST {pattern}"))), 0, "{pattern}");
    }
    // Patterns in directories, and braces, are nothing special: no such file.
    for literal in ["*/*", "*/*/*", "{a,b}{a,b}{a,b}{a,b}", "{{{{a,b},{a,b}},a},b}", "~*/x", "?*/../missing"]
    {
        open_passive(&mut client);
        let reply = ask(&mut client, format!("LIST {literal}"), "*");
        assert!(reply.starts_with("550") || reply.starts_with("150"), "{literal}: {reply}");
        if reply.starts_with("150") {
            assert_eq!(client.receive_data(), b"", "{literal}");
            client.expect_reply("226");
        }
        client.close_data();
    }
    // RETR, DELE and the like take names, not patterns.
    ask(&mut client, "DELE *", "550");
    ask(&mut client, "SIZE ?*", "550");
}

/// More than all the buffers between a server and a client that does not read.
const LARGE: u64 = 64 << 20;

fn stalled_download(root: &TestDirectory, client: &mut Conversation) {
    File::create(root.join("large")).unwrap().set_len(LARGE).unwrap();
    open_passive(client);
    client.play("C: RETR large\nS: 150").expect_data([0]);
}

#[test]
fn an_abort_acts_in_every_telnet_dress() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    let (usual, urgent) = (false, true);
    let dresses: [&[(bool, &[u8])]; 7] = [
        &[(usual, b"ABOR\r\n")],
        &[(usual, b"\xFF\xF4\xFF\xF2ABOR\r\n")],
        // The urgent byte is DM, as RFC 959 wants it; or IAC, as some stacks count; or the whole line is urgent.
        &[(urgent, b"\xFF\xF4\xFF\xF2"), (usual, b"ABOR\r\n")],
        &[(urgent, b"\xFF\xF4\xFF"), (usual, b"\xF2ABOR\r\n")],
        &[(urgent, b"\xFF\xF4\xFF\xF2ABOR\r\n")],
        &[(usual, b"\xFF\xF4"), (urgent, b"\xF2"), (usual, b"ABOR\r\n")],
        &[(usual, b"\xFF\xF4\xFF\xF2abor\r\n")],
    ];
    for (number, dress) in dresses.into_iter().enumerate() {
        stalled_download(&root, &mut client);
        for &(is_urgent, bytes) in dress {
            if is_urgent {
                client.send_urgent(bytes);
            } else {
                client.send(bytes);
            }
        }
        client.expect_reply("426");
        client.expect_reply("226");
        client.expect_data_reset();
        let reply = ask(&mut client, "NOOP", "*");
        assert_eq!(reply, "200 OK.", "after dress {number}");
    }
    // Without a transfer there is nothing to abort.
    client.send_urgent(b"\xFF\xF4\xFF\xF2").send("ABOR\r\n").expect_reply("225");
}

#[test]
fn telnet_bytes_never_get_into_data() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    let content = b"a\xFF\xF4\xFF\xF2b\xFF\xFFc\r\0d\xFF";
    open_passive(&mut client);
    client.play("C: STOR file\nS: 150");
    // Synch on the control connection, while data with the same bytes flows.
    client
        .send_data(&content[..5])
        .send_urgent(b"\xFF\xF4\xFF\xF2")
        .send("NOOP\r\n")
        .send_data(&content[5..]);
    client.close_data().expect_reply("226");
    client.expect_reply("200");
    assert_eq!(root.read("file"), content);
    assert_eq!(fetch(&mut client, "RETR file"), content);
}

#[test]
fn what_is_pipelined_behind_a_download_does_not_change_it() {
    let root = TestDirectory::new();
    let content = sample(12 << 20);
    root.write("file", &content);
    root.write("sub/file", "another");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    open_passive(&mut client);
    client
        .send("RETR file\r\nTYPE A\r\nCWD sub\r\nREST 5\r\nRNFR file\r\nUSER nobody\r\nPWD\r\n")
        .expect_reply("150");
    assert!(client.receive_data() == content, "the file did not arrive whole");
    client.play("S: 226\nS: 200\nS: 250\nS: 350\nS: 350\nS: 331\nS: 530");
}

#[test]
fn what_is_pipelined_behind_an_upload_does_not_change_it() {
    let root = TestDirectory::new();
    root.write("other", "other");
    root.make_directory("sub");
    let content = sample(300_000);
    let server = serve(root.path());
    let mut client = log_in(server.address());
    open_passive(&mut client);
    client
        .send("STOR file\r\nTYPE A\r\nCWD sub\r\nRNFR ../other\r\nREST 7\r\nUSER nobody\r\nREIN\r\n")
        .expect_reply("150");
    client.send_data(&content).close_data();
    client.play("S: 226\nS: 200\nS: 250\nS: 350\nS: 350\nS: 331\nS: 220");
    assert!(root.read("file") == content);
    assert_eq!(root.names(), ["file", "other", "sub"]);
    assert_eq!(std::fs::read_dir(root.join("sub")).unwrap().count(), 0);
}

#[test]
fn commands_behind_a_logout_are_the_next_logins() {
    let root = TestDirectory::new();
    root.write("sub/inner", "");
    root.write("outer", "");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    client.play("C: CWD sub\nS: 250");
    // All in one segment: what the old login left must be gone before the new one's first command.
    client.send("REIN\r\nUSER anonymous\r\nPASS x\r\nPWD\r\nPASV\r\nSTAT .\r\n");
    client.play("S: 220\nS: 331\nS: 230\nS: 257 \"/\" *\nS: 227 *({six})*");
    let status = client.expect_reply("213");
    assert!(status.contains(" outer") && !status.contains("inner"), "{status}");
    client.play("C: NLST\nS: 150").open_data();
    let listing = client.receive_data();
    assert!(
        listing.windows(5).any(|name| name == b"outer") && !listing.windows(5).any(|name| name == b"inner")
    );
    client.expect_reply("226");
    // A second USER begins anew too, and does not end the control connection's time for it.
    client.play("C: CWD sub\nS: 250\nC: USER anonymous\nS: 331\nC: PWD\nS: 530\nC: PASS x\nS: 230\nC: PWD\nS: 257 \"/\" *");
}

#[test]
fn a_rename_is_two_commands_one_right_behind_the_other() {
    let root = TestDirectory::new();
    root.write("a", "a");
    root.write("b", "b");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for between in
        ["NOOP", "STAT", "PWD", "RNFR missing", "REIN\nS: 220\nC: USER anonymous\nS: 331\nC: PASS x"]
    {
        let code = match between {
            "NOOP" => "200",
            "STAT" => "211",
            "PWD" => "257",
            "RNFR missing" => "550",
            _ => "230",
        };
        client.play(&format!("C: RNFR a\nS: 350\nC: {between}\nS: {code}\nC: RNTO b\nS: 503"));
    }
    client.play("C: RNTO b\nS: 503");
    // Also pipelined.
    client.send("RNFR a\r\nNOOP\r\nRNTO b\r\n").play("S: 350\nS: 200\nS: 503");
    assert_eq!((root.read("a"), root.read("b")), (b"a".to_vec(), b"b".to_vec()));
    client.play("C: RNFR a\nS: 350\nC: RNTO c\nS: 250\nC: RNTO d\nS: 503");
}

#[test]
fn ten_thousand_commands_in_one_go_are_answered_in_order() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    let mut burst = String::new();
    for number in 0..10_000 {
        write!(burst, "REST {number}\r\n").unwrap();
    }
    client.send(burst);
    for number in 0..10_000 {
        client.expect_reply(&format!("350 * {number}."));
    }
    client.play("C: NOOP\nS: 200");
}

#[test]
fn ten_thousand_commands_behind_a_transfer_wait_for_it_and_are_answered_in_order() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    open_passive(&mut client);
    client.play("C: STOR file\nS: 150");
    let mut burst = String::new();
    for number in 0..10_000 {
        write!(burst, "REST {number}\r\n").unwrap();
    }
    client.send(burst).send_data("content").close_data().expect_reply("226");
    for number in 0..10_000 {
        client.expect_reply(&format!("350 * {number}."));
    }
    assert_eq!(root.read("file"), b"content");
}

#[test]
fn an_abort_behind_many_stats_is_seen() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    stalled_download(&root, &mut client);
    client.send("STAT\r\n".repeat(200) + "ABOR\r\n");
    for _ in 0..200 {
        client.expect_reply("211");
    }
    client.play("S: 426\nS: 226");
}
