//! Names are bytes: whatever a client calls its files, it finds them again unchanged.

use wharf_storage::{MemoryStorage, Storage, StoragePath, WriteMode};

use crate::support::{Rooms, all, fill, open_write, read_rest};

#[tokio::test]
async fn any_bytes_make_a_name() {
    let rooms = Rooms::new();
    let memory = MemoryStorage::new();
    let longest = vec![b'x'; 255];
    let all_bytes: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
    let wanted: Vec<&[u8]> = vec![
        b"with\nnewline",
        b"with\rreturn",
        b"caf\xE9 in Latin-1",
        "caf\u{e9} in UTF-8 \u{4e2d}\u{6587}".as_bytes(),
        b" spaces  at both ends ",
        b"\"quoted\" and 'quoted'",
        b"back\\slash",
        b"C:\\x",
        b"...",
        b"..a",
        b".hidden",
        b"-rf",
        b"|command",
        b"*?[a]{b}",
        b"\xFF\xFE\x7F\x01\x1B[31m",
        b"~",
        &longest,
        &all_bytes,
    ];
    let storages: [&dyn Storage; 2] = [&rooms.storage, &memory];
    for storage in storages {
        for name in &wanted {
            let place = StoragePath::root().join(name).unwrap();
            let mut sink = open_write(storage, &place, WriteMode::New).await.unwrap();
            fill(&mut sink, name).await.unwrap();
            sink.publish().await.unwrap();
            let source = storage.open_read(&place, 0).await.unwrap();
            assert_eq!(read_rest(source).await, *name);
            assert_eq!(storage.stat(&place).await.unwrap().size, name.len() as u64);
        }
        let listed = all(storage.list(&StoragePath::root()).await.unwrap()).await.unwrap();
        let mut sorted = wanted.clone();
        sorted.sort_unstable();
        assert_eq!(listed.keys().collect::<Vec<_>>(), sorted);
        let directory = StoragePath::root().join(b"dir\nectory\xE9").unwrap();
        storage.make_directory(&directory).await.unwrap();
        for name in wanted.iter().copied() {
            let from = StoragePath::root().join(name).unwrap();
            storage.rename(&from, &directory.join(name).unwrap()).await.unwrap();
        }
        let listed = all(storage.list(&directory).await.unwrap()).await.unwrap();
        assert_eq!(listed.keys().collect::<Vec<_>>(), sorted);
        for name in &wanted {
            storage.delete(&directory.join(name).unwrap()).await.unwrap();
        }
        storage.remove_directory(&directory).await.unwrap();
    }
}

#[tokio::test]
async fn the_deepest_and_longest_path_works() {
    let rooms = Rooms::new();
    let mut directory = StoragePath::root();
    // 15 components of 255 bytes come near to PATH_MAX.
    for _ in 0..15 {
        directory = directory.join(&[b'd'; 255]).unwrap();
        rooms.storage.make_directory(&directory).await.unwrap();
    }
    let file = directory.join(&[b'f'; 254]).unwrap();
    assert_eq!(file.as_bytes().len(), wharf_storage::MAX_PATH);
    let sink = open_write(&rooms.storage, &file, WriteMode::New).await.unwrap();
    sink.publish().await.unwrap();
    assert!(rooms.storage.stat(&file).await.unwrap().is_file());
    assert_eq!(all(rooms.storage.list(&directory).await.unwrap()).await.unwrap().len(), 1);
    rooms.storage.delete(&file).await.unwrap();
}
