#![no_main]
//! See `slipway_fuzz::outside::protocol`.

libfuzzer_sys::fuzz_target!(|text: &str| slipway_fuzz::bounded(|| slipway_fuzz::outside::protocol(text)));
