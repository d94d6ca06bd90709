//! Opening and closing a session of the dashboard.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{errors::Problem, extract::Filled};
use crate::{
    access::{Permission, Routes, session, token},
    app::AppState,
    secrets::Secret,
    store::{StoreError, access_tokens, audit, sessions},
};

pub(super) fn routes() -> Routes {
    Routes::new().post("/login", Permission::Public, log_in).post("/logout", Permission::Public, log_out)
}

/// The form of the login page.
#[derive(Deserialize)]
struct LoginForm {
    token: Secret,
    next: Option<String>,
}

/// A token that holds opens a session; anything else leads back to the login page, which says why.
async fn log_in(
    State(state): State<AppState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Filled(form): Filled<LoginForm>,
) -> Result<Response, Problem> {
    if !session::is_same_site(&Method::POST, &headers) {
        return Err(Problem::forbidden("This login did not come from a page of this server."));
    }
    let next = session::local_target(form.next.as_deref());
    let now = state.store.clock().now();
    if !state.login_limit.allows(from.ip(), now) {
        return Ok(back_to_login("slow-down", next));
    }
    let Some(cookie) = open_session(&state, form.token.reveal().trim()).await? else {
        state.login_limit.failed(from.ip(), now);
        return Ok(back_to_login("unknown-token", next));
    };
    Ok((AppendHeaders([(header::SET_COOKIE, state.cookie.set(&cookie))]), Redirect::to(next)).into_response())
}

async fn open_session(state: &AppState, token: &str) -> Result<Option<Secret>, StoreError> {
    let mut tx = state.store.write().await?;
    let found = access_tokens::valid_by_hash(&mut tx.conn(), &token::hash(token)).await?;
    let Some(found) = found.filter(|found| found.grant().is_some() && found.expired(tx.now()).is_none()) else {
        return Ok(None);
    };
    let value = Secret::new(token::random_text());
    let now = tx.now();
    sessions::delete_expired(&mut tx, now - session::ABSOLUTE_MS, now - session::IDLE_MS).await?;
    sessions::insert(&mut tx, &token::hash(value.reveal()), &found.id).await?;
    access_tokens::touch(&mut tx, &found.id).await?;
    audit::append(&mut tx, &found.name, "session.open", &found.name, json!({})).await?;
    tx.commit().await?;
    Ok(Some(value))
}

fn back_to_login(problem: &str, next: &str) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("problem", problem)
        .append_pair("next", next)
        .finish();
    Redirect::to(&format!("/login?{query}")).into_response()
}

/// Ends the session, here and in the browser. Without one there is nothing to end.
async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    if !session::is_same_site(&Method::POST, &headers) {
        return Err(Problem::forbidden("This logout did not come from a page of this server."));
    }
    if let Some(value) = state.cookie.read(&headers) {
        let mut tx = state.store.write().await?;
        let id = token::hash(value.reveal());
        if let Some(found) = sessions::by_hash(&mut tx.conn(), &id).await? {
            sessions::delete(&mut tx, &id).await?;
            audit::append(&mut tx, &found.token.name, "session.close", &found.token.name, json!({})).await?;
        }
        tx.commit().await?;
    }
    Ok((AppendHeaders([(header::SET_COOKIE, state.cookie.clear())]), Redirect::to("/login")).into_response())
}
