//! The server: webhooks, API, dashboard, store, queue and releases.

pub mod access;
pub mod app;
pub mod builds;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliveries;
pub mod demo;
pub mod environments;
pub mod events;
pub mod forge;
pub mod http;
pub mod ids;
pub mod intake;
pub mod logs;
pub mod measurements;
pub mod metrics;
pub mod notifications;
pub mod queue;
pub mod releases;
pub mod retention;
pub mod runners;
pub mod schedules;
pub mod secrets;
pub mod signing;
pub mod store;
mod transitions;
