#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealift_fuzz::decode("session_message", bytes));
