//! Uploads that are published when they are complete, and what is left of those that are not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_storage::{
    AppendMethod, Budget, Durability, LocalStorage, MemoryStorage, Storage, StorageError, Upload,
    UploadMethod, UploadRequest, WriteMode, is_part,
};

use crate::support::{Rooms, names, open_write, path, read, write};
use crate::{assert_error, on_each_storage};

const OWNER: &[u8] = b"owner";

async fn begin(storage: &dyn Storage, at: &str, mode: WriteMode) -> Result<Upload, StorageError> {
    storage.begin_upload(&path(at), UploadRequest::new(mode, OWNER)).await
}

async fn put(storage: &dyn Storage, at: &str, mode: WriteMode, content: &[u8]) -> Result<(), StorageError> {
    let mut upload = begin(storage, at, mode).await?;
    upload.write_all(content).await?;
    upload.publish().await
}

/// Leaves a part behind.
async fn cut(storage: &dyn Storage, at: &str, content: &[u8]) {
    begin(storage, at, WriteMode::Replace).await.unwrap().write_all(content).await.unwrap();
}

async fn part_size(storage: &dyn Storage, at: &str) -> Option<u64> {
    storage.part_size(&path(at), OWNER).await.unwrap()
}

on_each_storage! {
    nothing_is_seen_of_an_upload_before_it_is_published,
    a_file_is_replaced_at_once_or_not_at_all,
    a_cut_upload_is_gone_on_with_by_its_owner_alone,
    a_second_writer_has_to_wait,
    going_on_with_a_complete_file_leaves_it_until_the_end,
    nothing_is_replaced_where_that_is_forbidden,
    an_upload_that_gets_no_data_changes_nothing,
    the_budget_is_kept_and_given_back,
    a_part_can_be_deleted_by_its_owner,
}

async fn nothing_is_seen_of_an_upload_before_it_is_published(storage: &dyn Storage) {
    let mut upload = begin(storage, "/file", WriteMode::Replace).await.unwrap();
    upload.write_all(b"some").await.unwrap();
    assert_error!(storage.stat(&path("/file")).await, StorageError::NotFound);
    assert!(names(storage, "/").await.is_empty());
    upload.write_all(b"thing").await.unwrap();
    upload.publish().await.unwrap();
    assert_eq!(names(storage, "/").await, ["file"]);
    assert_eq!(read(storage, "/file").await.unwrap(), b"something");
    put(storage, "/empty", WriteMode::New, b"").await.unwrap();
    assert_eq!(read(storage, "/empty").await.unwrap(), b"");
}

async fn a_file_is_replaced_at_once_or_not_at_all(storage: &dyn Storage) {
    put(storage, "/file", WriteMode::New, b"the old one").await.unwrap();
    storage.set_mode(&path("/file"), 0o640).await.unwrap();
    cut(storage, "/file", b"half").await;
    assert_eq!(read(storage, "/file").await.unwrap(), b"the old one");
    // What was cut is of no use: there is a complete file.
    assert_eq!(part_size(storage, "/file").await, None);
    put(storage, "/file", WriteMode::Replace, b"new").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"new");
    assert_eq!(storage.stat(&path("/file")).await.unwrap().mode, 0o640);
}

async fn a_cut_upload_is_gone_on_with_by_its_owner_alone(storage: &dyn Storage) {
    cut(storage, "/file", b"01234567").await;
    assert_error!(storage.stat(&path("/file")).await, StorageError::NotFound);
    assert!(names(storage, "/").await.is_empty());
    // One byte less than came, so that there is always something left to send.
    assert_eq!(part_size(storage, "/file").await, Some(7));
    assert_eq!(storage.part_size(&path("/file"), b"other").await.unwrap(), None);
    let others = UploadRequest::new(WriteMode::At(7), *b"other");
    assert_error!(
        storage.begin_upload(&path("/file"), others).await,
        StorageError::OffsetBeyondEnd { offset: 7, size: 0 }
    );
    assert_error!(
        begin(storage, "/file", WriteMode::At(9)).await,
        StorageError::OffsetBeyondEnd { offset: 9, size: 8 }
    );
    let mut upload = begin(storage, "/file", WriteMode::At(7)).await.unwrap();
    assert_eq!(upload.offset, 7);
    upload.write_all(b"abc").await.unwrap();
    drop(upload);
    // Cut again, and gone on with from before its end.
    assert_eq!(part_size(storage, "/file").await, Some(9));
    put(storage, "/file", WriteMode::At(4), b"-").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123-");
    assert_eq!(part_size(storage, "/file").await, None);

    cut(storage, "/appended", b"01234567").await;
    put(storage, "/appended", WriteMode::Append, b"789").await.unwrap();
    assert_eq!(read(storage, "/appended").await.unwrap(), b"0123456789");
    // A new beginning forgets it.
    cut(storage, "/anew", b"01234567").await;
    put(storage, "/anew", WriteMode::Replace, b"x").await.unwrap();
    assert_eq!(read(storage, "/anew").await.unwrap(), b"x");
}

async fn a_second_writer_has_to_wait(storage: &dyn Storage) {
    let mut first = begin(storage, "/file", WriteMode::Replace).await.unwrap();
    first.write_all(b"first").await.unwrap();
    for mode in [WriteMode::Replace, WriteMode::Append] {
        for owner in [OWNER, b"other"] {
            let request = UploadRequest::new(mode, owner);
            assert_error!(storage.begin_upload(&path("/file"), request).await, StorageError::Busy);
        }
    }
    // For STOU it is a name like any other that is taken.
    assert_error!(begin(storage, "/file", WriteMode::New).await, StorageError::Exists);
    write(storage, "/moved", WriteMode::New, b"moved").await.unwrap();
    assert_error!(storage.rename(&path("/moved"), &path("/file")).await, StorageError::Busy);
    first.publish().await.unwrap();
    put(storage, "/file", WriteMode::Append, b" second").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"first second");
    // In place it is the same.
    let first = open_write(storage, &path("/file"), WriteMode::Append).await.unwrap();
    assert_error!(open_write(storage, &path("/file"), WriteMode::Replace).await, StorageError::Busy);
    assert_error!(begin(storage, "/file", WriteMode::Replace).await, StorageError::Busy);
    drop(first);
    put(storage, "/file", WriteMode::Replace, b"third").await.unwrap();
}

async fn going_on_with_a_complete_file_leaves_it_until_the_end(storage: &dyn Storage) {
    put(storage, "/file", WriteMode::New, b"0123456789").await.unwrap();
    let mut upload = begin(storage, "/file", WriteMode::Append).await.unwrap();
    assert_eq!(upload.offset, 10);
    upload.write_all(b"abc").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123456789");
    upload.publish().await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123456789abc");
    put(storage, "/file", WriteMode::At(4), b"--").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123--6789abc");
    drop(begin(storage, "/file", WriteMode::At(13)).await.unwrap());
    assert_error!(
        begin(storage, "/file", WriteMode::At(14)).await,
        StorageError::OffsetBeyondEnd { offset: 14, size: 13 }
    );
    let request = UploadRequest {
        append: AppendMethod::InPlace,
        durability: Durability::Fsync,
        ..UploadRequest::new(WriteMode::Append, OWNER)
    };
    let mut upload = storage.begin_upload(&path("/file"), request).await.unwrap();
    upload.write_all(b"d").await.unwrap();
    upload.publish().await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123--6789abcd");
}

async fn nothing_is_replaced_where_that_is_forbidden(storage: &dyn Storage) {
    put(storage, "/file", WriteMode::New, b"old").await.unwrap();
    for method in [UploadMethod::Atomic, UploadMethod::InPlace] {
        for mode in [WriteMode::Replace, WriteMode::At(0), WriteMode::At(1), WriteMode::Append] {
            let request = UploadRequest { may_replace: false, method, ..UploadRequest::new(mode, OWNER) };
            assert_error!(storage.begin_upload(&path("/file"), request).await, StorageError::Exists);
        }
    }
    let request = UploadRequest { may_replace: false, ..UploadRequest::new(WriteMode::Replace, OWNER) };
    let mut upload = storage.begin_upload(&path("/new"), request).await.unwrap();
    upload.write_all(b"new").await.unwrap();
    upload.publish().await.unwrap();
    assert_eq!(read(storage, "/new").await.unwrap(), b"new");
    assert_eq!(read(storage, "/file").await.unwrap(), b"old");
}

async fn an_upload_that_gets_no_data_changes_nothing(storage: &dyn Storage) {
    put(storage, "/file", WriteMode::New, b"old").await.unwrap();
    cut(storage, "/part", b"0123").await;
    for method in [UploadMethod::Atomic, UploadMethod::InPlace] {
        for at in ["/file", "/part", "/missing"] {
            if at != "/file" && method == UploadMethod::InPlace {
                continue; // it makes the file at once
            }
            let request = UploadRequest { method, ..UploadRequest::new(WriteMode::Replace, OWNER) };
            drop(storage.begin_upload(&path(at), request).await.unwrap());
        }
    }
    assert_eq!(read(storage, "/file").await.unwrap(), b"old");
    assert_eq!(names(storage, "/").await, ["file"]);
}

async fn the_budget_is_kept_and_given_back(storage: &dyn Storage) {
    let purse = Arc::new(Purse(Mutex::new((10, 2))));
    let left = || *purse.0.lock().unwrap();
    for method in [UploadMethod::Atomic, UploadMethod::InPlace] {
        let at = format!("/{method:?}");
        let request =
            |mode| UploadRequest { method, budget: Some(purse.clone()), ..UploadRequest::new(mode, OWNER) };
        let mut upload = storage.begin_upload(&path(&at), request(WriteMode::Replace)).await.unwrap();
        upload.write_all(b"0123").await.unwrap();
        upload.publish().await.unwrap();
        let (bytes, files) = left();
        // What replaces a file costs only what is more than it.
        let mut upload = storage.begin_upload(&path(&at), request(WriteMode::Replace)).await.unwrap();
        upload.write_all(b"01").await.unwrap();
        assert_eq!(left(), (bytes, files));
        upload.publish().await.unwrap();
        assert_eq!(left(), (bytes + 2, files));
    }
    assert_eq!(left(), (6, 0));
    assert_error!(
        storage
            .begin_upload(
                &path("/third"),
                UploadRequest { budget: Some(purse.clone()), ..UploadRequest::new(WriteMode::New, OWNER) }
            )
            .await,
        StorageError::QuotaExceeded
    );
    let request =
        UploadRequest { budget: Some(purse.clone()), ..UploadRequest::new(WriteMode::Append, OWNER) };
    let mut upload = storage.begin_upload(&path("/Atomic"), request).await.unwrap();
    upload.write_all(b"23456").await.unwrap();
    assert_error!(upload.write_all(b"789").await, StorageError::QuotaExceeded);
    drop(upload);
    assert_eq!(left(), (6, 0));
    assert_eq!(read(storage, "/Atomic").await.unwrap(), b"01");
    assert!(!names(storage, "/").await.contains(&"third".to_owned()));
}

async fn a_part_can_be_deleted_by_its_owner(storage: &dyn Storage) {
    cut(storage, "/file", b"01234567").await;
    let held = storage.parts_in(&path("/")).await.unwrap();
    assert_eq!(held.files, 1);
    assert_eq!(storage.delete_part(&path("/file"), b"other").await.unwrap(), None);
    assert_eq!(storage.delete_part(&path("/file"), OWNER).await.unwrap(), Some(held.bytes));
    assert_eq!(storage.delete_part(&path("/file"), OWNER).await.unwrap(), None);
    assert_eq!(storage.parts_in(&path("/")).await.unwrap(), wharf_storage::Held::default());
    assert_eq!(part_size(storage, "/file").await, None);
}

#[derive(Debug)]
struct Purse(Mutex<(u64, u64)>);

impl Budget for Purse {
    fn take(&self, bytes: u64, files: u64) -> Result<(), StorageError> {
        let mut left = self.0.lock().unwrap();
        let less = (left.0.checked_sub(bytes), left.1.checked_sub(files));
        let (Some(bytes), Some(files)) = less else { return Err(StorageError::QuotaExceeded) };
        *left = (bytes, files);
        Ok(())
    }

    fn give_back(&self, bytes: u64, files: u64) {
        let mut left = self.0.lock().unwrap();
        *left = (left.0 + bytes, left.1 + files);
    }
}

/// The only name in the root that is a part's.
fn part_in(rooms: &Rooms) -> String {
    let mut names: Vec<String> = std::fs::read_dir(&rooms.root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| is_part(name.as_bytes()))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.remove(0)
}

#[tokio::test]
async fn a_part_outlives_the_server_and_no_word_leads_to_it() {
    let rooms = Rooms::new();
    cut(&rooms.storage, "/file", b"01234567").await;
    let name = part_in(&rooms);
    let storage = LocalStorage::open(&rooms.root).unwrap();
    assert_eq!(part_size(&storage, "/file").await, Some(7));
    let hidden = path(format!("/{name}"));
    assert_error!(storage.stat(&hidden).await, StorageError::NotFound);
    assert_error!(storage.open_read(&hidden, 0).await, StorageError::NotFound);
    assert_error!(storage.delete(&hidden).await, StorageError::NotFound);
    assert_error!(storage.rename(&hidden, &path("/seen")).await, StorageError::NotFound);
    assert_error!(storage.set_mode(&hidden, 0o666).await, StorageError::NotFound);
    for mode in [WriteMode::New, WriteMode::Replace, WriteMode::Append] {
        assert_error!(begin(&storage, &format!("/{name}"), mode).await, StorageError::NotFound);
        assert_error!(open_write(&storage, &hidden, mode).await, StorageError::NotFound);
    }
    assert_error!(storage.make_directory(&hidden).await, StorageError::NotFound);
    put(&storage, "/file", WriteMode::At(7), b"7").await.unwrap();
    assert_eq!(read(&storage, "/file").await.unwrap(), b"01234567");
}

#[tokio::test]
async fn what_appears_under_the_name_meanwhile_is_not_replaced_where_that_is_forbidden() {
    let rooms = Rooms::new();
    for (mode, may_replace) in [(WriteMode::New, true), (WriteMode::Replace, false)] {
        let request = UploadRequest { may_replace, ..UploadRequest::new(mode, OWNER) };
        let mut upload = rooms.storage.begin_upload(&path("/file"), request).await.unwrap();
        upload.write_all(b"ours").await.unwrap();
        std::fs::write(rooms.root.join("file"), "somebody else's").unwrap();
        assert_error!(upload.publish().await, StorageError::Exists);
        assert_eq!(read(&rooms.storage, "/file").await.unwrap(), b"somebody else's");
        std::fs::remove_file(rooms.root.join("file")).unwrap();
    }
}

#[tokio::test]
async fn a_sweep_takes_old_parts_and_nothing_else() {
    let rooms = Rooms::new();
    let memory = MemoryStorage::new();
    let storages: [&dyn Storage; 2] = [&rooms.storage, &memory];
    for storage in storages {
        storage.make_directory(&path("/a")).await.unwrap();
        storage.make_directory(&path("/a/b")).await.unwrap();
        for at in ["/file", "/a/file", "/a/b/file"] {
            cut(storage, at, b"part").await;
        }
        write(storage, "/a/.wharf-file.part", WriteMode::New, b"a file like others").await.unwrap();
        let mut running = begin(storage, "/running", WriteMode::Replace).await.unwrap();
        running.write_all(b"running").await.unwrap();
        assert_eq!(sweep(storage, Duration::from_secs(3600)).await, 0);
        assert_eq!(sweep(storage, Duration::ZERO).await, 3);
        assert_eq!(part_size(storage, "/a/b/file").await, None);
        running.publish().await.unwrap();
        assert_eq!(read(storage, "/running").await.unwrap(), b"running");
        assert_eq!(names(storage, "/a").await, [".wharf-file.part", "b"]);
    }
}

async fn sweep(storage: &dyn Storage, unused_for: Duration) -> u64 {
    let mut sweep = storage.sweep(unused_for);
    let mut removed = 0;
    while let Some(more) = sweep.step().await {
        removed += more.files;
    }
    removed
}

#[tokio::test]
async fn a_directory_that_holds_only_parts_is_empty_unless_one_is_written() {
    let rooms = Rooms::new();
    let storage = &rooms.storage;
    storage.make_directory(&path("/a")).await.unwrap();
    cut(storage, "/a/one", b"part").await;
    let running = begin(storage, "/a/two", WriteMode::Replace).await.unwrap();
    assert_error!(storage.remove_directory(&path("/a")).await, StorageError::Busy);
    drop(running);
    write(storage, "/a/file", WriteMode::New, b"").await.unwrap();
    assert_error!(storage.remove_directory(&path("/a")).await, StorageError::NotEmpty);
    storage.delete(&path("/a/file")).await.unwrap();
    storage.remove_directory(&path("/a")).await.unwrap();
}

#[tokio::test]
async fn what_replaces_a_file_does_not_get_the_rights_that_it_lent() {
    let rooms = Rooms::new();
    put(&rooms.storage, "/file", WriteMode::New, b"trusted").await.unwrap();
    rooms.storage.set_mode(&path("/file"), 0o6750).await.unwrap();
    put(&rooms.storage, "/file", WriteMode::Replace, b"anything").await.unwrap();
    assert_eq!(rooms.storage.stat(&path("/file")).await.unwrap().mode, 0o750);
}

#[tokio::test]
async fn a_link_within_the_root_is_written_through_and_stays_a_link() {
    let rooms = Rooms::new();
    std::os::unix::fs::symlink("target", rooms.root.join("link")).unwrap();
    for content in [b"first", b"again"] {
        put(&rooms.storage, "/link", WriteMode::Replace, content).await.unwrap();
        assert_eq!(std::fs::read(rooms.root.join("target")).unwrap(), content);
    }
    assert!(rooms.root.join("link").is_symlink());
}
