#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| mandat_core::fuzz::rs_metadata(octets));
