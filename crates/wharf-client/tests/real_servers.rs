//! The client against vsftpd, ProFTPD, Pure-FTPd and pyftpdlib: each mode, both address families, and servers that offer
//! one mode only.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{address, path};
use wharf_client::observer::Silent;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::{ModeChoice, Options};
use wharf_client::{Destination, Login, Session};
use wharf_proto::command::{Password, Text};
use wharf_proto::dialogue::NegotiationCommand::{self, Eprt, Epsv, Pasv, Port};
use wharf_proto::listing::EntryKind;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{BIG, Modes, Peer, PeerKind, PeerOptions};
use wharf_testkit::{TestDirectory, skip};

async fn log_in(peer: &Peer, mode: ModeChoice) -> Session {
    let login = Login {
        user: Text::new(peer.user).unwrap(),
        password: Some(Password::new(peer.password).unwrap()),
        account: None,
    };
    let options = Options { mode, ..Options::default() };
    Session::connect(address(peer.address), login, options, Box::new(Silent)).await.unwrap()
}

fn into(directory: &TestDirectory, resume: bool) -> DownloadOptions {
    let destination = Destination::Directory(directory.path().to_owned());
    DownloadOptions { destination, resume, ascii: false }
}

/// Every operation that the peer allows, over `mode`; tells by which command the data connections were made.
async fn all_operations(peer: &Peer, mode: ModeChoice) -> NegotiationCommand {
    let mut session = log_in(peer, mode).await;
    let directory = TestDirectory::new();
    let content = sample(BIG.1);

    let done = session.download(&path("hello.txt"), &into(&directory, false)).await.unwrap();
    assert_eq!(directory.read("hello.txt"), b"hello, world\n");
    let command = done.attempt.unwrap().command;
    session.download(&path("empty"), &into(&directory, false)).await.unwrap();
    assert_eq!(directory.read("empty"), b"");
    let absolute = session.download(&path("/directory/deeper/innermost.txt"), &into(&directory, false)).await;
    assert_eq!(absolute.unwrap().bytes, 10);

    // A cut download is gone on with, under either name.
    for present in ["big.bin.part", "big.bin"] {
        directory.write(present, &content[..1_000_000]);
        let done = session.download(&path(BIG.0), &into(&directory, true)).await.unwrap();
        assert!(done.offset > 900_000 && done.bytes == BIG.1 as u64, "{done:?}");
        assert!(directory.read("big.bin") == content, "another content");
        assert!(!directory.holds("big.bin.part"));
    }

    let mut names = Vec::new();
    let listed = session.list(None, |entry| names.push((entry.name, entry.kind, entry.size))).await.unwrap();
    assert_eq!(listed.left_out, 0);
    assert!(names.contains(&(b"two lines.txt".to_vec(), EntryKind::File, Some(10))), "{names:?}");
    assert!(names.iter().any(|(name, kind, _)| name == b"directory" && *kind == EntryKind::Directory));
    let mut inner = Vec::new();
    session.list(Some(&path("directory")), |entry| inner.push(entry.name)).await.unwrap();
    assert!(inner.contains(&b"inner.txt".to_vec()), "{inner:?}");
    let missing = session.list(Some(&path("no such directory")), |_| {}).await.unwrap_err();
    assert_eq!(missing.exit_code(), 6, "{missing}");
    let missing = session.download(&path("no such file"), &into(&directory, false)).await.unwrap_err();
    assert_eq!(missing.exit_code(), 6, "{missing}");

    let status = session.status(&path("hello.txt")).await.unwrap();
    assert_eq!((status.entry.kind, status.entry.size), (EntryKind::File, Some(13)));
    assert!(session.status(&path("directory")).await.unwrap().entry.kind.is_directory());

    let local = directory.write("local", &content);
    let remote = format!("{}/sent by {command}", peer.writable_dir);
    let upload = UploadOptions::default();
    let done = session.upload(UploadSource::File(local), &path(&remote), upload).await.unwrap();
    assert_eq!(done.attempt.unwrap().command, command, "the mode that worked is kept");
    assert!(std::fs::read(peer.root.join(&remote)).unwrap() == content, "another content");
    session.quit().await;
    command
}

/// What may be changed, where the peer lets its user.
async fn changes(peer: &Peer) {
    let mut session = log_in(peer, ModeChoice::Auto).await;
    let directory = TestDirectory::new();
    let content = sample(300_000);
    let remote = path(&format!("{}/a/b/part", peer.writable_dir));
    let first = directory.write("part", &content[..100_000]);
    let make_parents = UploadOptions { make_parents: true, ..UploadOptions::default() };
    session.upload(UploadSource::File(first), &remote, make_parents).await.unwrap();
    let whole = directory.write("whole", &content);
    let resume = UploadOptions { resume: true, ..UploadOptions::default() };
    let done = session.upload(UploadSource::File(whole), &remote, resume).await.unwrap();
    assert_eq!((done.offset, done.bytes), (100_000, 300_000));
    let new = path(&format!("{}/a/moved", peer.writable_dir));
    session.rename(&remote, &new).await.unwrap();
    assert!(std::fs::read(peer.root.join(peer.writable_dir).join("a/moved")).unwrap() == content);
    session.remove_directory(&path(&format!("{}/a/b", peer.writable_dir))).await.unwrap();
    session.delete(&new).await.unwrap();
    assert_eq!(session.delete(&new).await.unwrap_err().exit_code(), 6);
    session.quit().await;
}

async fn each_mode(kind: PeerKind, address: impl Into<IpAddr>) {
    let address = address.into();
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().address(address)) else { return };
    let commands: &[_] = if address.is_ipv4() { &[Epsv, Pasv, Eprt, Port] } else { &[Epsv, Eprt] };
    for command in commands {
        assert_eq!(all_operations(&peer, ModeChoice::Only(*command)).await, *command);
    }
    assert_eq!(all_operations(&peer, ModeChoice::Auto).await, Epsv);
    if kind != PeerKind::PureFtpd {
        changes(&peer).await;
    }
}

async fn one_mode_only(kind: PeerKind, modes: Modes) {
    if !kind.supports(modes) {
        skip!("{kind} has no switch for {modes:?}");
    }
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().modes(modes)) else { return };
    let command = all_operations(&peer, ModeChoice::Auto).await;
    let expected = if modes == Modes::ActiveOnly { [Eprt, Port] } else { [Epsv, Pasv] };
    assert!(expected.contains(&command), "{command} at a server with {modes:?}");

    let wrong = if modes == Modes::ActiveOnly { ModeChoice::Passive } else { ModeChoice::Active };
    let mut session = log_in(&peer, wrong).await;
    let error = session.download(&path("hello.txt"), &into(&TestDirectory::new(), false)).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
}

/// A server behind a NAT tells its outside address, at which nobody is from here.
async fn foreign_address(kind: PeerKind) {
    let options = PeerOptions::new().advertised(Ipv4Addr::new(192, 0, 2, 7));
    let Some(peer) = Peer::start_or_skip(kind, &options) else { return };
    assert_eq!(all_operations(&peer, ModeChoice::Only(Pasv)).await, Pasv);
}

macro_rules! servers {
    ($($server:ident: $kind:expr;)*) => {$(
        mod $server {
            use super::*;

            #[tokio::test]
            async fn each_mode_over_ipv4() {
                each_mode($kind, Ipv4Addr::LOCALHOST).await;
            }

            #[tokio::test]
            async fn each_mode_over_ipv6() {
                each_mode($kind, Ipv6Addr::LOCALHOST).await;
            }

            #[tokio::test]
            async fn an_active_only_server() {
                one_mode_only($kind, Modes::ActiveOnly).await;
            }

            #[tokio::test]
            async fn a_passive_only_server() {
                one_mode_only($kind, Modes::PassiveOnly).await;
            }

            #[tokio::test]
            async fn a_server_that_tells_another_address() {
                foreign_address($kind).await;
            }
        }
    )*};
}

servers! {
    vsftpd: PeerKind::Vsftpd;
    proftpd: PeerKind::Proftpd;
    pure_ftpd: PeerKind::PureFtpd;
    pyftpdlib: PeerKind::Pyftpdlib;
}
