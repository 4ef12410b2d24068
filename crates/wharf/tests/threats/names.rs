//! Threat 16: names go round unchanged, whatever bytes they hold. Threat 21: one log line for each thing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;

use crate::{ask, expect_log, fetch, line, log_in, open_passive, serve, store};

const NAMES: [&[u8]; 20] = [
    b"caf\xE9",
    b"\xFF\xFF",
    b"\xFF\xF4\xFF\xF2",
    b"a\xFFz",
    b"\xC3\xA9 and \xE9",
    b"\xE2\x98\x83",
    b"with  two spaces",
    b" leading",
    b"   three",
    b"trailing ",
    b"-dash",
    b"--",
    b"say \"hi\"",
    b"'single'",
    b"tab\there",
    b"esc\x1B[31m",
    b"back\\slash",
    b"*glob?[x]",
    b"a -> b",
    b"226 done",
];

fn lines(listing: &[u8]) -> Vec<&[u8]> {
    listing
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r\n").expect("CR LF at the end of each line"))
        .collect()
}

#[test]
fn names_of_any_bytes_go_round_unchanged() {
    let root = TestDirectory::new();
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for name in NAMES {
        let with = |verb: &str| [verb.as_bytes(), b" ", name].concat();
        store(&mut client, with("STOR"), name);
        let on_disk: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(on_disk, [OsStr::from_bytes(name)]);
        assert_eq!(lines(&fetch(&mut client, "NLST")), [name]);
        let listing = fetch(&mut client, "LIST");
        assert!(
            lines(&listing)[0].ends_with(&[b" ", name].concat()),
            "{:?}",
            listing.escape_ascii().to_string()
        );
        let facts = fetch(&mut client, "MLSD");
        assert!(
            lines(&facts)[0].ends_with(&[b"; ", name].concat()),
            "{:?}",
            facts.escape_ascii().to_string()
        );
        assert_eq!(fetch(&mut client, with("RETR")), name);
        ask(&mut client, with("SIZE"), &format!("213 {}", name.len()));
        // In replies too, 0xFF doubled.
        client.send(line(with("MLST"))).expect_line("250-*");
        let fact = client.expect_line(" type=file;*");
        if let Ok(text) = std::str::from_utf8(name) {
            assert!(fact.ends_with(&format!("; /{text}")), "{fact}");
        }
        client.expect_reply("250");
        ask(&mut client, with("RNFR"), "350");
        ask(&mut client, [b"RNTO moved ", name].concat(), "250");
        ask(&mut client, [b"DELE moved ", name].concat(), "250");
        ask(&mut client, with("MKD"), "257");
        ask(&mut client, with("CWD"), "250");
        let shown = name.iter().flat_map(|byte| match byte {
            b'"' => vec![b'"'; 2],
            0xFF => vec![0xFF; 2],
            byte => vec![*byte],
        });
        let pwd = [b"257 \"/".as_slice(), &shown.collect::<Vec<_>>(), b"\" "].concat();
        client.send("PWD\r\n").expect_bytes(pwd).expect_line("*");
        client.play("C: CDUP\nS: 250");
        ask(&mut client, with("RMD"), "250");
        assert_eq!(root.names(), [""; 0]);
    }
}

#[test]
fn a_name_that_no_line_can_hold_is_left_out_and_never_changed() {
    let root = TestDirectory::new();
    for name in
        ["new\nline", "carriage\rreturn", "forged\r\n-rw-r--r-- 1 ftp ftp 1 Jan 1 2020 evil", "\n", "plain"]
    {
        root.write(name, name);
    }
    let server = serve(root.path());
    let mut client = log_in(server.address());
    assert_eq!(lines(&fetch(&mut client, "NLST")), [b"plain"]);
    assert_eq!(lines(&fetch(&mut client, "NLST *n*")), [b"plain"]);
    for listing in [fetch(&mut client, "LIST -a"), fetch(&mut client, "MLSD")] {
        let lines = lines(&listing);
        assert_eq!(lines.len(), 1, "{:?}", listing.escape_ascii().to_string());
        assert!(lines[0].ends_with(b" plain"));
    }
    let status = ask(&mut client, "STAT /", "213");
    assert!(status.contains(" plain") && !status.contains("evil") && !status.contains("new"), "{status}");
    assert_eq!(status.lines().count(), 3, "{status}");
}

#[test]
fn a_name_with_telnet_commands_in_it_is_refused_and_not_shortened() {
    let root = TestDirectory::new();
    root.write("name", "keep");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for raw in [&b"DELE na\xFF\xF1me\r\n"[..], b"DELE n\xFF\xFBame\r\n", b"DELE na\xFF\xF4\xFF\xF2me\r\n"] {
        client.send(raw).expect_reply("501");
    }
    // The urgent byte is no part of a name either.
    client.send("DELE na").send_urgent(b"\xFF\xF2").send("me\r\n").expect_reply("501");
    assert_eq!(root.read("name"), b"keep");
}

#[test]
fn control_characters_of_a_client_never_reach_the_log() {
    let (root, logs) = (TestDirectory::new(), TestDirectory::new());
    let transfer_log = logs.join("xferlog");
    let flags = ["--write", "-v", "--user", "test:secret", "--xferlog", transfer_log.to_str().unwrap()];
    let server = Served::start(env!("CARGO_BIN_EXE_wharf"), root.path(), &flags);
    let mut client = ScriptedClient::connect(server.address());
    client.expect_reply("220");
    ask(&mut client, b"USER \x1B[2Jroot\x07\xE9 logged in\xE2\x80\xA8second line", "331");
    ask(&mut client, "PASS wrong", "530");
    let mut client = ScriptedClient::log_in(server.address(), "test", "secret");
    client.play("C: TYPE I\nS: 200");
    store(&mut client, b"STOR \x1B]0;title\x07 and spaces", "x");
    open_passive(&mut client);
    ask(&mut client, b"STOR \x1B[1mcut", "150");
    client.reset_data().expect_reply("426");
    client.play("C: QUIT\nS: 221");
    expect_log(&server, "transfer failed");
    let log = server.log();
    assert!(log.lines().count() >= 4, "{log}");
    for line in log.lines() {
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{2028}'), "{line:?}");
        assert!(line.contains("INFO") || line.contains("WARN"), "a line of its own: {line:?}");
    }
    assert!(log.contains("\\u{1b}[2Jroot\\u{7}\\xE9 logged in\\u{2028}second line"), "{log}");
    let transfers = std::fs::read_to_string(&transfer_log).unwrap();
    assert_eq!(transfers.lines().count(), 2, "{transfers:?}");
    for line in transfers.lines() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(line.split_ascii_whitespace().count(), 18, "{line:?}");
    }
}
