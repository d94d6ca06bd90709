//! Slipway's language: captain.yml to a validated configuration to a plan for one trigger.
//!
//! Pure: no I/O, no async, no clock. Everything here can be tested with a string.
//!
//! Three functions are the way through:
//! - [`parse::parse`] reads a captain.yml into a [`config::Config`], or says everything that is wrong with it;
//! - [`detect::detect`] makes the same of a repository that has none, from the paths of its files;
//! - [`plan::plan`] makes of a configuration and a [`plan::Trigger`] the steps of one build, in order, and what may be
//!   released after it.

pub mod conditions;
pub mod config;
pub mod convert;
pub mod detect;
pub mod diagnostics;
pub mod docker_run;
pub mod dockerfile;
mod document;
mod images;
pub mod parse;
mod paths;
pub mod plan;
mod reference;
pub mod release;
pub mod schedule;
pub mod schema;
pub mod skip;
pub mod tags;
pub mod variables;
