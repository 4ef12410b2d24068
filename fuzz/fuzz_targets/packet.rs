//! See `captures::packet`.

#![no_main]

#[path = "../src/captures.rs"]
#[allow(dead_code, reason = "each target takes one of the bodies")]
mod captures;

libfuzzer_sys::fuzz_target!(|data: &[u8]| captures::packet(data));
