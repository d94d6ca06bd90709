//! What others break while a build needs them: each ends in words, nothing is lost, nothing stays, and it works again.

mod clocks;
mod disk;
mod engine;
mod git;
mod registry;
