//! Real clients over FTPS: curl, lftp (GnuTLS), Python's ftplib, which cannot resume, and openssl.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::process::Command;

use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;
use wharf_testkit::{TestDirectory, has_ipv6, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const LENGTH: usize = 3_000_001;

/// Ends the test when the program is not there.
macro_rules! needs {
    ($program:literal) => {
        if !clients::is_installed($program) {
            skip!("{} is not installed", $program);
        }
    };
}

/// A server with a certificate for its name and addresses, and a file.
struct Serving {
    directory: TestDirectory,
    certificate: TestCertificate,
    served: Served,
}

impl Serving {
    fn start(listen: &str, flags: &[&str]) -> Self {
        let directory = TestDirectory::new();
        directory.write("file", sample(LENGTH));
        directory.write("small", "hello");
        let certificate = TestCertificate::new(&["localhost", "127.0.0.1", "::1"]);
        let given = certificate.flags();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let ours = ["--user", "test:secret", "--write", "-v", "--active-source-port", "any"];
        let flags = [&given[..], &ours, flags].concat();
        let served = Served::start_on(WHARF, directory.path(), listen, &flags);
        Self { directory, certificate, served }
    }

    /// `scheme://user:password@address/path`.
    fn url(&self, scheme: &str, listener: usize, path: &str) -> String {
        format!("{scheme}://test:secret@{}/{path}", self.served.addresses()[listener])
    }
}

/// Both families, as far as the machine has them.
fn families() -> impl Iterator<Item = &'static str> {
    ["127.0.0.1:0", "[::1]:0"].into_iter().filter(|listen| !listen.starts_with('[') || has_ipv6())
}

/// Whether what has nothing to do with the family was shown already.
fn is_second(listen: &str) -> bool {
    listen.starts_with('[')
}

#[track_caller]
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let place = got.iter().zip(expected).position(|(a, b)| a != b);
    assert!(got == expected, "{what}: {} of {} bytes, first difference {place:?}", got.len(), expected.len());
}

/// curl that verifies the certificate, which is its own issuer.
fn curl(serving: &Serving, arguments: &[&str]) -> Run {
    let mut command = clients::curl();
    command.arg("--cacert").arg(serving.certificate.certificate()).args(arguments);
    run(&mut command)
}

/// Passive only: curl 7.88 hangs in active mode under TLS, by its own fault.
#[test]
fn curl_sends_and_fetches_over_explicit_and_implicit_tls() {
    needs!("curl");
    for listen in families() {
        let serving = Serving::start(listen, &["--implicit-tls", listen]);
        let local = TestDirectory::new();
        let file = local.write("up", sample(LENGTH)).to_str().unwrap().to_owned();
        for (scheme, listener, tls) in [("ftp", 0, &["--ssl-reqd"][..]), ("ftps", 1, &[])] {
            for mode in [&[][..], &["--disable-epsv"]] {
                for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
                    if is_second(listen) && version[0] == "--tls-max" {
                        continue;
                    }
                    let arguments = [tls, mode, version].concat();
                    let what = format!("{listen} {scheme} {arguments:?}");
                    let fetched =
                        curl(&serving, &[&arguments[..], &[&serving.url(scheme, listener, "file")]].concat());
                    assert_same(&fetched.assert_success().stdout, &sample(LENGTH), &what);
                    let url = serving.url(scheme, listener, "sent");
                    curl(&serving, &[&arguments[..], &["-T", &file, &url]].concat()).assert_success();
                    assert_same(&serving.directory.read("sent"), &sample(LENGTH), &what);
                    // One control connection, several transfers and a listing.
                    let small = serving.url(scheme, listener, "small");
                    let several = [&small, &small, &small, &serving.url(scheme, listener, "")];
                    let several = curl(&serving, &[&arguments[..], &several.map(String::as_str)].concat());
                    assert!(several.assert_success().output().starts_with(&"hello".repeat(3)), "{several}");
                }
            }
        }
        let log = serving.served.stop();
        assert!(log.contains("resumed=true") && !log.contains("resumed=false"), "{log}");
    }
}

fn lftp(serving: &Serving, mode: LftpMode, settings: &str, script: &str) -> Run {
    let script = format!(
        "set ftp:ssl-allow yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:verify-certificate no; \
         {settings}; open {}; {script}",
        serving.url("ftp", 0, "")
    );
    run(&mut clients::lftp(mode, &script))
}

#[test]
fn lftp_sends_fetches_and_mirrors_in_both_modes() {
    needs!("lftp");
    for listen in families() {
        let serving = Serving::start(listen, &[]);
        for number in 0..30 {
            serving.directory.write(format!("tree/{}/file {number}", number % 3), sample(number * 1000));
        }
        for mode in [LftpMode::Passive, LftpMode::ExtendedPassive, LftpMode::Active] {
            // Both versions, and GnuTLS' name for 1.2 alone.
            for priority in ["", "NORMAL:-VERS-ALL:+VERS-TLS1.2"] {
                if is_second(listen) && !priority.is_empty() {
                    continue;
                }
                let what = format!("{listen} {mode:?} {priority}");
                let local = TestDirectory::new();
                let path = local.path().display();
                let script = format!(
                    "get file -o {path}/got; put {path}/got -o sent; cls; mirror --parallel=4 tree {path}/tree; \
                     mirror -R --parallel=4 {path}/tree back"
                );
                lftp(&serving, mode, &format!("set ssl:priority \"{priority}\""), &script).assert_success();
                assert_same(&local.read("got"), &sample(LENGTH), &what);
                assert_same(&serving.directory.read("sent"), &sample(LENGTH), &what);
                for number in 0..30 {
                    let name = format!("{}/file {number}", number % 3);
                    assert_same(&local.read(format!("tree/{name}")), &sample(number * 1000), &what);
                    assert_same(
                        &serving.directory.read(format!("back/{name}")),
                        &sample(number * 1000),
                        &what,
                    );
                }
            }
        }
        let log = serving.served.stop();
        assert!(log.contains("tls=1.3 resumed=true"), "{log}");
        assert!(is_second(listen) || log.contains("tls=1.2 resumed=true"), "{log}");
        assert!(!log.contains("resumed=false") && !log.contains("transfer failed"), "{log}");
    }
}

const FTPLIB: &str = "for mode in (True, False):\n\
                      \x20   ftp.set_pasv(mode)\n\
                      \x20   got = io.BytesIO()\n\
                      \x20   ftp.retrbinary('RETR file', got.write)\n\
                      \x20   got.seek(0)\n\
                      \x20   ftp.storbinary('STOR sent', got)\n\
                      \x20   print(len(got.getvalue()), sorted(ftp.nlst()))\n";

#[test]
fn ftplib_which_cannot_resume_is_served_where_that_is_preferred_or_off() {
    needs!("python3");
    for resumption in ["prefer", "off"] {
        let serving = Serving::start("127.0.0.1:0", &["--tls-resumption", resumption]);
        let run = run(&mut clients::ftplib_tls(serving.served.address(), "test", "secret", FTPLIB));
        let expected = format!("{LENGTH} ['file', 'sent', 'small']\n");
        assert_eq!(run.assert_success().output(), expected.repeat(2), "{run}");
        assert_same(&serving.directory.read("sent"), &sample(LENGTH), resumption);
    }
}

#[test]
fn ftplib_is_told_the_setting_where_resumption_is_required() {
    needs!("python3");
    let serving = Serving::start("127.0.0.1:0", &[]);
    let script = "for mode in (True, False):\n\
                  \x20   ftp.set_pasv(mode)\n\
                  \x20   try:\n\
                  \x20       ftp.retrbinary('RETR file', lambda block: print('data came'))\n\
                  \x20   except ftplib.error_perm as error:\n\
                  \x20       print(error)\n\
                  print(ftp.voidcmd('NOOP'))\n";
    let run = run(&mut clients::ftplib_tls(serving.served.address(), "test", "secret", script));
    let said = run.assert_success().output();
    assert_eq!(said.matches("522 ").count(), 2, "{run}");
    assert!(said.contains("resumption = \"require\"") && said.ends_with("200 OK.\n"), "{run}");
    assert!(!said.contains("data came"), "{run}");
    let log = serving.served.stop();
    assert_eq!(log.matches("possible_cause=\"tls-resumption-required\"").count(), 2, "{log}");
}

#[test]
fn openssl_speaks_to_the_control_connection_and_verifies_the_certificate() {
    needs!("openssl");
    let serving = Serving::start("127.0.0.1:0", &["--implicit-tls", "127.0.0.1:0"]);
    for (listener, starttls) in [(0, "-starttls ftp"), (1, "")] {
        for version in ["-tls1_2", "-tls1_3"] {
            // Commands come on standard input, which a program in a test does not have.
            let talk = format!(
                "printf 'USER test\\r\\nPASS secret\\r\\nPBSZ 0\\r\\nPROT P\\r\\nQUIT\\r\\n' | \
                 openssl s_client -connect {} {starttls} {version} -quiet -ign_eof -verify_return_error -CAfile {}",
                serving.served.addresses()[listener],
                serving.certificate.certificate().display()
            );
            let run = run(Command::new("sh").args(["-c", &talk]));
            let codes: Vec<String> =
                run.assert_success().output().lines().map(|line| line[..3].to_owned()).collect();
            // It reads the greeting before TLS itself.
            let greeting = if starttls.is_empty() { &["220"][..] } else { &[] };
            assert_eq!(codes, [greeting, &["331", "230", "200", "200", "221"]].concat(), "{run}");
        }
    }
    // TLS 1.1 is history.
    let old = format!(
        "openssl s_client -connect {} -starttls ftp -tls1_1 -cipher ALL:@SECLEVEL=0 < /dev/null",
        serving.served.address()
    );
    let run = run(Command::new("sh").args(["-c", &old]));
    assert!(run.errors().contains("SSL alert number"), "{run}");
    let log = serving.served.stop();
    assert!(log.contains("possible_cause=\"tls-no-common-version\""), "{log}");
}
