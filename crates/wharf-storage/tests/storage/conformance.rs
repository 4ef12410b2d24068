//! What every storage does, run against each of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wharf_storage::{Kind, MemoryStorage, Storage, StorageError, StoragePath, WriteMode};

use crate::support::{Rooms, all, fill, names, open_write, path, read, read_rest, write};
use crate::{assert_error, on_each_storage};

on_each_storage! {
    what_is_written_can_be_read,
    reading_begins_at_the_offset,
    new_takes_only_a_free_name,
    replace_discards_the_old_content,
    writing_at_an_offset_keeps_what_is_before_and_behind,
    append_writes_at_the_end,
    an_offset_beyond_the_end_is_an_error_and_creates_nothing,
    directories_are_not_opened_as_files,
    a_missing_name_is_not_found,
    a_file_is_not_a_directory,
    directories_are_made_and_removed,
    files_are_deleted_and_directories_are_not,
    files_are_renamed,
    directories_are_renamed_with_what_is_in_them,
    renaming_to_a_taken_name,
    the_root_stays_where_it_is,
    stat_tells_kind_size_and_links,
    times_are_set,
    permission_bits_are_set,
    a_directory_is_listed,
    two_names_are_two_inodes,
    many_at_once,
}

async fn what_is_written_can_be_read(storage: &dyn Storage) {
    for mode in [WriteMode::New, WriteMode::Replace, WriteMode::At(0), WriteMode::Append] {
        let name = format!("/{mode:?}");
        write(storage, &name, mode, b"content").await.unwrap();
        assert_eq!(read(storage, &name).await.unwrap(), b"content", "{mode:?}");
        write(storage, &format!("{name}-empty"), mode, b"").await.unwrap();
        assert_eq!(read(storage, &format!("{name}-empty")).await.unwrap(), b"");
    }
}

async fn reading_begins_at_the_offset(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::New, b"0123456789").await.unwrap();
    for offset in [0, 1, 9, 10] {
        let source = storage.open_read(&path("/file"), offset).await.unwrap();
        assert_eq!((source.size, source.offset), (Some(10), offset));
        assert_eq!(read_rest(source).await, b"0123456789"[usize::try_from(offset).unwrap()..]);
    }
    for offset in [11, 1 << 40, u64::MAX] {
        assert_error!(
            storage.open_read(&path("/file"), offset).await,
            StorageError::OffsetBeyondEnd { size: 10, offset: _ }
        );
    }
}

async fn new_takes_only_a_free_name(storage: &dyn Storage) {
    let mut sink = open_write(storage, &path("/unique"), WriteMode::New).await.unwrap();
    // The name is taken from the moment it is given out.
    assert_error!(open_write(storage, &path("/unique"), WriteMode::New).await, StorageError::Exists);
    fill(&mut sink, b"first").await.unwrap();
    sink.publish().await.unwrap();
    assert_error!(open_write(storage, &path("/unique"), WriteMode::New).await, StorageError::Exists);
    storage.make_directory(&path("/directory")).await.unwrap();
    assert_error!(open_write(storage, &path("/directory"), WriteMode::New).await, StorageError::Exists);
    assert_eq!(read(storage, "/unique").await.unwrap(), b"first");
}

async fn replace_discards_the_old_content(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::New, b"a long content").await.unwrap();
    // Twice: the second time the name is in the kernel's cache.
    for content in [&b"short"[..], b"x", b"longer again"] {
        write(storage, "/file", WriteMode::Replace, content).await.unwrap();
        assert_eq!(read(storage, "/file").await.unwrap(), content);
    }
}

async fn writing_at_an_offset_keeps_what_is_before_and_behind(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::New, b"0123456789").await.unwrap();
    let mut sink = open_write(storage, &path("/file"), WriteMode::At(4)).await.unwrap();
    assert_eq!(sink.offset, 4);
    fill(&mut sink, b"ab").await.unwrap();
    fill(&mut sink, b"c").await.unwrap();
    sink.publish().await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123abc789");
    write(storage, "/file", WriteMode::At(9), b"behind the end").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"0123abc78behind the end");
    write(storage, "/file", WriteMode::At(0), b"XY").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"XY23abc78behind the end");
    write(storage, "/file", WriteMode::At(23), b"!").await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"XY23abc78behind the end!");
}

async fn append_writes_at_the_end(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::Append, b"one ").await.unwrap();
    let mut sink = open_write(storage, &path("/file"), WriteMode::Append).await.unwrap();
    assert_eq!(sink.offset, 4);
    fill(&mut sink, b"two").await.unwrap();
    sink.publish().await.unwrap();
    assert_eq!(read(storage, "/file").await.unwrap(), b"one two");
}

async fn an_offset_beyond_the_end_is_an_error_and_creates_nothing(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::New, b"1234").await.unwrap();
    let at = |offset| WriteMode::At(offset);
    assert_error!(
        open_write(storage, &path("/file"), at(5)).await,
        StorageError::OffsetBeyondEnd { offset: 5, size: 4 }
    );
    assert_error!(
        open_write(storage, &path("/missing"), at(1)).await,
        StorageError::OffsetBeyondEnd { offset: 1, size: 0 }
    );
    assert_error!(open_write(storage, &path("/missing/file"), at(1)).await, StorageError::NotFound);
    assert_eq!(names(storage, "/").await, ["file"]);
    assert_eq!(read(storage, "/file").await.unwrap(), b"1234");
}

async fn directories_are_not_opened_as_files(storage: &dyn Storage) {
    storage.make_directory(&path("/directory")).await.unwrap();
    for place in ["/", "/directory"] {
        assert_error!(storage.open_read(&path(place), 0).await, StorageError::IsDirectory);
        for mode in [WriteMode::Replace, WriteMode::At(0), WriteMode::At(1), WriteMode::Append] {
            assert_error!(open_write(storage, &path(place), mode).await, StorageError::IsDirectory);
        }
    }
}

async fn a_missing_name_is_not_found(storage: &dyn Storage) {
    for place in ["/missing", "/missing/file"] {
        let place = path(place);
        assert_error!(storage.open_read(&place, 0).await, StorageError::NotFound);
        assert_error!(storage.list(&place).await, StorageError::NotFound);
        assert_error!(storage.stat(&place).await, StorageError::NotFound);
        assert_error!(storage.delete(&place).await, StorageError::NotFound);
        assert_error!(storage.remove_directory(&place).await, StorageError::NotFound);
        assert_error!(storage.set_modified(&place, UNIX_EPOCH).await, StorageError::NotFound);
        assert_error!(storage.set_mode(&place, 0o600).await, StorageError::NotFound);
        assert_error!(storage.rename(&place, &path("/other")).await, StorageError::NotFound);
    }
    let inside = path("/missing/file");
    for mode in [WriteMode::New, WriteMode::Replace, WriteMode::At(0), WriteMode::Append] {
        assert_error!(open_write(storage, &inside, mode).await, StorageError::NotFound);
    }
    assert_error!(storage.make_directory(&inside).await, StorageError::NotFound);
    write(storage, "/file", WriteMode::New, b"").await.unwrap();
    assert_error!(storage.rename(&path("/file"), &inside).await, StorageError::NotFound);
}

async fn a_file_is_not_a_directory(storage: &dyn Storage) {
    write(storage, "/file", WriteMode::New, b"x").await.unwrap();
    assert_error!(storage.list(&path("/file")).await, StorageError::NotDirectory);
    assert_error!(storage.remove_directory(&path("/file")).await, StorageError::NotDirectory);
    let inside = path("/file/inside");
    assert_error!(storage.open_read(&inside, 0).await, StorageError::NotDirectory);
    assert_error!(open_write(storage, &inside, WriteMode::Replace).await, StorageError::NotDirectory);
    assert_error!(open_write(storage, &inside, WriteMode::New).await, StorageError::NotDirectory);
    assert_error!(storage.stat(&inside).await, StorageError::NotDirectory);
    assert_error!(storage.delete(&inside).await, StorageError::NotDirectory);
    assert_error!(storage.make_directory(&inside).await, StorageError::NotDirectory);
    assert_error!(storage.rename(&path("/file"), &inside).await, StorageError::NotDirectory);
}

async fn directories_are_made_and_removed(storage: &dyn Storage) {
    storage.make_directory(&path("/a")).await.unwrap();
    storage.make_directory(&path("/a/b")).await.unwrap();
    for taken in ["/a", "/a/b", "/"] {
        assert_error!(storage.make_directory(&path(taken)).await, StorageError::Exists);
    }
    assert_error!(storage.remove_directory(&path("/a")).await, StorageError::NotEmpty);
    write(storage, "/a/b/file", WriteMode::New, b"").await.unwrap();
    assert_error!(storage.remove_directory(&path("/a/b")).await, StorageError::NotEmpty);
    assert_error!(storage.make_directory(&path("/a/b/file")).await, StorageError::Exists);
    storage.delete(&path("/a/b/file")).await.unwrap();
    storage.remove_directory(&path("/a/b")).await.unwrap();
    storage.remove_directory(&path("/a")).await.unwrap();
    assert!(names(storage, "/").await.is_empty());
}

async fn files_are_deleted_and_directories_are_not(storage: &dyn Storage) {
    storage.make_directory(&path("/directory")).await.unwrap();
    write(storage, "/file", WriteMode::New, b"x").await.unwrap();
    assert_error!(storage.delete(&path("/directory")).await, StorageError::IsDirectory);
    assert_error!(storage.delete(&path("/")).await, StorageError::IsDirectory);
    storage.delete(&path("/file")).await.unwrap();
    assert_error!(storage.delete(&path("/file")).await, StorageError::NotFound);
    assert_eq!(names(storage, "/").await, ["directory"]);
}

async fn files_are_renamed(storage: &dyn Storage) {
    storage.make_directory(&path("/directory")).await.unwrap();
    write(storage, "/file", WriteMode::New, b"content").await.unwrap();
    storage.rename(&path("/file"), &path("/directory/renamed")).await.unwrap();
    assert_eq!(read(storage, "/directory/renamed").await.unwrap(), b"content");
    assert_error!(storage.stat(&path("/file")).await, StorageError::NotFound);
    let itself = path("/directory/renamed");
    storage.rename(&itself, &itself).await.unwrap();
    assert_eq!(read(storage, "/directory/renamed").await.unwrap(), b"content");
}

async fn directories_are_renamed_with_what_is_in_them(storage: &dyn Storage) {
    storage.make_directory(&path("/a")).await.unwrap();
    write(storage, "/a/file", WriteMode::New, b"content").await.unwrap();
    storage.rename(&path("/a"), &path("/b")).await.unwrap();
    assert_eq!(read(storage, "/b/file").await.unwrap(), b"content");
    assert_error!(storage.rename(&path("/b"), &path("/b/c")).await, StorageError::NameNotAllowed);
    assert_eq!(names(storage, "/b").await, ["file"]);
    // A name that only begins alike is no part of it.
    storage.rename(&path("/b"), &path("/bc")).await.unwrap();
    assert_eq!(names(storage, "/").await, ["bc"]);
}

async fn renaming_to_a_taken_name(storage: &dyn Storage) {
    for directory in ["/empty", "/full"] {
        storage.make_directory(&path(directory)).await.unwrap();
    }
    for file in ["/full/file", "/one", "/two"] {
        write(storage, file, WriteMode::New, file.as_bytes()).await.unwrap();
    }
    storage.rename(&path("/one"), &path("/two")).await.unwrap();
    assert_eq!(read(storage, "/two").await.unwrap(), b"/one");
    assert_error!(storage.rename(&path("/two"), &path("/empty")).await, StorageError::IsDirectory);
    assert_error!(storage.rename(&path("/full"), &path("/two")).await, StorageError::NotDirectory);
    assert_error!(storage.rename(&path("/empty"), &path("/full")).await, StorageError::NotEmpty);
    storage.rename(&path("/full"), &path("/empty")).await.unwrap();
    assert_eq!(names(storage, "/").await, ["empty", "two"]);
    assert_eq!(names(storage, "/empty").await, ["file"]);
}

async fn the_root_stays_where_it_is(storage: &dyn Storage) {
    let root = StoragePath::root();
    storage.make_directory(&path("/a")).await.unwrap();
    assert_error!(storage.rename(&root, &path("/b")).await, StorageError::PermissionDenied);
    assert_error!(storage.rename(&path("/a"), &root).await, StorageError::PermissionDenied);
    assert_error!(storage.remove_directory(&root).await, StorageError::PermissionDenied);
    assert!(storage.stat(&root).await.unwrap().is_directory());
    assert_eq!(names(storage, "/").await, ["a"]);
}

async fn stat_tells_kind_size_and_links(storage: &dyn Storage) {
    let before = SystemTime::now() - Duration::from_secs(5);
    storage.make_directory(&path("/directory")).await.unwrap();
    write(storage, "/directory/file", WriteMode::New, &[7; 1234]).await.unwrap();
    let file = storage.stat(&path("/directory/file")).await.unwrap();
    assert_eq!((file.kind, file.size, file.links), (Kind::File, 1234, 1));
    assert!(file.is_file() && !file.is_directory());
    assert!(file.modified > before && file.modified < SystemTime::now() + Duration::from_secs(5));
    assert_eq!(file.mode & !0o666, 0, "{:o}", file.mode);
    let directory = storage.stat(&path("/directory")).await.unwrap();
    assert_eq!(directory.kind, Kind::Directory);
    assert_ne!(directory.inode, file.inode);
}

async fn times_are_set(storage: &dyn Storage) {
    storage.make_directory(&path("/directory")).await.unwrap();
    write(storage, "/file", WriteMode::New, b"x").await.unwrap();
    for time in [
        UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_secs(86_400),
    ] {
        for place in ["/file", "/directory", "/"] {
            storage.set_modified(&path(place), time).await.unwrap();
            assert_eq!(storage.stat(&path(place)).await.unwrap().modified, time, "{place}");
        }
    }
}

async fn permission_bits_are_set(storage: &dyn Storage) {
    storage.make_directory(&path("/directory")).await.unwrap();
    write(storage, "/file", WriteMode::New, b"x").await.unwrap();
    for place in ["/file", "/directory"] {
        // From 0 back: an owner who may not read may still change the bits, and the times as well.
        for mode in [0o640, 0o000, 0o755, 0o700] {
            storage.set_mode(&path(place), mode).await.unwrap();
            assert_eq!(storage.stat(&path(place)).await.unwrap().mode, mode);
            storage.set_modified(&path(place), UNIX_EPOCH).await.unwrap();
        }
        storage.set_mode(&path(place), 0o10_0644).await.unwrap();
        assert_eq!(storage.stat(&path(place)).await.unwrap().mode, 0o644, "only the bits count");
        storage.set_mode(&path(place), 0o755).await.unwrap();
    }
}

async fn a_directory_is_listed(storage: &dyn Storage) {
    assert!(names(storage, "/").await.is_empty());
    storage.make_directory(&path("/directory")).await.unwrap();
    for (name, size) in [("/b", 2), ("/a", 1), ("/directory/inside", 3)] {
        write(storage, name, WriteMode::New, &vec![0; size]).await.unwrap();
    }
    let entries = all(storage.list(&StoragePath::root()).await.unwrap()).await.unwrap();
    let told: Vec<_> = entries.iter().map(|(name, metadata)| (&name[..], metadata.kind)).collect();
    assert_eq!(told, [(&b"a"[..], Kind::File), (b"b", Kind::File), (b"directory", Kind::Directory)]);
    assert_eq!((entries[&b"a"[..]].size, entries[&b"b"[..]].size), (1, 2));
    for (name, metadata) in entries {
        let place = StoragePath::root().join(&name).unwrap();
        assert_eq!(storage.stat(&place).await.unwrap(), metadata, "stat and list tell the same");
    }
    let mut listing = storage.list(&path("/directory")).await.unwrap();
    assert_eq!(listing.next_batch().await.unwrap().unwrap().len(), 1);
    assert_eq!(listing.next_batch().await.unwrap(), None);
    assert_eq!(listing.next_batch().await.unwrap(), None, "the end stays the end");
}

async fn two_names_are_two_inodes(storage: &dyn Storage) {
    write(storage, "/one", WriteMode::New, b"x").await.unwrap();
    write(storage, "/two", WriteMode::New, b"x").await.unwrap();
    let one = storage.stat(&path("/one")).await.unwrap();
    let two = storage.stat(&path("/two")).await.unwrap();
    assert!(one.inode.is_some() && one.inode != two.inode);
    write(storage, "/one", WriteMode::Replace, b"y").await.unwrap();
    assert_eq!(storage.stat(&path("/one")).await.unwrap().inode, one.inode);
}

async fn many_at_once(storage: &dyn Storage) {
    let mut sinks = Vec::new();
    for number in 0..50 {
        sinks.push(open_write(storage, &path(format!("/{number}")), WriteMode::New).await.unwrap());
    }
    for (number, sink) in sinks.iter_mut().enumerate() {
        fill(sink, number.to_string().as_bytes()).await.unwrap();
    }
    for sink in sinks {
        sink.publish().await.unwrap();
    }
    for number in 0..50 {
        assert_eq!(read(storage, &format!("/{number}")).await.unwrap(), number.to_string().as_bytes());
    }
}

#[tokio::test]
async fn in_memory_an_upload_appears_when_it_is_finished_and_else_never() {
    let storage = MemoryStorage::new();
    write(&storage, "/old", WriteMode::New, b"old").await.unwrap();
    let mut replacing = open_write(&storage, &path("/old"), WriteMode::Replace).await.unwrap();
    fill(&mut replacing, b"new").await.unwrap();
    assert_eq!(read(&storage, "/old").await.unwrap(), b"old");
    drop(replacing);
    assert_eq!(read(&storage, "/old").await.unwrap(), b"old");
    for mode in [WriteMode::New, WriteMode::Replace, WriteMode::Append] {
        let mut broken = open_write(&storage, &path("/broken"), mode).await.unwrap();
        fill(&mut broken, b"half").await.unwrap();
        drop(broken);
        assert_error!(storage.stat(&path("/broken")).await, StorageError::NotFound);
    }
}

#[tokio::test]
async fn in_memory_a_reader_keeps_what_it_opened() {
    let storage = MemoryStorage::new();
    write(&storage, "/file", WriteMode::New, b"old").await.unwrap();
    let source = storage.open_read(&path("/file"), 1).await.unwrap();
    write(&storage, "/file", WriteMode::Replace, b"other").await.unwrap();
    storage.delete(&path("/file")).await.unwrap();
    assert_eq!(read_rest(source).await, b"ld");
}

#[tokio::test]
async fn in_memory_the_capacity_is_kept_and_given_back() {
    let storage = MemoryStorage::with_capacity(10);
    write(&storage, "/a", WriteMode::New, b"123456").await.unwrap();
    let mut sink = open_write(&storage, &path("/b"), WriteMode::Replace).await.unwrap();
    let error = fill(&mut sink, b"12345").await.unwrap_err();
    assert_error!(Err::<(), _>(error), StorageError::NoSpace);
    drop(sink);
    // Two that fit alone and not together: the second is told when it finishes.
    let mut one = open_write(&storage, &path("/b"), WriteMode::Replace).await.unwrap();
    let mut two = open_write(&storage, &path("/c"), WriteMode::Replace).await.unwrap();
    fill(&mut one, b"1234").await.unwrap();
    fill(&mut two, b"1234").await.unwrap();
    one.publish().await.unwrap();
    assert_error!(two.publish().await, StorageError::NoSpace);
    assert_eq!(names(&storage, "/").await, ["a", "b"]);
    storage.rename(&path("/b"), &path("/a")).await.unwrap();
    write(&storage, "/d", WriteMode::New, b"123456").await.unwrap();
    storage.delete(&path("/d")).await.unwrap();
    write(&storage, "/d", WriteMode::New, b"123456").await.unwrap();
}

#[tokio::test]
async fn on_disk_what_broke_off_stays_as_a_part() {
    let rooms = Rooms::new();
    let mut sink = open_write(&rooms.storage, &path("/part"), WriteMode::Replace).await.unwrap();
    fill(&mut sink, b"half").await.unwrap();
    drop(sink);
    assert_eq!(read(&rooms.storage, "/part").await.unwrap(), b"half");
}

#[tokio::test]
async fn a_root_that_cannot_be_opened_is_named() {
    let rooms = Rooms::new();
    std::fs::write(rooms.root.join("file"), "").unwrap();
    for missing in [rooms.root.join("missing"), rooms.root.join("file")] {
        let said = wharf_storage::LocalStorage::open(&missing).unwrap_err().to_string();
        assert!(said.contains(&missing.display().to_string()), "{said}");
    }
}

#[tokio::test]
async fn permissions_of_the_file_system_are_told() {
    if rustix::process::geteuid().is_root() {
        return; // Root may do everything.
    }
    let rooms = Rooms::new();
    write(&rooms.storage, "/file", WriteMode::New, b"x").await.unwrap();
    rooms.storage.set_mode(&path("/file"), 0).await.unwrap();
    assert_error!(rooms.storage.open_read(&path("/file"), 0).await, StorageError::PermissionDenied);
    assert_error!(
        open_write(&rooms.storage, &path("/file"), WriteMode::Append).await,
        StorageError::PermissionDenied
    );
}
