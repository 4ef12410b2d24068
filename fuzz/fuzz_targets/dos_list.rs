//! See `wharf_fuzz::dos_list`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::dos_list(data));
