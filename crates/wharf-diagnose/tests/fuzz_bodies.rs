//! Runs what the fuzz targets of captures check on their seeds, on changed seeds and on random bytes, without libFuzzer.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::path::Path;

use common::{Capture, Format, Link, conversation, healthy};
use proptest::prelude::*;

#[path = "../../../fuzz/src/captures.rs"]
#[expect(unreachable_pub, reason = "it is shared with fuzz/, a crate of its own")]
mod bodies;

/// Seeds beside those of fuzz/seeds: small captures of other formats, made here.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "capture" => vec![
            Capture::default().bytes(&healthy()),
            Capture { format: Format::PcapNg { big_endian: true }, ..Capture::default() }
                .bytes(&conversation(true)),
            Capture { link: Link::Cooked2, fragment: Some(16), ..Capture::default() }.bytes(&healthy()),
        ],
        "packet" => {
            // A pcap without its headers is packets with lengths before them, nearly.
            let capture = Capture::default().bytes(&healthy()[..12]);
            let mut seed = vec![1];
            let mut rest = &capture[24..];
            while let Some((record, behind)) = rest.split_at_checked(16) {
                let length = u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize;
                seed.push(u8::try_from(length).unwrap());
                seed.extend_from_slice(&behind[..length]);
                rest = &behind[length..];
            }
            vec![seed]
        }
        _ => vec![
            vec![0xF0, 0xFF, 0xFF, 0xFF, 0, 10, 2, 20, 10, 2, 5, 20, 3, 40, 10, 2, 30, 0, 0],
            vec![0, 0, 0, 0, 10, 100, 1, 0, 30, 2, 100, 0, 0],
        ],
    }
}

#[test]
fn seeds_pass() {
    for (target, body) in bodies::BODIES {
        seeds(target).iter().for_each(|seed| body(seed));
        // What libFuzzer begins with.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(!files.is_empty(), "{target} has no seed");
        files.into_iter().for_each(|file| body(&std::fs::read(file.unwrap().path()).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn changed_seeds_pass(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..4), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        for (target, body) in bodies::BODIES {
            let mut seeds = seeds(target);
            let mut input = seeds.swap_remove(seed.index(seeds.len()));
            for (at, byte, how) in &changes {
                let at = at.index(input.len());
                match how {
                    0 => input[at] = *byte,
                    1 => input.insert(at, *byte),
                    2 => drop(input.remove(at)),
                    _ => input[at] ^= 1 << (byte % 8),
                }
            }
            body(&input);
            input.truncate(cut.index(input.len()));
            body(&input);
        }
    }

    #[test]
    fn random_bytes_pass(input in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, body) in bodies::BODIES {
            body(&input);
        }
    }
}
