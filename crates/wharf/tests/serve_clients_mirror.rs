//! lftp and Python's ftplib against `wharf serve`: whole trees in both directions, and a session of every command, in
//! both modes, on both families, as anonymous and as a user.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;

use wharf_testkit::TestDirectory;
use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::process::run;
use wharf_testkit::served::{Way, each_way};
use wharf_testkit::skip;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const FILES: usize = 200;

/// Some 200 files of all sizes from 0 to 100 kB, in directories of several depths, some with difficult names.
fn plant(directory: &TestDirectory) {
    for number in 0..FILES {
        let folder = ["", "sub/", "sub/deeper still/", "other \"one\"/"][number % 4];
        let name = ["file", "with space", ".hidden", "it's #1?;&%41", "[a]*{b}"][number % 5];
        directory.write(format!("{folder}{name} {number}"), sample(number * number * 5 / 2));
    }
    assert_eq!(directory.tree().len(), FILES);
}

/// Runs lftp with this script behind its `open`.
#[track_caller]
fn lftp(way: &Way, mode: LftpMode, script: &str) -> String {
    let open = format!("open -u {},{} ftp://{}", way.user, way.password, way.address);
    let run = run(&mut clients::lftp(mode, &format!("{open}; {script}")));
    run.assert_success().output()
}

/// What lftp is told beside its mode: MLSD or LIST, one command after the other or many at once.
const SETTINGS: [&str; 2] = [
    "set ftp:use-mlsd yes",
    "set ftp:use-mlsd no; set ftp:list-options -a; set ftp:sync-mode off; set ftp:use-feat no",
];

fn lftp_mirrors(mode: LftpMode) {
    if !clients::is_installed("lftp") {
        skip!("lftp is not installed");
    }
    for way in each_way(WHARF, &["--write"]) {
        for settings in SETTINGS {
            let (planted, local) = (TestDirectory::new(), TestDirectory::new());
            plant(&planted);
            let (from, to) = (planted.path().display(), local.path().display());
            lftp(&way, mode, &format!("{settings}; mirror --reverse --parallel=3 {from} up"));
            lftp(&way, mode, &format!("{settings}; mirror --parallel=3 up {to}"));
            // As maps of contents; the message names no megabytes.
            assert!(local.tree() == planted.tree(), "the tree is another one: {mode:?} {settings} {way:?}");
            // Nothing is left to be done, times included: both directions say so by silence.
            let again = lftp(&way, mode, &format!("{settings}; mirror --reverse --dry-run {from} up"));
            // The target itself is "made" each time.
            let left: Vec<_> = again.lines().filter(|line| !line.starts_with("mkdir -p ")).collect();
            assert_eq!(left, [""; 0], "{mode:?} {settings}");
            lftp(&way, mode, &format!("{settings}; rm -r up"));
            assert_eq!(way.directory.names(), [""; 0], "{mode:?} {settings}");
        }
    }
}

#[test]
fn lftp_mirrors_both_ways_with_pasv() {
    lftp_mirrors(LftpMode::Passive);
}

#[test]
fn lftp_mirrors_both_ways_with_epsv() {
    lftp_mirrors(LftpMode::ExtendedPassive);
}

#[test]
fn lftp_mirrors_both_ways_in_active_mode() {
    lftp_mirrors(LftpMode::Active);
}

#[test]
fn lftp_resumes_moves_and_lists() {
    if !clients::is_installed("lftp") {
        skip!("lftp is not installed");
    }
    for way in each_way(WHARF, &["--write"]) {
        for mode in [LftpMode::Passive, LftpMode::Active] {
            let local = TestDirectory::new();
            way.directory.write("file", sample(200_000));
            let part = local.write("part", &sample(200_000)[..70_000]);
            lftp(&way, mode, &format!("get -c file -o {}", part.display()));
            assert!(local.read("part") == sample(200_000), "resumed: {mode:?}");
            way.directory.write("up", &sample(200_000)[..70_000]);
            lftp(&way, mode, &format!("put -c {} -o up", part.display()));
            assert!(way.directory.read("up") == sample(200_000), "resumed upload: {mode:?}");
            // Four pieces of one file at once.
            let pieces = local.join("pieces");
            lftp(&way, mode, &format!("pget -n 4 file -o {}", pieces.display()));
            assert!(local.read("pieces") == sample(200_000), "in pieces: {mode:?}");
            let script =
                "mkdir sub; mv up sub/moved; chmod 600 sub/moved; cls -1 sub; rm sub/moved; rmdir sub";
            assert_eq!(lftp(&way, mode, script), "sub/moved\n");
            assert_eq!(way.directory.names(), ["file"]);
        }
    }
}

/// Each line fails the test where it is wrong. `local` is the folder to work with, `address` what data connections
/// must come from in active mode.
const FTPLIB: &str = r#"
import os
local = os.environ['LOCAL']
content = open(local + '/file', 'rb').read()
ftp.set_pasv(PASSIVE)
assert ftp.pwd() == '/', ftp.pwd()
assert ftp.mkd('a "dir"') == '/a "dir"'
ftp.cwd('a "dir"')
assert ftp.pwd() == '/a "dir"'
ftp.storbinary('STOR sent', open(local + '/file', 'rb'))
ftp.voidcmd('TYPE I')
assert ftp.size('sent') == len(content)
got = bytearray()
ftp.retrbinary('RETR sent', got.extend)
assert bytes(got) == content
rest = bytearray()
ftp.retrbinary('RETR sent', rest.extend, rest=1000)
assert bytes(rest) == content[1000:]
ftp.storbinary('STOR sent', io.BytesIO(b'other'), rest=len(content) - 5)
ftp.storbinary('APPE sent', io.BytesIO(b'more'))
got.clear()
ftp.retrbinary('RETR sent', got.extend)
assert bytes(got) == content[:-5] + b'othermore'
ftp.storlines('STOR text', io.BytesIO(b'one\ntwo\n'))
lines = []
ftp.retrlines('RETR text', lines.append)
assert lines == ['one', 'two'], lines
assert sorted(ftp.nlst()) == ['sent', 'text'], ftp.nlst()
assert ftp.nlst('*xt') == ['text'], ftp.nlst('*xt')
facts = dict(ftp.mlsd(facts=['type', 'size', 'modify']))
assert facts['text']['type'] == 'file' and facts['text']['size'] == '8', facts
assert ftp.sendcmd('MDTM text') == '213 ' + facts['text']['modify']
listing = []
ftp.dir(listing.append)
assert len(listing) == 2 and listing[0].startswith('-rw'), listing
ftp.voidcmd('TYPE I')
data, size = ftp.ntransfercmd('RETR sent')
assert size == len(content) + 4, size
data.recv(1)
data.close()
try:
    ftp.voidresp()
except ftplib.error_temp:
    pass
ftp.rename('text', 'renamed')
ftp.sendcmd('NOOP')
for name in 'sent', 'renamed':
    assert name in ftp.nlst()
    ftp.delete(name)
try:
    ftp.delete('sent')
    raise AssertionError('deleted twice')
except ftplib.error_perm as error:
    assert str(error).startswith('550'), error
assert ftp.nlst() == [], ftp.nlst()
ftp.cwd('..')
ftp.rmd('a "dir"')
latin = ftplib.FTP(timeout=10, encoding='latin-1')
latin.connect(host, int(port))
latin.login(user, password)
latin.set_pasv(PASSIVE)
latin.storbinary('STOR caf\xe9', io.BytesIO(b'au lait'))
assert latin.nlst() == ['caf\xe9'], latin.nlst()
latin.quit()
assert ftp.quit().startswith('221')
print('done')
"#;

#[test]
fn ftplib_does_everything_it_knows_in_both_modes() {
    if !clients::is_installed("python3") {
        skip!("python3 is not installed");
    }
    let local = TestDirectory::new();
    local.write("file", sample(300_000));
    for way in each_way(WHARF, &["--write"]) {
        for passive in ["True", "False"] {
            let script = FTPLIB.replace("PASSIVE", passive);
            let mut command = clients::ftplib(way.address, way.user, way.password, &script);
            let run = run(command.env("LOCAL", local.path()));
            assert_eq!(run.assert_success().output(), "done\n", "{run}");
            let names: Vec<_> = fs::read_dir(way.directory.path()).unwrap().flatten().collect();
            let [name] = &names[..] else { panic!("{names:?}") };
            assert_eq!(name.file_name().as_encoded_bytes(), b"caf\xe9");
            assert_eq!(fs::read(name.path()).unwrap(), b"au lait");
        }
    }
}
