//! Telling people, on both databases: who is told of what, once, and again until it has arrived.

mod arriving;
mod scene;
mod story;
mod trouble;
