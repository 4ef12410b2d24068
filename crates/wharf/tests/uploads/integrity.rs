//! Checksums, free space, and times.

use std::process::Command;

use wharf_testkit::directory::sample;
use wharf_testkit::process::run;

use super::{Room, begin, log_in, store};

/// What the tool of the same name says of a file.
fn tool(name: &str, file: &std::path::Path) -> String {
    let output = run(Command::new(name).arg(file)).assert_success().output();
    output.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn checksums_are_those_that_other_programs_compute() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, "STOR a file", &sample(3_000_001));
    store(&mut client, "STOR empty", b"");
    let file = room.path("a file");
    for (name, command, own) in [
        ("SHA-256", "sha256sum", "XSHA256"),
        ("SHA-512", "sha512sum", "XSHA512"),
        ("SHA-1", "sha1sum", "XSHA1"),
        ("MD5", "md5sum", "XMD5"),
    ] {
        let told = tool(command, &file);
        client.play(&format!(
            "C: OPTS HASH {name}\nS: 200 {name}\nC: HASH a file\nS: 213 {name} 0-3000000 {told} a file"
        ));
        for argument in
            ["a file", "\"a file\"", "\"a file\" 0 3000001", "\"a file\" 3000001", "a file 0 3000001"]
        {
            client.play(&format!("C: {own} {argument}\nS: 250 {}", told.to_uppercase()));
        }
        let features = client.send_line("FEAT").expect_reply("211");
        assert!(features.contains(&format!("{name}*")) && features.contains(own), "{features}");
    }
    // The check value that every catalogue of CRCs has.
    store(&mut client, "STOR 9", b"..123456789..");
    client.play(
        "C: XCRC \"9\" 2 11\nS: 250 CBF43926\nC: XCRC 9 2 11\nS: 250 CBF43926\nC: OPTS HASH CRC32\nS: 200",
    );
    client.play("C: RANG 2 10\nS: 350\nC: HASH 9\nS: 213 CRC32 2-10 cbf43926 9");
    // It is for one HASH only, and can be taken back.
    client.play("C: RANG 0 1\nS: 350\nC: RANG 1 0\nS: 350\nC: HASH 9\nS: 213 CRC32 0-12 * 9");
    client.play("C: HASH empty\nS: 213 CRC32 0-0 00000000 empty");
    client.play("C: RANG 5 13\nS: 350\nC: HASH 9\nS: 501\nC: RANG 5 4\nS: 501\nC: RANG 5\nS: 501\nC: RANG -1 4\nS: 501");
    client.play("C: XCRC 9 3 2\nS: 501\nC: XCRC 9 0 14\nS: 501\nC: XCRC nothing\nS: 550\nC: XMD5 /\nS: 550\nC: HASH /\nS: 550");
    client.play("C: HASH nothing\nS: 550\nC: OPTS HASH SHA-3\nS: 504\nC: HASH ../x\nS: 550\nC: XCRC \"/../../etc/passwd\"\nS: 550");
}

#[test]
fn a_checksum_of_a_huge_file_can_be_watched_and_ended() {
    let room = Room::with("");
    // Sparse: hours of work.
    std::fs::File::create(room.path("huge")).unwrap().set_len(1 << 42).unwrap();
    let server = room.serve();
    let (mut client, mut other) = (log_in(&server, "one"), log_in(&server, "two"));
    client.send_line("HASH huge");
    let status = client.send_line("STAT").expect_reply("211");
    assert!(status.contains("HASH is running"), "{status}");
    // Neither do more of them than there are processors keep others waiting.
    let mut more: Vec<_> = (0..5).map(|_| log_in(&server, "one")).collect();
    for client in &mut more {
        client.send_line("XSHA256 huge");
    }
    other.play("C: NOOP\nS: 200");
    store(&mut other, "STOR file", b"meanwhile");
    client.send("NOOP\r\nABOR\r\n").play("S: 426\nS: 200\nS: 226\nC: NOOP\nS: 200");
    for mut client in more {
        client.play("C: ABOR\nS: 426\nS: 226\nC: HASH file\nS: 213 SHA-256 0-8 * file");
    }
    // One that goes away in the middle.
    client.send_line("HASH huge");
    drop(client);
    other.play("C: HASH file\nS: 213");
}

#[test]
fn free_space_is_told_of_directories() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, "STOR file", b"x");
    let told = client.send_line("AVBL").expect_reply("213");
    assert!(told[4..].trim().parse::<u64>().is_ok_and(|free| free > 0), "{told}");
    client.play("C: AVBL /\nS: 213\nC: AVBL file\nS: 550\nC: AVBL nowhere\nS: 550");
}

#[test]
fn times_are_kept_and_set_by_both_commands() {
    let room = Room::with("");
    let server = room.serve();
    let mut client = log_in(&server, "one");
    store(&mut client, "STOR a file", b"x");
    client.play("C: MFMT 20010203040506 a file\nS: 213 Modify=20010203040506; a file\nC: MDTM a file\nS: 213 20010203040506");
    client.play("C: MDTM 20020304050607 a file\nS: 213 Modify=20020304050607; a file\nC: MDTM a file\nS: 213 20020304050607");
    // A name may look like that, too.
    store(&mut client, "STOR 20020304050607 a file", b"x");
    client.play("C: MDTM 20020304050607 a file\nS: 213 20*\nC: MDTM 20020304050607 nothing\nS: 550");
    client.play("C: RNFR a file\nS: 350\nC: RNTO renamed\nS: 250\nC: MDTM renamed\nS: 213 20020304050607");
    store(&mut client, "APPE renamed", b"y");
    begin(&mut client, "RETR renamed");
    assert_eq!(client.receive_data(), b"xy");
    client.expect_reply("226");
}
