#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| engram_gossip_proto_fuzz::run("stored_record", input));
