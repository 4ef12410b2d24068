//! Threat 1: paths that climb out. Threat 14: bytes that end a name. Threat 17: offsets.

use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::Conversation;

use crate::{ask, fetch, log_in, open_passive, serve, store};

/// Commands with a path at their end; those that need a data connection have it negotiated before.
const PATH_COMMANDS: [&str; 23] = [
    "CWD ",
    "XCWD ",
    "RETR ",
    "STOR ",
    "APPE ",
    "STOU ",
    "DELE ",
    "RMD ",
    "XRMD ",
    "MKD ",
    "XMKD ",
    "RNFR ",
    "RNTO ",
    "SIZE ",
    "MDTM ",
    "MFMT 20200101000000 ",
    "MLST ",
    "MLSD ",
    "LIST ",
    "NLST ",
    "STAT ",
    "SITE CHMOD 777 ",
    "LIST -la ",
];

/// Brings the session where `command` is in sequence.
fn prepare(client: &mut Conversation, command: &str) {
    match command.split(' ').next().unwrap() {
        "RETR" | "STOR" | "APPE" | "STOU" | "LIST" | "NLST" | "MLSD" => {
            client.play("C: PASV\nS: 227");
        }
        "RNTO" => {
            client.play("C: RNFR inside\nS: 350");
        }
        _ => {}
    }
}

#[test]
fn no_path_of_any_command_leads_out_of_the_root() {
    let around = TestDirectory::new();
    let secret = around.write("secret", "outside");
    around.make_directory("root/a/b");
    around.write("root/inside", "inside");
    let server = serve(around.join("root"));
    let mut client = log_in(server.address());
    let absolute = secret.to_str().unwrap();
    let parent = around.path().to_str().unwrap();
    let climbing = [
        "..",
        "../",
        "../secret",
        "/../secret",
        "/..",
        "a/../..",
        "a/../../secret",
        "/a/../../secret",
        "./.././secret",
        "//..//secret",
        "a/b/../../../secret",
        "missing/../../secret",
        &format!("../{}", around.path().file_name().unwrap().to_str().unwrap()),
        absolute,
        &format!("/..{absolute}"),
        &format!("{parent}/new"),
    ];
    for command in PATH_COMMANDS {
        for path in climbing {
            prepare(&mut client, command);
            ask(&mut client, format!("{command}{path}"), "550");
        }
    }
    // From a directory further down it is the same.
    client.play("C: CWD a/b\nS: 250");
    for command in PATH_COMMANDS.iter().filter(|command| **command != "RNTO ") {
        prepare(&mut client, command);
        ask(&mut client, format!("{command}../../../secret"), "550");
    }
    client.play("C: PWD\nS: 257 \"/a/b\" *");
    assert_eq!(around.read("secret"), b"outside");
    assert_eq!(around.names(), ["root", "secret"]);
    assert_eq!(std::fs::read_dir(around.join("root")).unwrap().count(), 2, "something was created inside");
}

#[test]
fn cdup_stays_at_the_root() {
    let root = TestDirectory::new();
    root.make_directory("a");
    let server = serve(root.path());
    log_in(server.address()).play(
        "C: CDUP
         S: 250 \"/\" *
         C: XCUP
         S: 250
         C: CWD a
         S: 250 \"/a\" *
         C: CDUP
         S: 250 \"/\" *
         C: CDUP
         S: 250
         C: PWD
         S: 257 \"/\" *",
    );
}

#[test]
fn nul_and_bare_cr_in_a_path_are_refused_and_create_nothing() {
    let root = TestDirectory::new();
    root.write("inside", "inside");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for command in PATH_COMMANDS {
        for path in
            [&b"inside\0.txt"[..], b"inside\r.txt", b"inside\0", b"inside\r", b"\0inside", b"\r", b"a\r\0b"]
        {
            prepare(&mut client, command);
            ask(&mut client, [command.as_bytes(), path].concat(), "501");
        }
    }
    assert_eq!(root.names(), ["inside"]);
    assert_eq!(root.read("inside"), b"inside");
}

#[test]
fn an_offset_that_no_file_has_is_refused() {
    let root = TestDirectory::new();
    root.write("ten", "0123456789");
    let server = serve(root.path());
    let mut client = log_in(server.address());
    for offset in [
        "-1",
        "+1",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999",
        "0x5",
        "5.0",
        "5 5",
        "",
        "x",
    ] {
        ask(&mut client, format!("REST {offset}"), "501");
    }
    assert_eq!(fetch(&mut client, "RETR ten"), b"0123456789", "a refused REST moved the offset");
    // Well formed, and beyond the end: the transfer is refused, and the offset is gone with it.
    for offset in [11_u64, 4_294_967_301, i64::MAX as u64] {
        for command in ["RETR ten", "STOR ten", "STOR missing"] {
            open_passive(&mut client);
            ask(&mut client, format!("REST {offset}"), "350");
            ask(&mut client, command, "554");
            client.close_data();
        }
        assert_eq!(fetch(&mut client, "RETR ten"), b"0123456789");
    }
    assert_eq!(root.names(), ["ten"]);
    ask(&mut client, "REST 10", "350");
    assert_eq!(fetch(&mut client, "RETR ten"), b"");
    ask(&mut client, "REST 8", "350");
    store(&mut client, "STOR ten", "ABC");
    assert_eq!(root.read("ten"), b"01234567ABC");
}
