//! `wharf mirror` against servers that mean no good, or that let in only a few: nothing outside the target, and an end.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Run, run_within};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// The length of a file that is cut.
const LONG: usize = 300_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answers.
#[derive(Clone, Copy)]
struct Manners {
    /// The listing of a path.
    listing: fn(&str) -> Vec<u8>,
    /// Most sessions; further ones are greeted with 421.
    sessions: usize,
    /// Answers what comes behind a transfer before the transfer, as servers do that obey at once.
    overtakes: bool,
    /// Transfers of which it sends the half and cuts both connections; those from the beginning it always cuts so, where this
    /// is not 0.
    halves: usize,
    /// Transfers in a session after which its control connection is cut.
    transfers: usize,
    /// How far away it is: what each answer takes.
    distance: Duration,
    /// What sessions behind the first do with a login.
    logins: Logins,
}

#[derive(Clone, Copy, PartialEq)]
enum Logins {
    /// Answer each command as it comes.
    Any,
    /// Answer nothing before all of it has come.
    AtOnce,
    /// Refuse what comes before its turn, and close; all that comes step by step is fine.
    StepByStep,
}

const PLAIN: Manners = Manners {
    listing: |_| Vec::new(),
    sessions: usize::MAX,
    overtakes: false,
    halves: 0,
    transfers: usize::MAX,
    distance: Duration::ZERO,
    logins: Logins::Any,
};

/// Serves for ever, on threads that end with the test's process. Every file is `evil`.
fn serve(manners: Manners) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sessions = Arc::new(AtomicUsize::new(0));
    let cut = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for (number, control) in listener.incoming().enumerate() {
            let (sessions, cut) = (sessions.clone(), cut.clone());
            thread::spawn(move || {
                let mut control = control.unwrap();
                if sessions.fetch_add(1, Ordering::Relaxed) >= manners.sessions {
                    let _ = control.write_all(b"421 too many users\r\n");
                } else {
                    // Its end is the client's business.
                    let _ = talk(control, manners, number == 0, &cut);
                }
                sessions.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    address
}

/// A line of any bytes; none at the end.
fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let count = reader.read_until(b'\n', &mut line)?;
    Ok((count > 0).then(|| String::from_utf8_lossy(line.trim_ascii_end()).into_owned()))
}

fn talk(mut control: TcpStream, manners: Manners, is_first: bool, cut: &AtomicUsize) -> std::io::Result<()> {
    control.set_nodelay(true)?;
    let mut reader = BufReader::new(control.try_clone()?);
    let mut waiting = VecDeque::new();
    control.write_all(b"220 ready\r\n")?;
    let mut data = None;
    let mut offset = 0;
    let mut transfers = 0;
    loop {
        let next = match waiting.pop_front() {
            Some(line) => Some(line),
            None => line(&mut reader)?,
        };
        let Some(said) = next else { return Ok(()) };
        thread::sleep(manners.distance);
        let (verb, argument) = said.split_once(' ').unwrap_or((&said, ""));
        let reply = match verb {
            "USER" if manners.logins == Logins::StepByStep && !reader.buffer().is_empty() => {
                return control.write_all(b"500 one at a time\r\n");
            }
            "USER" if manners.logins == Logins::AtOnce && !is_first => {
                for wanted in ["PASS wharf@", "OPTS UTF8 ON", "TYPE I", "EPSV"] {
                    let came = line(&mut reader)?;
                    assert_eq!(came.as_deref(), Some(wanted));
                    waiting.extend(came);
                }
                "331 password".to_owned()
            }
            "USER" => "331 password".to_owned(),
            "PASS" => "230 in".to_owned(),
            "FEAT" => {
                assert!(is_first || manners.logins == Logins::Any, "the first session has asked already");
                "211-Features\r\n MLST type*;size*;modify*;unique*;\r\n UTF8\r\n211 End".to_owned()
            }
            "OPTS" => "200 well".to_owned(),
            "EPSV" => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let port = listener.local_addr()?.port();
                data = Some(listener);
                format!("229 here (|||{port}|)")
            }
            "REST" => {
                offset = argument.parse().unwrap();
                "350 from there".to_owned()
            }
            "RETR" if manners.halves > 0 => {
                control.write_all(b"150 here it comes\r\n")?;
                let content = sample(LONG);
                let rest = &content[offset..];
                let (mut data, _) = data.take().unwrap().accept()?;
                if cut.fetch_add(1, Ordering::Relaxed) < manners.halves || offset == 0 {
                    return data.write_all(&rest[..rest.len() / 2]);
                }
                data.write_all(rest)?;
                "226 done".to_owned()
            }
            "RETR" if argument.contains("refused") => "550 not this one".to_owned(),
            "MLSD" | "RETR" => {
                transfers += 1;
                if transfers > manners.transfers {
                    return Ok(());
                }
                let content = if verb == "MLSD" { (manners.listing)(argument) } else { b"evil".to_vec() };
                control.write_all(b"150 here it comes\r\n")?;
                if manners.overtakes && verb == "MLSD" && transfers == 2 {
                    assert_eq!(line(&mut reader)?.as_deref(), Some("NOOP"));
                    control.write_all(b"200 at once\r\n")?;
                }
                data.take().unwrap().accept()?.0.write_all(&content)?;
                "226 done".to_owned()
            }
            "QUIT" => return control.write_all(b"221 bye\r\n"),
            "TYPE" | "NOOP" => "200 well".to_owned(),
            _ => "502 what?".to_owned(),
        };
        control.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

#[track_caller]
fn mirror(server: SocketAddr, into: &TestDirectory, flags: &[&str]) -> Run {
    let mut command = Command::new(WHARF);
    command.args(["mirror", "--json", &format!("ftp://{server}/")]).arg(into.join("target")).args(flags);
    let run = run_within(PATIENCE, command.env("HOME", "/dev/null"));
    assert!(!run.timed_out, "{run}");
    run
}

fn done(run: &Run) -> serde_json::Value {
    serde_json::from_str(run.output().lines().last().unwrap()).unwrap()
}

#[test]
fn names_that_lead_elsewhere_lead_nowhere() {
    let server = serve(Manners {
        listing: |path| {
            match path {
            "" => [
                &b"type=file;size=4; ../up\r\ntype=dir; ..\r\ntype=file;size=4; /tmp/wharf-absolute\r\n"[..],
                b"type=file;size=4; a/b\r\ntype=dir; ../../x\r\ntype=file;size=4; nul\0byte\r\ntype=dir; .\r\n",
                b"type=file;size=4; C:\\x\r\ntype=file;size=4; |cmd\r\ntype=file;size=4; -rf\r\n",
                b"type=file;size=4; caf\xE9\r\ntype=dir; sub\r\n",
            ]
            .concat(),
            _ => b"type=file;size=4; ../../out\r\ntype=file;size=4; in\r\n".to_vec(),
        }
        },
        ..PLAIN
    });
    let directory = TestDirectory::new();
    let run = mirror(server, &directory, &[]);
    run.assert_success();
    assert_eq!(directory.names(), ["target"]);
    let tree = directory.tree();
    let names: Vec<_> = tree.keys().map(|name| name.as_os_str().as_encoded_bytes()).collect();
    let wanted: [&[u8]; 5] =
        [b"target/-rf", b"target/C:\\x", b"target/caf\xE9", b"target/sub/in", b"target/|cmd"];
    assert_eq!(names, wanted);
    assert!(!std::path::Path::new("/tmp/wharf-absolute").exists());
    assert_eq!(done(&run)["skipped"], 2, "both listings are told to be incomplete: {run}");
}

#[test]
fn a_link_that_the_server_places_is_not_written_through() {
    // First a link that leads out, then a directory and a file of its name, in the same listing and in the next run's.
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let server = serve(Manners {
        listing: |path| match (path, RUN.load(Ordering::Relaxed)) {
            ("", 0) => b"type=OS.unix=slink:../outside; away\r\ntype=dir; away\r\n\
                type=OS.unix=slink:../outside/victim; file\r\ntype=file;size=4; file\r\n"
                .to_vec(),
            ("", _) => b"type=dir; away\r\ntype=file;size=4; file\r\n".to_vec(),
            _ => b"type=file;size=4; victim\r\n".to_vec(),
        },
        ..PLAIN
    });
    let directory = TestDirectory::new();
    directory.write("outside/victim", "mine");
    mirror(server, &directory, &["--links"]).assert_success();
    assert_eq!(std::fs::read_link(directory.join("target/away")).unwrap().to_str(), Some("../outside"));
    RUN.store(1, Ordering::Relaxed);
    let second = mirror(server, &directory, &["--links", "--delete"]);
    assert_eq!(done(&second)["failed"], 2, "{second}");
    assert_eq!(directory.read("outside/victim"), b"mine");
    assert_eq!(directory.join("outside").read_dir().unwrap().count(), 1);
}

#[test]
fn trees_without_an_end_have_one() {
    for (listing, word) in [
        ((|_| b"type=dir; again\r\n".to_vec()) as fn(&str) -> Vec<u8>, "deep"),
        (|_| b"type=dir;unique=1; again\r\n".to_vec(), "leads back"),
    ] {
        let run = mirror(serve(Manners { listing, ..PLAIN }), &TestDirectory::new(), &[]);
        assert!(run.output().contains(word), "{run}");
    }
}

const MANY: fn(&str) -> Vec<u8> = |_| {
    (0..40)
        .flat_map(|number| format!("type=file;size=4;modify=20200101000000; file {number}\r\n").into_bytes())
        .collect()
};

#[test]
fn a_server_that_lets_in_few_is_served_with_few() {
    for sessions in [1, 2] {
        let directory = TestDirectory::new();
        let run = mirror(serve(Manners { listing: MANY, sessions, ..PLAIN }), &directory, &[]);
        let done = done(run.assert_success());
        assert_eq!((&done["transferred"], done["failed"].as_u64()), (&40.into(), Some(0)), "{run}");
        assert!(done["sessions"].as_u64() <= Some(sessions as u64), "{run}");
        assert_eq!(directory.tree().len(), 40);
    }
}

#[test]
fn a_far_server_that_refuses_active_mode_is_asked_for_nothing_over_it() {
    // A transfer without a data connection that was agreed on ends its session, and no other is let in.
    let distance = Duration::from_millis(20);
    let directory = TestDirectory::new();
    let run = mirror(serve(Manners { listing: MANY, sessions: 1, distance, ..PLAIN }), &directory, &["-v"]);
    assert_eq!(done(run.assert_success())["transferred"], 40, "{run}");
    assert!(run.errors().contains("EPRT"), "it was tried: {run}");
}

#[test]
fn further_sessions_log_in_at_once_where_the_server_takes_that_and_step_by_step_elsewhere() {
    for (logins, missed) in [(Logins::AtOnce, 0), (Logins::StepByStep, 3)] {
        let directory = TestDirectory::new();
        let distance = Duration::from_millis(2);
        let server = serve(Manners { listing: MANY, logins, distance, ..PLAIN });
        let run = mirror(server, &directory, &["-v", "--passive"]);
        let done = done(run.assert_success());
        assert_eq!((&done["transferred"], &done["sessions"]), (&40.into(), &4.into()), "{run}");
        let errors = run.errors();
        let again = errors.matches("logging in step by step").count();
        assert!(if missed == 0 { again == 0 } else { (1..=missed).contains(&again) }, "{run}");
        assert_eq!(errors.matches("> FEAT").count(), 1, "{run}");
    }
}

#[test]
fn sessions_that_are_lost_are_replaced_and_their_jobs_done_again() {
    let directory = TestDirectory::new();
    let run = mirror(serve(Manners { listing: MANY, transfers: 7, ..PLAIN }), &directory, &["--retry", "3"]);
    assert_eq!(done(run.assert_success())["transferred"], 40, "{run}");
    assert_eq!(directory.tree().len(), 40);
}

#[test]
fn commands_are_sent_ahead_only_to_servers_that_keep_their_order() {
    for (overtakes, pipelined) in [(false, true), (true, false)] {
        let run = mirror(serve(Manners { listing: MANY, overtakes, ..PLAIN }), &TestDirectory::new(), &[]);
        let done = done(run.assert_success());
        assert_eq!((&done["pipelined"], &done["transferred"]), (&pipelined.into(), &40.into()), "{run}");
    }
}

#[test]
fn a_refused_file_does_not_disturb_what_was_sent_behind_it() {
    let listing: fn(&str) -> Vec<u8> =
        |_| [MANY(""), MANY("").split_inclusive(|byte| *byte == b'\n').flat_map(refused).collect()].concat();
    let directory = TestDirectory::new();
    let run = mirror(serve(Manners { listing, ..PLAIN }), &directory, &[]);
    let done = done(run.assert_code(6));
    assert_eq!((&done["transferred"], &done["failed"]), (&40.into(), &40.into()), "{run}");
    assert_eq!(done["pipelined"], true, "{run}");
    assert_eq!(directory.tree().len(), 40, "{run}");
}

/// The line of a listing, of a file that is refused.
fn refused(line: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(line).replace("; file", "; refused").into_bytes()
}

#[test]
fn a_file_that_was_cut_is_gone_on_with_where_the_rest_fits_it() {
    let listing: fn(&str) -> Vec<u8> = |_| b"type=file;size=300000;modify=20200101000000; long\r\n".to_vec();
    // The second one for the try without commands sent ahead.
    let server = serve(Manners { listing, halves: 2, ..PLAIN });
    let directory = TestDirectory::new();
    // Without another try, what arrived stays as a part.
    let run = mirror(server, &directory, &[]);
    assert_eq!(done(run.assert_code(8))["transferred"], 0, "{run}");
    assert_eq!(directory.names().len(), 1);
    assert!(directory.holds("target/long.part") && !directory.holds("target/long"), "{run}");
    // This server never sends all from the beginning.
    let run = mirror(server, &directory, &["-v"]);
    assert_eq!(run.errors().matches("> RETR").count(), 1, "{run}");
    assert_eq!(done(run.assert_success())["transferred"], 1, "{run}");
    assert!(directory.read("target/long") == sample(LONG), "{run}");
    assert_eq!(directory.join("target").read_dir().unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_small_file_that_is_longer_or_shorter_than_its_listing_gets_no_name() {
    let listing: fn(&str) -> Vec<u8> = |_| {
        let line =
            |(name, size)| format!("type=file;size={size};modify=20200101000000; {name}\r\n").into_bytes();
        [("longer", 3), ("right", 4), ("shorter", 5)].map(line).concat()
    };
    let directory = TestDirectory::new();
    let run = mirror(serve(Manners { listing, ..PLAIN }), &directory, &[]);
    let done = done(run.assert_code(8));
    assert_eq!((&done["transferred"], &done["failed"]), (&1.into(), &2.into()), "{run}");
    assert_eq!(directory.read("target/right"), b"evil");
    assert!(!directory.holds("target/longer") && !directory.holds("target/shorter"), "{run}");
}
