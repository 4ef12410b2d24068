//! FIFOs, devices and sockets are refused, and nobody waits for their other end.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use wharf_storage::{Kind, LocalStorage, Storage, StorageError, WriteMode};

use crate::assert_error;
use crate::support::{Rooms, all, open_write, path};

const MODES: [WriteMode; 4] = [WriteMode::Replace, WriteMode::At(0), WriteMode::At(1), WriteMode::Append];

/// Runs a test on a thread of its own, because an opening that waits would wait for ever.
fn without_hanging<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test());
        let _ = done.send(());
    });
    if is_done.recv_timeout(Duration::from_secs(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it hangs");
    }
    thread.join().unwrap();
}

async fn assert_refused(storage: &LocalStorage, name: &str, kind: Kind) {
    assert_error!(storage.open_read(&path(name), 0).await, StorageError::NotRegular);
    for mode in MODES {
        assert_error!(open_write(storage, &path(name), mode).await, StorageError::NotRegular);
    }
    assert_error!(open_write(storage, &path(name), WriteMode::New).await, StorageError::Exists);
    assert_error!(storage.list(&path(name)).await, StorageError::NotDirectory);
    assert_error!(storage.set_modified(&path(name), UNIX_EPOCH).await, StorageError::NotRegular);
    assert_error!(storage.set_mode(&path(name), 0o600).await, StorageError::NotRegular);
    assert_eq!(storage.stat(&path(name)).await.unwrap().kind, kind);
}

#[test]
fn a_fifo_is_refused() {
    without_hanging(|| async {
        let rooms = Rooms::new();
        let fifo = rooms.root.join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::os::unix::fs::symlink("fifo", rooms.root.join("link")).unwrap();
        for name in ["/fifo", "/link"] {
            assert_refused(&rooms.storage, name, Kind::Fifo).await;
        }
        // Also when somebody is at the other end.
        let _both_ends = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
        assert_refused(&rooms.storage, "/fifo", Kind::Fifo).await;
        let listed = all(rooms.storage.list(&path("/")).await.unwrap()).await.unwrap();
        assert_eq!(listed[&b"fifo"[..]].kind, Kind::Fifo);
        rooms.storage.delete(&path("/fifo")).await.unwrap();
    });
}

#[test]
fn a_socket_is_refused() {
    without_hanging(|| async {
        let rooms = Rooms::new();
        let _listener = UnixListener::bind(rooms.root.join("socket")).unwrap();
        assert_refused(&rooms.storage, "/socket", Kind::Socket).await;
    });
}

/// In the real /dev, because making device nodes needs root.
#[test]
fn a_device_is_refused() {
    without_hanging(|| async {
        let storage = LocalStorage::open(Path::new("/dev")).unwrap();
        for name in ["/null", "/zero"] {
            assert_eq!(storage.stat(&path(name)).await.unwrap().kind, Kind::CharacterDevice);
            assert_error!(storage.open_read(&path(name), 0).await, StorageError::NotRegular);
            for mode in MODES {
                assert_error!(open_write(&storage, &path(name), mode).await, StorageError::NotRegular);
            }
        }
    });
}
