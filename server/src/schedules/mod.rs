//! Builds at set times: what captain.yml of the default branch asks for, kept once each, by whichever server.

mod change;
mod define;
mod fire;
mod keeper;
mod realign;

pub use change::{pause, resume, run_now};
pub(crate) use define::define;
pub use fire::fire_due;
pub use keeper::run_keeper;
pub use realign::realign;

use slipway_pipelines::schedule::{Times, TimesError};

use crate::store::{StoreError, schedules::Schedule};

/// The times of a stored schedule.
fn times(schedule: &Schedule) -> Result<Times, StoreError> {
    Times::read(&schedule.cron, &schedule.timezone).map_err(|error| unreadable(&schedule.name, &error))
}

fn unreadable(name: &str, error: &TimesError) -> StoreError {
    StoreError::corrupt("schedule", name, error)
}
