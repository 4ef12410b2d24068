//! Transfers against scripted servers: what counts as complete, what stays behind, and going on with it.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::time::Duration;

use common::{ASK, LOGIN, connect, fetch, give_file, options, path};
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::ModeChoice;
use wharf_client::{ClientError, Destination};
use wharf_proto::dialogue::NegotiationCommand::Epsv;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::{Conversation, ScriptedServer};

const RETR: &str = "C: EPSV
    S: 229 ok (|||{port}|)
    C: RETR file
    S: 150 here it comes";

fn only_epsv() -> wharf_client::Options {
    options(ModeChoice::Only(Epsv))
}

/// Fetches `file` from a server that goes on with `script` after it was asked; tells the exit code and what is there.
async fn fetched(
    script: impl FnOnce(&mut Conversation) + Send + 'static,
    present: &[(&str, &[u8])],
    resume: bool,
) -> (u8, Vec<(String, Vec<u8>)>) {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN);
        script(server);
    });
    let directory = TestDirectory::new();
    for (name, content) in present {
        directory.write(name, content);
    }
    let outcome = fetch(server.address(), only_epsv(), &directory, resume).await;
    server.finish();
    let files = directory.names().into_iter().map(|name| (name.clone(), directory.read(&name))).collect();
    (outcome.map_or_else(|error| error.exit_code(), |_| 0), files)
}

fn one(name: &str, content: &[u8]) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), content.to_vec())]
}

#[tokio::test]
async fn a_226_that_never_comes_leaves_the_part() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hello").close_data().expect_close();
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (10, one("file.part", b"hello")));
}

#[tokio::test]
async fn a_control_connection_that_ends_before_the_226_leaves_the_part() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hello").close_data().close();
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (10, one("file.part", b"hello")));
}

#[tokio::test]
async fn data_that_ends_early_is_incomplete_whatever_the_server_says() {
    for last in ["226 done", "426 cut", "451 disk"] {
        let outcome = fetched(
            move |server| {
                server.play(ASK).play(RETR).open_data().send_data("hel").close_data();
                server.play(&format!("S: {last}"));
            },
            &[],
            false,
        )
        .await;
        assert_eq!(outcome, (8, one("file.part", b"hel")), "{last}");
    }
}

#[tokio::test]
async fn more_data_than_the_size_is_not_the_file() {
    let outcome = fetched(
        |server| {
            server
                .play(ASK)
                .play(RETR)
                .open_data()
                .send_data("hello, world")
                .close_data()
                .play("S: 226 done");
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome.0, 8);
}

#[tokio::test]
async fn a_reset_in_the_middle_keeps_what_came() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hel").pause(Duration::from_millis(50));
            server.reset_data().play("S: 426 cut");
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (8, one("file.part", b"hel")));
}

#[tokio::test]
async fn a_listing_whose_data_is_reset_tells_what_the_server_says() {
    for (reply, code) in [("550 no such directory", 6), ("426 cut", 8)] {
        let server = ScriptedServer::start(move |server| {
            server.play(LOGIN).play("C: SYST\nS: 500 what?\nC: TYPE A\nS: 200 A\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: LIST\nS: 150 here it comes").open_data();
            server.reset_data().play(&format!("S: {reply}")).expect_close();
        });
        let mut session = connect(server.address(), only_epsv()).await.unwrap();
        let error = session.list(None, |_| {}).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), code, "{text}");
        assert!(text.contains(&reply[4..]) && !text.contains("--continue"), "{text}");
        drop(session);
        server.finish();
    }
}

#[tokio::test]
async fn a_426_while_data_flows_ends_the_transfer() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hel").play("S: 426 enough");
            server.within(Duration::from_secs(5)).expect_close();
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (8, one("file.part", b"hel")));
}

#[tokio::test]
async fn a_226_before_the_end_of_the_data_is_kept() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hel").play("S: 226 done");
            server.pause(Duration::from_millis(100)).send_data("lo").close_data();
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (0, one("file", b"hello")));
}

#[tokio::test]
async fn the_data_connection_is_closed_before_the_226_is_waited_for() {
    // ProFTPD confirms only then, or ten seconds later.
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hello").half_close_data().expect_data_end();
            server.play("S: 226 done");
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (0, one("file", b"hello")));
}

#[tokio::test]
async fn the_size_in_150_counts_where_size_is_not_known() {
    let outcome = fetched(
        |server| {
            server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 500 what?\nC: EPSV\nS: 229 ok (|||{port}|)");
            server.play("C: RETR file\nS: 150 Opening BINARY mode data connection for file (5 bytes).");
            server.open_data().send_data("hel").close_data().play("S: 226 done");
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (8, one("file.part", b"hel")));
}

#[tokio::test]
async fn a_missing_file_leaves_nothing_and_what_was_there_untouched() {
    let script = |server: &mut Conversation| {
        server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 550 none\nC: EPSV\nS: 229 ok (|||{port}|)");
        server.play("C: RETR file\nS: 550 none");
    };
    assert_eq!(fetched(script, &[], false).await, (6, vec![]));
    assert_eq!(fetched(script, &[("file", b"mine")], false).await, (6, one("file", b"mine")));
}

#[tokio::test]
async fn a_stall_ends_at_its_deadline() {
    let outcome = fetched(
        |server| {
            server.play(ASK).play(RETR).open_data().send_data("hel").expect_close();
        },
        &[],
        false,
    )
    .await;
    assert_eq!(outcome, (8, one("file.part", b"hel")));
}

#[tokio::test]
async fn a_resume_compares_the_overlap_and_goes_on() {
    for name in ["file.part", "file"] {
        let outcome = fetched(
            |server| {
                server.play(ASK).play(RETR).open_data().send_data("hello").close_data().play("S: 226 done");
            },
            &[(name, b"hel")],
            true,
        )
        .await;
        assert_eq!(outcome, (0, one("file", b"hello")), "{name}");
    }
}

#[tokio::test]
async fn a_resume_of_another_file_touches_nothing() {
    for name in ["file.part", "file"] {
        let outcome = fetched(
            |server| {
                server.play(ASK).play(RETR).open_data().send_data("hello").close_data();
            },
            &[(name, b"hex")],
            true,
        )
        .await;
        assert_eq!(outcome, (9, one(name, b"hex")), "{name}");
        let outcome = fetched(
            |server| {
                server.play(ASK).play(RETR).open_data().send_data("hello").close_data();
            },
            &[(name, b"other")],
            true,
        )
        .await;
        assert_eq!(outcome, (9, one(name, b"other")), "{name} is as long");
        let outcome = fetched(
            |server| {
                server.play(ASK).play(RETR).open_data().send_data("hello").close_data().play("S: 226 done");
            },
            &[(name, b"hello")],
            true,
        )
        .await;
        assert_eq!(outcome, (0, one("file", b"hello")), "{name} is complete");
        let outcome = fetched(|server| _ = server.play(ASK), &[(name, b"hello, world")], true).await;
        assert_eq!(outcome, (9, one(name, b"hello, world")), "{name} is longer");
    }
}

#[tokio::test]
async fn a_resume_of_a_long_file_fetches_only_the_rest() {
    let content = sample(100_000);
    let (have, offset) = (60_000, 60_000 - 16 * 1024);
    let rest = content[offset..].to_vec();
    let outcome = fetched(
        move |server| {
            server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 100000\nC: EPSV\nS: 229 ok (|||{port}|)");
            server.play(&format!("C: REST {offset}\nS: 350 go on\nC: RETR file\nS: 150 the rest"));
            server.open_data().send_data(rest).close_data().play("S: 226 done");
        },
        &[("file.part", &content[..have])],
        true,
    )
    .await;
    assert_eq!(outcome, (0, one("file", &content)));
}

#[tokio::test]
async fn without_rest_a_resume_begins_anew() {
    let content = sample(40_000);
    let whole = content.clone();
    let outcome = fetched(
        move |server| {
            server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 40000\nC: EPSV\nS: 229 ok (|||{port}|)");
            server.play(
                "C: REST *\nS: 502 no\nC: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file\nS: 150 all of it",
            );
            server.open_data().send_data(whole).close_data().play("S: 226 done");
        },
        &[("file", &content[..20_000])],
        true,
    )
    .await;
    assert_eq!(outcome, (0, one("file", &content)));
}

#[tokio::test]
async fn text_is_converted_and_its_size_is_not_compared() {
    let server = ScriptedServer::start(|server| {
        server
            .play(LOGIN)
            .play("C: TYPE A\nS: 200 A\nC: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file\nS: 150 x (3 bytes)");
        server.open_data().send_data("one\r\ntwo\r").send_data("\nthree").close_data().play("S: 226 done");
    });
    let directory = TestDirectory::new();
    let mut session = connect(server.address(), only_epsv()).await.unwrap();
    let destination = Destination::Path(directory.join("text"));
    let options = DownloadOptions { destination, resume: false, ascii: true };
    session.download(&path("file"), &options).await.unwrap();
    assert_eq!(directory.read("text"), b"one\ntwo\nthree");
    server.finish();
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_no_names_here() {
    for name in ["..", "a/.."] {
        let server = ScriptedServer::start(|server| {
            server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: SIZE *\nS: 213 5").expect_close();
        });
        let directory = TestDirectory::new();
        let inner = directory.make_directory("inner");
        let mut session = connect(server.address(), only_epsv()).await.unwrap();
        let options =
            DownloadOptions { destination: Destination::Directory(inner), resume: false, ascii: false };
        let error = session.download(&path(name), &options).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        drop(session);
        assert_eq!(directory.names(), ["inner"]);
        server.finish();
    }
}

/// Threat 25: on a system where it parts no paths, a backslash is a byte of a name like any other.
#[tokio::test]
async fn a_backslash_is_part_of_a_name() {
    for name in ["C:\\x", "..\\x", "a\\..\\..\\b"] {
        let server = ScriptedServer::start(move |server| {
            server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: SIZE *\nS: 213 5\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: RETR *\nS: 150 here it comes");
            give_file(server);
        });
        let directory = TestDirectory::new();
        let inner = directory.make_directory("inner");
        let mut session = connect(server.address(), only_epsv()).await.unwrap();
        let destination = Destination::Directory(inner);
        let options = DownloadOptions { destination, resume: false, ascii: false };
        session.download(&path(name), &options).await.unwrap();
        assert_eq!(directory.names(), ["inner"]);
        assert_eq!(directory.read(format!("inner/{name}")), b"hello");
        server.finish();
    }
}

/// Uploads five bytes to a server that goes on with `script`.
async fn sent(
    script: impl FnOnce(&mut Conversation) + Send + 'static,
    options: UploadOptions,
) -> Result<u64, ClientError> {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN);
        script(server);
    });
    let directory = TestDirectory::new();
    let file = directory.write("local", "hello");
    let mut session = connect(server.address(), only_epsv()).await.unwrap();
    let outcome = session.upload(UploadSource::File(file), &path("d/file"), options).await;
    drop(session);
    server.finish();
    outcome.map(|done| done.bytes)
}

const STOR: &str = "C: TYPE I
    S: 200 I
    C: EPSV
    S: 229 ok (|||{port}|)
    C: STOR d/file
    S: 150 send";

#[tokio::test]
async fn an_upload_is_complete_when_it_is_confirmed_and_has_the_right_size() {
    for (size, code) in [("213 5", 0), ("500 what?", 0), ("213 4", 8)] {
        let outcome = sent(
            move |server| {
                server.play(STOR).open_data().expect_data("hello").expect_data_end();
                server.play(&format!("S: 226 done\nC: SIZE d/file\nS: {size}"));
            },
            UploadOptions::default(),
        )
        .await;
        assert_eq!(outcome.map_or_else(|error| error.exit_code(), |_| 0), code, "{size}");
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_or_not_confirmed() {
    for (last, code) in [("552 quota", 6), ("426 cut", 8), ("451 disk", 8), ("", 10)] {
        let outcome = sent(
            move |server| {
                server.play(STOR).open_data().expect_data("hello").expect_data_end();
                if last.is_empty() {
                    server.close();
                } else {
                    server.play(&format!("S: {last}"));
                }
            },
            UploadOptions::default(),
        )
        .await;
        assert_eq!(outcome.unwrap_err().exit_code(), code, "{last}");
    }
    let refused = sent(
        |server| {
            server.play(STOR.trim_end_matches("S: 150 send")).play("S: 553 not here");
        },
        UploadOptions::default(),
    )
    .await;
    assert_eq!(refused.unwrap_err().exit_code(), 6);
}

#[tokio::test]
async fn an_upload_goes_on_with_what_the_server_has() {
    let resume = UploadOptions { resume: true, make_parents: true, ..UploadOptions::default() };
    let outcome = sent(
        |server| {
            server.play("C: MKD d\nS: 550 exists\nC: TYPE I\nS: 200 I\nC: SIZE d/file\nS: 213 2\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: RETR d/file\nS: 150 look").open_data();
            server.send_data("he").close_data().play("S: 226 done\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: APPE d/file\nS: 150 send");
            server.open_data().expect_data("llo").expect_data_end();
            server.play("S: 226 done\nC: SIZE d/file\nS: 213 5");
        },
        resume,
    )
    .await;
    assert_eq!(outcome.unwrap(), 5);
    let outcome = sent(
        |server| {
            server.play("C: MKD d\nS: 257 \"d\"\nC: TYPE I\nS: 200 I\nC: SIZE d/file\nS: 213 5\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: RETR d/file\nS: 150 look").open_data();
            server.send_data("hello").close_data().play("S: 226 done");
        },
        resume,
    )
    .await;
    assert_eq!(outcome.unwrap(), 5);
    let outcome = sent(
        |server| {
            server.play("C: MKD d\nS: 257 \"d\"\nC: TYPE I\nS: 200 I\nC: SIZE d/file\nS: 213 5\nC: EPSV");
            server.play("S: 229 ok (|||{port}|)\nC: RETR d/file\nS: 150 look").open_data();
            server.send_data("other").close_data().play("S: 226 done");
        },
        resume,
    )
    .await;
    assert_eq!(outcome.unwrap_err().exit_code(), 9, "as long, and another file");
    let outcome = sent(
        |server| {
            server.play("C: MKD d\nS: 257 \"d\"\nC: TYPE I\nS: 200 I\nC: SIZE d/file\nS: 213 6");
        },
        resume,
    )
    .await;
    assert_eq!(outcome.unwrap_err().exit_code(), 9);
}

#[tokio::test]
async fn an_upload_is_not_joined_to_another_file() {
    let resume = UploadOptions { resume: true, ..UploadOptions::default() };
    let ask =
        "C: TYPE I\nS: 200 I\nC: SIZE d/file\nS: 213 2\nC: EPSV\nS: 229 ok (|||{port}|)\nC: RETR d/file";
    let outcome = sent(
        move |server| {
            server.play(ask).play("S: 150 look").open_data().send_data("xy").close_data().play("S: 226 done");
        },
        resume,
    );
    assert_eq!(outcome.await.unwrap_err().exit_code(), 9);
    // Where uploads cannot be read, there is nothing to compare with.
    let outcome = sent(
        move |server| {
            server
                .play(ask)
                .play("S: 550 write only\nC: EPSV\nS: 229 ok (|||{port}|)\nC: APPE d/file\nS: 150 send");
            server.open_data().expect_data("llo").expect_data_end().play("S: 226 done");
            server.play("C: SIZE d/file\nS: 213 5");
        },
        resume,
    );
    assert_eq!(outcome.await.unwrap(), 5);
}

#[tokio::test]
async fn one_session_serves_several_transfers() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play("C: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file");
        give_file(server);
        server.play(
            "C: DELE file\nS: 250 gone\nC: RNFR a\nS: 350 to?\nC: RNTO b\nS: 250 ok\nC: QUIT\nS: 221 bye",
        );
    });
    let directory = TestDirectory::new();
    let mut session = connect(server.address(), only_epsv()).await.unwrap();
    let destination = Destination::Directory(directory.path().to_owned());
    let options = DownloadOptions { destination, resume: false, ascii: false };
    session.download(&path("file"), &options).await.unwrap();
    session.delete(&path("file")).await.unwrap();
    session.rename(&path("a"), &path("b")).await.unwrap();
    session.quit().await;
    server.finish();
}
