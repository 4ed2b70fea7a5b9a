#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| engram_merkle_fuzz::run("descent_request", input));
