//! See `wharf_fuzz::unix_list`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::unix_list(data));
