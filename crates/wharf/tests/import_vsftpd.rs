//! `wharf import vsftpd` (S12): every directive is known, the files that Debian ships are understood, and what comes of a
//! file behaves as vsftpd itself does with it.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, clients, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// `wharf import vsftpd FILE`.
fn import(file: &Path, flags: &[&str]) -> Run {
    run(Command::new(WHARF).args(["import", "vsftpd"]).arg(file).args(flags))
}

/// The files of Debian's package.
fn package(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from("/var/cache/wharf-peers/vsftpd").join(path);
    if file.exists() {
        return Some(file);
    }
    skip("vsftpd's package is not in the peers' cache; `cargo xtask test` as root puts it there");
    None
}

/// Whether a server would start with this wharf.toml, on a port that is free.
fn check(configuration: &str, users: Option<&Path>) -> Run {
    let folder = TestDirectory::new();
    folder.make_directory("files");
    let mut text = configuration.to_owned();
    if let Some(users) = users {
        text = text.replace("/etc/wharf/users.toml", users.to_str().unwrap());
    }
    let file = folder.write("wharf.toml", text);
    let files = folder.join("files");
    run(Command::new(WHARF).args(["serve", "--config"]).arg(&file).args([
        files.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--check",
    ]))
}

/// The manual lists every directive with its default: a file that gives them all is taken, and each is told of.
#[test]
fn every_directive_of_the_manual_is_known() {
    let Some(manual) = package("usr/share/man/man5/vsftpd.conf.5.gz") else { return };
    let text = run(Command::new("gzip").arg("-dc").arg(manual)).assert_success().output();
    let lines: Vec<&str> = text.lines().collect();
    let mut names = BTreeSet::new();
    let mut conf = String::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix(".B ").filter(|_| index > 0 && lines[index - 1] == ".TP") else {
            continue;
        };
        let default = lines[index..].iter().find_map(|line| line.strip_prefix("Default: ")).unwrap();
        let value = default.split(' ').next().unwrap();
        names.insert(name.trim());
        conf +=
            &format!("{}={}\n", name.trim(), if value == "(none" || value == "(none)" { "" } else { value });
    }
    assert!(names.len() > 110, "the manual has another form: {names:?}");
    let folder = TestDirectory::new();
    let imported = import(&folder.write("vsftpd.conf", &conf), &[]);
    let output = imported.assert_success().output();
    for name in names {
        assert!(output.contains(&format!("{name}=")), "{name} is told of nowhere:\n{output}");
    }
    check(&output, None).assert_success();
}

#[test]
fn the_files_that_debian_ships_are_understood() {
    let examples = "usr/share/doc/vsftpd/examples";
    for (file, expected) in [
        (
            "etc/vsftpd.conf".to_owned(),
            &[
                "listen = [\"[::]:21\"]",
                "source_port = 20",
                "anonymous = false",
                "local_enable=YES: accounts of the machine and PAM are not asked",
                "dirmessage_enable=YES: no messages are shown",
                "use_localtime=YES: listings and MDTM tell UTC",
                "secure_chroot_dir=/var/run/vsftpd/empty: Wharf serves all sessions in one process",
                "root = \"/home/%u\"",
                "rights = [\"read\", \"list\"]",
            ] as &[&str],
        ),
        (
            format!("{examples}/INTERNET_SITE_NOINETD/vsftpd.conf"),
            &[
                "ports = \"50000-60000\"",
                "sessions = 200",
                "sessions_per_address = 4",
                "idle = 120",
                "data_connection = 60",
            ],
        ),
        (format!("{examples}/INTERNET_SITE/vsftpd.conf"), &["it was started by inetd for each connection"]),
        (
            format!("{examples}/VIRTUAL_USERS/vsftpd.conf"),
            &["listen = [\"0.0.0.0:10021\"]", "ports = \"30000-30999\"", "rights = [\"read\", \"list\"]"],
        ),
    ] {
        let Some(path) = package(&file) else { return };
        let folder = TestDirectory::new();
        let users = folder.join("users.toml");
        let imported = import(&path, &["--users", users.to_str().unwrap()]);
        let output = imported.assert_success().output();
        let lines = output.lines().map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>();
        let unwrapped = lines.join(" ");
        for text in expected {
            assert!(unwrapped.contains(text), "{file}: {text:?} is not in\n{output}");
        }
        check(&output, users.exists().then_some(&*users)).assert_success();
    }
}

#[test]
fn a_users_file_that_is_there_is_not_written_over() {
    let folder = TestDirectory::new();
    let conf = folder.write("vsftpd.conf", "listen=YES\nanonymous_enable=YES\n");
    let users = folder.write("users.toml", "# passwords\n");
    let imported = import(&conf, &["--users", users.to_str().unwrap()]);
    assert!(imported.assert_code(1).errors().contains("cannot write the users file"), "{imported:?}");
    assert_eq!(folder.read("users.toml"), b"# passwords\n");
}

#[test]
fn what_vsftpd_would_not_take_is_an_error_with_its_line() {
    let folder = TestDirectory::new();
    let conf = folder.write("vsftpd.conf", "listen=YES\npasv_enabel=NO\n");
    let errors = import(&conf, &[]).assert_code(1).errors();
    assert!(
        errors
            .contains("vsftpd.conf:2: vsftpd knows no directive `pasv_enabel`; did you mean `pasv_enable`?"),
        "{errors}"
    );
    let errors = import(&folder.join("missing.conf"), &[]).assert_code(1).errors();
    assert!(errors.contains("cannot read") && errors.contains("missing.conf"), "{errors}");
}

/// What an ordinary client gets to do, one thing after another.
fn outcomes(address: SocketAddr) -> Vec<(&'static str, bool)> {
    let folder = TestDirectory::new();
    let file = folder.write("new", "new");
    let url = |path: &str| format!("ftp://{address}/{path}");
    let curl = |arguments: &[&str]| {
        let mut command = clients::curl();
        command.args(["--silent", "--user", "anonymous:test@example.net"]).args(arguments);
        run(&mut command).code() == 0
    };
    let quote = |commands: &[&str]| {
        let mut arguments: Vec<&str> = commands.iter().flat_map(|command| ["--quote", *command]).collect();
        let at = url("");
        arguments.extend(["--head", &at]);
        curl(&arguments)
    };
    let file = file.to_str().unwrap();
    vec![
        ("list", curl(&[&url("")])),
        ("get", curl(&[&url("hello.txt")])),
        ("get passive", curl(&["--ftp-pasv", "--disable-epsv", &url("directory/inner.txt")])),
        ("get extended passive", curl(&["--ftp-pasv", &url("big.bin")])),
        ("get active", curl(&["--ftp-port", "-", "--disable-eprt", &url("big.bin")])),
        ("put", curl(&["--upload-file", file, &url("up/new")])),
        ("put active", curl(&["--ftp-port", "-", "--upload-file", file, &url("up/newer")])),
        ("put over it", curl(&["--upload-file", file, &url("up/new")])),
        ("append", curl(&["--append", "--upload-file", file, &url("up/there")])),
        ("put a denied name", curl(&["--upload-file", file, &url("up/secret.mp3")])),
        ("make a directory", quote(&["MKD up/made"])),
        ("put into it", curl(&["--upload-file", file, &url("up/made/in")])),
        ("rename", quote(&["RNFR up/old", "RNTO up/older"])),
        ("delete", quote(&["DELE up/there"])),
        ("remove a directory", quote(&["RMD up/made"])),
        ("delete what is not there", quote(&["DELE up/nothing"])),
        ("get what is not there", curl(&[&url("nothing")])),
    ]
}

#[test]
fn what_comes_of_a_file_behaves_as_vsftpd_does_with_it() {
    for lines in [
        "write_enable=NO\n",
        "anon_mkdir_write_enable=NO\nanon_other_write_enable=NO\n",
        "anon_other_write_enable=NO\n",
        "anon_upload_enable=NO\n",
        "",
        "download_enable=NO\n",
        "dirlist_enable=NO\n",
        "pasv_enable=NO\n",
        "port_enable=NO\n",
        "deny_file={*.mp3,inner}\n",
        "deny_file={*.mp3,inner.txt}\n",
        "deny_file=inn\n",
    ] {
        let options = PeerOptions::new().vsftpd_lines(lines);
        let Some(peer) = Peer::start_or_skip(PeerKind::Vsftpd, &options) else { return };
        // So that there is something to change for who may not store.
        for name in ["there", "old"] {
            let up = peer.root.join("up");
            let owner = std::fs::metadata(&up).unwrap();
            std::fs::write(up.join(name), name).unwrap();
            std::os::unix::fs::chown(up.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let folder = TestDirectory::new();
        let users = folder.join("users.toml");
        let imported = import(&peer.vsftpd_conf(), &["--users", users.to_str().unwrap()]);
        let file = folder.write("wharf.toml", imported.assert_success().output());
        // A tree of its own, as the other was before the client came; it belongs to whom Wharf runs as.
        let copied = run(Command::new("cp").arg("-r").arg(&peer.root).arg(folder.join("root")));
        copied.assert_success();
        let mut theirs = outcomes(peer.address);
        let served = Served::from_command(
            Command::new(WHARF)
                .args(["serve", "--config"])
                .arg(&file)
                .arg(folder.join("root"))
                .args(["--listen", "127.0.0.1:0"]),
        );
        let mut ours = outcomes(served.address());
        if lines.contains("anon_upload_enable=NO") {
            // Told of in the file: who may not store may not append either.
            assert!(folder_text(&file).contains("APPE to a file that is there"));
            ours.retain(|(what, _)| *what != "append");
            theirs.retain(|(what, _)| *what != "append");
        }
        assert_eq!(ours, theirs, "{lines:?}\n{}\n{}", folder_text(&file), served.log());
    }
}

fn folder_text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
