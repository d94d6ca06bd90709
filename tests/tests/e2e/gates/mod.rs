//! What must hold before a release begins, on both databases: people, windows, freezes, bake, protection; promotion by
//! itself.

mod automatic;
mod people;
mod scene;
mod story;
mod time;
