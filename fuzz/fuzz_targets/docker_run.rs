#![no_main]
//! See `slipway_fuzz::trials::docker_run`.

libfuzzer_sys::fuzz_target!(|text: &str| slipway_fuzz::bounded(|| slipway_fuzz::trials::docker_run(text)));
