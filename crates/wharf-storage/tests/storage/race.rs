//! Somebody swaps a directory and a symbolic link that leads out, again and again, while we use the name: not once may
//! anything outside be reached.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use wharf_storage::{Storage, StorageError, UploadKind, UploadRequest, WriteMode};

use crate::support::{Rooms, all, open_write, path, read_rest, snapshot};

/// Rounds of the quick form; 400,000 in `cargo xtask soak`.
const ROUNDS: u64 = 20_000;

#[test]
fn soak_escape_nothing_gets_out_while_a_directory_and_a_link_are_swapped() {
    let rounds = wharf_testkit::soak_rounds(ROUNDS);
    let rooms = Rooms::new();
    std::fs::write(rooms.outside.join("file"), "outside").unwrap();
    std::fs::create_dir(rooms.outside.join("sub")).unwrap();
    std::fs::create_dir(rooms.root.join("dir")).unwrap();
    std::fs::write(rooms.root.join("dir/file"), "inside").unwrap();
    std::fs::create_dir(rooms.root.join("dir/sub")).unwrap();
    symlink("../outside", rooms.root.join("link")).unwrap();
    // Its `..` makes the kernel say EAGAIN whenever a rename happens meanwhile.
    symlink("dir/sub/../file", rooms.root.join("winding")).unwrap();
    let before = snapshot(&rooms.outside);
    let outside_file = std::fs::metadata(rooms.outside.join("file")).unwrap().ino();

    let swaps = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let (one, other) = (rooms.root.join("dir"), rooms.root.join("link"));
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        // A panic must not leave the other thread swapping, for the scope waits for it.
        let _end = OnDrop(|| is_over.store(true, Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for round in 0..rounds {
                use_the_name(&rooms.storage, round, outside_file, &mut seen).await;
            }
        });
    });
    assert_eq!(snapshot(&rooms.outside), before, "something outside was changed");
    println!("{rounds} rounds, {} swaps, {seen:?}", swaps.into_inner());
    assert!(
        seen.inside > rounds / 100 && seen.refused > rounds / 100,
        "the race did not take place: {seen:?}"
    );
}

#[derive(Debug, Default)]
struct Seen {
    /// The directory was there.
    inside: u64,
    /// The link was there, and we did not follow it.
    refused: u64,
    /// So many renames came between that we gave up.
    gave_up: u64,
}

impl Seen {
    fn note<T>(&mut self, result: Result<T, StorageError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.inside += 1;
                return Some(value);
            }
            // Refused, or (the name was the link) there is nothing to be unlinked, or it was gone already.
            Err(StorageError::OutsideRoot) => self.refused += 1,
            Err(StorageError::NotFound | StorageError::Exists | StorageError::NotEmpty) => self.inside += 1,
            Err(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.gave_up += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
        None
    }
}

/// One operation on a name in the directory that is swapped, another one each round.
async fn use_the_name(storage: &dyn Storage, round: u64, outside_file: u64, seen: &mut Seen) {
    let file = path(if round.is_multiple_of(2) { "/dir/file" } else { "/link/file" });
    let new = path("/dir/new");
    match round % 16 {
        0..=5 => {
            if let Some(source) = seen.note(storage.open_read(&file, 0).await) {
                assert_eq!(read_rest(source).await, b"inside", "escaped by reading");
            }
        }
        6 | 7 => {
            let mode = if round.is_multiple_of(3) { WriteMode::At(0) } else { WriteMode::Append };
            if let Some(mut sink) = seen.note(open_write(storage, &file, mode).await) {
                let UploadKind::File(upload) = &mut sink.kind else { panic!("a file was expected") };
                assert_ne!(inode(upload.file()), outside_file, "escaped by writing");
            }
        }
        8 => {
            if let Some(source) = seen.note(storage.open_read(&path("/winding"), 0).await) {
                assert_eq!(read_rest(source).await, b"inside", "escaped by the winding way");
            }
        }
        9 => {
            if let Some(metadata) = seen.note(storage.stat(&file).await) {
                assert_ne!(metadata.inode, Some(outside_file), "escaped by stat");
            }
        }
        10 if round.is_multiple_of(3) => {
            let request = UploadRequest::new(WriteMode::Replace, *b"tester");
            if let Some(mut upload) = seen.note(storage.begin_upload(&file, request).await) {
                upload.write_all(b"inside").await.unwrap();
                let _ = seen.note(upload.publish().await);
            }
        }
        10 => drop(seen.note(open_write(storage, &new, WriteMode::New).await)),
        11 => drop(seen.note(storage.delete(&new).await)),
        12 => {
            if seen.note(storage.make_directory(&path("/dir/made")).await).is_some() {
                let _ = seen.note(storage.remove_directory(&path("/dir/made")).await);
            }
        }
        13 => {
            if let Some(listing) = seen.note(storage.list(&path("/dir")).await) {
                let names = all(listing).await.unwrap();
                assert_ne!(names[&b"file"[..]].inode, Some(outside_file), "escaped by listing");
            }
        }
        14 => {
            let _ = seen.note(storage.set_mode(&file, 0o640).await);
            let _ = seen.note(storage.set_modified(&file, UNIX_EPOCH).await);
        }
        _ => {
            let _ = seen.note(storage.rename(&new, &path("/dir/renamed")).await);
            let _ = seen.note(storage.delete(&path("/dir/renamed")).await);
        }
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
