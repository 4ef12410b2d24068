//! Segments from servers that make them hard: few sessions, sessions that end with a cut transfer, no REST, a REST that lies.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::sync::Arc;

use common::{LOGIN, LOGIN_AGAIN, Seen, Watching, address, options, path};
use wharf_client::observer::Silent;
use wharf_client::operations::segments::Segments;
use wharf_client::operations::{DownloadOptions, Downloaded};
use wharf_client::options::ModeChoice;
use wharf_client::{ClientError, Destination, Login, Session};
use wharf_proto::dialogue::NegotiationCommand::Epsv;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::{Conversation, ScriptedServer};

const SIZE: usize = 2 * 1024 * 1024 + 10;
/// Where the second of two segments begins.
const MIDDLE: usize = SIZE / 2;
/// What is fetched once more, to be compared.
const OVERLAP: usize = 16 * 1024;
const EPSV: &str = "C: EPSV\nS: 229 ok (|||{port}|)";
const RETR: &str = "C: RETR file\nS: 150 here it comes";

async fn fetch(
    server: &ScriptedServer,
    directory: &TestDirectory,
) -> (Result<Downloaded, ClientError>, Seen) {
    fetch_with(server, directory, false, 0).await
}

async fn fetch_with(
    server: &ScriptedServer,
    directory: &TestDirectory,
    resume: bool,
    retries: u32,
) -> (Result<Downloaded, ClientError>, Seen) {
    let (watching, seen) = Watching::new();
    let login = Login::anonymous();
    let options = options(ModeChoice::Only(Epsv));
    let mut session =
        Session::connect(address(server.address()), login, options, Box::new(watching)).await.unwrap();
    let segments = Segments { count: 2, retries, observers: Arc::new(|| Box::new(Silent)) };
    let destination = Destination::Directory(directory.path().to_owned());
    let download = DownloadOptions { destination, resume, ascii: false };
    (session.download_in_segments(&path("file"), &download, &segments).await, seen)
}

/// What is asked before the first piece.
fn ask(server: &mut Conversation, begins: &str) {
    server
        .play(begins)
        .play(&format!("C: SIZE file\nS: 213 {SIZE}\nC: REST 1\nS: 350 ok\nC: REST 0\nS: 350 ok"));
}

/// The first piece, which the client ends.
fn give_first(server: &mut Conversation) {
    server.play(EPSV).play(RETR).open_data().send_data(&sample(SIZE)[..MIDDLE]).expect_data_reset();
}

/// The second one, with what is compared.
fn give_second(server: &mut Conversation) {
    let from = MIDDLE - OVERLAP;
    server.play(EPSV).play(&format!("C: REST {from}\nS: 350 ok")).play(RETR).open_data();
    server.send_data(&sample(SIZE)[from..]).close_data().play("S: 226 done");
    server.play(&format!("C: SIZE file\nS: 213 {SIZE}"));
}

fn servers(
    count: usize,
    script: impl Fn(usize, &mut Conversation) + Send + Sync + 'static,
) -> ScriptedServer {
    ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), count, script)
}

#[tokio::test]
async fn a_second_session_that_is_refused_leaves_all_to_the_first() {
    for refusal in ["421 Too many connections from your address.", "530 no"] {
        let server = servers(2, move |number, server| {
            if number == 1 {
                server.play(&format!("S: {refusal}"));
                return;
            }
            server.play(LOGIN);
            ask(server, "C: TYPE I\nS: 200 I");
            give_first(server);
            server.play("S: 426 cut");
            give_second(server);
        });
        let directory = TestDirectory::new();
        let (done, seen) = fetch(&server, &directory).await;
        assert_eq!(done.unwrap().bytes, SIZE as u64);
        assert!(directory.read("file") == sample(SIZE));
        assert_eq!(directory.names(), ["file"]);
        assert!(seen.lock().unwrap().warnings[0].contains("fewer sessions"));
        server.finish_all();
    }
}

#[tokio::test]
async fn a_session_that_ends_with_a_cut_transfer_is_set_up_anew() {
    let server = servers(3, |number, server| match number {
        0 => {
            server.play(LOGIN);
            ask(server, "C: TYPE I\nS: 200 I");
            give_first(server);
            server.close();
        }
        1 => _ = server.play("S: 421 too many"),
        _ => {
            server.play(LOGIN_AGAIN).play("C: TYPE I\nS: 200 I");
            give_second(server);
        }
    });
    let directory = TestDirectory::new();
    fetch(&server, &directory).await.0.unwrap();
    assert!(directory.read("file") == sample(SIZE));
    server.finish_all();
}

#[tokio::test]
async fn a_server_without_rest_gives_one_stream() {
    let server = ScriptedServer::start(|server| {
        server
            .play(LOGIN)
            .play(&format!("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 {SIZE}\nC: REST 1\nS: 502 no"));
        server.play(&format!("C: SIZE file\nS: 213 {SIZE}")).play(EPSV).play(RETR).open_data();
        server.send_data(sample(SIZE)).close_data().play("S: 226 done");
    });
    let directory = TestDirectory::new();
    let (done, seen) = fetch(&server, &directory).await;
    assert_eq!(done.unwrap().bytes, SIZE as u64);
    assert!(directory.read("file") == sample(SIZE));
    assert!(seen.lock().unwrap().notes.iter().any(|note| note.contains("one stream")));
    server.finish();
}

/// It takes REST, and begins at the beginning all the same.
#[tokio::test]
async fn a_rest_that_lies_is_seen_and_the_file_comes_in_one_stream() {
    let server = servers(3, |number, server| {
        if number > 0 {
            server.play("S: 421 too many");
            return;
        }
        server.play(LOGIN);
        for begins in ["C: TYPE I\nS: 200 I", "# again"] {
            ask(server, begins);
            give_first(server);
            server.play("S: 426 cut").play(EPSV).play("C: REST *\nS: 350 ok").play(RETR).open_data();
            server.send_data(&sample(SIZE)[..OVERLAP]).expect_data_reset().play("S: 426 cut");
        }
        server.play(&format!("C: SIZE file\nS: 213 {SIZE}")).play(EPSV).play(RETR).open_data();
        server.send_data(sample(SIZE)).close_data().play("S: 226 done");
    });
    let directory = TestDirectory::new();
    let (done, seen) = fetch(&server, &directory).await;
    assert_eq!(done.unwrap().offset, 0);
    assert!(directory.read("file") == sample(SIZE));
    assert_eq!(directory.names(), ["file"]);
    let warnings = &seen.lock().unwrap().warnings;
    assert_eq!(
        warnings.iter().filter(|warning| warning.contains("beginning anew")).count(),
        2,
        "{warnings:?}"
    );
    server.finish_all();
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_begun_anew() {
    let server = servers(3, |number, server| {
        if number > 0 {
            server.play("S: 421 too many");
            return;
        }
        server.play(LOGIN);
        ask(server, "C: TYPE I\nS: 200 I");
        give_first(server);
        let from = MIDDLE - OVERLAP;
        server
            .play("S: 426 cut")
            .play(EPSV)
            .play(&format!("C: REST {from}\nS: 350 ok"))
            .play(RETR)
            .open_data();
        server.send_data(&sample(SIZE)[from..]).close_data().play("S: 226 done");
        server.play(&format!("C: SIZE file\nS: 213 {}", SIZE + 1));
        // It was a moment only: the next try finds it as it was.
        ask(server, "# again");
        give_first(server);
        server.play("S: 426 cut");
        give_second(server);
    });
    let directory = TestDirectory::new();
    let (done, seen) = fetch(&server, &directory).await;
    done.unwrap();
    assert!(directory.read("file") == sample(SIZE));
    assert!(seen.lock().unwrap().warnings.iter().any(|warning| warning.contains("changed at the server")));
    server.finish_all();
}

#[tokio::test]
async fn a_transfer_that_breaks_leaves_what_came_and_its_journal() {
    let server = servers(2, |number, server| {
        if number == 1 {
            server.play("S: 421 too many");
            return;
        }
        server.play(LOGIN);
        ask(server, "C: TYPE I\nS: 200 I");
        give_first(server);
        server.play("S: 426 cut").play(EPSV).play("C: REST *\nS: 350 ok").play(RETR).open_data();
        let from = MIDDLE - OVERLAP;
        server.send_data(&sample(SIZE)[from..from + 2 * OVERLAP]).close_data().play("S: 426 disk trouble");
    });
    let directory = TestDirectory::new();
    let (done, _) = fetch(&server, &directory).await;
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    assert_eq!(directory.names(), ["file.part", "file.part.wharf"]);
    assert_eq!(directory.read("file.part").len(), SIZE + 1, "it cannot be taken for the file");
    let journal = String::from_utf8(directory.read("file.part.wharf")).unwrap();
    assert!(journal.contains(&format!("{MIDDLE}-{}\n", MIDDLE + OVERLAP)), "{journal}");
    server.finish_all();
}

#[tokio::test]
async fn a_part_of_another_file_is_refused_and_left_as_it_was() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN);
        ask(server, "C: TYPE I\nS: 200 I");
        server.play(EPSV).play(RETR).open_data().send_data(&sample(SIZE)[..OVERLAP]).expect_data_reset();
        server.play("S: 426 cut");
    });
    let directory = TestDirectory::new();
    directory.write("file.part", [7; 100]);
    let (done, _) = fetch_with(&server, &directory, true, 0).await;
    let error = done.unwrap_err();
    assert_eq!(error.exit_code(), 9, "{error}");
    assert_eq!(directory.names(), ["file.part"]);
    assert_eq!(directory.read("file.part"), [7; 100]);
    server.finish();
}

#[tokio::test]
async fn what_breaks_is_tried_again_from_where_it_was() {
    let server = servers(3, |number, server| match number {
        0 => {
            server.play(LOGIN);
            ask(server, "C: TYPE I\nS: 200 I");
            give_first(server);
            server.play("S: 426 cut").play(EPSV).play("C: REST *\nS: 350 ok").play(RETR).open_data();
            let from = MIDDLE - OVERLAP;
            server
                .send_data(&sample(SIZE)[from..from + 2 * OVERLAP])
                .close_data()
                .play("S: 426 disk trouble");
        }
        1 => _ = server.play("S: 421 too many"),
        _ => {
            server.play(LOGIN_AGAIN).play("C: TYPE I\nS: 200 I").play(EPSV);
            server.play(&format!("C: REST {MIDDLE}\nS: 350 ok")).play(RETR).open_data();
            server.send_data(&sample(SIZE)[MIDDLE..]).close_data().play("S: 226 done");
            server.play(&format!("C: SIZE file\nS: 213 {SIZE}"));
        }
    });
    let directory = TestDirectory::new();
    let (done, _) = fetch_with(&server, &directory, false, 1).await;
    done.unwrap();
    assert!(directory.read("file") == sample(SIZE));
    assert_eq!(directory.names(), ["file"]);
    server.finish_all();
}
