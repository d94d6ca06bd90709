//! Executes jobs. Knows no database and no HTTP routes: it speaks to the server through [`coordinator::Coordinator`].

mod agent;
mod backoff;
mod builds;
pub mod checkout;
mod clock;
pub mod coordinator;
pub mod engine;
mod failure;
mod images;
mod inside;
pub mod inventory;
pub mod job;
mod journal;
mod kept;
pub mod lease;
pub mod local;
mod log_reader;
pub mod logs;
mod measurements;
pub mod proxy;
mod reconciler;
pub mod registry;
pub mod remote;
pub mod reporter;
pub mod rollouts;
mod sbom;
pub mod signing;
mod steps;
mod storage;
pub mod targets;
pub mod tls;
mod workspace;

pub use agent::{AtShutdown, RunnerConfig, RunnerError, RunnerLimits, run, run_until_drained};
pub use steps::{StepLimits, StepNetwork};
pub use storage::{ClockWatch, Space, StorageLimits};
