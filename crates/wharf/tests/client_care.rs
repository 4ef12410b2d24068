//! Times, temporary names, checksums and the limit of the rate, from the command line: with our server, and with ProFTPD, which
//! computes checksums.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::ScriptedServer;
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Of "hello, world\n".
const SHA1: &str = "cd50d19784897085a8d0e3e413f8612b097c03f1";
const MD5: &str = "22c3683b094136c3398391ae71b20f04";

fn wharf(directory: &TestDirectory, words: &[&str]) -> Run {
    run(Command::new(WHARF).args(words).current_dir(directory.path()).env("HOME", directory.path()))
}

fn set_old(file: &Path) -> SystemTime {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_001);
    File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    time
}

fn modified(file: impl AsRef<Path>) -> SystemTime {
    fs::metadata(file).unwrap().modified().unwrap()
}

#[test]
fn times_and_temporary_names_with_our_server_in_clear_and_under_tls() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let ca = certificate.certificate();
    let flags = certificate.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--write"]).collect();
    let there = TestDirectory::new();
    let served = Served::start(WHARF, there.path(), &flags);
    let old = set_old(&there.write("file", "content"));
    let clear = (format!("ftp://{}", served.address()), &["--tls", "off"][..]);
    let secured = (format!("ftpes://{}", served.address()), &["--ca", ca.to_str().unwrap()][..]);
    for (server, how) in [clear, secured] {
        let here = TestDirectory::new();
        let ours = |words: &[&str]| wharf(&here, &[words, how].concat());
        ours(&["get", &format!("{server}/file")]).assert_success();
        assert_eq!(modified(here.join("file")), old);
        ours(&["get", "--no-times", "-o", "young", &format!("{server}/file")]).assert_success();
        assert!(modified(here.join("young")) > old);
        ours(&["put", "--atomic", "file", &format!("{server}/up")]).assert_success();
        assert_eq!((there.read("up"), modified(there.join("up"))), (b"content".to_vec(), old));
        ours(&["put", "--atomic", "--no-times", "--limit-rate", "1M", "young", &format!("{server}/up")])
            .assert_success();
        assert!(modified(there.join("up")) > old, "replaced");
        assert_eq!(there.names(), ["file", "up"]);
        let checked = ours(&["get", "--verify", "-o", "again", &format!("{server}/file")]);
        assert!(!checked.assert_success().errors().contains("sizes"), "{checked}");
        let hash = ours(&["hash", "--algorithm", "sha256", &format!("{server}/file")]);
        let sum = run(Command::new("sha256sum").arg(there.join("file"))).assert_success().output();
        let sum = sum.split(' ').next().unwrap().to_owned();
        assert!(hash.assert_success().output().to_lowercase().contains(&sum), "{hash}");
        fs::remove_file(there.join("up")).unwrap();
    }
}

#[test]
fn checksums_by_proftpd() {
    let Some(peer) = Peer::start_or_skip(PeerKind::Proftpd, &PeerOptions::new().digests()) else { return };
    let here = TestDirectory::new();
    let hash = wharf(&here, &["hash", "--algorithm", "sha1", &peer.url("hello.txt")]);
    assert_eq!(hash.assert_success().output(), format!("SHA-1 {SHA1} hello.txt\n"));
    let hash = wharf(&here, &["hash", "-a", "md5", "--json", &peer.url("hello.txt")]);
    let event: serde_json::Value = serde_json::from_str(&hash.assert_success().output()).unwrap();
    assert_eq!((&event["algorithm"], &event["hash"]), (&"MD5".into(), &MD5.into()));
    wharf(&here, &["hash", &peer.url("no such file")]).assert_code(6);
    wharf(&here, &["hash", "-a", "rot13", &peer.url("hello.txt")]).assert_code(2);

    let got = wharf(&here, &["get", "-n", "3", "--verify", "--json", &peer.url("big.bin")]);
    let event: serde_json::Value = serde_json::from_str(&got.assert_success().output()).unwrap();
    assert_eq!((&event["verified"], event["hash"].as_str().unwrap().len()), (&"SHA-512".into(), 128));
    let up = peer.url(&format!("{}/verified", peer.writable_dir));
    let put = wharf(&here, &["put", "--verify", "--json", "big.bin", &up]);
    let event: serde_json::Value = serde_json::from_str(&put.assert_success().output()).unwrap();
    assert_eq!(event["verified"], "SHA-512");

    let tree = TestDirectory::new();
    for number in 0..10 {
        tree.write(format!("file {number}"), sample(number * 1000));
    }
    let remote = peer.url(&format!("{}/tree", peer.writable_dir));
    wharf(&here, &["mirror", "--verify", tree.path().to_str().unwrap(), &remote]).assert_success();
    let down = wharf(&here, &["mirror", "--verify", "--limit-rate", "50M", &remote, "tree"]);
    assert!(!down.assert_success().errors().contains("only the sizes"), "{down}");
    assert_eq!(fs::read_dir(here.join("tree")).unwrap().count(), 10);
}

/// `--retry` goes on with the temporary name, and gives the name in the end.
#[test]
fn an_upload_that_is_cut_is_gone_on_with_under_its_temporary_name() {
    const LOGIN: &str = "S: 220 ready\nC: USER me\nS: 230 in\nC: FEAT\nS: 500 what?";
    const EPSV: &str = "C: EPSV\nS: 229 ok (|||{port}|)";
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        server.play(LOGIN);
        if number == 0 {
            server.play("C: PWD\nS: 257 \"/\"\nC: CWD file\nS: 550 none\nC: TYPE I\nS: 200 I");
            server.play(EPSV).play("C: STOR file.wharf-part\nS: 150 send").open_data().expect_data("he");
            server.reset_data().play("S: 426 cut\nC: SIZE file.wharf-part\nS: 213 2").expect_close();
        } else {
            server.play("C: TYPE I\nS: 200 I\nC: SIZE file.wharf-part\nS: 213 2").play(EPSV);
            server.play("C: RETR file.wharf-part\nS: 150 look").open_data().send_data("he").close_data();
            server.play("S: 226 done").play(EPSV).play("C: APPE file.wharf-part\nS: 150 send").open_data();
            server
                .expect_data("llo")
                .expect_data_end()
                .play("S: 226 done\nC: SIZE file.wharf-part\nS: 213 5");
            server.play(
                "C: RNFR file.wharf-part\nS: 350 and?\nC: RNTO file\nS: 250 renamed\nC: QUIT\nS: 221 bye",
            );
        }
    });
    let here = TestDirectory::new();
    here.write("local", "hello");
    let url = format!("ftp://me@{}/file", server.address());
    wharf(&here, &["put", "--tls", "off", "--atomic", "--retry", "1", "local", &url]).assert_success();
    server.finish_all();
}
