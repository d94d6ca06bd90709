//! `/welcome/LINK`: where somebody who was invited, or forgot their password, sets one.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section, Viewer},
    pages::WelcomePage,
};

use super::Html;
use crate::{
    access::{Permission, Routes, session, token},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Filled, Named},
        login::browser,
    },
    secrets::Secret,
    store::users::{self as accounts, User},
    users,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/welcome/{link}", Permission::Public, show).post("/welcome/{link}", Permission::Public, set)
}

/// Whose link it is, if it holds.
async fn invited(state: &AppState, link: &str) -> Result<User, Problem> {
    let now = state.store.clock().now();
    let found = accounts::by_link(&mut state.store.read().await?.conn(), &token::hash(link), now).await?;
    found.ok_or_else(|| {
        Problem::not_found(
            "This link was used, replaced, or is older than three days. An administrator can make another one.",
        )
    })
}

fn page(link: &str, user: &User, error: Option<String>) -> WelcomePage {
    WelcomePage {
        frame: Frame::new("Welcome", Section::Door, Viewer::Unseen),
        name: user.name.clone(),
        address: format!("/welcome/{link}"),
        is_first: user.password_hash.is_none(),
        error,
    }
}

async fn show(State(state): State<AppState>, Named(link): Named<String>) -> Result<Html<WelcomePage>, Problem> {
    let user = invited(&state, &link).await?;
    Ok(Html::ok(page(&link, &user, None)))
}

#[derive(Deserialize)]
struct Chosen {
    password: Secret,
    again: Secret,
}

/// Sets the password and logs in.
async fn set(
    State(state): State<AppState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Named(link): Named<String>,
    headers: HeaderMap,
    Filled(chosen): Filled<Chosen>,
) -> Result<Response, Problem> {
    if !session::is_same_site(&Method::POST, &headers) {
        return Err(Problem::forbidden("This did not come from a page of this server."));
    }
    let user = invited(&state, &link).await?;
    let refused = |error: String| {
        Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page(&link, &user, Some(error))).into_response())
    };
    if chosen.password != chosen.again {
        return refused("The two passwords differ.".to_owned());
    }
    if let Err(error) = users::check_password(&user.name, chosen.password.reveal()) {
        return refused(error.to_string());
    }
    let hash = state.passwords.hash(&chosen.password).await.map_err(|error| Problem::unavailable(error.to_string()))?;
    let mut tx = state.store.write().await?;
    let now = tx.now();
    // The link may have been used by another request meanwhile.
    if accounts::by_link(&mut tx.conn(), &token::hash(&link), now).await?.is_none() {
        return Err(Problem::not_found("This link was used meanwhile."));
    }
    users::reset_password(&mut tx, &user, &hash).await?;
    let address = from.ip().to_string();
    let cookie = users::open_session(&mut tx, &user, Some(&hash), (&address, &browser(&headers))).await?;
    tx.commit().await?;
    Ok((AppendHeaders([(header::SET_COOKIE, state.cookie.set(&cookie))]), Redirect::to("/")).into_response())
}
