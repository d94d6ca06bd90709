//! The API under `/api/v1`: JSON in, JSON out, problems as RFC 9457 has them.

pub(super) mod account;
pub(super) mod activity;
pub(super) mod alerts;
pub(super) mod approvals;
mod audit;
mod builds;
pub(super) mod channels;
pub(super) mod container_logs;
pub(super) mod decisions;
pub(super) mod deliveries;
pub(super) mod differences;
mod environments;
mod events;
pub(super) mod forges;
pub(super) mod instance_secrets;
pub(super) mod logs;
pub(super) mod lookup;
mod measurements;
mod notifications;
mod overview;
mod page;
mod placement;
pub(super) mod plans;
pub(super) mod promotions;
pub(super) mod registries;
mod releases;
pub(super) mod repositories;
mod retention;
pub(super) mod runners;
mod schedules;
pub(super) mod secret_key;
pub(super) mod secrets;
mod services;
mod signing;
pub(super) mod steering;
mod steps;
mod time;
pub(super) mod tokens;
pub(super) mod users;

use crate::access::Routes;

pub(in crate::http) use builds::{Retry, Wish, call_off, queue_again, request_build, try_again};
pub use logs::NEXT_LINE;
pub(super) use repositories::connect_repository;
pub use repositories::{Address, AddressError};
pub(in crate::http) use schedules::{run_schedule, set_paused};
pub(in crate::http) use secrets::BODY_LIMIT as LARGEST_BODY;

/// Every route of the API.
#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .merge(activity::routes())
        .merge(alerts::routes())
        .merge(approvals::routes())
        .merge(audit::routes())
        .merge(builds::routes())
        .merge(channels::routes())
        .merge(account::routes())
        .merge(container_logs::routes())
        .merge(decisions::routes())
        .merge(deliveries::routes())
        .merge(differences::routes())
        .merge(environments::routes())
        .merge(events::routes())
        .merge(forges::routes())
        .merge(instance_secrets::routes())
        .merge(logs::routes())
        .merge(measurements::routes())
        .merge(notifications::routes())
        .merge(overview::routes())
        .merge(placement::routes())
        .merge(plans::routes())
        .merge(promotions::routes())
        .merge(registries::routes())
        .merge(releases::routes())
        .merge(repositories::routes())
        .merge(retention::routes())
        .merge(runners::routes())
        .merge(schedules::routes())
        .merge(secret_key::routes())
        .merge(secrets::routes())
        .merge(services::routes())
        .merge(signing::routes())
        .merge(steering::routes())
        .merge(tokens::routes())
        .merge(users::routes())
}
