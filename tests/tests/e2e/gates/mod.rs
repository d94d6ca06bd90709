//! What must hold before a release begins, on both databases: people, windows, freezes, bake, protection; promotion by
//! itself.

mod automatic;
mod people;
pub(crate) mod scene;
mod story;
mod time;
