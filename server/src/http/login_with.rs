//! Logging in by an account elsewhere: going there, and coming back.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    errors::Problem,
    extract::{Asked, Named},
    login::browser,
    pages,
};
use crate::{
    access::{
        Permission, Routes, counted_as,
        external::{Attempt, Begun, Identity, Proved, Provider, Purpose},
        session,
    },
    app::AppState,
    ids::UserId,
    store::users as accounts,
    users,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/login/with/{provider}", Permission::Public, go).get(
        "/login/with/{provider}/back",
        Permission::Public,
        come_back,
    )
}

#[derive(Deserialize)]
struct Wanted {
    next: Option<String>,
}

/// Goes to the provider, to log in.
async fn go(
    State(state): State<AppState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Named(slug): Named<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Problem> {
    brake(&state, from)?;
    go_to(&state, &slug, session::local_target(wanted.next.as_deref()), Purpose::LogIn).await
}

/// Sends a browser to a provider.
pub(in crate::http) async fn go_to(
    state: &AppState,
    slug: &str,
    next: &str,
    purpose: Purpose,
) -> Result<Response, Problem> {
    let Begun { to, attempt } = known(state, slug)?.begin(next, purpose).await?;
    let cookie = state.attempt_cookie.set(&state.sealer, slug, &attempt);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(to.as_str())).into_response())
}

/// What the provider sends along (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// Comes back from the provider. What was kept of this login in the browser is used up, whatever comes of it.
async fn come_back(
    State(state): State<AppState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Named(slug): Named<String>,
    headers: HeaderMap,
    Asked(answer): Asked<Answer>,
) -> Result<Response, Problem> {
    brake(&state, from)?;
    let provider = known(&state, &slug)?;
    let (attempt, now) = (state.attempt_cookie.read(&state.sealer, &slug, &headers), state.store.clock().now());
    let said = answer.state.as_deref().unwrap_or_default();
    // Before this is known, nothing that stands in the address is shown: anybody can make a link.
    let Some(attempt) = attempt.filter(|attempt| attempt.is_answered_by(said, now)) else {
        // Nothing was guessed: a page elsewhere can send any browser here, and must not slow its people down.
        return Err(Problem::bad_request(
            "This login was not begun in this browser, or more than ten minutes ago. Start again from the login page.",
        ));
    };
    let used_up = AppendHeaders([(header::SET_COOKIE, state.attempt_cookie.clear())]);
    let counted = counted_as(from.ip());
    if !state.login_limit.begin(&counted, now) {
        return Err(too_many());
    }
    let arrived = arrive(&state, provider, &attempt, answer, (from, &headers)).await;
    // Only who was refused has tried in vain: an outage of the provider is nobody's guess.
    if !arrived.as_ref().is_err_and(|problem| problem.status() == StatusCode::FORBIDDEN) {
        state.login_limit.was_right(&counted);
    }
    Ok((used_up, arrived).into_response())
}

async fn arrive(
    state: &AppState,
    provider: &Provider,
    attempt: &Attempt,
    answer: Answer,
    from: (SocketAddr, &HeaderMap),
) -> Result<Response, Problem> {
    if let Some(error) = answer.error {
        return Err(provider.said_no(&error, answer.error_description.as_deref()).into());
    }
    let code = answer.code.unwrap_or_default();
    let identity = provider.finish(attempt, &code, answer.iss.as_deref()).await?;
    match &attempt.purpose {
        Purpose::LogIn => enter(state, provider, &identity, &attempt.next, from).await,
        Purpose::Connect(user) => confirm(state, provider, identity, user).await,
    }
}

/// Opens a session. Who may do nothing yet is shown that, and whom to ask.
async fn enter(
    state: &AppState,
    provider: &Provider,
    identity: &Identity,
    next: &str,
    (from, headers): (SocketAddr, &HeaderMap),
) -> Result<Response, Problem> {
    let mut tx = state.store.write().await?;
    let user = users::come_in(&mut tx, provider, identity).await?;
    let cookie = users::open_session(&mut tx, &user, None, (&from.ip().to_string(), &browser(headers))).await?;
    let is_idle = accounts::grants(&mut tx.conn(), &user.id).await?.is_empty() && !state.config.public_read;
    tx.commit().await?;
    let next = if is_idle { "/account" } else { next };
    Ok((AppendHeaders([(header::SET_COOKIE, state.cookie.set(&cookie))]), Redirect::to(next)).into_response())
}

/// Asks once more before an account elsewhere opens one here: whoever is logged in there without knowing, notices.
async fn confirm(
    state: &AppState,
    provider: &Provider,
    identity: Identity,
    user: &UserId,
) -> Result<Response, Problem> {
    provider.entrance().admit(&identity, provider.name()).map_err(users::IdentityError::from)?;
    let found = accounts::find(&mut state.store.read().await?.conn(), user).await?;
    let found = found.ok_or_else(|| Problem::forbidden("This account is no longer there."))?;
    let proved = Proved::new(identity, user, state.store.clock().now());
    Ok(pages::Html::ok(pages::connection(state, provider, &found, &proved)).into_response())
}

/// The provider of this name.
pub(in crate::http) fn known<'a>(state: &'a AppState, slug: &str) -> Result<&'a Provider, Problem> {
    state.providers.named(slug).ok_or_else(|| Problem::not_found(format!("Nobody logs in with {slug} here.")))
}

fn brake(state: &AppState, from: SocketAddr) -> Result<(), Problem> {
    let is_allowed = state.login_limit.allows(&counted_as(from.ip()), state.store.clock().now());
    if is_allowed { Ok(()) } else { Err(too_many()) }
}

fn too_many() -> Problem {
    Problem::too_many_requests("Too many logins failed of late. Wait a minute, then try again.")
}
