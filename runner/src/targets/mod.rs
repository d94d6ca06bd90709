//! The kinds of engines that host environments.

pub mod docker;
