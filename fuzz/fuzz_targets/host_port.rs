//! See `wharf_fuzz::host_port`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::host_port(data));
