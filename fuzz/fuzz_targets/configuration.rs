#![no_main]
//! See `slipway_fuzz::trials::configuration`.

libfuzzer_sys::fuzz_target!(|text: &str| slipway_fuzz::bounded(|| slipway_fuzz::trials::configuration(text)));
