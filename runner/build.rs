//! Compiles `inside/` to a static program that runs in every image, for the library to carry.

use std::{env, ffi::OsString, path::Path, process::Command};

/// What the program needs that a compiler may come without.
const REMEDY: &str =
    "It is linked statically: the static C library is needed (Debian and Ubuntu: libc6-dev; Fedora: glibc-static).";

fn main() {
    println!("cargo::rerun-if-changed=inside");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if let Err(why) = compile() {
        println!("cargo::error=runner/inside cannot be compiled. {REMEDY}");
        for line in why.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn compile() -> Result<(), String> {
    let given = |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    let program = Path::new(&given("OUT_DIR")?).join("slipway-inside");
    let mut rustc = Command::new(given("RUSTC")?);
    rustc.args(["--edition", "2024", "--crate-name", "slipway_inside", "--crate-type", "bin", "inside/main.rs", "-o"]);
    rustc.arg(program).arg("--target").arg(given("TARGET")?);
    for option in ["opt-level=s", "target-feature=+crt-static", "panic=abort", "lto=fat", "strip=symbols"] {
        rustc.arg("-C").arg(option);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    let done = rustc.output().map_err(|error| format!("the compiler does not start: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}
