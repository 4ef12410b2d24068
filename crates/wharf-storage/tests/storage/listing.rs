//! Large directories: every name once, in bounded batches, fast.

use std::task::{Context, Waker};
use std::time::Instant;

use wharf_storage::{MemoryStorage, Storage, StoragePath, WriteMode};

use crate::support::{Rooms, all, open_write, path, write};

#[tokio::test]
async fn a_large_directory_comes_whole_in_bounded_batches() {
    let rooms = Rooms::new();
    let memory = MemoryStorage::new();
    for number in 0..5_000 {
        std::fs::write(rooms.root.join(format!("file-{number}")), "").unwrap();
        write(&memory, &format!("/file-{number}"), WriteMode::New, b"").await.unwrap();
    }
    let storages: [&dyn Storage; 2] = [&rooms.storage, &memory];
    for storage in storages {
        let mut listing = storage.list(&StoragePath::root()).await.unwrap();
        let mut sizes = Vec::new();
        while let Some(batch) = listing.next_batch().await.unwrap() {
            sizes.push(batch.len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), 5_000);
        assert!(sizes.len() > 3 && sizes.iter().all(|&size| size <= 1_000), "{sizes:?}");
        let names = all(storage.list(&StoragePath::root()).await.unwrap()).await.unwrap();
        assert!((0..5_000).all(|number| names.contains_key(format!("file-{number}").as_bytes())));
    }
}

#[tokio::test]
async fn a_directory_that_changes_meanwhile_ends_without_an_error() {
    let rooms = Rooms::new();
    let memory = MemoryStorage::new();
    let storages: [&dyn Storage; 2] = [&rooms.storage, &memory];
    for storage in storages {
        storage.make_directory(&path("/d")).await.unwrap();
        for number in 0..2_000 {
            write(storage, &format!("/d/{number}"), WriteMode::New, b"").await.unwrap();
        }
        let mut listing = storage.list(&path("/d")).await.unwrap();
        let first = listing.next_batch().await.unwrap().unwrap();
        for number in 0..2_000 {
            storage.delete(&path(format!("/d/{number}"))).await.unwrap();
        }
        let mut seen = first.len();
        while let Some(batch) = listing.next_batch().await.unwrap() {
            seen += batch.len();
        }
        assert!(seen <= 2_000);
    }
}

#[test]
fn a_listing_that_broke_off_does_not_look_whole() {
    let rooms = Rooms::new();
    std::fs::write(rooms.root.join("file"), "").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let mut listing = rooms.storage.list(&StoragePath::root()).await.unwrap();
        // The only thread is kept busy, so that the batch cannot be ready at once.
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || may_go_on.recv());
        {
            let mut batch = Box::pin(listing.next_batch());
            let mut context = Context::from_waker(Waker::noop());
            assert!(batch.as_mut().poll(&mut context).is_pending());
        }
        go_on.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert!(listing.next_batch().await.is_err());
        assert!(listing.next_batch().await.is_err());
    });
}

/// Not a test: the figure of docs/performance.md. Run it in release with `--run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "measures"]
async fn listing_ten_thousand_names() {
    let rooms = Rooms::new();
    for number in 0..10_000 {
        std::fs::write(rooms.root.join(format!("some-file-name-{number:05}.dat")), "x").unwrap();
    }
    for _ in 0..5 {
        let start = Instant::now();
        let mut listing = rooms.storage.list(&StoragePath::root()).await.unwrap();
        let mut seen = 0;
        while let Some(batch) = listing.next_batch().await.unwrap() {
            seen += batch.len();
        }
        println!("{seen} names in {:?}", start.elapsed());
    }
    let file = path("/some-file-name-00001.dat");
    let rounds = 20_000;
    for _ in 0..3 {
        let start = Instant::now();
        for _ in 0..rounds {
            drop(rooms.storage.open_read(&file, 0).await.unwrap());
        }
        println!("open_read, cached: {:?} each", start.elapsed() / rounds);
        let start = Instant::now();
        for _ in 0..rounds {
            rooms.storage.stat(&file).await.unwrap();
        }
        println!("stat, cached: {:?} each", start.elapsed() / rounds);
        let start = Instant::now();
        for number in 0..2_000 {
            drop(open_write(&rooms.storage, &path(format!("/new-{number}")), WriteMode::New).await.unwrap());
        }
        println!("open_write, new, on a thread: {:?} each", start.elapsed() / 2_000);
        for number in 0..2_000 {
            std::fs::remove_file(rooms.root.join(format!("new-{number}"))).unwrap();
        }
        let start = Instant::now();
        for number in 0..2_000 {
            drop(std::fs::File::create_new(rooms.root.join(format!("new-{number}"))).unwrap());
        }
        println!("the same inline, for comparison: {:?} each", start.elapsed() / 2_000);
        for number in 0..2_000 {
            std::fs::remove_file(rooms.root.join(format!("new-{number}"))).unwrap();
        }
    }
}
