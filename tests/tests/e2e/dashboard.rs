//! The dashboard: in plain HTTP, and in a real browser.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod accessible;
mod builds;
mod live;
mod looks;
mod many;
mod pictures;
mod plain;
pub(crate) mod scene;
mod search;
mod settings;
mod setup;
mod viewer;
mod wire;
