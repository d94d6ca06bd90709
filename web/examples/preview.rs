//! Writes every page with invented content into a folder, to look at while designing:
//! `cargo run -p slipway-web --example preview -- OUT && python3 -m http.server --directory OUT`.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, clippy::wildcard_imports, reason = "a tool for designers")]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::{fs, path::PathBuf};

fn main() {
    let out = PathBuf::from(std::env::args().nth(1).unwrap());
    for name in slipway_web::assets::names() {
        let address = slipway_web::assets::address(name).trim_start_matches('/').to_owned();
        let hash = address.split('/').nth(1).unwrap();
        let file = out.join(&address);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, slipway_web::assets::find(hash, name).unwrap().body).unwrap();
    }
    for (name, html) in fixtures::pages() {
        fs::write(out.join(format!("{name}.html")), html).unwrap();
    }
}
