//! See `wharf_fuzz::dialogue`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::dialogue(data));
