//! The page to log in at. What it sends is taken by `http::login`.

use axum::extract::Query;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section, Viewer},
    pages::LoginPage,
};

use super::Html;
use crate::access::{Permission, Routes, session};

pub(super) fn routes() -> Routes {
    Routes::new().get("/login", Permission::Public, show)
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    next: Option<String>,
    problem: Option<String>,
}

async fn show(Query(asked): Query<Asked>) -> Html<LoginPage> {
    let error = asked.problem.as_deref().map(|problem| match problem {
        "slow-down" => "Too many tokens were tried from here. Wait a minute, then try again.",
        _ => "This token is not known, or was revoked.",
    });
    Html::ok(LoginPage {
        frame: Frame::new("Log in", Section::Elsewhere, Viewer::Unseen),
        next: session::local_target(asked.next.as_deref()).to_owned(),
        error: error.map(str::to_owned),
    })
}
