//! What TlsSettings say and no flag does: who may do without, what is tolerated, what is allowed back into clear.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use common::Serving;
use wharf_net::tls::{CertificateSource, TlsVersion};
use wharf_proto::command::Password;
use wharf_server::auth::{Secret, UserSettings, VirtualUser};
use wharf_server::config::{CloseNotify, ResumptionPolicy, TlsPolicy, TlsSettings, UserTlsPolicy};
use wharf_server::policy::Rights;
use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::process::run;
use wharf_testkit::skip;
use wharf_testkit::tls::{FtpsClient, Mode, Secure, TLS12, TLS13, TestCertificate, TlsOptions};

/// A server under TLS with these settings changed; its root holds `file`.
fn serve(change: impl FnOnce(&mut TlsSettings)) -> Serving {
    let certificate = TestCertificate::new(&["localhost"]);
    let source = CertificateSource::Files { certificate: certificate.certificate(), key: certificate.key() };
    let serving = Serving::start_with(|config| {
        let mut tls = TlsSettings::new(vec![source]);
        change(&mut tls);
        config.tls = Some(tls);
        let password = Password::new("secret").unwrap();
        let user = VirtualUser {
            name: b"camera".to_vec(),
            secret: Secret::Clear(password),
            settings: Arc::new(UserSettings::with_rights(Rights::ALL)),
        };
        config.accounts.users.push(user);
    });
    serving.root.write("file", "content");
    serving
}

fn log_in(serving: &Serving, user: &str, options: &TlsOptions) -> FtpsClient {
    let mut client = FtpsClient::connect(serving.address, options);
    client.auth().log_in(user, "secret");
    client
}

const UNRESUMED: TlsOptions =
    TlsOptions { versions: rustls::ALL_VERSIONS, resumes: false, server_name: "127.0.0.1", protocols: &[] };

/// Sends `content` and ends with FIN alone.
fn end_without_close_notify(mut data: Secure, content: &[u8]) {
    data.write_all(content).unwrap();
    data.flush().unwrap();
    data.sock.shutdown(Shutdown::Write).unwrap();
}

#[test]
fn an_upload_without_close_notify_may_be_tolerated_and_is_then_as_long_as_allo_says() {
    let serving = serve(|tls| {
        tls.upload_close_notify = CloseNotify::Tolerate;
        // Who ends like that does not read the tickets of its uploads either.
        tls.resumption.policy = ResumptionPolicy::Prefer;
    });
    let content = sample(500_000);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&serving, "test", &TlsOptions { versions, ..TlsOptions::default() });
        for kind in ["I", "A"] {
            client.expect(&format!("TYPE {kind}"), 200);
            end_without_close_notify(client.begin(Mode::Epsv, "STOR up"), b"one, two");
            assert_eq!(client.reply().0, 226);
            assert_eq!(serving.root.read("up"), b"one, two");
        }
        client.expect("TYPE I", 200);
        client.expect("ALLO 500000", 202);
        end_without_close_notify(client.begin(Mode::Epsv, "STOR up"), &content);
        assert_eq!(client.reply().0, 226);
        assert!(serving.root.read("up") == content);
        client.expect("ALLO 500001", 202);
        end_without_close_notify(client.begin(Mode::Epsv, "STOR up"), &content);
        let (code, reply) = client.reply();
        assert_eq!(code, 426);
        assert!(reply.contains("after 500000 bytes, and ALLO announced 500001"), "{reply}");
        // It was about that upload only.
        end_without_close_notify(client.begin(Mode::Epsv, "STOR up"), b"short");
        assert_eq!(client.reply().0, 226);
    }
}

#[test]
fn who_is_exempt_need_not_resume() {
    let by_user = serve(|tls| tls.resumption.exempt_users = vec![b"camera".to_vec()]);
    let mut client = log_in(&by_user, "camera", &UNRESUMED);
    assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), false));
    let mut client = log_in(&by_user, "test", &UNRESUMED);
    let _ = client.begin(Mode::Epsv, "RETR file").read_to_end(&mut Vec::new());
    assert_eq!(client.reply().0, 522);
    let by_network = serve(|tls| tls.resumption.exempt_networks = vec!["127.0.0.0/8".parse().unwrap()]);
    let mut client = log_in(&by_network, "test", &UNRESUMED);
    assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), false));
}

#[test]
fn with_resumption_off_nothing_is_resumed() {
    let serving = serve(|tls| tls.resumption.policy = ResumptionPolicy::Off);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&serving, "test", &TlsOptions { versions, ..TlsOptions::default() });
        for _ in 0..3 {
            assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), false));
        }
    }
}

#[test]
fn ccc_ends_tls_on_the_control_connection_only() {
    let serving = serve(|tls| tls.clear_control = true);
    for versions in [TLS12, TLS13] {
        let mut client =
            FtpsClient::connect(serving.address, &TlsOptions { versions, ..TlsOptions::default() });
        assert!(client.expect("FEAT", 211).contains("\r\n CCC\r\n"));
        client.auth().log_in("test", "secret");
        client.expect("CCC", 200);
        client.end_tls();
        client.expect("CCC", 533);
        for mode in Mode::ALL {
            assert_eq!(client.fetch(mode, "RETR file"), (b"content".to_vec(), true));
        }
        // And back.
        client.auth().log_in("test", "secret");
        assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true));
    }
}

#[test]
fn lftp_goes_on_in_clear_behind_ccc() {
    if !clients::is_installed("lftp") {
        skip!("lftp is not installed");
    }
    let serving = serve(|tls| {
        tls.clear_control = true;
        tls.resumption.policy = ResumptionPolicy::Prefer; // lftp forgets the session with the connection
    });
    for mode in [LftpMode::Passive, LftpMode::Active] {
        let script = format!(
            "set ftp:ssl-allow yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ftp:ssl-use-ccc yes; \
             set ssl:verify-certificate no; open ftp://test:secret@{}; cat file; cls -1",
            serving.address
        );
        let run = run(&mut clients::lftp(mode, &script));
        assert_eq!(run.assert_success().output(), "contentfile\n", "{run}");
    }
}

#[test]
fn prot_c_behind_prot_p_is_taken_where_it_is_allowed() {
    let serving = serve(|tls| tls.clear_data_again = true);
    let mut client = log_in(&serving, "test", &TlsOptions::default());
    client.expect("PROT C", 200);
    let negotiated = client.negotiate(Mode::Epsv);
    client.expect("RETR file", 150);
    let mut content = Vec::new();
    client.open(negotiated).read_to_end(&mut content).unwrap();
    assert_eq!(content, b"content");
    assert_eq!(client.reply().0, 226);
    client.expect("PROT P", 200);
    assert_eq!(client.fetch(Mode::Epsv, "RETR file").0, b"content");
}

#[test]
fn data_may_be_left_in_clear_while_logins_are_protected() {
    let serving = serve(|tls| {
        tls.control = TlsPolicy::Require;
        tls.data = TlsPolicy::Off;
    });
    let mut client = FtpsClient::connect(serving.address, &TlsOptions::default());
    client.auth();
    client.expect("USER test", 331);
    client.expect("PASS secret", 230);
    client.expect("PBSZ 0", 200);
    client.expect("PROT P", 534);
    let negotiated = client.negotiate(Mode::Pasv);
    client.expect("RETR file", 150);
    let mut content = Vec::new();
    client.open(negotiated).read_to_end(&mut content).unwrap();
    assert_eq!((content.as_slice(), client.reply().0), (&b"content"[..], 226));
}

#[test]
fn a_user_may_have_policies_of_its_own() {
    let camera = |control, data| UserTlsPolicy { name: b"camera".to_vec(), control, data };
    // Nobody in clear but an old device.
    let serving = serve(|tls| {
        (tls.control, tls.data) = (TlsPolicy::Require, TlsPolicy::Require);
        tls.users = vec![camera(Some(TlsPolicy::Allow), Some(TlsPolicy::Allow))];
    });
    let mut client = FtpsClient::connect(serving.address, &TlsOptions::default());
    client.expect("USER test", 530);
    client.expect("USER camera", 331);
    client.expect("PASS secret", 230);
    let negotiated = client.negotiate(Mode::Pasv);
    client.expect("RETR file", 150);
    let mut content = Vec::new();
    client.open(negotiated).read_to_end(&mut content).unwrap();
    assert_eq!((content.as_slice(), client.reply().0), (&b"content"[..], 226));
    // All in clear but one, which nobody learns without its password.
    let serving = serve(|tls| tls.users = vec![camera(Some(TlsPolicy::Require), None)]);
    let mut client = FtpsClient::connect(serving.address, &TlsOptions::default());
    for user in ["camera", "test", "nobody"] {
        client.expect(&format!("USER {user}"), 331);
        assert_eq!(client.expect("PASS wrong", 530), "530 Login incorrect.\r\n");
    }
    client.expect("USER camera", 331);
    assert!(client.expect("PASS secret", 530).contains("AUTH TLS"));
    client.expect("PWD", 530);
    client.auth().log_in("camera", "secret");
    assert_eq!(client.fetch(Mode::Epsv, "RETR file").0, b"content");
}

#[test]
fn the_oldest_version_can_be_raised() {
    let serving = serve(|tls| tls.minimum_version = TlsVersion::Tls13);
    let mut client =
        FtpsClient::connect(serving.address, &TlsOptions { versions: TLS12, ..TlsOptions::default() });
    client.expect("AUTH TLS", 234);
    let error = client.secure().unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let mut client = log_in(&serving, "test", &TlsOptions::default());
    assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true));
}
