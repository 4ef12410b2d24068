//! Checksums of scripted servers: which command is chosen, and what a difference does.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{address, options, path};
use wharf_client::observer::Silent;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource, Verification};
use wharf_client::options::{ModeChoice, Options, TransferOptions};
use wharf_client::{ClientError, Destination, Login, Session};
use wharf_proto::dialogue::NegotiationCommand::Epsv;
use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::{Conversation, ScriptedServer};

/// Of "hello".
const MD5: &str = "5d41402abc4b2a76b9719d911017c592";
const SHA1: &str = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const CRC32: &str = "3610a686";

const GIVE: &str = "C: TYPE I
    S: 200 I
    C: SIZE file
    S: 213 5
    C: EPSV
    S: 229 ok (|||{port}|)
    C: RETR file
    S: 150 here it comes";

async fn log_in(server: &ScriptedServer) -> Session {
    let transfers =
        TransferOptions { verification: Some(Verification::default()), ..TransferOptions::default() };
    let options = Options { transfers, ..options(ModeChoice::Only(Epsv)) };
    let server = address(server.address());
    Session::connect(server, Login::anonymous(), options, Box::new(Silent)).await.unwrap()
}

/// The login at a server with these features.
fn let_in(server: &mut Conversation, features: &str) {
    server.play("S: 220 ready\nC: AUTH TLS\nS: 500 what?\nC: USER anonymous\nS: 230 in\nC: FEAT");
    server.play(&format!("S: 211-Features:\nS:  {features}\nS: 211 End"));
}

#[tokio::test]
async fn each_command_is_understood_and_a_difference_leaves_the_part() {
    let other = format!("0{}", &MD5[1..]);
    for (features, ask, algorithm, is_same) in [
        (
            "HASH SHA-256;SHA-1*",
            format!("C: OPTS HASH SHA-256\nS: 200 SHA-256\nC: HASH file\nS: 213 SHA-256 0-5 {SHA256} file"),
            "SHA-256",
            true,
        ),
        ("HASH SHA-1*;MD5", format!("C: HASH file\nS: 213 SHA-1 0-5 {SHA1} file"), "SHA-1", true),
        ("XSHA256", format!("C: XSHA256 file\nS: 250 {}", SHA256.to_uppercase()), "SHA-256", true),
        ("XSHA1", format!("C: XSHA1 file\nS: 250-wait\nS: 250 {SHA1}"), "SHA-1", true),
        ("XMD5", format!("C: XMD5 file\nS: 250 {MD5}"), "MD5", true),
        ("MD5", format!("C: MD5 file\nS: 251 \"file\" {MD5}"), "MD5", true),
        ("XCRC", format!("C: XCRC file\nS: 250 {CRC32}"), "CRC32", true),
        ("XMD5", format!("C: XMD5 file\nS: 250 {other}"), "MD5", false),
    ] {
        let asked = ask.clone();
        let server = ScriptedServer::start(move |server| {
            let_in(server, features);
            server.play(GIVE).open_data().send_data("hello").close_data().play("S: 226 done").play(&asked);
        });
        let mut session = log_in(&server).await;
        let directory = TestDirectory::new();
        let destination = Destination::Directory(directory.path().to_owned());
        let download = DownloadOptions { destination, resume: false, ascii: false };
        match session.download(&path("file"), &download).await {
            Ok(done) => {
                assert!(is_same, "{ask}");
                assert_eq!(done.verified.unwrap().algorithm.name(), algorithm);
                assert_eq!(directory.names(), ["file"]);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!is_same && matches!(error, ClientError::SumsDiffer(_)), "{ask}: {text}");
                assert_eq!(error.exit_code(), 8);
                assert!(text.contains(MD5) && text.contains(&other) && text.contains("file.part"), "{text}");
                assert_eq!(directory.names(), ["file.part"]);
            }
        }
        server.finish();
    }
}

const TAKE: &str = "C: TYPE I
    S: 200 I
    C: EPSV
    S: 229 ok (|||{port}|)
    C: STOR file.wharf-part
    S: 150 send";

async fn sent(script: impl FnOnce(&mut Conversation) + Send + 'static) -> Result<(), ClientError> {
    let server = ScriptedServer::start(|server| {
        let_in(server, "XMD5");
        server.play(TAKE).open_data().expect_data("hello").expect_data_end().play("S: 226 done");
        server.play("C: SIZE file.wharf-part\nS: 213 5\nC: XMD5 file.wharf-part");
        script(server);
    });
    let mut session = log_in(&server).await;
    let directory = TestDirectory::new();
    let source = UploadSource::File(directory.write("local", "hello"));
    let atomic = UploadOptions { atomic: true, ..UploadOptions::default() };
    let outcome = session.upload(source, &path("file"), atomic).await;
    drop(session);
    server.finish();
    outcome.map(|_| ())
}

#[tokio::test]
async fn an_upload_gets_its_name_only_when_the_sums_are_the_same() {
    let same = |server: &mut Conversation| {
        server.play(&format!(
            "S: 250 {MD5}\nC: RNFR file.wharf-part\nS: 350 and?\nC: RNTO file\nS: 250 renamed"
        ));
    };
    sent(same).await.unwrap();
    let other = |server: &mut Conversation| {
        server.play(&format!("S: 250 0{}\nC: DELE file.wharf-part\nS: 250 gone", &MD5[1..]));
    };
    let error = sent(other).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_rename_over_a_file_loses_nothing() {
    let refuses = |server: &mut Conversation| {
        server.play(&format!(
            "S: 250 {MD5}\nC: RNFR file.wharf-part\nS: 350 and?\nC: RNTO file\nS: 553 exists"
        ));
    };
    let error = sent(refuses).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 6, "{text}");
    assert!(text.contains("file.wharf-part") && text.contains("553 exists"), "{text}");
}

#[tokio::test]
async fn a_lost_answer_to_the_rename_is_looked_up() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            let_in(server, "SIZE");
            server.play(TAKE).open_data().expect_data("hello").expect_data_end().play("S: 226 done");
            server.play("C: SIZE file.wharf-part\nS: 213 5");
            server.play("C: RNFR file.wharf-part\nS: 350 and?\nC: RNTO file").close();
        } else {
            server.play("S: 220 ready\nC: USER anonymous\nS: 230 in\nC: TYPE I\nS: 200 I");
            server.play("C: SIZE file.wharf-part\nS: 550 none\nC: SIZE file\nS: 213 5");
        }
    });
    let options = options(ModeChoice::Only(Epsv));
    let address = address(server.address());
    let mut session = Session::connect(address, Login::anonymous(), options, Box::new(Silent)).await.unwrap();
    let directory = TestDirectory::new();
    let source = UploadSource::File(directory.write("local", "hello"));
    let atomic = UploadOptions { atomic: true, ..UploadOptions::default() };
    session.upload(source, &path("file"), atomic).await.unwrap();
    server.finish_all();
}
