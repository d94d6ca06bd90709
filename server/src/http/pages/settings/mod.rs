//! `/settings`: what holds for the whole server. Each page has its list and its form; what a form does is what the API does.

mod audit;
mod forges;
mod registries;
mod schedules;
mod secrets;
mod tokens;
mod users;

use axum::response::Redirect;
use slipway_web::{
    frame::{Frame, Section},
    pages::{LimitsForm, SettingsHead, SettingsPlace},
};

use super::{Html, protection::parted, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    http::errors::Problem,
    secrets::GivenTo,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/settings", Permission::Administer, first)
        .merge(audit::routes())
        .merge(forges::routes())
        .merge(registries::routes())
        .merge(schedules::routes())
        .merge(secrets::routes())
        .merge(tokens::routes())
        .merge(users::routes())
}

pub(in crate::http::pages) use tokens::{may, token_row};

async fn first() -> Redirect {
    Redirect::to(SettingsPlace::Secrets.address())
}

fn frame(place: SettingsPlace, principal: &Principal) -> Frame {
    Frame::new(format!("{} · Settings", place.name()), Section::Settings, viewer(principal))
}

fn head(place: SettingsPlace) -> SettingsHead {
    SettingsHead { place }
}

/// What a person can better in the form that they sent; what they cannot goes on as a refusal.
pub(in crate::http::pages) fn told(problem: Problem) -> Result<String, Problem> {
    if problem.status().is_client_error() { Ok(problem.detail().to_owned()) } else { Err(problem) }
}

/// What a field holds; none where it is empty.
pub(in crate::http::pages) fn filled(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The builds that a form asks for. Fields that were left empty where it did not show what is so change nothing.
pub(in crate::http::pages) fn given_to(form: &LimitsForm) -> Option<GivenTo> {
    let given_to = GivenTo { events: parted(&form.events), branches: parted(&form.branches), tags: parted(&form.tags) };
    (form.is_shown || !given_to.is_every_build()).then_some(given_to)
}

/// A form's fields as they are so.
pub(in crate::http::pages) fn limits_form(given_to: &GivenTo) -> LimitsForm {
    LimitsForm {
        events: given_to.events.join(", "),
        branches: given_to.branches.join(", "),
        tags: given_to.tags.join(", "),
        is_shown: true,
    }
}

/// Patterns of repositories as the API takes them: none where the field is empty.
fn patterns(text: &str) -> Option<Vec<String>> {
    Some(parted(text)).filter(|patterns| !patterns.is_empty())
}
