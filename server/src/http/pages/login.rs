//! The page to log in at. What it sends is taken by `http::login`.

use axum::extract::{Query, State};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section, Viewer},
    pages::LoginPage,
};

use super::Html;
use crate::{
    access::{Permission, Routes, session},
    app::AppState,
    http::errors::Problem,
    store::users,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/login", Permission::Public, show)
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    next: Option<String>,
    problem: Option<String>,
}

async fn show(State(state): State<AppState>, Query(asked): Query<Asked>) -> Result<Html<LoginPage>, Problem> {
    let next = session::local_target(asked.next.as_deref());
    let has_people = !users::portion(&mut state.store.read().await?.conn(), "", 1).await?.is_empty();
    let error = asked.problem.as_deref().map(|problem| match problem {
        "slow-down" => "Too many logins failed of late. Wait a minute, then try again.",
        "own-token" => "This token is somebody's own, for programs. Log in as its owner does.",
        "unknown-name" => "Nobody of this name has this password.",
        _ => "This token is not known, was revoked, or has expired.",
    });
    Ok(Html::ok(LoginPage {
        frame: Frame::new("Log in", Section::Door, Viewer::Unseen),
        next: next.to_owned(),
        error: error.map(str::to_owned),
        has_people,
        providers: state.providers.iter().map(|one| (one.name().to_owned(), go_to(one.slug(), next))).collect(),
    }))
}

/// Where the login with a provider begins.
fn go_to(slug: &str, next: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("/login/with/{slug}?{query}")
}
