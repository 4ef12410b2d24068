//! The client under TLS as a program, with our own server, which demands resumption: what is verified, what is said, how it
//! ends; and the library in every mode and both versions.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;
use std::process::Command;

use wharf_client::login::ServerAddress;
use wharf_client::observer::Silent;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::{ModeChoice, Options, TlsMode, TlsOptions};
use wharf_client::url::Scheme;
use wharf_client::{Attempt, Destination, Login, Session};
use wharf_net::tls::{ConnectorOptions, TlsVersion};
use wharf_proto::command::{Password, Text};
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::pathname::Pathname;
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;
use wharf_testkit::{TestDirectory, clients, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than a record and a piece, and no multiple of anything.
const LENGTH: usize = 400_001;

/// Serves `directory` to the user `test`, for writing, with these flags.
fn serve(directory: &TestDirectory, certificate: &TestCertificate, flags: &[&str]) -> Served {
    let given = certificate.flags();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let ours = ["--user", "test:secret", "--write", "--active-source-port", "any"];
    Served::start(WHARF, directory.path(), &[&given[..], &ours, flags].concat())
}

/// `wharf` in a directory, with a home that has no netrc and a machine that trusts nobody.
fn wharf(directory: &TestDirectory, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.args(words).current_dir(directory.path()).env("HOME", directory.path());
    command.env("SSL_CERT_FILE", directory.join("no authorities")).env("SSL_CERT_DIR", directory.path());
    command
}

fn get(directory: &TestDirectory, url: &str, flags: &[&str]) -> Run {
    let run = run(&mut wharf(directory, &[&["get", url, "-o", "got"], flags].concat()));
    assert!(!run.errors().contains("secret") && !run.output().contains("secret"), "{run}");
    run
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The events of a run with `--json`.
fn event(run: &Run) -> serde_json::Value {
    serde_json::from_str(run.output().lines().last().unwrap()).unwrap()
}

#[test]
fn who_the_server_is_decides_where_tls_is_required() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let good = TestCertificate::new(&["127.0.0.1"]);
    let other = TestCertificate::new(&["another.example"]);
    let expired = TestCertificate::expired(&["127.0.0.1"]);
    for (certificate, reason) in
        [(&good, None), (&other, Some("another.example")), (&expired, Some("expired"))]
    {
        let served = serve(&served_from, certificate, &[]);
        let url = |scheme: &str| format!("{scheme}://test:secret@{}/file", served.address());
        let trusted = text(&certificate.certificate());
        for (scheme, flags) in [("ftpes", &[][..]), ("ftp", &["--tls", "require"])] {
            let untrusted = get(&directory, &url(scheme), flags);
            untrusted.assert_code(4);
            assert!(untrusted.errors().contains("certificate-invalid"), "{untrusted}");
            let trusting = get(&directory, &url(scheme), &[flags, &["--ca", &trusted, "--json"]].concat());
            match reason {
                None => {
                    let done = event(trusting.assert_code(0));
                    assert_eq!(done["control"]["verified"], true, "{done}");
                }
                Some(reason) => {
                    trusting.assert_code(4);
                    assert!(trusting.errors().contains(reason), "{trusting}");
                    let said = event(&trusting);
                    assert_eq!(said["findings"][0]["cause"], "certificate-invalid", "{said}");
                }
            }
            let insecure = get(&directory, &url(scheme), &[flags, &["--insecure"]].concat());
            assert_eq!(insecure.assert_code(0).errors(), "", "who asks for it knows it");
        }
        // By itself it is used, and that is said: once, and not where nothing is to be said.
        let by_itself = get(&directory, &url("ftp"), &[]);
        by_itself.assert_code(0);
        assert_eq!(by_itself.errors().matches("does not prove who it is").count(), 1, "{by_itself}");
        assert_eq!(get(&directory, &url("ftp"), &["--quiet"]).assert_code(0).errors(), "");
        assert_eq!(get(&directory, &url("ftp"), &["--tls", "off"]).assert_code(0).errors(), "");
        assert_eq!(directory.read("got"), b"hello");
    }
}

#[test]
fn the_machines_authorities_are_trusted() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let served = serve(&served_from, &certificate, &[]);
    let url = format!("ftpes://test:secret@{}/file", served.address());
    let mut command = wharf(&directory, &["get", &url]);
    run(command.env("SSL_CERT_FILE", certificate.certificate())).assert_code(0);
}

/// As `openssl req -x509` makes it, a server's certificate claims to be an authority; named itself, it is trusted.
#[test]
fn a_certificate_that_openssl_made_is_trusted_by_itself() {
    if !clients::is_installed("openssl") {
        skip!("openssl is not installed");
    }
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| text(&directory.join(name)));
    let names = "subjectAltName=IP:127.0.0.1";
    let words =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "9", "-addext", names];
    run(Command::new("openssl").args(words).args(["-keyout", &key, "-out", &certificate])).assert_success();
    let flags = ["--tls-cert", &certificate, "--tls-key", &key, "--user", "test:secret"];
    let served = Served::start(WHARF, served_from.path(), &flags);
    let url = format!("ftpes://test:secret@{}/file", served.address());
    let unknown = get(&directory, &url, &[]);
    assert!(unknown.assert_code(4).errors().contains("it signs itself"), "{unknown}");
    get(&directory, &url, &["--ca", &certificate]).assert_code(0);
    let by_name = format!("ftpes://test:secret@localhost:{}/file", served.address().port());
    get(&directory, &by_name, &["-4", "--ca", &certificate]).assert_code(4);
}

#[test]
fn what_protects_each_connection_is_told() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let served = serve(&served_from, &certificate, &["--implicit-tls", "127.0.0.1:0"]);
    let ca = text(&certificate.certificate());
    for (scheme, address) in [("ftpes", served.address()), ("ftps", served.addresses()[1])] {
        let url = format!("{scheme}://test:secret@{address}/file");
        let run = get(&directory, &url, &["--ca", &ca, "--json", "-v"]);
        let done = event(run.assert_code(0));
        assert_eq!([&done["tls"], &done["resumed"], &done["verified"]], [true; 3], "{done}");
        assert_eq!(done["tls_version"], "1.3", "{done}");
        let control =
            serde_json::json!({ "tls": true, "tls_version": "1.3", "resumed": false, "verified": true });
        assert_eq!(done["control"], control);
        let said = run.errors();
        assert!(
            said.contains("* control connection under TLS 1.3, new session, certificate verified"),
            "{said}"
        );
        assert!(said.contains("opened by us), TLS 1.3, session resumed, certificate verified"), "{said}");
        assert!(said.contains("> PROT P") && said.contains("> FEAT"), "{said}");
    }
    let clear = get(
        &directory,
        &format!("ftp://test:secret@{}/file", served.address()),
        &["--tls", "off", "--json", "-v"],
    );
    let done = event(clear.assert_code(0));
    assert_eq!([&done["tls"], &done["resumed"], &done["control"]["tls"]], [false, false, false], "{done}");
    assert!(
        clear.errors().contains("* control connection not under TLS") && !clear.errors().contains("> AUTH"),
        "{clear}"
    );
}

#[test]
fn a_server_without_tls_is_spoken_to_in_clear_unless_that_is_forbidden() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let served = Served::start(WHARF, served_from.path(), &["--user", "test:secret"]);
    let url = |scheme: &str| format!("{scheme}://test:secret@{}/file", served.address());
    assert_eq!(get(&directory, &url("ftp"), &[]).assert_code(0).errors(), "");
    let refused = get(&directory, &url("ftpes"), &[]);
    assert!(refused.assert_code(4).errors().contains("AUTH TLS"), "{refused}");
    get(&directory, &url("ftp"), &["--tls", "require"]).assert_code(4);
    let in_clear = get(&directory, &url("ftps"), &["--timeout", "5"]);
    assert!(in_clear.assert_code(4).errors().contains("ftpes://"), "{in_clear}");
}

#[test]
fn a_server_that_wants_tls_is_told_as_such_to_who_forbids_it() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let served = serve(&served_from, &certificate, &["--tls", "require"]);
    let refused = get(&directory, &format!("ftp://test:secret@{}/file", served.address()), &["--tls", "off"]);
    assert!(refused.assert_code(5).errors().contains("leave --tls off out"), "{refused}");
}

#[test]
fn the_control_connection_goes_on_in_clear_where_the_server_lets_it() {
    let (served_from, directory) = (TestDirectory::new(), TestDirectory::new());
    served_from.write("file", "hello");
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let ca = text(&certificate.certificate());
    let allowing = directory.write("wharf.toml", "[tls]\nclear_control = true\n");
    for (flags, cleared) in [(&["--config", &text(&allowing)][..], true), (&[], false)] {
        let served = serve(&served_from, &certificate, flags);
        let url = format!("ftpes://test:secret@{}/file", served.address());
        let run = get(&directory, &url, &["--ca", &ca, "--ccc", "--json", "-v"]);
        let done = event(run.assert_code(0));
        assert_eq!([&done["tls"], &done["resumed"]], [true, true], "{done}");
        let said = run.errors();
        assert_eq!(said.contains("goes on in clear (CCC)"), cleared, "{said}");
        assert_eq!(said.contains("stays under TLS"), !cleared, "{said}");
    }
}

#[test]
fn files_of_the_users_own_are_looked_at_first() {
    let directory = TestDirectory::new();
    let certificate = TestCertificate::new(&["me"]);
    let other = TestCertificate::new(&["me"]);
    let nonsense = text(&directory.write("nonsense", "no certificate"));
    let [cert, key, other_key] =
        [certificate.certificate(), certificate.key(), other.key()].map(|path| text(&path));
    for flags in [
        &["--ca", &nonsense][..],
        &["--cert", &nonsense],
        &["--cert", "missing", "--key", &key],
        &["--cert", &cert, "--key", &other_key],
        &["--cert", &cert],
    ] {
        get(&directory, "ftpes://127.0.0.1:1/file", flags).assert_code(9);
    }
}

/// Get, put, list, and both kinds of going on; each data connection resumes.
async fn all_operations(session: &mut Session, served_from: &TestDirectory, version: TlsVersion) {
    let local = TestDirectory::new();
    let content = sample(LENGTH);
    let path = |path: &str| Pathname::new(path).unwrap();
    let resumed = |attempt: Option<Attempt>| {
        let secured = attempt.unwrap().secured.unwrap();
        assert_eq!((secured.version, secured.is_resumed, secured.is_verified), (version, true, true));
    };
    let into = |resume| {
        let destination = Destination::Directory(local.path().to_owned());
        DownloadOptions { destination, resume, ascii: false }
    };
    for have in [0, 200_000] {
        local.write("large.part", &content[..have]);
        resumed(session.download(&path("large"), &into(have > 0)).await.unwrap().attempt);
        assert!(local.read("large") == content, "another content");
    }
    for have in [0, 200_000] {
        served_from.write("up", &content[..have]);
        let source = UploadSource::File(local.write("large", &content));
        let options = UploadOptions { resume: have > 0, ..UploadOptions::default() };
        resumed(session.upload(source, &path("up"), options).await.unwrap().attempt);
        assert!(served_from.read("up") == content, "another content");
    }
    let mut names = Vec::new();
    resumed(session.list(None, |entry| names.push(entry.name)).await.unwrap().attempt);
    assert!(names.contains(&b"large".to_vec()), "{names:?}");
    session.download(&path("missing"), &into(false)).await.unwrap_err();
    session.download(&path("empty"), &into(false)).await.unwrap();
    assert_eq!(local.read("empty"), b"");
}

#[tokio::test]
async fn every_mode_in_both_versions_and_many_transfers_in_one_session() {
    const ROUNDS: usize = 40;
    let served_from = TestDirectory::new();
    served_from.write("large", sample(LENGTH));
    served_from.write("empty", "");
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let served = serve(&served_from, &certificate, &["--tls", "require"]);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for command in NegotiationCommand::ALL {
            let authorities = vec![certificate.certificate()];
            let connector = ConnectorOptions { authorities, newest: Some(version), identity: None };
            let tls = TlsOptions { mode: TlsMode::Require, connector, ..TlsOptions::default() };
            let options = Options { mode: ModeChoice::Only(command), tls, ..Options::default() };
            let login = Login {
                user: Text::new("test").unwrap(),
                password: Some(Password::new("secret").unwrap()),
                account: None,
            };
            let address = served.address();
            let server =
                ServerAddress { scheme: Scheme::Ftp, host: address.ip().to_string(), port: address.port() };
            let mut session = Session::connect(server, login, options, Box::new(Silent)).await.unwrap();
            // Two hundred data connections in one of the modes.
            let rounds = if command == NegotiationCommand::Epsv { ROUNDS } else { 1 };
            for _ in 0..rounds {
                all_operations(&mut session, &served_from, version).await;
            }
            session.quit().await;
        }
    }
}
