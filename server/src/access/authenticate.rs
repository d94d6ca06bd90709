//! Who sends a request: by a token or by a session's cookie.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use chrono::{DateTime, SecondsFormat};

use super::{Grant, Known, Login, Principal, Role, Scope, session, token};
use crate::{
    app::AppState,
    http::errors::Problem,
    secrets::Secret,
    store::{
        StoreError,
        access_tokens::{self, AccessToken},
        sessions,
        user_sessions::{self, UserSession},
        users::{self, UserGrant},
    },
};

/// How long a request waits until it is noted that its token was used: whoever only reads waits for no writer.
const NOTED_WITHIN: Duration = Duration::from_millis(200);

/// Finds out who sends these headers. A token that does not hold is refused, even where none is needed.
pub(super) async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Principal, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let bearer = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else {
            return Err(Problem::unauthorized("The Authorization header is not of the form `Bearer <token>`."));
        };
        return by_token(state, token.trim()).await;
    }
    match state.cookie.read(headers) {
        Some(value) => Ok(by_session(state, &value).await?.unwrap_or(Principal::Anonymous)),
        None => Ok(Principal::Anonymous),
    }
}

async fn by_token(state: &AppState, token: &str) -> Result<Principal, Problem> {
    let mut reader = state.store.read().await?;
    let found = access_tokens::valid_by_hash(&mut reader.conn(), &token::hash(token)).await?;
    drop(reader);
    let Some(found) = found else {
        return Err(Problem::unauthorized(
            "The token is not known, or was revoked; `slipway token create` makes a new one.",
        ));
    };
    if let Some(at) = found.expired(state.store.clock().now()) {
        let at = DateTime::from_timestamp_millis(at).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(Problem::unauthorized(format!(
            "The token {} expired at {at}; `slipway token create` makes a new one.",
            found.name
        )));
    }
    note_use(state, &found).await;
    Ok(match found.runner_id.clone() {
        Some(id) => Principal::Runner { id, name: found.name },
        None => known(state, found.name.clone(), found.grant().into_iter().collect(), None, false),
    })
}

async fn by_session(state: &AppState, value: &Secret) -> Result<Option<Principal>, StoreError> {
    let id = token::hash(value.reveal());
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    if let Some(session) = user_sessions::by_hash(&mut reader.conn(), &id).await? {
        drop(reader);
        return of_user(state, session, now).await;
    }
    let found = sessions::by_hash(&mut reader.conn(), &id).await?;
    drop(reader);
    let Some(found) = found.filter(|found| session::is_alive(found.opened_at, found.last_seen_at, now)) else {
        return Ok(None);
    };
    if found.token.expired(now).is_some() {
        return Ok(None);
    }
    if now - found.last_seen_at >= session::TOUCH_MS {
        let mut tx = state.store.write().await?;
        sessions::touch(&mut tx, &id).await?;
        access_tokens::touch(&mut tx, &found.token.id).await?;
        tx.commit().await?;
    }
    let grant = found.token.grant();
    Ok(Some(known(state, found.token.name, grant.into_iter().collect(), None, true)))
}

/// Whoever has an account, as long as it holds. What they may do is what they are granted at this moment.
async fn of_user(state: &AppState, session: UserSession, now: i64) -> Result<Option<Principal>, StoreError> {
    if !session::is_alive(session.created_at, session.last_seen_at, now) {
        return Ok(None);
    }
    let mut reader = state.store.read().await?;
    let user = users::find(&mut reader.conn(), &session.user_id).await?;
    let Some(user) = user.filter(|user| user.disabled_at.is_none()) else { return Ok(None) };
    let grants = users::grants(&mut reader.conn(), &user.id).await?;
    drop(reader);
    if now - session.last_seen_at >= session::TOUCH_MS {
        let mut tx = state.store.write().await?;
        user_sessions::touch(&mut tx, &session.id).await?;
        tx.commit().await?;
    }
    let login = Login { user: user.id, session: session.id };
    let grants = grants.iter().filter_map(UserGrant::grant).collect();
    Ok(Some(known(state, user.name, grants, Some(login), true)))
}

fn known(state: &AppState, name: String, grants: Vec<Grant>, login: Option<Login>, by_cookie: bool) -> Principal {
    Principal::Known(Box::new(Known {
        name,
        login,
        by_cookie,
        limits: vec![grants],
        floor: state.config.public_read.then_some(Role::Viewer),
        about: Scope::Server,
    }))
}

/// Notes that a token was used, to the minute. Of a runner's is known when the runner was heard of, and who cannot be noted,
/// as the disk is full, may look all the same.
async fn note_use(state: &AppState, token: &AccessToken) {
    let now = state.store.clock().now();
    let is_fresh = token.last_used_at.is_some_and(|last| (now - last).abs() < session::TOUCH_MS);
    if is_fresh || token.runner_id.is_some() {
        return;
    }
    let noted = async {
        let mut tx = state.store.write().await?;
        access_tokens::touch(&mut tx, &token.id).await?;
        tx.commit().await
    };
    match tokio::time::timeout(NOTED_WITHIN, noted).await {
        // Where something large is being written, the next request notes it.
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!(%error, token = token.name, "cannot note that a token was used"),
    }
}
