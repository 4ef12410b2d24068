//! See `wharf_fuzz::extended`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::extended(data));
