//! See `wharf_fuzz::times`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::times(data));
