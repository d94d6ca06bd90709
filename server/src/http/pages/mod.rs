//! The dashboard's pages: each handler reads rows, makes the view model, and lets `slipway-web` draw it.

mod account;
mod activity;
mod alerts;
mod approvals;
mod assets;
mod builds;
mod channels;
mod connect;
mod connections;
mod containers;
mod deliveries;
mod differences;
mod environments;
mod gates;
mod home;
mod html;
mod jump;
mod log_parts;
mod login;
mod logs;
mod measurements;
mod people;
mod plan;
mod protection;
mod queue;
mod releases;
mod replicas;
mod repositories;
mod repository_settings;
mod rows;
mod runners;
mod services;
mod settings;
mod setup;
mod steering;
pub(in crate::http) mod steps;
mod token_form;
mod trials;
#[cfg(test)]
mod twins;
mod viewer;
mod welcome;

pub(in crate::http) use connections::connection;
pub use html::Html;
pub(in crate::http) use logs::{step_of_build, step_of_release};
pub use people::for_people;

use crate::access::Routes;

/// Every page, and what pages are made of.
#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .merge(account::routes())
        .merge(alerts::routes())
        .merge(approvals::routes())
        .merge(assets::routes())
        .merge(builds::routes())
        .merge(channels::routes())
        .merge(connect::routes())
        .merge(connections::routes())
        .merge(containers::routes())
        .merge(deliveries::routes())
        .merge(differences::routes())
        .merge(environments::routes())
        .merge(gates::routes())
        .merge(plan::routes())
        .merge(protection::routes())
        .merge(home::routes())
        .merge(log_parts::routes())
        .merge(jump::routes())
        .merge(login::routes())
        .merge(logs::routes())
        .merge(queue::routes())
        .merge(releases::routes())
        .merge(steering::routes())
        .merge(repositories::routes())
        .merge(repository_settings::routes())
        .merge(runners::routes())
        .merge(services::routes())
        .merge(settings::routes())
        .merge(setup::routes())
        .merge(welcome::routes())
}
