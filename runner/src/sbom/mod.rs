//! What an image consists of, as its package databases tell it: read, and written as SPDX.

mod document;
mod packages;

pub(crate) use document::{KIND, document};
pub(crate) use packages::{Inventory, PATHS};
