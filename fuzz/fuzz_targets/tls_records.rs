//! See `wharf_fuzz::tls_records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::tls_records(data));
