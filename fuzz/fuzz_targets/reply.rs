//! See `wharf_fuzz::reply`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::reply(data));
