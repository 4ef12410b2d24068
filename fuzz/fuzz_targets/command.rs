//! See `wharf_fuzz::command`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::command(data));
