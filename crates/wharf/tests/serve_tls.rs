//! FTPS as `wharf serve` speaks it, seen by a rustls client: every mode, both versions, with and without resumption;
//! many transfers; implicit TLS; certificates by name, and renewed while a session lives.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{Read, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::{STEP_LIMIT, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TLS12, TLS13, TestCertificate, TlsOptions, finish, is_resumed};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than a record, a piece and all socket buffers, and no multiple of anything.
const LENGTH: usize = 9_000_001;

/// Serves `directory` under TLS to the user `test`, for writing.
fn serve(directory: &TestDirectory, certificate: &TestCertificate, flags: &[&str]) -> Served {
    let given = certificate.flags();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let ours = ["--user", "test:secret", "--write", "-v", "--active-source-port", "any"];
    Served::start(WHARF, directory.path(), &[&given[..], &ours, flags].concat())
}

/// A client that is logged in, with data under TLS.
fn log_in(served: &Served, options: &TlsOptions) -> FtpsClient {
    let mut client = FtpsClient::connect(served.address(), options);
    client.auth().log_in("test", "secret");
    client
}

#[track_caller]
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let place = got.iter().zip(expected).position(|(a, b)| a != b);
    assert!(got == expected, "{what}: {} of {} bytes, first difference {place:?}", got.len(), expected.len());
}

#[test]
fn every_mode_carries_files_both_ways_in_both_versions_resumed_or_not() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("small", "hello");
    directory.write("empty", "");
    directory.write("large", sample(LENGTH));
    for (resumes, flags) in [(true, &[][..]), (false, &["--tls-resumption", "prefer"])] {
        let served = serve(&directory, &certificate, flags);
        for (version, versions) in [("1.2", TLS12), ("1.3", TLS13)] {
            let mut client = log_in(&served, &TlsOptions { versions, resumes, ..TlsOptions::default() });
            for mode in Mode::ALL {
                let what = format!("{mode:?} {version} {resumes}");
                for (name, content) in [("small", &b"hello"[..]), ("empty", b""), ("large", &sample(LENGTH))]
                {
                    let (got, resumed) = client.fetch(mode, &format!("RETR {name}"));
                    assert_same(&got, content, &what);
                    assert_eq!(resumed, resumes, "{what}");
                    assert_eq!(client.store(mode, "STOR up", content), resumes, "{what}");
                    assert_same(&directory.read("up"), content, &what);
                }
                let (listing, _) = client.fetch(mode, "MLSD");
                assert!(String::from_utf8(listing).unwrap().contains(" large\r\n"), "{what}");
                // Text goes another way than files.
                client.expect("TYPE A", 200);
                client.store(mode, "STOR text", b"one\r\ntwo\r\n");
                assert_same(&directory.read("text"), b"one\ntwo\n", &what);
                assert_same(&client.fetch(mode, "RETR text").0, b"one\r\ntwo\r\n", &what);
                client.expect("TYPE I", 200);
            }
            client.expect("QUIT", 221);
        }
        let log = served.stop();
        assert!(log.contains(&format!("tls=1.2 resumed={resumes}")), "{log}");
        assert!(log.contains(&format!("tls=1.3 resumed={resumes}")), "{log}");
        assert!(!log.contains("WARN"), "{log}");
    }
}

#[test]
fn a_restart_and_an_append_work_under_tls() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", sample(LENGTH));
    let served = serve(&directory, &certificate, &[]);
    let mut client = log_in(&served, &TlsOptions::default());
    client.expect("REST 4000000", 350);
    assert_same(&client.fetch(Mode::Epsv, "RETR file").0, &sample(LENGTH)[4_000_000..], "the rest");
    client.store(Mode::Epsv, "APPE file", b"more");
    assert_same(&directory.read("file"), &[&sample(LENGTH)[..], b"more"].concat(), "appended");
}

/// The order of TLS and 150 is the client's choice: one begins TLS before it has read the 150, another only behind it.
#[test]
fn tls_begins_before_or_behind_the_150() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", sample(100_000));
    let served = serve(&directory, &certificate, &[]);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&served, &TlsOptions { versions, ..TlsOptions::default() });
        for mode in Mode::ALL {
            let negotiated = client.negotiate(mode);
            client.say(b"RETR file\r\n");
            let stream = client.open(negotiated);
            let mut data = client.handshake(stream).unwrap();
            let mut content = Vec::new();
            data.read_to_end(&mut content).unwrap();
            assert_same(&content, &sample(100_000), "read before the 150");
            assert_eq!([client.reply().0, client.reply().0], [150, 226]);
            // As strictly as can be: nothing of TLS before the 150 has been read.
            let mut data = client.begin(mode, "STOR up");
            data.write_all(b"content").unwrap();
            finish(data).unwrap();
            assert_eq!(client.reply().0, 226);
        }
    }
}

/// `count` transfers, up and down, in turn in each mode; each must resume.
fn many_transfers(client: &mut FtpsClient, name: &str, count: usize) {
    let content = sample(3000);
    for number in 0..count {
        let mode = Mode::ALL[number / 2 % 4];
        if number % 2 == 0 {
            assert!(client.store(mode, &format!("STOR {name}"), &content), "number {number}");
        } else {
            let (got, resumed) = client.fetch(mode, &format!("RETR {name}"));
            assert_same(&got, &content, name);
            assert!(resumed, "number {number}");
        }
    }
}

#[test]
fn a_thousand_transfers_in_one_session_all_resume() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    let served = serve(&directory, &certificate, &[]);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&served, &TlsOptions { versions, ..TlsOptions::default() });
        many_transfers(&mut client, "file", 1000);
    }
    assert!(!served.stop().contains("reply=522"));
}

/// A client that uses each ticket once, and gets none on the way: those of its uploads come behind their end.
#[test]
fn tickets_that_are_used_once_do_not_run_out_in_a_thousand_uploads() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    let served = serve(&directory, &certificate, &[]);
    let mut client = log_in(&served, &TlsOptions { versions: TLS13, ..TlsOptions::default() });
    for number in 0..1000 {
        assert!(client.store(Mode::Epsv, "STOR file", b"content"), "number {number}");
    }
}

#[test]
fn a_thousand_transfers_in_fifty_parallel_sessions_all_resume() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    let served = serve(&directory, &certificate, &[]);
    // Some share their tickets, as the connections of one client do, and leave before others: with 1.2 one session for
    // many, with 1.3 as many as a client keeps tickets for.
    let options = [TLS12, TLS13].map(|versions| TlsOptions { versions, ..TlsOptions::default() });
    let all_are_in = Barrier::new(50);
    thread::scope(|scope| {
        for group in 0..20 {
            let (options, size) = if group == 0 { (&options[0], 12) } else { (&options[1], 2) };
            let config = options.config();
            for number in 0..size {
                let (config, served, all_are_in) = (config.clone(), &served, &all_are_in);
                scope.spawn(move || {
                    let mut client = FtpsClient::with_config(served.address(), options, config);
                    client.auth().log_in("test", "secret");
                    // Tickets of a session in which nobody is logged in yet are good for nothing.
                    all_are_in.wait();
                    many_transfers(&mut client, &format!("file{group}-{number}"), 20 + number % 2 * 20);
                });
            }
        }
    });
    assert!(!served.stop().contains("reply=522"));
}

/// An upload of a client that never reads, and closes as soon as it has written: nothing may turn its close into RST.
#[test]
fn an_upload_is_whole_though_its_client_reads_nothing() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    let served = serve(&directory, &certificate, &[]);
    let content = sample(2_000_000);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&served, &TlsOptions { versions, ..TlsOptions::default() });
        // Both versions of the client have a ticket for each: 1.3 has eight from the control connection.
        for number in 0..8 {
            let mut data = client.begin(Mode::ALL[number % 4], "STOR up");
            data.write_all(&content).unwrap();
            data.conn.send_close_notify();
            while data.conn.wants_write() {
                data.conn.write_tls(&mut data.sock).unwrap();
            }
            drop(data);
            assert_eq!(client.reply().0, 226);
            assert_same(&directory.read("up"), &content, "the upload");
        }
    }
}

#[test]
fn implicit_tls_comes_before_the_greeting_and_protects_data() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = serve(&directory, &certificate, &["--tls", "off", "--implicit-tls", "127.0.0.1:0"]);
    let mut client = FtpsClient::connect_implicit(served.addresses()[1], &TlsOptions::default());
    client.expect("AUTH TLS", 503);
    client.expect("USER test", 331);
    client.expect("PASS secret", 230);
    client.expect("TYPE I", 200);
    // Nobody sent PBSZ or PROT.
    for mode in Mode::ALL {
        assert_eq!(client.fetch(mode, "RETR file"), (b"content".to_vec(), true));
    }
    // The other port knows no TLS then.
    let mut clear = FtpsClient::connect(served.addresses()[0], &TlsOptions::default());
    clear.expect("AUTH TLS", 534);
    assert!(!clear.expect("FEAT", 211).contains("AUTH"));
}

#[test]
fn the_certificate_is_chosen_by_name_and_the_first_is_the_default() {
    let first = TestCertificate::new(&["one.example"]);
    let second = TestCertificate::new(&["two.example", "*.three.example"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let more = second.flags();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let served = serve(&directory, &first, &more);
    for versions in [TLS12, TLS13] {
        for (server_name, expected) in [
            ("one.example", &first),
            ("two.example", &second),
            ("a.three.example", &second),
            ("unknown.example", &first),
            ("127.0.0.1", &first),
        ] {
            let options = TlsOptions { versions, server_name, ..TlsOptions::default() };
            let mut client = log_in(&served, &options);
            assert_eq!(&client.certificate(), expected.der(), "{server_name}");
            assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true), "{server_name}");
        }
    }
}

/// Waits until the server's log holds `text` so many times.
#[track_caller]
fn expect_log(served: &Served, text: &str, times: usize) {
    let deadline = Instant::now() + STEP_LIMIT;
    while served.log().matches(text).count() < times {
        assert!(Instant::now() < deadline, "no `{text}` in the log:\n{}", served.log());
        thread::sleep(Duration::from_millis(5)); // the log comes through a pipe that nobody announces
    }
}

#[test]
fn certificates_are_renewed_while_a_session_goes_on() {
    let mut certificate = TestCertificate::new(&["localhost"]);
    let old = certificate.der().clone();
    let directory = TestDirectory::new();
    directory.write("large", sample(LENGTH));
    let mut served = serve(&directory, &certificate, &[]);
    let mut clients: Vec<FtpsClient> = [TLS12, TLS13]
        .into_iter()
        .map(|versions| log_in(&served, &TlsOptions { versions, ..TlsOptions::default() }))
        .collect();
    // Transfers that are under way while it happens.
    let mut running: Vec<_> =
        clients.iter_mut().map(|client| client.begin(Mode::Epsv, "RETR large")).collect();
    certificate.renew(&["localhost"]);
    served.program().signal(Signal::HUP);
    expect_log(&served, "the certificates were read anew", 1);
    for (client, data) in clients.iter_mut().zip(&mut running) {
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap();
        assert_same(&content, &sample(LENGTH), "under way");
        assert_eq!(client.reply().0, 226);
        // Tickets from before are good.
        many_transfers(client, "file", 8);
    }
    assert_ne!(&old, certificate.der());
    let mut client = log_in(&served, &TlsOptions::default());
    assert_eq!(&client.certificate(), certificate.der());
    many_transfers(&mut client, "file", 2);
    // What cannot be used does not replace what works.
    std::fs::write(certificate.key(), "nothing").unwrap();
    served.program().signal(Signal::HUP);
    expect_log(&served, "the old certificates stay in use", 1);
    assert_eq!(&log_in(&served, &TlsOptions::default()).certificate(), certificate.der());
}

#[test]
fn without_a_certificate_there_is_no_tls() {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &[]);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    client.play("C: AUTH TLS\nS: 502\nC: PBSZ 0\nS: 503\nC: PROT P\nS: 503\nC: CCC\nS: 503");
    client.send_line("FEAT");
    let features = client.expect_reply("211");
    assert!(!features.contains("AUTH") && !features.contains("PROT"), "{features}");
}

#[test]
fn the_commands_of_rfc_4217_are_answered_as_it_says() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = serve(&directory, &certificate, &[]);
    let mut client = FtpsClient::connect(served.address(), &TlsOptions::default());
    let features = client.expect("FEAT", 211);
    for feature in ["AUTH TLS", "PBSZ", "PROT"] {
        assert!(features.contains(&format!("\r\n {feature}\r\n")), "{features}");
    }
    assert!(!features.contains("CCC"), "{features}");
    client.expect("AUTH KERBEROS_V4", 504);
    client.expect("PBSZ 0", 503);
    client.expect("PROT P", 503);
    // A login from before is void.
    client.expect("USER test", 331);
    client.expect("PASS secret", 230);
    client.auth();
    client.expect("PWD", 530);
    client.expect("AUTH TLS", 503);
    client.expect("PROT P", 503);
    assert!(client.expect("PBSZ 65536", 200).contains("PBSZ=0"));
    client.expect("PBSZ 0", 200);
    client.expect("PROT S", 536);
    client.expect("PROT E", 536);
    client.expect("PROT X", 504);
    client.expect("PROT C", 200);
    client.log_in("test", "secret");
    client.expect("PROT C", 534);
    client.expect("CCC", 534);
    assert_eq!(client.fetch(Mode::Epsv, "RETR file").0, b"content");
    // REIN ends TLS, behind a reply that is still under it (RFC 4217 §11).
    client.expect("REIN", 220);
    client.end_tls();
    client.expect("PBSZ 0", 503);
    client.auth().log_in("test", "secret");
    assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true));
}

#[test]
fn with_tls_required_nothing_goes_in_clear() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = serve(&directory, &certificate, &["--tls", "require"]);
    let mut client = FtpsClient::connect(served.address(), &TlsOptions::default());
    for user in ["test", "anonymous", "nobody"] {
        let reply = client.expect(&format!("USER {user}"), 530);
        assert!(reply.contains("AUTH TLS"), "{reply}");
    }
    client.expect("PASS secret", 503);
    client.auth();
    client.expect("USER test", 331);
    client.expect("PASS secret", 230);
    for command in ["RETR file", "LIST", "STOR new"] {
        client.expect("EPSV", 229);
        let reply = client.expect(command, 521);
        assert!(reply.contains("PROT P"), "{reply}");
    }
    client.expect("PBSZ 0", 200);
    client.expect("PROT C", 534);
    client.expect("PROT P", 200);
    client.expect("TYPE I", 200);
    assert_eq!(client.fetch(Mode::Pasv, "RETR file").0, b"content");
    assert!(!directory.holds("new"));
    expect_log(&served, "cause=\"tls-required\"", 6);
}

/// Without resumption, and without a word about it being wanted, data is refused; the reply names the setting.
#[test]
fn data_that_does_not_resume_is_refused_with_the_settings_name() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = serve(&directory, &certificate, &[]);
    for versions in [TLS12, TLS13] {
        let options = TlsOptions { versions, resumes: false, ..TlsOptions::default() };
        let mut client = log_in(&served, &options);
        for mode in Mode::ALL {
            let mut data = client.begin(mode, "RETR file");
            let mut content = Vec::new();
            data.read_to_end(&mut content).unwrap();
            assert_eq!(content, b"", "not a byte");
            let (code, reply) = client.reply();
            assert_eq!(code, 522);
            assert!(reply.contains("resumption = \"require\""), "{reply}");
            let mut data = client.begin(mode, "STOR up");
            let _ = data.write_all(&sample(100_000));
            assert_eq!(client.reply().0, 522);
            assert_eq!(directory.names(), ["file"], "nothing of it is stored");
        }
    }
    expect_log(&served, "possible_cause=\"tls-resumption-required\"", 16);
}

/// The ticket of somebody else, or of an address of one's own under another name, opens nothing (threats 4 and 7).
#[test]
fn the_session_of_another_user_is_no_session_of_ones_own() {
    let certificate = TestCertificate::new(&["localhost"]);
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = serve(&directory, &certificate, &["--user", "other:secret"]);
    for versions in [TLS12, TLS13] {
        let options = TlsOptions { versions, ..TlsOptions::default() };
        let mut victim = log_in(&served, &options);
        let mut thief = FtpsClient::connect(served.address(), &options);
        thief.auth().log_in("other", "secret");
        // The thief connects first, from the same address, with tickets of its own.
        let negotiated = victim.negotiate(Mode::Epsv);
        victim.expect("RETR file", 150);
        let stream = victim.open(negotiated);
        let mut stolen = thief.handshake(stream).unwrap();
        let mut content = Vec::new();
        stolen.read_to_end(&mut content).unwrap();
        assert!(content.is_empty() && !is_resumed(&stolen));
        assert_eq!(victim.reply().0, 522);
        // Another session of the same user is as good as the own one.
        let mut sibling = log_in(&served, &options);
        let negotiated = sibling.negotiate(Mode::Epsv);
        sibling.expect("RETR file", 150);
        let stream = sibling.open(negotiated);
        let mut shared = victim.handshake(stream).unwrap();
        let mut content = Vec::new();
        shared.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"content");
        assert_eq!(sibling.reply().0, 226);
    }
}
