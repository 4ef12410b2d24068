//! `--charset`: names in the server's charset on the wire, in UTF-8 here.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::hostile::HostileServer;
use wharf_testkit::process::{Run, run};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// 中文.txt in GBK.
const GBK: &[u8] = b"\xD6\xD0\xCE\xC4.txt";

fn wharf(words: &[&str]) -> Run {
    run(Command::new(WHARF).args(words).env("HOME", "/dev/null"))
}

fn bytes(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

#[test]
fn names_are_utf_8_here_and_gbk_there() {
    let (there, here) = (TestDirectory::new(), TestDirectory::new());
    there.write(bytes(GBK), "hello");
    let server = Served::start(WHARF, there.path(), &["--user", "test:secret", "--write"]);
    let url = format!("ftp://test:secret@{}/", server.address());
    let gbk = ["--charset", "gbk"];

    let listed = wharf(&[&["ls", &url], &gbk[..]].concat());
    assert_eq!(listed.assert_success().output(), "中文.txt\n");
    let file = here.join("got");
    let words = ["get", &format!("{url}中文.txt"), "-o", file.to_str().unwrap()];
    wharf(&[&words[..], &gbk].concat()).assert_success();
    assert_eq!(here.read("got"), b"hello");

    let sent = format!("{url}上传");
    wharf(&[&["put", file.to_str().unwrap(), &sent], &gbk[..]].concat()).assert_success();
    assert_eq!(there.read(bytes(b"\xC9\xCF\xB4\xAB")), b"hello");
    wharf(&[&["mkdir", &format!("{url}目录")], &gbk[..]].concat()).assert_success();
    assert!(there.join(bytes(b"\xC4\xBF\xC2\xBC")).is_dir());
    let stat = wharf(&[&["stat", &sent], &gbk[..]].concat());
    assert!(stat.assert_success().output().contains("上传"), "{stat}");

    // Whole trees, both ways.
    let tree = here.join("tree");
    wharf(&[&["mirror", &url, tree.to_str().unwrap()], &gbk[..]].concat()).assert_success();
    assert_eq!(here.read("tree/中文.txt"), b"hello");
    let up = format!("{url}目录");
    wharf(&[&["mirror", tree.to_str().unwrap(), &up], &gbk[..]].concat()).assert_success();
    assert_eq!(std::fs::read(there.join(bytes(b"\xC4\xBF\xC2\xBC")).join(bytes(GBK))).unwrap(), b"hello");

    // Without a charset, bytes are bytes.
    let target = here.make_directory("bytes");
    wharf(&["get", &format!("{url}%D6%D0%CE%C4.txt"), "-o", target.to_str().unwrap()]).assert_success();
    assert_eq!(std::fs::read(target.join(bytes(GBK))).unwrap(), b"hello");
}

#[test]
fn what_cannot_be_written_is_said_before_it_is_sent() {
    let here = TestDirectory::new();
    let file = here.write("中", "hello");
    let server = HostileServer::start("", None);
    let url = format!("ftp://me:secret@{}/", server.address());
    for words in [
        &["get", &format!("{url}中")][..],
        &["put", file.to_str().unwrap(), &url],
        &["rm", &format!("{url}中")],
    ] {
        let run = wharf(&[words, &["--charset", "latin-1"]].concat());
        let error = run.assert_code(2).errors();
        assert!(error.contains("中") && error.contains("--charset"), "{error}");
    }
    assert!(
        !server.transcript().contains("RETR") && !server.transcript().contains("STOR"),
        "{}",
        server.transcript()
    );
    wharf(&["ls", "--charset", "klingon", &url]).assert_code(2);
}

#[test]
fn a_server_that_can_utf_8_is_told_what_is_spoken() {
    let features = "FEAT: raw 211-x\\r\\n UTF8\\r\\n211 x\\r\\n";
    for (flags, told) in [
        (&[][..], "OPTS UTF8 ON"),
        (&["--charset", "utf-8"], "OPTS UTF8 ON"),
        (&["--charset", "gbk"], "OPTS UTF8 OFF"),
    ] {
        let server = HostileServer::start(features, None);
        let url = format!("ftp://me:secret@{}/file", server.address());
        wharf(&[&["get", "-o", "/dev/null", &url], flags].concat()).assert_success();
        assert!(server.transcript().contains(told), "{}", server.transcript());
    }
}

/// Its refusals are read in its charset, too.
#[test]
fn replies_are_read_in_it() {
    let server = HostileServer::start(r"RETR: raw 550 \xD6\xD0\xCE\xC4\r\n", None);
    let url = format!("ftp://me:secret@{}/file", server.address());
    let run = wharf(&["get", "--charset", "gbk", &url]);
    assert!(run.assert_code(6).errors().contains("550 中文"), "{run}");
}
