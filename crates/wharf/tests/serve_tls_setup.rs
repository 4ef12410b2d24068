//! What `wharf serve` says of its certificates at the start: what is wrong, with which file, and what to do.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use wharf_testkit::process::{Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TestCertificate, TlsOptions};
use wharf_testkit::{TestDirectory, clients, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// `wharf serve --check` with these flags.
fn check(flags: &[&str]) -> Run {
    let directory = TestDirectory::new();
    let mut command = Command::new(WHARF);
    command.arg("serve").arg(directory.path()).args(["--listen", "127.0.0.1:0", "--check"]).args(flags);
    command.env("STATE_DIRECTORY", directory.join("state"));
    run(&mut command)
}

/// The check fails with an error that holds each of `texts`.
#[track_caller]
fn refused(flags: &[&str], texts: &[&str]) {
    let run = check(flags);
    run.assert_code(1);
    for text in texts {
        assert!(run.errors().contains(text), "no `{text}` in {run}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_its_file() {
    let (own, other) = (TestCertificate::new(&["one.example"]), TestCertificate::new(&["two.example"]));
    let files = TestDirectory::new();
    let path = |file: std::path::PathBuf| file.to_str().unwrap().to_owned();
    let (certificate, key, foreign) = (path(own.certificate()), path(own.key()), path(other.key()));
    let missing = path(files.join("missing.pem"));
    let empty = path(files.write("empty.pem", ""));
    let broken =
        path(files.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = path(files.write("locked.pem", locked));

    assert_eq!(check(&["--tls-cert", &certificate, "--tls-key", &key]).assert_success().errors(), "");
    let pair = |certificate, key| ["--tls-cert", certificate, "--tls-key", key];
    refused(&pair(&certificate, &foreign), &["does not belong to the certificate", &certificate, &foreign]);
    refused(&pair(&missing, &key), &["cannot read the certificate", &missing, "No such file"]);
    refused(&pair(&certificate, &missing), &["cannot read the key", &missing]);
    refused(&pair(&empty, &key), &[&empty, "holds no certificate in PEM"]);
    refused(&pair(&certificate, &empty), &[&empty, "holds no private key in PEM"]);
    refused(&pair(&broken, &key), &[&broken, "cannot be used"]);
    refused(&pair(&certificate, &locked), &[&locked, "encrypted with a passphrase", "openssl pkey"]);
    refused(
        &["--tls-cert", &certificate],
        &["--tls-cert (tls.certificate) is given once and --tls-key (tls.key) never"],
    );
    refused(
        &["--tls-key", &key],
        &["--tls-cert (tls.certificate) is given never and --tls-key (tls.key) once"],
    );
    refused(&["--tls", "require"], &["--tls needs a certificate", "--tls-self-signed"]);
    refused(&["--implicit-tls", "127.0.0.1:0"], &["--implicit-tls needs a certificate"]);
}

#[test]
fn what_has_no_effect_and_what_has_expired_is_a_warning() {
    let (good, expired) =
        (TestCertificate::new(&["one.example"]), TestCertificate::expired(&["one.example"]));
    let warned = |certificate: &TestCertificate, more: &[&str]| {
        let given = certificate.flags();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        check(&[&given[..], more].concat()).assert_success().errors()
    };
    let said = warned(&expired, &[]);
    assert!(said.contains("has expired") && said.contains("SIGHUP"), "{said}");
    let said = warned(&good, &["--tls", "off"]);
    assert!(said.contains("the certificate is not used"), "{said}");
    assert_eq!(warned(&good, &["--tls", "off", "--implicit-tls", "127.0.0.1:0"]), "");
    let said = check(&["--tls-resumption", "off"]).assert_success().errors();
    assert!(said.contains("--tls-resumption changes nothing"), "{said}");
    let clash = check(&["--tls-self-signed", "--tls-cert", "x"]);
    clash.assert_code(2);
}

#[test]
fn a_certificate_of_ones_own_is_made_once_and_kept_for_its_owner_only() {
    let (directory, state) = (TestDirectory::new(), TestDirectory::new());
    directory.write("file", "content");
    let start = || {
        let mut command = Command::new(WHARF);
        command.arg("serve").arg(directory.path()).args(["--listen", "127.0.0.1:0", "--tls-self-signed"]);
        command.env("STATE_DIRECTORY", state.join("wharf"));
        Served::from_command(&mut command)
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let served = start();
        let mut client = FtpsClient::connect(served.address(), &TlsOptions::default());
        client.auth().log_in("anonymous", "guest");
        assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true));
        seen.push(client.certificate());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(fs::read_dir(state.join("wharf")).unwrap().count(), 1);
    let file = state.join("wharf/self-signed.pem");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    if !clients::is_installed("openssl") {
        skip!("openssl is not installed");
    }
    let shown =
        run(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&file));
    let names = shown.assert_success().output();
    assert!(names.contains("DNS:localhost") && names.contains("IP Address:127.0.0.1"), "{shown}");
    let lasts =
        run(Command::new("openssl").args(["x509", "-noout", "-checkend", "31536000", "-in"]).arg(&file));
    lasts.assert_success();
}

/// The commands of docs/ftps.md, with this machine's paths and a free port in place of those that they name.
#[test]
fn the_commands_of_the_document_are_understood() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ftps.md")).unwrap();
    let (certificate, directory) = (TestCertificate::new(&["localhost"]), TestDirectory::new());
    let mut count = 0;
    for block in document.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\\\n", " ");
        for line in block.lines() {
            let line = line
                .replace("/srv/ftp", directory.path().to_str().unwrap())
                .replace("/etc/wharf/cert.pem", certificate.certificate().to_str().unwrap())
                .replace("/etc/wharf/key.pem", certificate.key().to_str().unwrap())
                .replace("0.0.0.0:21", "127.0.0.1:0");
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "wharf");
            let mut command = Command::new(WHARF);
            command.args(&words[1..]).arg("--check").env("WHARF_PASSWORD", "secret");
            assert_eq!(run(&mut command).assert_success().errors(), "", "{line}");
            count += 1;
        }
    }
    assert!(count > 0, "the document shows how it is started");
}
