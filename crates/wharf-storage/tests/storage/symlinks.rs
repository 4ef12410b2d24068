//! Symbolic links: within the root they work, out of it nothing goes, and what they name outside stays untouched.

use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use wharf_storage::{Kind, Storage, StorageError, WriteMode};

use crate::assert_error;
use crate::support::{Rooms, all, open_write, path, read, snapshot, write};

const MODES: [WriteMode; 4] = [WriteMode::Replace, WriteMode::At(0), WriteMode::At(3), WriteMode::Append];

/// Links that lead out, each to a file of the outside that exists, and one to a name that does not.
fn rooms_with_exits() -> Rooms {
    let rooms = Rooms::new();
    std::fs::write(rooms.outside.join("secret"), "secret").unwrap();
    std::fs::create_dir(rooms.outside.join("directory")).unwrap();
    std::fs::write(rooms.outside.join("directory/secret"), "deep secret").unwrap();
    std::fs::create_dir(rooms.root.join("inner")).unwrap();
    let outside = |name: &str| rooms.outside.join(name);
    for (link, target) in [
        ("absolute", outside("secret")),
        ("relative", "../outside/secret".into()),
        ("absolute-directory", outside("")),
        ("relative-directory", "../outside".into()),
        ("up", "..".into()),
        ("slash", "/".into()),
        ("new", "../outside/new".into()),
        ("inner/relative", "../../outside/secret".into()),
        ("inner/through", "../relative-directory/secret".into()),
        ("chain", "relative".into()),
        // Absolute, though it names the root itself: it goes through what is above.
        ("home", rooms.root.clone()),
    ] {
        symlink(target, rooms.root.join(link)).unwrap();
    }
    rooms
}

const TO_FILES: [&str; 10] = [
    "/absolute",
    "/relative",
    "/absolute-directory/secret",
    "/relative-directory/secret",
    "/relative-directory/directory/secret",
    "/up/outside/secret",
    "/inner/relative",
    "/inner/through",
    "/chain",
    "/slash/etc/passwd",
];

#[tokio::test]
async fn files_outside_are_neither_read_nor_written_nor_changed() {
    let rooms = rooms_with_exits();
    let before = snapshot(&rooms.outside);
    let storage = &rooms.storage;
    // Twice: at first the kernel may have to go to the disk, then it has the names cached.
    for place in TO_FILES.into_iter().chain(TO_FILES) {
        let place = path(place);
        assert_error!(storage.open_read(&place, 0).await, StorageError::OutsideRoot);
        for mode in MODES {
            assert_error!(open_write(storage, &place, mode).await, StorageError::OutsideRoot);
        }
        assert_error!(storage.stat(&place).await, StorageError::OutsideRoot);
        assert_error!(storage.set_modified(&place, UNIX_EPOCH).await, StorageError::OutsideRoot);
        assert_error!(storage.set_mode(&place, 0o777).await, StorageError::OutsideRoot);
    }
    assert_error!(open_write(storage, &path("/new"), WriteMode::Replace).await, StorageError::OutsideRoot);
    assert_error!(open_write(storage, &path("/new"), WriteMode::New).await, StorageError::Exists);
    assert_eq!(snapshot(&rooms.outside), before);
}

#[tokio::test]
async fn directories_outside_are_neither_listed_nor_changed() {
    let rooms = rooms_with_exits();
    let before = snapshot(&rooms.outside);
    let storage = &rooms.storage;
    write(storage, "/mine", WriteMode::New, b"mine").await.unwrap();
    for directory in ["/absolute-directory", "/relative-directory", "/up/outside", "/home/relative-directory"]
    {
        let inside = |name: &str| path(format!("{directory}/{name}"));
        assert_error!(storage.list(&path(directory)).await, StorageError::OutsideRoot);
        assert_error!(storage.set_mode(&path(directory), 0o777).await, StorageError::OutsideRoot);
        assert_error!(storage.set_modified(&path(directory), UNIX_EPOCH).await, StorageError::OutsideRoot);
        for mode in MODES.into_iter().chain([WriteMode::New]) {
            assert_error!(open_write(storage, &inside("new"), mode).await, StorageError::OutsideRoot);
        }
        assert_error!(storage.make_directory(&inside("new")).await, StorageError::OutsideRoot);
        assert_error!(storage.remove_directory(&inside("directory")).await, StorageError::OutsideRoot);
        assert_error!(storage.delete(&inside("secret")).await, StorageError::OutsideRoot);
        assert_error!(storage.rename(&inside("secret"), &path("/stolen")).await, StorageError::OutsideRoot);
        assert_error!(storage.rename(&path("/mine"), &inside("new")).await, StorageError::OutsideRoot);
        assert_error!(storage.rename(&path("/mine"), &inside("secret")).await, StorageError::OutsideRoot);
    }
    assert_error!(storage.list(&path("/up")).await, StorageError::OutsideRoot);
    assert_error!(storage.list(&path("/slash")).await, StorageError::OutsideRoot);
    assert_error!(storage.stat(&path("/home")).await, StorageError::OutsideRoot);
    assert_eq!(snapshot(&rooms.outside), before);
    assert_eq!(read(storage, "/mine").await.unwrap(), b"mine");
}

#[tokio::test]
async fn the_link_itself_is_a_name_like_any_other() {
    let rooms = rooms_with_exits();
    let before = snapshot(&rooms.outside);
    let storage = &rooms.storage;
    write(storage, "/mine", WriteMode::New, b"mine").await.unwrap();
    storage.rename(&path("/relative"), &path("/inner/moved")).await.unwrap();
    assert!(rooms.root.join("inner/moved").is_symlink());
    // What is renamed over a link replaces the link, not what it names.
    storage.rename(&path("/mine"), &path("/absolute")).await.unwrap();
    assert_eq!(read(storage, "/absolute").await.unwrap(), b"mine");
    storage.delete(&path("/relative-directory")).await.unwrap();
    storage.delete(&path("/inner/moved")).await.unwrap();
    assert_error!(storage.remove_directory(&path("/absolute-directory")).await, StorageError::NotDirectory);
    assert_error!(storage.make_directory(&path("/up")).await, StorageError::Exists);
    assert_eq!(snapshot(&rooms.outside), before);
}

#[tokio::test]
async fn links_within_the_root_are_followed() {
    let rooms = Rooms::new();
    let storage = &rooms.storage;
    for directory in ["/a", "/a/b", "/c"] {
        storage.make_directory(&path(directory)).await.unwrap();
    }
    write(storage, "/c/file", WriteMode::New, b"content").await.unwrap();
    symlink("../../c/file", rooms.root.join("a/b/link")).unwrap();
    symlink("a/b", rooms.root.join("short")).unwrap();
    symlink("c/created", rooms.root.join("dangling")).unwrap();
    for place in ["/a/b/link", "/short/link"] {
        assert_eq!(read(storage, place).await.unwrap(), b"content");
        let metadata = storage.stat(&path(place)).await.unwrap();
        assert_eq!((metadata.kind, metadata.size), (Kind::File, 7));
    }
    write(storage, "/short/link", WriteMode::At(7), b" more").await.unwrap();
    assert_eq!(read(storage, "/c/file").await.unwrap(), b"content more");
    let time = UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    storage.set_modified(&path("/short/link"), time).await.unwrap();
    storage.set_mode(&path("/short/link"), 0o600).await.unwrap();
    let metadata = storage.stat(&path("/c/file")).await.unwrap();
    assert_eq!((metadata.modified, metadata.mode), (time, 0o600));
    assert_error!(storage.stat(&path("/dangling")).await, StorageError::NotFound);
    write(storage, "/dangling", WriteMode::Replace, b"there").await.unwrap();
    assert_eq!(read(storage, "/c/created").await.unwrap(), b"there");
    storage.make_directory(&path("/short/new")).await.unwrap();
    assert!(rooms.root.join("a/b/new").is_dir());
}

#[tokio::test]
async fn a_listing_shows_what_a_link_leads_to_or_that_it_leads_nowhere() {
    let rooms = rooms_with_exits();
    let storage = &rooms.storage;
    write(storage, "/file", WriteMode::New, b"12345").await.unwrap();
    symlink("../file", rooms.root.join("inner/to-file")).unwrap();
    symlink("../inner", rooms.root.join("inner/to-directory")).unwrap();
    symlink("nothing", rooms.root.join("inner/dangling")).unwrap();
    symlink("circle", rooms.root.join("inner/circle")).unwrap();
    let inner = all(storage.list(&path("/inner")).await.unwrap()).await.unwrap();
    let kind = |name: &str| inner[name.as_bytes()].kind;
    assert_eq!((kind("to-file"), inner[&b"to-file"[..]].size), (Kind::File, 5));
    assert_eq!(kind("to-directory"), Kind::Directory);
    for exit in ["relative", "through", "dangling", "circle"] {
        assert_eq!(kind(exit), Kind::Symlink, "{exit}");
    }
    assert_error!(storage.stat(&path("/inner/circle")).await, StorageError::TooManyLinks);
    let root = all(storage.list(&path("/")).await.unwrap()).await.unwrap();
    for exit in
        ["absolute", "absolute-directory", "relative-directory", "up", "slash", "home", "new", "chain"]
    {
        assert_eq!(root[exit.as_bytes()].kind, Kind::Symlink, "{exit}");
    }
    // The size is the link's own, nothing of what it names.
    assert_eq!(root[&b"relative"[..]].size, "../outside/secret".len() as u64);
}

/// A link of /proc jumps without a path; a root in /proc is the one place where they are at hand.
#[tokio::test]
async fn magic_links_are_not_followed() {
    let here = std::path::Path::new("/proc/self");
    let Ok(storage) = wharf_storage::LocalStorage::open(here) else { return };
    for link in ["/root", "/cwd", "/exe"] {
        let result = storage.stat(&path(link)).await;
        assert!(
            matches!(result, Err(StorageError::TooManyLinks | StorageError::OutsideRoot)),
            "{link}: {result:?}"
        );
    }
}
