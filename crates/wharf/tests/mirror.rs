//! `wharf mirror` against `wharf serve`: both ways, again, changed, filtered, deleted, dry, interrupted.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Background, Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A server with an empty directory that may be written to.
fn serve() -> (Served, TestDirectory) {
    let directory = TestDirectory::new();
    let flags = ["--user", "test:secret", "--write"];
    (Served::start(WHARF, directory.path(), &flags), directory)
}

fn url(served: &Served, path: &str) -> String {
    format!("ftp://test:secret@{}/{path}", served.address())
}

/// Runs `wharf mirror` with these words.
#[track_caller]
fn mirror(words: &[&str]) -> Run {
    run(Command::new(WHARF).arg("mirror").args(words).env("HOME", "/dev/null"))
}

/// The last event of `wharf mirror --json`, which is "done".
#[track_caller]
fn totals(words: &[&str]) -> serde_json::Value {
    let run = mirror(&[words, &["--json"]].concat());
    let output = run.assert_success().output();
    let last = output.lines().last().unwrap_or_else(|| panic!("no event: {run}"));
    let done: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(done["event"], "done", "{run}");
    done
}

/// Sets the time of last change to `seconds` after 2020-09-13.
fn age(directory: &TestDirectory, name: &str, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + seconds);
    fs::File::open(directory.join(name)).unwrap().set_modified(time).unwrap();
}

fn plant(directory: &TestDirectory, files: usize) {
    for number in 0..files {
        let folder = ["", "sub/", "sub/deeper still/", "other \"one\"/"][number % 4];
        let name = ["file", "with space", ".hidden", "it's #1?;&%41", "[a]*{b}"][number % 5];
        let name = format!("{folder}{name} {number}");
        directory.write(&name, sample(number * 7 % 3000));
        age(directory, &name, number as u64);
    }
}

/// The times of all files, in seconds.
fn times(directory: &TestDirectory) -> Vec<(PathBuf, SystemTime)> {
    let names = directory.tree().into_keys();
    names
        .map(|name| (name.clone(), fs::metadata(directory.join(&name)).unwrap().modified().unwrap()))
        .collect()
}

#[test]
fn two_thousand_files_go_both_ways_with_their_times_and_a_second_run_transfers_nothing() {
    let (served, there) = serve();
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    plant(&planted, 2000);
    planted.make_directory("empty/nested");
    let (up, down) = (planted.path().to_str().unwrap(), here.path().to_str().unwrap());
    let remote = url(&served, "deep/copy");
    assert_eq!(totals(&[up, &remote])["transferred"], 2000);
    assert!(there.join("deep/copy/empty/nested").is_dir());
    assert_eq!(totals(&[&remote, down])["transferred"], 2000);
    assert!(here.tree() == planted.tree(), "the tree is another one");
    assert_eq!(times(&here), times(&planted));
    assert!(here.join("empty/nested").is_dir());
    for words in [[up, &remote], [&remote, down]] {
        let again = totals(&words);
        assert_eq!((&again["transferred"], &again["unchanged"]), (&0.into(), &2000.into()));
    }
}

#[test]
fn trees_go_both_ways_under_tls() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let there = TestDirectory::new();
    let mut flags = ["--user", "test:secret", "--write", "--tls", "require"].map(str::to_owned).to_vec();
    flags.extend(certificate.flags());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let served = Served::start(WHARF, there.path(), &flags);
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    plant(&planted, 40);
    let (up, down) = (planted.path().to_str().unwrap(), here.path().to_str().unwrap());
    let remote = url(&served, "copy").replace("ftp://", "ftpes://");
    let trusted = certificate.certificate();
    let trust = ["--ca", trusted.to_str().unwrap()];
    assert_eq!(totals(&[&trust[..], &[up, &remote]].concat())["transferred"], 40);
    assert_eq!(totals(&[&trust[..], &[&remote, down]].concat())["transferred"], 40);
    assert!(here.tree() == planted.tree(), "the tree is another one");
    // Without trust nothing is said, least of all the password.
    let refused = mirror(&[&remote, down]);
    assert!(refused.assert_code(4).errors().contains("--insecure"), "{refused}");
}

#[test]
fn in_active_mode_the_next_transfer_is_sent_ahead_and_arrives_all_the_same() {
    let (served, _there) = serve();
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    plant(&planted, 200);
    planted.write("empty", "");
    planted.write("big", sample(3_000_000));
    let (up, down) = (planted.path().to_str().unwrap(), here.path().to_str().unwrap());
    let remote = url(&served, "copy");
    for (words, files) in
        [([up, &remote], 202), ([&remote, down], 202), ([up, &remote], 0), ([&remote, down], 0)]
    {
        let done = totals(&["--active", words[0], words[1]]);
        assert_eq!((&done["transferred"], &done["pipelined"]), (&files.into(), &true.into()));
    }
    assert!(here.tree() == planted.tree(), "the tree is another one");
}

#[test]
fn a_file_that_the_server_refuses_does_not_disturb_those_behind_it() {
    use std::os::unix::fs::symlink;
    let (served, there) = serve();
    plant(&there, 100);
    for number in 0..5 {
        // Listed as a file by whoever lists it, and refused when it is fetched: it leads out.
        symlink("/etc/passwd", there.join(format!("leads out {number}"))).unwrap();
    }
    for mode in ["--active", "--passive"] {
        let here = TestDirectory::new();
        let run = mirror(&[mode, "--json", &url(&served, ""), here.path().to_str().unwrap()]);
        let last = run.output().lines().last().unwrap().to_owned();
        let done: serde_json::Value = serde_json::from_str(&last).unwrap();
        assert_eq!(done["transferred"], 100, "{run}");
        assert_eq!(here.tree().len(), 100);
    }
}

#[test]
fn changes_are_picked_up_by_size_and_by_time_and_newer_only_where_they_are() {
    let (served, there) = serve();
    let here = TestDirectory::new();
    let (down, remote) = (here.path().to_str().unwrap(), url(&served, ""));
    for name in ["same", "longer", "younger", "older"] {
        there.write(name, "12345");
        age(&there, name, 100);
    }
    assert_eq!(totals(&[&remote, down])["transferred"], 4);
    there.write("longer", "123456");
    age(&there, "longer", 100);
    there.write("younger", "abcde");
    age(&there, "younger", 200);
    there.write("older", "fghij");
    age(&there, "older", 50);
    there.write("new", "");
    let done = totals(&["--newer", &remote, down]);
    assert_eq!((&done["transferred"], &done["unchanged"]), (&2.into(), &3.into()));
    assert_eq!((here.read("younger"), here.read("older")), (b"abcde".to_vec(), b"12345".to_vec()));
    assert_eq!(totals(&[&remote, down])["transferred"], 2);
    assert!(here.tree() == there.tree());
}

#[test]
fn what_is_too_much_is_deleted_unless_it_is_excluded_or_something_failed() {
    let (served, there) = serve();
    let here = TestDirectory::new();
    let (local, remote) = (here.path().to_str().unwrap(), url(&served, ""));
    there.write("kept", "1");
    for name in ["extra", "old/one", "old/deeper/two", "half/x.keep", "half/y"] {
        here.write(name, "2");
    }
    let dry = mirror(&["--dry-run", "--delete", "--exclude", "*.keep", &remote, local]);
    let output = dry.assert_success().output();
    for line in [
        "would get kept (1 bytes)",
        "would rm extra",
        "would rm old/deeper/two",
        "would rmdir old",
        "would rm half/y",
    ] {
        assert!(output.lines().any(|said| said == line), "{line}\n{dry}");
    }
    assert!(!here.holds("kept") && here.holds("extra"));
    let done = totals(&["--delete", "--exclude", "*.keep", &remote, local]);
    assert_eq!(done["deleted"], 6, "{done}");
    assert_eq!(here.names(), ["half", "kept"]);
    assert!(here.holds("half/x.keep"));
    // The other way.
    there.write("more/and/more", "3");
    there.write("half/x.keep", "4");
    fs::remove_dir_all(here.join("half")).unwrap();
    let done = totals(&["--delete", "--exclude", "*.keep", local, &remote]);
    assert_eq!(done["deleted"], 3, "{done}");
    assert!(there.holds("half/x.keep") && !there.holds("more"));
    // What is a directory here and a file there fails, and then nothing is deleted.
    here.write("both/x", "");
    there.write("both", "");
    there.write("extra", "");
    let run = mirror(&["--delete", local, &remote]);
    assert_eq!(run.assert_code(9).errors().matches("move one away").count(), 1, "{run}");
    assert!(there.holds("extra"), "{run}");
}

#[test]
fn filters_choose() {
    let (served, there) = serve();
    let here = TestDirectory::new();
    for name in ["a.txt", "b.bin", "docs/c.txt", "docs/d.bin", "cache/e.txt"] {
        there.write(name, "1");
    }
    let words =
        ["--include", "*.txt", "--exclude", "cache", &url(&served, ""), here.path().to_str().unwrap()];
    assert_eq!(totals(&words)["transferred"], 2);
    assert_eq!(here.names(), ["a.txt", "docs"]);
}

#[test]
fn names_of_any_bytes_and_names_like_parts_are_kept() {
    let (served, there) = serve();
    let (here, back) = (TestDirectory::new(), TestDirectory::new());
    let odd = std::ffi::OsString::from_vec(b"caf\xE9 \xFF\\ C:\\x".to_vec());
    there.write(&odd, "1");
    there.write("a", sample(10_000));
    there.write("a.part", "another file");
    there.write("a.part.part", "and another");
    let local = here.path().to_str().unwrap();
    assert_eq!(totals(&[&url(&served, ""), local])["transferred"], 4);
    assert!(here.tree() == there.tree());
    assert_eq!(totals(&[local, &url(&served, "up/again")])["transferred"], 4);
    assert_eq!(totals(&[&url(&served, "up/again"), back.path().to_str().unwrap()])["transferred"], 4);
    assert!(back.tree() == here.tree());
}

#[test]
fn symbolic_links_are_skipped_and_said_or_made_anew_and_never_written_through() {
    let (served, there) = serve();
    let (here, outside) = (TestDirectory::new(), TestDirectory::new());
    outside.write("victim", "theirs");
    there.write("folder/victim", "evil");
    there.write("file", "evil");
    // What an earlier run, or somebody else, put in the way.
    here.make_link("folder", outside.path());
    here.make_link("file", outside.join("victim"));
    let run = mirror(&[&url(&served, ""), here.path().to_str().unwrap()]);
    assert_eq!(run.assert_code(9).errors().matches("a symbolic link in the other").count(), 2, "{run}");
    assert_eq!(outside.read("victim"), b"theirs");
    // Uploads say what they leave out.
    let run = mirror(&[here.path().to_str().unwrap(), &url(&served, "up")]);
    assert_eq!(run.assert_success().errors().matches("skipped").count(), 2, "{run}");
    assert!(run.output().contains("2 skipped"), "{run}");
}

#[test]
fn a_run_that_was_killed_leaves_no_file_that_looks_complete_and_the_next_one_ends_it() {
    let (served, there) = serve();
    let here = TestDirectory::new();
    plant(&there, 400);
    there.write("big", sample(30_000_000));
    let (local, remote) = (here.path().to_str().unwrap(), url(&served, ""));
    let mut command = Command::new(WHARF);
    command.args(["mirror", "-v", &remote, local]).env("HOME", "/dev/null");
    let mut killed = Background::start(&mut command);
    // Somewhere in the middle.
    killed.wait_for_line("get sub/", Duration::from_secs(20));
    killed.signal(Signal::KILL);
    killed.wait(Duration::from_secs(20));
    let whole = there.tree();
    for (name, content) in here.tree() {
        let is_part = name.extension().is_some_and(|extension| extension == "part");
        assert!(is_part || whole[&name] == content, "{} is not whole", name.display());
    }
    totals(&["--delete", &remote, local]);
    assert!(here.tree() == whole, "another tree");
}

#[test]
fn failures_have_the_exit_code_of_the_first_and_the_rest_is_done() {
    let (served, there) = serve();
    let here = TestDirectory::new();
    there.write("x", "1");
    there.write("y/z", "2");
    // A directory where the file belongs.
    here.make_directory("x");
    let run = mirror(&["--json", &url(&served, ""), here.path().to_str().unwrap()]);
    let output = run.assert_code(9).output();
    assert!(output.contains("\"event\":\"error\"") && output.contains("\"event\":\"transferred\""), "{run}");
    assert_eq!(here.read("y/z"), b"2");
    mirror(&[&url(&served, "nothing"), here.path().to_str().unwrap()]).assert_code(6);
    mirror(&["/no/such/directory", &url(&served, "")]).assert_code(9);
    let text = format!("{};type=a", url(&served, "x"));
    mirror(&[&text, &url(&served, "")]).assert_code(2);
    mirror(&["a", "b"]).assert_code(2);
    let wrong = format!("ftp://test:wrong@{}/", served.address());
    mirror(&[&wrong, here.path().to_str().unwrap()]).assert_code(5);
}
