//! What Slipway brings into containers: one small program that depends on nothing in them.
//!
//! It is compiled twice from the standard library alone: as a program of this crate, for tests and lints, and by the build
//! script, statically, so that it runs in every image.
#![expect(clippy::print_stderr, reason = "what it has to say is for the log of the container")]

mod allow;
mod begin;
mod guard;
mod head;
mod nftables;
mod relay;
mod told;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let task = arguments.next();
    let code = match task.as_ref().and_then(|task| task.to_str()) {
        Some("exec") => begin::begin(arguments),
        Some("from") => begin::begin_from(arguments),
        Some(task @ ("guard" | "relay")) => {
            let words: Vec<_> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
            if task == "guard" { guard::put_up(&words) } else { relay::serve(&words) }
        }
        _ => {
            eprintln!(
                "slipway-inside is for Slipway's runner to begin: slipway-inside exec PROGRAM ARGUMENT…, from FILE PROGRAM ARGUMENT…, \
                 relay NAME PORT HOST…, or guard INTERFACE…"
            );
            begin::NOT_BEGUN
        }
    };
    ExitCode::from(code)
}
