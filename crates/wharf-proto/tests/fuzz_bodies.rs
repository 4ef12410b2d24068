//! Runs what the fuzz targets check on their seeds, on changed seeds and on random bytes, without libFuzzer.

use std::path::Path;

use proptest::prelude::*;

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own under fuzz/")]
mod bodies;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).expect("the folder of the target's seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

#[test]
fn seeds_pass() {
    for (target, body) in bodies::BODIES {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target} has no seed");
        seeds.iter().for_each(|seed| body(seed));
    }
}

/// How libFuzzer would change a seed.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\0\xFF\xF4\xF2 ;-0129|(,:".as_slice())];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (index(), prop::collection::vec(byte, 1..5)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), 1_usize..10).prop_map(|(at, count)| Change::Cut(at, count)),
        (index(), 1_usize..30).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn change(input: &mut Vec<u8>, change: Change) {
    if input.is_empty() {
        return;
    }
    let (Change::Set(at, _) | Change::Insert(at, _) | Change::Cut(at, _) | Change::Repeat(at, _)) = &change;
    let at = at.index(input.len());
    let until = |count: usize| (at + count).min(input.len());
    match change {
        Change::Set(_, byte) => input[at] = byte,
        Change::Insert(_, bytes) => drop(input.splice(at..at, bytes)),
        Change::Cut(_, count) => drop(input.drain(at..until(count))),
        Change::Repeat(_, count) => {
            let bytes = input[at..until(count)].to_vec();
            input.splice(at..at, bytes);
        }
    }
}

proptest! {
    #[test]
    fn changed_seeds_pass(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any_change(), 0..6),
    ) {
        for (target, body) in bodies::BODIES {
            let mut seeds = seeds(target);
            let mut input = seeds.swap_remove(seed.index(seeds.len()));
            for each in changes.clone() {
                change(&mut input, each);
            }
            body(&input);
        }
    }

    #[test]
    fn random_bytes_pass(input in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, body) in bodies::BODIES {
            body(&input);
        }
    }
}
