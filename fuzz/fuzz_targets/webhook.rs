#![no_main]
//! See `slipway_fuzz::outside::webhook`.

libfuzzer_sys::fuzz_target!(|text: &str| slipway_fuzz::bounded(|| slipway_fuzz::outside::webhook(text)));
