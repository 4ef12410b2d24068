//! What is done beside moving the bytes, against vsftpd, ProFTPD, Pure-FTPd and pyftpdlib, in clear and under TLS: times,
//! temporary names, checksums, the limit of the rate, segments.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{Seen, Watching, address, path};
use wharf_client::digest::{Algorithm, Sum};
use wharf_client::observer::Silent;
use wharf_client::operations::segments::Segments;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource, Verification};
use wharf_client::options::{Options, TlsMode, TlsOptions, TransferOptions};
use wharf_client::rate::RateLimit;
use wharf_client::{Destination, Login, Session};
use wharf_net::tls::ConnectorOptions;
use wharf_proto::command::{Password, Text};
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::tls::TestCertificate;

/// Long enough for several segments.
const LONG: usize = 9 * 1024 * 1024 + 3;

fn options(certificate: Option<&TestCertificate>, transfers: TransferOptions) -> Options {
    let authorities = certificate.iter().map(|certificate| certificate.certificate()).collect();
    let connector = ConnectorOptions { authorities, ..ConnectorOptions::default() };
    let mode = if certificate.is_some() { TlsMode::Require } else { TlsMode::Off };
    let tls = TlsOptions { mode, connector, ..TlsOptions::default() };
    Options { tls, transfers, ..Options::default() }
}

async fn log_in(peer: &Peer, options: Options) -> (Session, Seen) {
    let login = Login {
        user: Text::new(peer.user).unwrap(),
        password: Some(Password::new(peer.password).unwrap()),
        account: None,
    };
    let (watching, seen) = Watching::new();
    (Session::connect(address(peer.address), login, options, Box::new(watching)).await.unwrap(), seen)
}

fn into(directory: &TestDirectory, resume: bool) -> DownloadOptions {
    let destination = Destination::Directory(directory.path().to_owned());
    DownloadOptions { destination, resume, ascii: false }
}

fn days_ago(file: &Path) -> SystemTime {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_001);
    File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    time
}

fn modified(file: impl AsRef<Path>) -> SystemTime {
    fs::metadata(file).unwrap().modified().unwrap()
}

async fn times(peer: &Peer, certificate: Option<&TestCertificate>) {
    let (mut session, _) = log_in(peer, options(certificate, TransferOptions::default())).await;
    let directory = TestDirectory::new();
    let old = days_ago(&peer.root.join("hello.txt"));
    session.download(&path("hello.txt"), &into(&directory, false)).await.unwrap();
    assert_eq!(modified(directory.join("hello.txt")), old, "{}", peer.kind);
    let sets_times = session.features().has("MFMT");
    assert_eq!(sets_times, peer.kind != PeerKind::Vsftpd, "{:?}", session.features());
    let remote = format!("{}/dated", peer.writable_dir);
    let source = || UploadSource::File(directory.join("hello.txt"));
    session.upload(source(), &path(&remote), UploadOptions::default()).await.unwrap();
    assert_eq!(modified(peer.root.join(&remote)) == old, sets_times);
    session.quit().await;

    let transfers = TransferOptions { keep_times: false, ..TransferOptions::default() };
    let (mut session, _) = log_in(peer, options(certificate, transfers)).await;
    let other = TestDirectory::new();
    session.download(&path("hello.txt"), &into(&other, false)).await.unwrap();
    assert!(modified(other.join("hello.txt")) > old);
    let remote = format!("{}/undated", peer.writable_dir);
    session.upload(source(), &path(&remote), UploadOptions::default()).await.unwrap();
    assert!(modified(peer.root.join(&remote)) > old);
    session.quit().await;
}

async fn temporary_names(peer: &Peer, certificate: Option<&TestCertificate>) {
    let (mut session, _) = log_in(peer, options(certificate, TransferOptions::default())).await;
    let directory = TestDirectory::new();
    let content = sample(300_000);
    let local = directory.write("local", &content);
    let there = |name: &str| peer.root.join(peer.writable_dir).join("atomic").join(name);
    let remote = |name: &str| path(&format!("{}/atomic/{name}", peer.writable_dir));
    let atomic = UploadOptions { atomic: true, make_parents: true, ..UploadOptions::default() };
    let send = || UploadSource::File(local.clone());
    session.upload(send(), &remote("new name"), atomic).await.unwrap();
    assert!(fs::read(there("new name")).unwrap() == content);
    // In the place of one that is there.
    let first = directory.write("first", "an older one");
    session.upload(UploadSource::File(first), &remote("taken"), UploadOptions::default()).await.unwrap();
    session.upload(send(), &remote("taken"), atomic).await.unwrap();
    assert!(fs::read(there("taken")).unwrap() == content);
    // With what an interrupted one has left.
    let part = directory.write("part", &content[..100_000]);
    let left = remote("late.wharf-part");
    session.upload(UploadSource::File(part), &left, UploadOptions::default()).await.unwrap();
    let resume = UploadOptions { resume: true, ..atomic };
    // Pure-FTPd lets nobody read what was just uploaded by name, or go on with it, in some settings: then all is sent.
    let done = session.upload(send(), &remote("late"), resume).await.unwrap();
    assert_eq!((done.offset, done.bytes), (100_000, 300_000), "{}", peer.kind);
    assert!(fs::read(there("late")).unwrap() == content);
    session.quit().await;
    let mut names: Vec<_> = fs::read_dir(there(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["late", "new name", "taken"], "no temporary name is left");
}

async fn checksums(peer: &Peer, certificate: Option<&TestCertificate>) {
    let transfers =
        TransferOptions { verification: Some(Verification::default()), ..TransferOptions::default() };
    let (mut session, seen) = log_in(peer, options(certificate, transfers)).await;
    let directory = TestDirectory::new();
    let down = session.download(&path("two lines.txt"), &into(&directory, false)).await.unwrap().verified;
    let local = directory.write("local", sample(50_000));
    let remote = path(&format!("{}/verified", peer.writable_dir));
    let file = File::open(&local).unwrap();
    let up =
        session.upload(UploadSource::File(local), &remote, UploadOptions::default()).await.unwrap().verified;
    if peer.kind == PeerKind::Proftpd {
        let sum = up.unwrap();
        assert_eq!(sum, Sum::of_file(sum.algorithm, &file, 50_000).unwrap());
        assert_eq!((sum.algorithm, down.unwrap().algorithm), (Algorithm::Sha512, Algorithm::Sha512));
        for algorithm in Algorithm::ALL {
            let sum = session.checksum(&remote, Some(algorithm), None).await.unwrap();
            assert_eq!(sum, Some(Sum::of_file(algorithm, &file, 50_000).unwrap()), "{algorithm}");
        }
        // Back to the strongest, whatever was chosen in between.
        let sum = session.checksum(&remote, None, None).await.unwrap().unwrap();
        assert_eq!(sum, Sum::of_file(sum.algorithm, &file, 50_000).unwrap());
        assert!(seen.lock().unwrap().warnings.is_empty(), "{:?}", seen.lock().unwrap().warnings);
    } else {
        assert_eq!((down, up), (None, None));
        let warnings = &seen.lock().unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("only the sizes"), "once: {warnings:?}");
    }
    session.quit().await;
}

async fn limited(peer: &Peer, certificate: Option<&TestCertificate>) {
    let rate = Some(RateLimit::new(20_000_000));
    let transfers = TransferOptions { rate, ..TransferOptions::default() };
    let (mut session, _) = log_in(peer, options(certificate, transfers)).await;
    let directory = TestDirectory::new();
    let content = sample(1_000_000);
    let local = directory.write("local", &content);
    let name = format!("{}/limited", peer.writable_dir);
    session.upload(UploadSource::File(local.clone()), &path(&name), UploadOptions::default()).await.unwrap();
    assert!(fs::read(peer.root.join(&name)).unwrap() == content);
    session.download(&path(&name), &into(&directory, false)).await.unwrap();
    assert!(directory.read("limited") == content);
    // Going on with either.
    fs::rename(directory.join("limited"), directory.join("limited.part")).unwrap();
    File::options().write(true).open(directory.join("limited.part")).unwrap().set_len(400_000).unwrap();
    assert!(session.download(&path(&name), &into(&directory, true)).await.unwrap().offset > 300_000);
    assert!(directory.read("limited") == content);
    session.quit().await;
}

async fn segments(peer: &Peer, certificate: Option<&TestCertificate>) {
    let (mut session, seen) = log_in(peer, options(certificate, TransferOptions::default())).await;
    let directory = TestDirectory::new();
    let content = sample(LONG);
    fs::write(peer.root.join("long.bin"), &content).unwrap();
    let old = days_ago(&peer.root.join("long.bin"));
    let segments = Segments { count: 4, retries: 0, observers: Arc::new(|| Box::new(Silent)) };
    for _ in 0..2 {
        let done = session.download_in_segments(&path("long.bin"), &into(&directory, false), &segments).await;
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", peer.kind));
        assert_eq!((done.bytes, done.offset), (LONG as u64, 0));
        assert!(directory.read("long.bin") == content, "another content");
        assert_eq!(directory.names(), ["long.bin"]);
        assert_eq!(modified(directory.join("long.bin")), old);
    }
    // What one stream has left is gone on with by several.
    fs::remove_file(directory.join("long.bin")).unwrap();
    directory.write("long.bin.part", &content[..1_000_000]);
    let done =
        session.download_in_segments(&path("long.bin"), &into(&directory, true), &segments).await.unwrap();
    assert_eq!(done.offset, 1_000_000);
    assert!(directory.read("long.bin") == content, "another content");
    // A small file comes in one stream.
    session.download_in_segments(&path("hello.txt"), &into(&directory, false), &segments).await.unwrap();
    assert_eq!(directory.names(), ["hello.txt", "long.bin"]);
    session.quit().await;
    let warnings = &seen.lock().unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

macro_rules! servers {
    ($($server:ident: $kind:expr, $tls:expr;)*) => {$(
        mod $server {
            use super::*;

            fn start(certificate: Option<&TestCertificate>) -> Option<Peer> {
                let options = PeerOptions::new().digests();
                let options = match certificate {
                    Some(certificate) => options.tls(certificate),
                    None => options,
                };
                Peer::start_or_skip($kind, &options)
            }

            fn certificate() -> Option<TestCertificate> {
                $tls.then(|| TestCertificate::new(&["127.0.0.1"]))
            }

            #[tokio::test]
            async fn times() {
                let certificate = certificate();
                let Some(peer) = start(certificate.as_ref()) else { return };
                super::times(&peer, certificate.as_ref()).await;
            }

            #[tokio::test]
            async fn temporary_names() {
                let certificate = certificate();
                let Some(peer) = start(certificate.as_ref()) else { return };
                super::temporary_names(&peer, certificate.as_ref()).await;
            }

            #[tokio::test]
            async fn checksums() {
                let certificate = certificate();
                let Some(peer) = start(certificate.as_ref()) else { return };
                super::checksums(&peer, certificate.as_ref()).await;
            }

            #[tokio::test]
            async fn limited() {
                let certificate = certificate();
                let Some(peer) = start(certificate.as_ref()) else { return };
                super::limited(&peer, certificate.as_ref()).await;
            }

            #[tokio::test]
            async fn segments() {
                let certificate = certificate();
                let Some(peer) = start(certificate.as_ref()) else { return };
                super::segments(&peer, certificate.as_ref()).await;
            }
        }
    )*};
}

servers! {
    vsftpd: PeerKind::Vsftpd, false;
    vsftpd_tls: PeerKind::Vsftpd, true;
    proftpd: PeerKind::Proftpd, false;
    proftpd_tls: PeerKind::Proftpd, true;
    pure_ftpd: PeerKind::PureFtpd, false;
    pure_ftpd_tls: PeerKind::PureFtpd, true;
    pyftpdlib: PeerKind::Pyftpdlib, false;
}
