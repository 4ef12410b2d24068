//! See `captures::packet`.

#![no_main]

#[path = "../src/captures.rs"]
mod captures;

libfuzzer_sys::fuzz_target!(|data: &[u8]| captures::packet(data));
