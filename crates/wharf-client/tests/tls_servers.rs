//! TLS with vsftpd (which demands resumption), ProFTPD (which does so by default) and Pure-FTPd (which never resumes TLS 1.3): each
//! mode, TLS 1.2 and 1.3, every operation, many transfers in one session.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{Seen, Watching, address, path};
use wharf_client::login::ServerAddress;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::{ModeChoice, Options, TlsMode, TlsOptions};
use wharf_client::url::Scheme;
use wharf_client::{ClientError, Destination, Login, Session};
use wharf_net::tls::{ConnectorOptions, TlsVersion};
use wharf_proto::command::{Password, Text};
use wharf_proto::dialogue::NegotiationCommand::{Eprt, Epsv, Pasv, Port};
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{BIG, Peer, PeerKind, PeerOptions};
use wharf_testkit::tls::TestCertificate;

/// Transfers of one session, by the end of which no ticket must have been missing.
const MANY: usize = 200;

/// Whether data connections resume the control connection's session there.
fn resumes(kind: PeerKind, version: TlsVersion) -> bool {
    kind != PeerKind::PureFtpd || version == TlsVersion::Tls12
}

/// Verified by the certificate itself.
fn verified(certificate: &TestCertificate, newest: TlsVersion) -> Options {
    let authorities = vec![certificate.certificate()];
    let connector = ConnectorOptions { authorities, newest: Some(newest), ..ConnectorOptions::default() };
    let tls = TlsOptions { mode: TlsMode::Require, connector, ..TlsOptions::default() };
    Options { tls, ..Options::default() }
}

async fn log_in(peer: &Peer, scheme: Scheme, options: Options) -> Result<(Session, Seen), ClientError> {
    let login = Login {
        user: Text::new(peer.user).unwrap(),
        password: Some(Password::new(peer.password).unwrap()),
        account: None,
    };
    let (watching, seen) = Watching::new();
    let server = ServerAddress { scheme, ..address(peer.address) };
    Session::connect(server, login, options, Box::new(watching)).await.map(|session| (session, seen))
}

fn into(directory: &TestDirectory, resume: bool) -> DownloadOptions {
    let destination = Destination::Directory(directory.path().to_owned());
    DownloadOptions { destination, resume, ascii: false }
}

/// Get, put, list, and both kinds of going on, over one mode.
async fn all_operations(peer: &Peer, options: Options, version: TlsVersion, resumes: bool) {
    let (mut session, seen) = log_in(peer, Scheme::Ftp, options).await.unwrap();
    let control = session.secured().unwrap();
    assert_eq!((control.version, control.is_resumed, control.is_verified), (version, false, true));
    let directory = TestDirectory::new();
    let content = sample(BIG.1);

    session.download(&path("hello.txt"), &into(&directory, false)).await.unwrap();
    assert_eq!(directory.read("hello.txt"), b"hello, world\n");
    session.download(&path("empty"), &into(&directory, false)).await.unwrap();
    assert_eq!(directory.read("empty"), b"");
    session.download(&path(BIG.0), &into(&directory, false)).await.unwrap();
    assert!(directory.read("big.bin") == content, "another content");
    std::fs::remove_file(directory.join("big.bin")).unwrap();
    directory.write("big.bin.part", &content[..1_000_000]);
    let done = session.download(&path(BIG.0), &into(&directory, true)).await.unwrap();
    assert!(done.offset > 900_000 && done.bytes == BIG.1 as u64, "{done:?}");
    assert!(directory.read("big.bin") == content, "another content");

    let mut names = Vec::new();
    session.list(None, |entry| names.push(entry.name)).await.unwrap();
    assert!(names.contains(&b"two lines.txt".to_vec()), "{names:?}");
    // A ticket is not lost with a transfer that is refused.
    for _ in 0..5 {
        let missing = session.download(&path("no such file"), &into(&directory, false)).await.unwrap_err();
        assert_eq!(missing.exit_code(), 6, "{missing}");
    }

    let remote = format!("{}/sent over TLS", peer.writable_dir);
    let local = directory.write("local", &content);
    let upload = UploadOptions::default();
    session.upload(UploadSource::File(local), &path(&remote), upload).await.unwrap();
    assert!(std::fs::read(peer.root.join(&remote)).unwrap() == content, "another content");
    if peer.kind != PeerKind::PureFtpd {
        std::fs::write(peer.root.join(&remote), &content[..300_000]).unwrap();
        std::fs::set_permissions(
            peer.root.join(&remote),
            std::os::unix::fs::PermissionsExt::from_mode(0o666),
        )
        .unwrap();
        let local = directory.join("local");
        let resume = UploadOptions { resume: true, ..upload };
        let done = session.upload(UploadSource::File(local), &path(&remote), resume).await.unwrap();
        assert_eq!(done.offset, 300_000);
        assert!(std::fs::read(peer.root.join(&remote)).unwrap() == content, "another content");
    }
    session.quit().await;

    let seen = seen.lock().unwrap();
    assert!(seen.warnings.is_empty(), "{:?}", seen.warnings);
    assert_eq!(seen.connections, 1, "one control connection was enough");
    let data: Vec<_> = seen.attempts.iter().filter(|attempt| attempt.is_open()).collect();
    assert!(data.len() >= 6, "{data:?}");
    for attempt in data {
        let secured = attempt.secured.unwrap();
        assert_eq!(
            (secured.version, secured.is_resumed, secured.is_verified),
            (version, resumes, true),
            "{attempt}"
        );
    }
}

async fn each_mode(kind: PeerKind, at: impl Into<IpAddr>, version: TlsVersion) {
    let at = at.into();
    let certificate = TestCertificate::new(&["localhost", "127.0.0.1", "::1"]);
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().address(at).tls(&certificate)) else {
        return;
    };
    let commands: &[_] = if at.is_ipv4() { &[Epsv, Pasv, Eprt, Port] } else { &[Epsv, Eprt] };
    for command in commands {
        let options = Options { mode: ModeChoice::Only(*command), ..verified(&certificate, version) };
        all_operations(&peer, options, version, resumes(kind, version)).await;
    }
}

/// Downloads, uploads, listings and refusals in turn.
async fn many_transfers(kind: PeerKind, version: TlsVersion) {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().tls(&certificate)) else { return };
    let (mut session, seen) =
        log_in(&peer, Scheme::ExplicitTls, verified(&certificate, version)).await.unwrap();
    let directory = TestDirectory::new();
    let local = directory.write("local", b"a few bytes");
    for round in 0..MANY / 4 {
        session.download(&path("hello.txt"), &into(&directory, false)).await.unwrap();
        let remote = path(&format!("{}/many {round}", peer.writable_dir));
        let source = UploadSource::File(local.clone());
        session.upload(source, &remote, UploadOptions::default()).await.unwrap();
        session.list(None, |_| {}).await.unwrap();
        session.download(&path("no such file"), &into(&directory, false)).await.unwrap_err();
    }
    session.quit().await;
    let seen = seen.lock().unwrap();
    // ProFTPD gives no tickets of TLS 1.3 with uploads: we go on in TLS 1.2.
    let enough = if kind == PeerKind::Proftpd && version == TlsVersion::Tls13 { 2 } else { 1 };
    assert_eq!(seen.connections, enough);
    let open = seen.attempts.iter().filter(|attempt| attempt.is_open());
    let resumed = open.clone().filter(|attempt| attempt.secured.unwrap().is_resumed).count();
    assert_eq!(resumed, if resumes(kind, version) { open.count() } else { 0 });
}

macro_rules! servers {
    ($($server:ident: $kind:expr;)*) => {$(
        mod $server {
            use super::*;

            #[tokio::test]
            async fn each_mode_with_tls_1_2() {
                each_mode($kind, Ipv4Addr::LOCALHOST, TlsVersion::Tls12).await;
            }

            #[tokio::test]
            async fn each_mode_with_tls_1_3() {
                each_mode($kind, Ipv4Addr::LOCALHOST, TlsVersion::Tls13).await;
            }

            #[tokio::test]
            async fn each_mode_over_ipv6() {
                each_mode($kind, Ipv6Addr::LOCALHOST, TlsVersion::Tls13).await;
            }

            #[tokio::test]
            async fn two_hundred_transfers_with_tls_1_2() {
                many_transfers($kind, TlsVersion::Tls12).await;
            }

            #[tokio::test]
            async fn two_hundred_transfers_with_tls_1_3() {
                many_transfers($kind, TlsVersion::Tls13).await;
            }

            #[tokio::test]
            async fn by_itself_and_without_a_proof() {
                let certificate = TestCertificate::expired(&["another.example"]);
                let Some(peer) = Peer::start_or_skip($kind, &PeerOptions::new().tls(&certificate)) else { return };
                let (mut session, seen) = log_in(&peer, Scheme::Ftp, Options::default()).await.unwrap();
                let directory = TestDirectory::new();
                let done = session.download(&path("hello.txt"), &into(&directory, false)).await.unwrap();
                assert!(!done.attempt.unwrap().secured.unwrap().is_verified);
                session.list(None, |_| {}).await.unwrap();
                session.quit().await;
                let warnings = &seen.lock().unwrap().warnings;
                assert!(warnings.len() == 1 && warnings[0].contains("certificate"), "{warnings:?}");
            }
        }
    )*};
}

servers! {
    vsftpd: PeerKind::Vsftpd;
    proftpd: PeerKind::Proftpd;
    pure_ftpd: PeerKind::PureFtpd;
}
