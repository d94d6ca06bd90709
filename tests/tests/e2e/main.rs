//! End-to-end tests, one module a capability.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod access;
mod adoption;
mod builds;
mod captain;
mod checkout;
mod containment;
mod crash;
mod dashboard;
mod demo;
mod engine_socket;
mod failures;
mod faults;
mod language;
mod next_life;
mod promotion;
mod pushes;
mod queue;
mod registry;
mod releasing;
mod restarts;
mod resume;
mod retention;
mod retries;
mod rollouts;
mod runner;
mod secrets;
mod servers;
mod spine;
mod statements;
mod storage;
mod store;
mod storm;
mod turns;
mod unchanged;
mod webhooks;
