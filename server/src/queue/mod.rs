//! The queue: jobs, leases, and the server's side of the runner's trait.
//!
//! A job is a row. Claiming it raises its epoch, and every report carries that epoch: what comes from an earlier lease
//! fits nothing any more. Nothing about a job is kept in memory, except which orders a waiting runner was given.

mod claim;
mod collect;
mod condemn;
mod coordinator;
mod enqueue;
mod fence;
mod fetching;
mod finish;
mod give_back;
mod hand_out;
mod heartbeat;
mod hosting;
mod job_state;
mod kept_images;
mod lifecycle;
mod limits;
mod log;
mod log_questions;
mod measurements;
mod order;
mod overdue;
mod placement;
mod readings;
mod register;
mod rescuer;
mod resume;
mod rollout_time;
mod sign;
mod steering;
mod step_reports;
mod step_state;
mod takeover;
mod unheard;
mod waiting;
mod work;

pub use coordinator::{CredentialSource, NoCredentials, ServerCoordinator, Timing};
pub(crate) use enqueue::{enqueue_build, enqueue_rollout, retry_build};
pub(crate) use give_back::give_back_all;
pub use job_state::{JobEvent, JobKind, JobState, next as next_job};
pub(crate) use lifecycle::{apply, apply_to_step};
pub use limits::{limit_build_time, limit_builds};
pub use overdue::Overtime;
pub use rescuer::{rescue, run_rescuer};
pub use step_state::{StepEvent, StepState, next as next_step};
pub(crate) use takeover::{PREFERRED_MS, ran};
pub use waiting::waits_for;
