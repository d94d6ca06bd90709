//! Telling people, on both databases: who is told of what, once, and again until it has arrived.

mod arriving;
mod runners;
mod scene;
mod story;
mod trouble;
