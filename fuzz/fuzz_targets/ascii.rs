//! See `wharf_fuzz::ascii`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::ascii(data));
