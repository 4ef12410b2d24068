//! Real clients against `wharf serve`: wget, curl and tnftp, passive and active, on both families, as anonymous and as
//! a user. What arrives is compared byte for byte. lftp and Python's ftplib are in `serve_clients_mirror.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::clients::{self, url_path};
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Run, run};
use wharf_testkit::served::{Served, Way, each_way};
use wharf_testkit::skip;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const LENGTH: usize = 300_000;

/// Ends the test when the program is not there.
macro_rules! needs {
    ($program:literal) => {
        if !clients::is_installed($program) {
            skip!("{} is not installed", $program);
        }
    };
}

/// Names that go wrong easily: spaces, quotes, what URLs, shells and patterns give a meaning to, Latin-1.
const NAMES: [&[u8]; 7] =
    [b"with space", b"two  spaces ", b"\"quoted\" it's", b"50% #1?;&", b"[a]*{b}", b"-rf", b"latin-\xe9\xff"];

/// The command with these arguments, run to its end; it must succeed.
#[track_caller]
fn succeeds<S: AsRef<OsStr>>(mut command: Command, arguments: impl IntoIterator<Item = S>) -> Run {
    let run = run(command.args(arguments));
    run.assert_success();
    run
}

/// The same bytes, without printing all of them when they are not.
#[track_caller]
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let place = got.iter().zip(expected).position(|(a, b)| a != b);
    assert!(got == expected, "{what}: {} of {} bytes, first difference {place:?}", got.len(), expected.len());
}

fn wget(active: bool) -> Command {
    let mut command = clients::wget();
    if active {
        command.arg("--no-passive-ftp");
    }
    command
}

#[test]
fn wget_fetches_in_both_modes() {
    needs!("wget");
    for way in each_way(WHARF, &[]) {
        way.directory.write("sub/file", sample(LENGTH));
        way.directory.write("empty", "");
        for active in [false, true] {
            for path in ["sub/file", "/sub/file", "%2Fsub/file", "//sub//file"] {
                let got = succeeds(wget(active), ["-O", "-", &way.url(path)]);
                assert_same(&got.stdout, &sample(LENGTH), path);
            }
            assert_same(&succeeds(wget(active), ["-O", "-", &way.url("empty")]).stdout, b"", "empty");
            let missing = run(wget(active).args(["-O", "-", &way.url("sub/nothing")]));
            assert_eq!(missing.code(), 8, "{missing}");
        }
    }
}

/// S6, and that all of it really came, which /dev/null does not tell: the server's transfer log does.
#[test]
fn wget_checks_a_server_with_an_absolute_path_into_dev_null() {
    needs!("wget");
    let logs = TestDirectory::new();
    let log = logs.join("xferlog");
    let directory = TestDirectory::new();
    directory.write("abs/path", sample(LENGTH));
    let flags = ["--user", "test:secret", "--xferlog", log.to_str().unwrap()];
    let served = Served::start(WHARF, directory.path(), &flags);
    let url = format!("ftp://test:secret@{}//abs/path", served.address());
    for active in [false, true] {
        succeeds(wget(active), ["-O", "/dev/null", &url]);
    }
    // What it logged is not of interest; when it has ended, its transfer log is whole.
    let _ = served.stop();
    let log = fs::read_to_string(log).unwrap();
    let complete = format!(" 127.0.0.1 {LENGTH} /abs/path b _ o r test ftp 0 * c\n");
    assert_eq!((log.lines().count(), log.matches(&complete).count()), (2, 2), "{log}");
}

#[test]
fn wget_goes_on_where_it_was_cut() {
    needs!("wget");
    for active in [false, true] {
        let logs = TestDirectory::new();
        let log = logs.join("xferlog");
        let (directory, local) = (TestDirectory::new(), TestDirectory::new());
        directory.write("file", sample(LENGTH));
        let served = Served::start(WHARF, directory.path(), &["--xferlog", log.to_str().unwrap()]);
        local.write("file", &sample(LENGTH)[..100_000]);
        let mut command = wget(active);
        command.current_dir(local.path());
        succeeds(command, ["-c", &format!("ftp://{}/file", served.address())]);
        assert_same(&local.read("file"), &sample(LENGTH), "what was put together");
        let _ = served.stop();
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains(" 200000 /file b _ o "), "only the rest goes over: {log}");
    }
}

#[test]
fn wget_fetches_a_tree() {
    needs!("wget");
    for way in each_way(WHARF, &[]) {
        for number in 0..20 {
            way.directory.write(format!("tree/{}/a file {number}", number % 3), sample(number * 1000));
        }
        for active in [false, true] {
            let local = TestDirectory::new();
            let mut command = wget(active);
            command.current_dir(local.path());
            succeeds(command, ["--recursive", "--no-host-directories", &way.url("tree/")]);
            assert_eq!(local.tree(), way.directory.tree());
        }
    }
}

#[test]
fn wget_and_curl_fetch_files_with_difficult_names() {
    needs!("wget");
    needs!("curl");
    for way in each_way(WHARF, &[]) {
        for name in NAMES {
            way.directory.write(OsStr::from_bytes(name), name);
            let url = way.url(&url_path(name));
            for active in [false, true] {
                let shown = name.escape_ascii().to_string();
                let wgot = succeeds(wget(active), ["-O", "-", &url]);
                assert_same(&wgot.stdout, name, &shown);
                let active: &[&str] = if active { &["--ftp-port", "-"] } else { &[] };
                let got = succeeds(clients::curl(), active.iter().chain(&[url.as_str()]));
                assert_same(&got.stdout, name, &shown);
            }
        }
    }
}

/// curl's switches for EPSV, PASV, EPRT and PORT. Over IPv6 the old commands have no meaning, and curl knows that.
const CURL_MODES: [&[&str]; 4] =
    [&[], &["--disable-epsv"], &["--ftp-port", "-"], &["--ftp-port", "-", "--disable-eprt"]];

/// Runs `test` with curl in each mode, each way.
fn each_curl(test: impl Fn(&Way, &dyn Fn() -> Command)) {
    for way in each_way(WHARF, &["--write"]) {
        for mode in CURL_MODES {
            let curl = || {
                let mut command = clients::curl();
                command.args(mode);
                command
            };
            test(&way, &curl);
        }
    }
}

#[test]
fn curl_sends_fetches_and_appends_in_every_mode() {
    needs!("curl");
    let local = TestDirectory::new();
    let file = local.write("file", sample(LENGTH));
    let file = file.to_str().unwrap();
    each_curl(|way, curl| {
        let url = way.url("up/sent");
        succeeds(curl(), ["--ftp-create-dirs", "-T", file, &url]);
        assert_same(&way.directory.read("up/sent"), &sample(LENGTH), "sent");
        assert_same(&succeeds(curl(), [&url]).stdout, &sample(LENGTH), "fetched");
        succeeds(curl(), ["-a", "-T", file, &url]);
        assert_same(&way.directory.read("up/sent"), &sample(LENGTH).repeat(2), "appended");
        // Shorter than what is there: nothing of that is left.
        let short = local.write("short", "short");
        succeeds(curl(), ["-T", short.to_str().unwrap(), &url]);
        assert_same(&way.directory.read("up/sent"), b"short", "replaced");
        // One control connection, several transfers.
        let urls = [way.url("up/sent"), way.url("up/sent"), way.url("up/sent")];
        assert_eq!(succeeds(curl(), urls).output(), "short".repeat(3));
        let missing = run(curl().arg(way.url("up/nothing")));
        assert_eq!(missing.code(), 78, "RETR: no such file: {missing}");
    });
}

#[test]
fn curl_goes_on_where_it_was_cut_in_both_directions() {
    needs!("curl");
    let whole = sample(LENGTH);
    each_curl(|way, curl| {
        let local = TestDirectory::new();
        way.directory.write("file", &whole);
        let part = local.write("part", &whole[..123_456]);
        succeeds(curl(), ["-C", "-", "-o", part.to_str().unwrap(), &way.url("file")]);
        assert_same(&local.read("part"), &whole, "downloaded");
        let range = succeeds(curl(), ["-r", "1000-1999", &way.url("file")]);
        assert_same(&range.stdout, &whole[1000..2000], "a range, cut by the client");
        way.directory.write("up", &whole[..123_456]);
        succeeds(curl(), ["-C", "-", "-T", part.to_str().unwrap(), &way.url("up")]);
        assert_same(&way.directory.read("up"), &whole, "uploaded");
    });
}

#[test]
fn curl_lists_and_finds_its_way() {
    needs!("curl");
    each_curl(|way, curl| {
        way.directory.write("a/b c/file", "content");
        way.directory.make_directory("a/empty");
        let listing = succeeds(curl(), [way.url("a/")]).output();
        assert!(listing.lines().count() == 2 && listing.contains("drwx"), "{listing}");
        let listing = succeeds(curl(), ["--list-only", &way.url("a/")]).output();
        let mut names: Vec<_> = listing.lines().collect();
        names.sort_unstable();
        assert_eq!(names, ["b c", "empty"]);
        assert_eq!(succeeds(curl(), ["--list-only", &way.url("a/empty/")]).output(), "");
        for method in ["multicwd", "nocwd", "singlecwd"] {
            for path in ["a/b%20c/file", "/a/b%20c/file", "%2Fa/b%20c/file"] {
                let got = succeeds(curl(), ["--ftp-method", method, &way.url(path)]);
                assert_eq!(got.output(), "content", "{method} {path}");
            }
        }
        let head = succeeds(curl(), ["-I", &way.url("a/b%20c/file")]).output();
        assert!(head.contains("Content-Length: 7") && head.contains("Last-Modified:"), "{head}");
    });
}

#[test]
fn curl_says_commands_of_its_users_own() {
    needs!("curl");
    each_curl(|way, curl| {
        way.directory.write("old name", "content");
        let quotes = ["RNFR old name", "RNTO new", "MKD sub", "*DELE nothing", "SITE CHMOD 600 new"];
        let arguments = quotes.iter().flat_map(|quote| ["--quote", quote]);
        let got = succeeds(curl(), arguments.chain(["--quote", "-RMD sub", &way.url("new")]));
        assert_eq!(got.output(), "content");
        assert_eq!(way.directory.names(), ["new"]);
        succeeds(curl(), ["--list-only", "--quote", "-DELE new", &way.url("")]);
        assert_eq!(way.directory.names(), [""; 0]);
    });
}

#[test]
fn curl_in_ascii_has_line_ends_of_its_own_on_both_sides() {
    needs!("curl");
    let text = "one\ntwo\n\nfour".repeat(5000);
    let local = TestDirectory::new();
    let file = local.write("text", &text);
    each_curl(|way, curl| {
        succeeds(curl(), ["-B", "-T", file.to_str().unwrap(), &way.url("text")]);
        assert_same(&way.directory.read("text"), text.as_bytes(), "sent");
        assert_same(&succeeds(curl(), ["-B", &way.url("text")]).stdout, text.as_bytes(), "fetched");
        let with_type = way.url("text;type=a");
        assert_same(&succeeds(curl(), [&with_type]).stdout, text.as_bytes(), "fetched with ;type=a");
    });
}

#[test]
fn curl_sends_files_with_difficult_names() {
    needs!("curl");
    let local = TestDirectory::new();
    let file = local.write("file", sample(LENGTH));
    for way in each_way(WHARF, &["--write"]) {
        for name in NAMES {
            succeeds(clients::curl(), ["-T", file.to_str().unwrap(), &way.url(&url_path(name))]);
            assert_same(&way.directory.read(OsStr::from_bytes(name)), &sample(LENGTH), "sent");
        }
        assert_eq!(way.directory.names().len(), NAMES.len());
    }
}

#[test]
fn tnftp_fetches_sends_and_lists_in_both_modes() {
    needs!("tnftp");
    for way in each_way(WHARF, &["--write"]) {
        for active in [false, true] {
            let local = TestDirectory::new();
            local.write("local", sample(LENGTH));
            way.directory.write("a file", sample(1234));
            let mode = if active { "-A" } else { "-p" };
            let mut url = clients::tnftp();
            url.current_dir(local.path());
            succeeds(url, [mode, "-o", "by url", &way.url("a%20file")]);
            assert_same(&local.read("by url"), &sample(1234), "by URL");
            let script = "binary\nmkdir sub\ncd sub\nput local sent\nput local again\nls\ncd ..\n\
                          get \"a file\" got\nreget \"a file\" got\nsize \"a file\"\nrename sub/sent sub/renamed\n\
                          delete sub/again\nls sub\nls \"a *\"\nmodtime \"a file\"\nquit\n";
            let mut session = clients::tnftp_session(way.address, active, way.user, way.password, script);
            let run = run(session.current_dir(local.path()));
            let said = run.assert_success().output() + &run.errors();
            assert_same(&local.read("got"), &sample(1234), "got");
            assert_same(&way.directory.read("sub/renamed"), &sample(LENGTH), "sent");
            assert!(!way.directory.holds("sub/again"), "{run}");
            assert!(said.contains(" sent") && said.contains(" renamed") && said.contains("1234"), "{run}");
            fs::remove_dir_all(way.directory.join("sub")).unwrap();
        }
    }
}
