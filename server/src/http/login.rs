//! Opening and closing a session of the dashboard.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{errors::Problem, extract::Filled};
use crate::{
    access::{Permission, Routes, counted_as, session, token},
    app::AppState,
    secrets::Secret,
    store::{StoreError, access_tokens, audit, sessions, user_sessions, users as accounts},
    users::{self, UserError},
};

/// How much of what a browser calls itself is kept, in characters.
const BROWSER: usize = 200;

pub(super) fn routes() -> Routes {
    Routes::new().post("/login", Permission::Public, log_in).post("/logout", Permission::Public, log_out)
}

/// The form of the login page: a name with its password, or a token.
#[derive(Deserialize)]
struct LoginForm {
    #[serde(default)]
    name: String,
    password: Option<Secret>,
    token: Option<Secret>,
    next: Option<String>,
}

/// What holds opens a session; anything else leads back to the login page, which says why.
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
    let address = counted_as(from.ip());
    if !state.login_limit.begin(&address, now) {
        return Ok(back_to_login("slow-down", next));
    }
    let tried = match form.token.filter(|token| !token.reveal().trim().is_empty()) {
        Some(token) => by_token(&state, token.reveal().trim()).await.map_err(Problem::from),
        None => {
            let password = form.password.unwrap_or_else(|| Secret::new(""));
            by_password(&state, &form.name, &password, (from.ip(), &headers)).await
        }
    };
    if !matches!(tried, Ok(Attempt::Wrong(_))) {
        state.login_limit.was_right(&address);
    }
    Ok(match tried? {
        Attempt::Right(cookie) => {
            (AppendHeaders([(header::SET_COOKIE, state.cookie.set(&cookie))]), Redirect::to(next)).into_response()
        }
        Attempt::Wrong(why) => back_to_login(why, next),
        Attempt::TooMany => back_to_login("slow-down", next),
    })
}

async fn by_token(state: &AppState, token: &str) -> Result<Attempt, StoreError> {
    let mut tx = state.store.write().await?;
    let found = access_tokens::valid_by_hash(&mut tx.conn(), &token::hash(token)).await?;
    let found = found.filter(|found| found.grant().is_some() && found.expired(tx.now()).is_none());
    let Some(found) = found else { return Ok(Attempt::Wrong("unknown-token")) };
    // Whose it is logs in as they do: by their own word, and not by that of a program.
    if found.user_id.is_some() {
        return Ok(Attempt::Wrong("own-token"));
    }
    let value = Secret::new(token::random_text());
    let now = tx.now();
    sessions::delete_expired(&mut tx, now - session::ABSOLUTE_MS, now - session::IDLE_MS).await?;
    sessions::insert(&mut tx, &token::hash(value.reveal()), &found.id).await?;
    access_tokens::touch(&mut tx, &found.id).await?;
    audit::append(&mut tx, &found.name, "session.open", &found.name, json!({})).await?;
    tx.commit().await?;
    Ok(Attempt::Right(value))
}

/// What came of a try.
enum Attempt {
    Right(Secret),
    /// What the login page says of it.
    Wrong(&'static str),
    /// Too many were wrong for this account of late.
    TooMany,
}

/// Whoever guesses an account's password from many addresses is slowed down as who does from one. Its owner is not, where
/// they have logged in before.
async fn by_password(
    state: &AppState,
    name: &str,
    password: &Secret,
    (address, headers): (IpAddr, &HeaderMap),
) -> Result<Attempt, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let found = accounts::by_name(&mut reader.conn(), name).await?.filter(|user| user.disabled_at.is_none());
    let address = address.to_string();
    let is_known = match &found {
        Some(user) => user_sessions::is_known_at(&mut reader.conn(), &user.id, &address).await?,
        None => false,
    };
    drop(reader);
    // Nobody learns by this who has an account.
    let counted = token::hash(&accounts::key(name));
    if !is_known && !state.account_limit.begin(&counted, now) {
        return Ok(Attempt::TooMany);
    }
    let hash = found.as_ref().and_then(|user| user.password_hash.clone());
    let is_right = state.passwords.holds(password, hash).await;
    if !is_known && !matches!(is_right, Ok(false)) {
        state.account_limit.was_right(&counted);
    }
    let is_right = is_right.map_err(|error| Problem::unavailable(error.to_string()))?;
    let Some(user) = found.filter(|_| is_right) else { return Ok(Attempt::Wrong("unknown-name")) };
    let mut tx = state.store.write().await?;
    let shown = user.password_hash.as_deref();
    match users::open_session(&mut tx, &user, shown, (&address, &browser(headers))).await {
        Ok(cookie) => {
            tx.commit().await?;
            Ok(Attempt::Right(cookie))
        }
        // It was another password's turn to open sessions by then.
        Err(UserError::Changed) => Ok(Attempt::Wrong("unknown-name")),
        Err(error) => Err(error.into()),
    }
}

/// What the browser calls itself.
pub(in crate::http) fn browser(headers: &HeaderMap) -> String {
    let said = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.chars().take(BROWSER).collect()
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
        let mut closed = None;
        if let Some(found) = user_sessions::by_hash(&mut tx.conn(), &id).await? {
            user_sessions::end(&mut tx, &found.user_id, &found.id).await?;
            closed = accounts::find(&mut tx.conn(), &found.user_id).await?.map(|user| user.name);
        } else if let Some(found) = sessions::by_hash(&mut tx.conn(), &id).await? {
            sessions::delete(&mut tx, &id).await?;
            closed = Some(found.token.name);
        }
        if let Some(name) = closed {
            audit::append(&mut tx, &name, "session.close", &name, json!({})).await?;
        }
        tx.commit().await?;
    }
    Ok((AppendHeaders([(header::SET_COOKIE, state.cookie.clear())]), Redirect::to("/login")).into_response())
}
