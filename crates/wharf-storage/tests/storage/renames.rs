//! Renames and deletions beside others: what they replace is told, and where nothing may be replaced nothing is.

use std::sync::Arc;

use wharf_storage::{MemoryStorage, Storage, StorageError, UploadRequest, WriteMode};

use crate::assert_error;
use crate::support::{Rooms, path, read, write};

async fn for_each_storage(test: impl AsyncFn(Arc<dyn Storage>)) {
    let rooms = Rooms::new();
    test(Arc::new(rooms.storage.clone())).await;
    test(Arc::new(MemoryStorage::new())).await;
}

#[tokio::test]
async fn a_free_name_is_taken_and_no_other() {
    for_each_storage(async |storage| {
        write(&*storage, "/a", WriteMode::Replace, b"a").await.unwrap();
        write(&*storage, "/b", WriteMode::Replace, b"b").await.unwrap();
        for name in ["/d", "/e"] {
            storage.make_directory(&path(name)).await.unwrap();
        }
        for (from, to) in [("/a", "/b"), ("/a", "/a"), ("/a", "/d"), ("/d", "/e"), ("/d", "/a")] {
            assert_error!(storage.rename_to_free_name(&path(from), &path(to)).await, StorageError::Exists);
        }
        assert_eq!(read(&*storage, "/b").await.unwrap(), b"b");
        storage.rename_to_free_name(&path("/a"), &path("/d/c")).await.unwrap();
        storage.rename_to_free_name(&path("/d"), &path("/f")).await.unwrap();
        assert_eq!(read(&*storage, "/f/c").await.unwrap(), b"a");
        for to in ["/f/inside", "/new"] {
            let from = if to == "/new" { "/gone" } else { "/f" };
            assert!(storage.rename_to_free_name(&path(from), &path(to)).await.is_err());
        }
        assert_error!(
            storage.rename_to_free_name(&path("/"), &path("/x")).await,
            StorageError::PermissionDenied
        );
    })
    .await;
}

/// Threat 19: two sessions that both saw a free name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_rename_to_one_free_name_one_gets_it() {
    for_each_storage(async |storage| {
        for round in 0..50 {
            let names = ["/one", "/two"];
            for name in names {
                write(&*storage, name, WriteMode::Replace, name.as_bytes()).await.unwrap();
            }
            let to = path(format!("/round{round}"));
            let tasks = names.map(|name| {
                let (storage, to) = (storage.clone(), to.clone());
                tokio::spawn(async move { storage.rename_to_free_name(&path(name), &to).await })
            });
            let mut won = Vec::new();
            for (task, name) in tasks.into_iter().zip(names) {
                match task.await.unwrap() {
                    Ok(()) => won.push(name),
                    Err(StorageError::Exists | StorageError::Busy) => {
                        assert_eq!(read(&*storage, name).await.unwrap(), name.as_bytes());
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(won.len(), 1);
            let got = read(&*storage, &format!("/round{round}")).await.unwrap();
            assert_eq!(got, won[0].as_bytes());
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_replaced_or_deleted_is_told_once() {
    for_each_storage(async |storage| {
        write(&*storage, "/a", WriteMode::Replace, b"a").await.unwrap();
        write(&*storage, "/b", WriteMode::Replace, b"four").await.unwrap();
        // Nothing is replaced by itself.
        assert_eq!(storage.rename(&path("/b"), &path("/b")).await.unwrap(), None);
        let replaced = storage.rename(&path("/a"), &path("/b")).await.unwrap().unwrap();
        assert_eq!(replaced.size, 4);
        assert_eq!(storage.rename(&path("/b"), &path("/c")).await.unwrap(), None);
        assert_eq!(storage.delete(&path("/c")).await.unwrap().size, 1);
    })
    .await;
    let rooms = Rooms::new();
    std::fs::write(rooms.root.join("file"), "four").unwrap();
    std::fs::hard_link(rooms.root.join("file"), rooms.root.join("other")).unwrap();
    assert_eq!(rooms.storage.rename(&path("/file"), &path("/other")).await.unwrap(), None);
    assert!(rooms.root.join("file").exists(), "two names of one file stay (rename(2))");
}

#[tokio::test]
async fn what_is_being_replaced_is_neither_deleted_nor_moved_away() {
    for_each_storage(async |storage| {
        write(&*storage, "/file", WriteMode::Replace, b"old").await.unwrap();
        let request = UploadRequest::new(WriteMode::Replace, *b"owner");
        let upload = storage.begin_upload(&path("/file"), request).await.unwrap();
        assert_error!(storage.delete(&path("/file")).await, StorageError::Busy);
        assert_error!(storage.rename(&path("/file"), &path("/kept")).await, StorageError::Busy);
        assert_error!(storage.rename_to_free_name(&path("/file"), &path("/kept")).await, StorageError::Busy);
        drop(upload);
        storage.delete(&path("/file")).await.unwrap();
    })
    .await;
}
