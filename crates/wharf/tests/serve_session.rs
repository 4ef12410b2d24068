//! What goes on in a session of `wharf serve`: commands beside a running transfer, and transfers of every kind.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than all the buffers between a server and a client that does not read.
const LARGE: usize = 48 << 20;

/// A directory that can be written to, and a client that is logged in.
fn session(flags: &[&str]) -> (TestDirectory, Served, Conversation) {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &[&["--write"], flags].concat());
    let client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    (directory, served, client)
}

/// As [`session`], with a download of a large file that stands still, because the client does not read it.
fn stalled_download() -> (TestDirectory, Served, Conversation) {
    let (directory, served, mut client) = session(&[]);
    File::create(directory.join("large")).unwrap().set_len(LARGE as u64).unwrap();
    begin_download(&mut client);
    (directory, served, client)
}

fn begin_download(client: &mut Conversation) {
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR large\nS: 150").open_data();
    // The first byte shows that it runs.
    client.expect_data([0]);
}

#[test]
fn stat_is_answered_at_once_while_the_client_does_not_read() {
    let (_directory, _served, mut client) = stalled_download();
    let status = client.send_line("STAT").expect_reply("211");
    assert!(status.contains("RETR is running"), "{status}");
    // The telnet sequence goes before it as RFC 959 wants it.
    client.send_urgent(b"\xff\xf4\xff\xf2").send("STAT\r\n").expect_reply("211");
    assert_eq!(client.receive_data().len(), LARGE - 1);
    client.play("S: 226\nC: STAT\nS: 211");
}

#[test]
fn abor_gives_426_then_226_and_the_session_goes_on() {
    let (_directory, _served, mut client) = stalled_download();
    client.play("C: ABOR\nS: 426\nS: 226").close_data();
    client.play("C: NOOP\nS: 200\nC: ABOR\nS: 225");
    begin_download(&mut client);
    assert_eq!(client.receive_data().len(), LARGE - 1);
    client.play("S: 226");
}

#[test]
fn abor_behind_telnets_synch_with_its_urgent_byte_is_understood() {
    let (_directory, _served, mut client) = stalled_download();
    client.send_urgent(b"\xff\xf4\xff\xf2").send("ABOR\r\n");
    client.play("S: 426\nS: 226").close_data();
    // As Python's ftplib does it: the command's bytes themselves are urgent.
    begin_download(&mut client);
    client.send_urgent(b"ABOR\r\n").play("S: 426\nS: 226").close_data();
    client.play("C: PWD\nS: 257");
}

#[test]
fn abor_behind_a_pipelined_command_cuts_the_transfer_and_answers_keep_their_order() {
    let (_directory, _served, mut client) = stalled_download();
    client.send("SIZE large\r\nABOR\r\nNOOP\r\n");
    client.play(&format!("S: 426\nS: 213 {LARGE}\nS: 226\nS: 200"));
}

#[test]
fn abor_of_an_upload_leaves_the_session_alive() {
    let (directory, _served, mut client) = session(&[]);
    client.play("C: TYPE I\nS: 200\nC: PORT {six}\nS: 200\nC: STOR up\nS: 150").open_data();
    client.send_data(sample(100_000)).play("C: ABOR\nS: 426\nS: 226");
    client.play("C: PORT {six}\nS: 200\nC: STOR up\nS: 150").open_data();
    client.send_data(b"short").close_data().play("S: 226");
    assert_eq!(directory.read("up"), b"short");
}

#[test]
fn abor_while_the_client_has_not_connected_ends_the_wait() {
    let (directory, served, mut client) = session(&[]);
    directory.write("file", "content");
    client.play("C: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150\nC: ABOR\nS: 426\nS: 226");
    let unreached = client.data_target().unwrap();
    client.play("C: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150").open_data();
    client.expect_data(b"content").expect_data_end().play("S: 226\nC: QUIT\nS: 221").expect_close();
    // Without a flag the log says what was waited for, and what probably kept it away.
    let log = served.stop();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in
        ["WARN", &format!("endpoint={unreached}"), "waited_millis=", "cause=\"passive-port-filtered\""]
    {
        assert!(log.contains(part), "{part} in {log}");
    }
}

#[test]
fn a_file_that_shrinks_under_a_download_is_not_confirmed() {
    let (directory, _served, mut client) = stalled_download();
    File::options().write(true).open(directory.join("large")).unwrap().set_len(LARGE as u64 / 2).unwrap();
    client.expect_data_reset();
    client.play("S: 451\nC: NOOP\nS: 200");
}

#[test]
fn quit_during_a_transfer_lets_it_finish() {
    let (_directory, _served, mut client) = stalled_download();
    client.send_line("QUIT");
    assert_eq!(client.receive_data().len(), LARGE - 1);
    client.play("S: 226\nS: 221").expect_close();
}

#[test]
fn other_commands_during_a_transfer_are_answered_behind_it() {
    let (_directory, _served, mut client) = stalled_download();
    client.send("NOOP\r\nPWD\r\n");
    assert_eq!(client.receive_data().len(), LARGE - 1);
    client.play("S: 226\nS: 200\nS: 257");
}

#[test]
fn a_client_that_vanishes_in_a_transfer_takes_nothing_with_it() {
    let (_directory, served, mut client) = stalled_download();
    client.reset();
    let mut next = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    begin_download(&mut next);
    assert_eq!(next.receive_data().len(), LARGE - 1);
    next.play("S: 226");
}

#[test]
fn a_login_in_one_segment_is_answered_in_order() {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &["--user", "test:secret"]);
    let mut client = ScriptedClient::connect(served.address());
    client.send("USER test\r\nPASS secret\r\nSYST\r\nFEAT\r\nPWD\r\n");
    client.play("S: 220\nS: 331\nS: 230\nS: 215 UNIX*");
    let features = client.expect_reply("211");
    for feature in ["EPRT", "EPSV", "MDTM", "MFMT", "MLST type*;", "REST STREAM", "SIZE", "TVFS", "UTF8"] {
        assert!(features.lines().any(|line| line.trim().starts_with(feature)), "{feature}: {features}");
    }
    client.play("S: 257 \"/\"*");
}

#[test]
fn a_login_before_the_greeting_is_no_harm_and_a_wrong_password_is_530() {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &["--user", "test:secret"]);
    let mut client = ScriptedClient::connect(served.address());
    client.play("S: 220\nC: PWD\nS: 530\nC: USER test\nS: 331\nC: PASS wrong\nS: 530\nC: LIST\nS: 530");
    client.play(
        "C: USER anonymous\nS: 331\nC: PASS guest\nS: 530\nC: USER test\nS: 331\nC: PASS secret\nS: 230",
    );
}

#[test]
fn pasv_and_retr_in_one_segment_work() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("file", "content\n");
    client.send("TYPE I\r\nPASV\r\nRETR file\r\n").play("S: 200\nS: 227 *({six})*\nS: 150").open_data();
    client.expect_data(b"content\n").expect_data_end().play("S: 226");
}

#[test]
fn a_transfer_without_a_negotiation_is_refused() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("file", "content");
    client.play("C: RETR file\nS: 425\nC: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150").open_data();
    client.expect_data(b"content").expect_data_end().play("S: 226\nC: RETR file\nS: 425");
}

#[test]
fn rest_starts_a_download_and_an_upload_in_the_middle() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("file", "0123456789");
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: REST 4\nS: 350\nC: RETR file\nS: 150");
    client.open_data().expect_data(b"456789").expect_data_end().play("S: 226");
    // It is used up.
    client.play("C: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150").open_data();
    client.expect_data(b"0123456789").expect_data_end().play("S: 226");
    client.play("C: REST 8\nS: 350\nC: EPSV\nS: 229 *(|||{port}|)*\nC: STOR file\nS: 150").open_data();
    client.send_data(b"ABCD").close_data().play("S: 226");
    assert_eq!(directory.read("file"), b"01234567ABCD");
    client.play("C: PASV\nS: 227 *({six})*\nC: REST 999\nS: 350\nC: RETR file\nS: 554");
}

#[test]
fn appe_goes_on_behind_the_end_and_makes_what_is_missing() {
    let (directory, _served, mut client) = session(&[]);
    client.play("C: TYPE I\nS: 200");
    for part in ["one ", "two"] {
        client.play("C: PASV\nS: 227 *({six})*\nC: APPE file\nS: 150").open_data();
        client.send_data(part).close_data().play("S: 226");
    }
    assert_eq!(directory.read("file"), b"one two");
}

#[test]
fn stou_tells_the_name_that_it_chose() {
    let (directory, _served, mut client) = session(&[]);
    client.play("C: TYPE I\nS: 200");
    for (command, content) in [("STOU", "1"), ("STOU", "2"), ("STOU given", "3"), ("STOU given", "4")] {
        client.play("C: PASV\nS: 227 *({six})*");
        let reply = client.send_line(command).expect_reply("150 FILE: *");
        client.open_data().send_data(content).close_data().play("S: 226");
        let name = reply.strip_prefix("150 FILE: ").unwrap();
        assert_eq!(directory.read(name), content.as_bytes());
    }
    assert_eq!(directory.names().len(), 4, "{:?}", directory.names());
}

#[test]
fn times_are_told_and_set() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("a file", "content");
    client.play(
        "C: MFMT 20200102030405 a file
         S: 213 Modify=20200102030405; a file
         C: MDTM a file
         S: 213 20200102030405
         C: MDTM nothing
         S: 550
         C: MFMT 20201302030405 a file
         S: 501",
    );
    let modified = fs::metadata(directory.join("a file")).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, 1_577_934_245); // date -u -d '2020-01-02 03:04:05' +%s
}

#[test]
fn facts_are_those_that_opts_mlst_chose() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("file", "12345");
    directory.make_directory("sub");
    client.send_line("MFMT 20200102030405 file").expect_reply("213");
    let reply = client.send_line("MLST file").expect_reply("250");
    let line = reply.lines().nth(1).unwrap();
    assert!(line.starts_with(' ') && line.ends_with(" /file"), "{reply}");
    for fact in ["type=file;", "size=5;", "modify=20200102030405;", "UNIX.mode=0644;", "unique=", "perm="] {
        assert!(line.to_lowercase().contains(&fact.to_lowercase()), "{fact}: {reply}");
    }
    client.play("C: OPTS MLST Type;Size;\nS: 200 MLST OPTS type;size;");
    let features = client.send_line("FEAT").expect_reply("211");
    assert!(features.to_lowercase().contains("mlst type*;size*;modify;"), "{features}");
    client.play("C: PASV\nS: 227 *({six})*\nC: MLSD\nS: 150").open_data();
    let mut listing: Vec<_> =
        String::from_utf8(client.receive_data()).unwrap().lines().map(str::to_lowercase).collect();
    listing.sort();
    assert_eq!(listing, ["type=dir; sub", "type=file;size=5; file"]);
    client.play("S: 226\nC: PASV\nS: 227 *({six})*\nC: MLSD file\nS: 501");
    client.play("C: PASV\nS: 227 *({six})*\nC: MLSD nothing\nS: 550");
}

#[test]
fn site_changes_modes_and_says_what_it_knows() {
    let (directory, _served, mut client) = session(&[]);
    let file = directory.write("a file", "content");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    client
        .play("C: SITE CHMOD 600 a file\nS: 200\nC: SITE CHMOD 999 a file\nS: 501\nC: SITE NONSENSE\nS: 50*");
    assert_eq!(mode(file), 0o600);
    let help = client.send_line("SITE HELP").expect_reply("214");
    assert!(help.contains("CHMOD") && help.contains("UMASK"), "{help}");
    client.play("C: SITE UMASK 077\nS: 200\nC: PASV\nS: 227 *({six})*\nC: STOR new\nS: 150").open_data();
    client.send_data("content").close_data().play("S: 226");
    assert_eq!(mode(directory.join("new")), 0o600);
    // A umask is about new files: what is there keeps its mode.
    fs::set_permissions(directory.join("a file"), fs::Permissions::from_mode(0o644)).unwrap();
    client.play("C: PASV\nS: 227 *({six})*\nC: APPE a file\nS: 150").open_data();
    client.send_data("content").close_data().play("S: 226");
    assert_eq!(mode(directory.join("a file")), 0o644);
}

#[test]
fn directories_and_names_are_made_changed_and_removed() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("old", "content");
    client.play(
        r#"C: MKD a "quoted" one
           S: 257 "/a ""quoted"" one" *
           C: CWD a "quoted" one
           S: 250
           C: PWD
           S: 257 "/a ""quoted"" one" *
           C: RNTO new
           S: 503
           C: RNFR ../old
           S: 350
           C: RNTO new
           S: 250
           C: CDUP
           S: 250
           C: RNFR old
           S: 550
           C: RMD a "quoted" one
           S: 550
           C: DELE a "quoted" one/new
           S: 250
           C: RMD a "quoted" one
           S: 250"#,
    );
    assert_eq!(directory.names(), [""; 0]);
}

#[test]
fn a_client_that_never_sends_type_gets_line_ends_converted() {
    let (directory, _served, mut client) = session(&[]);
    let text = directory.write("text", "one\ntwo\n");
    client.play("C: PASV\nS: 227 *({six})*\nC: RETR text\nS: 150").open_data();
    client.expect_data(b"one\r\ntwo\r\n").expect_data_end().play("S: 226\nC: SIZE text\nS: 550");
    client.play("C: PASV\nS: 227 *({six})*\nC: STOR text\nS: 150").open_data();
    client.send_data(b"three\r\nfour\r\n").close_data().play("S: 226");
    assert_eq!(fs::read(text).unwrap(), b"three\nfour\n");
    client.play("C: TYPE I\nS: 200\nC: SIZE text\nS: 213 11\nC: TYPE A N\nS: 200\nC: SIZE text\nS: 550");
}

#[test]
fn ascii_binary_leaves_the_files_of_such_a_client_as_they_are() {
    let (directory, _served, mut client) = session(&["--ascii", "binary"]);
    let bytes = [sample(10_000), b"\r\n\n\r".to_vec()].concat();
    client.play("C: PORT {six}\nS: 200\nC: STOR image.jpg\nS: 150").open_data();
    client.send_data(&bytes).close_data().play("S: 226");
    assert_eq!(directory.read("image.jpg"), bytes);
    client
        .play("C: SIZE image.jpg\nS: 213 10004\nC: PORT {six}\nS: 200\nC: RETR image.jpg\nS: 150")
        .open_data();
    client.expect_data(&bytes).expect_data_end().play("S: 226");
}

#[test]
fn after_epsv_all_only_epsv_is_taken() {
    let (directory, _served, mut client) = session(&[]);
    directory.write("file", "content");
    client.play("C: EPSV ALL\nS: 200\nC: PASV\nS: 5*\nC: PORT {six}\nS: 5*\nC: EPRT {eprt}\nS: 5*");
    client.stop_listening();
    client.play("C: EPSV\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150").open_data();
    client.expect_data(b"content").expect_data_end().play("S: 226");
}

#[test]
fn listings_tell_fifos_and_sockets_from_files() {
    let (directory, _served, mut client) = session(&[]);
    mknodat(CWD, directory.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _listener = UnixListener::bind(directory.join("socket")).unwrap();
    client.play("C: PASV\nS: 227 *({six})*\nC: LIST\nS: 150").open_data();
    let listed = String::from_utf8(client.receive_data()).unwrap();
    client.play("S: 226");
    let lines: Vec<&str> = listed.lines().collect();
    let starts = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(lines.len() == 2 && starts("pr--") && starts("srw"), "{listed}");
    client.play("C: PASV\nS: 227 *({six})*\nC: MLSD\nS: 150").open_data();
    let facts = String::from_utf8(client.receive_data()).unwrap();
    client.play("S: 226");
    assert!(facts.contains("ype=OS.unix=fifo;") && facts.contains("ype=OS.unix=socket;"), "{facts}");
}

#[test]
fn each_change_is_a_line_of_the_log() {
    let (directory, served, mut client) = session(&["-v"]);
    directory.write("old", "content");
    client.play("C: MKD new\nS: 257\nC: RNFR old\nS: 350\nC: RNTO new/a b\nS: 250");
    client.play("C: MFMT 20200102030405 new/a b\nS: 213 *\nC: SITE CHMOD 600 new/a b\nS: 200");
    client.play("C: DELE new/a b\nS: 250\nC: RMD new\nS: 250\nC: RMD new\nS: 550\nC: QUIT\nS: 221");
    client.expect_close();
    let log = served.stop();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("user=anonymous")).collect();
    let wanted = [
        ["directory made", "path=/new"],
        ["renamed", "from=/old to=/new/a b"],
        ["time set", "path=/new/a b"],
        ["mode set to 600", "path=/new/a b"],
        ["deleted", "path=/new/a b"],
        ["directory removed", "path=/new"],
    ];
    // The first line with the user is that of the login.
    assert_eq!(told.len(), wanted.len() + 1, "{log}");
    for (line, parts) in told[1..].iter().zip(wanted) {
        assert!(line.contains("INFO") && parts.iter().all(|part| line.contains(part)), "{parts:?} in {line}");
    }
}

#[test]
fn each_transfer_is_a_line_of_the_transfer_log() {
    let logs = TestDirectory::new();
    let path = logs.join("xferlog");
    let (directory, mut served, mut client) = session(&["--xferlog", path.to_str().unwrap()]);
    directory.write("a file", "0123456789");
    File::create(directory.join("large")).unwrap().set_len(LARGE as u64).unwrap();
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR a file\nS: 150").open_data();
    client.receive_data();
    client.play("S: 226\nC: TYPE A\nS: 200\nC: PORT {six}\nS: 200\nC: STOR up\nS: 150").open_data();
    client.send_data(b"one\r\n").close_data().play("S: 226");
    client.play("C: PASV\nS: 227 *({six})*\nC: LIST\nS: 150").open_data();
    client.receive_data();
    client.play("S: 226");
    begin_download(&mut client);
    client.play("C: ABOR\nS: 426\nS: 226\nC: QUIT\nS: 221").expect_close();
    // What the program wrote is there when it has ended.
    served.program().signal(Signal::TERM);
    served.program().wait(wharf_testkit::scripted::STEP_LIMIT).expect("it ends");
    let log = fs::read_to_string(path).unwrap();
    // Behind the time: seconds, client, bytes, name, type, _, direction, access, user, ftp, 0, *, outcome.
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split_whitespace().skip(5).collect()).collect();
    let about = |line: &[&str]| [line[1], line[3], line[4], line[6], line[7], line[8], line[12]].join(" ");
    let told: Vec<String> = lines.iter().map(|line| about(line)).collect();
    assert_eq!(
        told,
        ["127.0.0.1 /a_file b o a guest c", "127.0.0.1 /up a i a guest c", "127.0.0.1 /large b o a guest i",],
        "{log}"
    );
    assert_eq!((lines[0][2], lines[1][2]), ("10", "5"), "{log}");
}

#[test]
fn a_refused_transfer_gives_its_passive_port_back() {
    let ports = free_ports(Ipv4Addr::LOCALHOST.into(), 1);
    let range = format!("{}-{}", ports.start(), ports.end());
    let (_directory, served, mut first) = session(&["--passive-ports", &range]);
    first.play("C: PASV\nS: 227 *({six})*\nC: RETR nothing\nS: 550");
    let mut second = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    second.play("C: PASV\nS: 227 *({six})*");
}
