//! Who sends a request: by a token or by a session's cookie.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use chrono::{DateTime, SecondsFormat};

use super::{Grant, Known, Login, Principal, Role, Scope, session, token};
use crate::{
    app::AppState,
    http::errors::Problem,
    ids::{TokenId, UserId},
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
    if let Some(id) = found.runner_id.clone() {
        return Ok(Principal::Runner { id, name: found.name });
    }
    let bearer = of_token(state, found, false).await?;
    bearer.ok_or_else(|| Problem::unauthorized("Whoever made this token for themselves may do nothing here any more; what they may by their groups elsewhere counts again once they log in again."))
}

/// The bearer of a token; none where it is the own one of somebody who may do nothing any more. Of such a token counts what both
/// it and its owner may do at this moment: what their groups elsewhere give, only as long as a session of theirs would hold.
async fn of_token(state: &AppState, token: AccessToken, by_cookie: bool) -> Result<Option<Principal>, StoreError> {
    let grants = token.grant().into_iter().collect();
    let Some(owner) = token.user_id else {
        let who = Who { name: token.name, person: None, own_token: None, login: None };
        return Ok(Some(known(state, who, vec![grants], by_cookie)));
    };
    let mut reader = state.store.read().await?;
    let user = users::find(&mut reader.conn(), &owner).await?;
    let Some(user) = user.filter(|user| user.disabled_at.is_none()) else { return Ok(None) };
    let own = users::grants(&mut reader.conn(), &user.id).await?;
    let since = state.store.clock().now() - session::ABSOLUTE_MS;
    let counts = |grant: &&UserGrant| grant.of_groups.is_none() || grant.said_at.is_some_and(|at| at > since);
    let had_any = !own.is_empty();
    let own: Vec<Grant> = own.iter().filter(counts).filter_map(UserGrant::grant).collect();
    if had_any && own.is_empty() {
        return Ok(None);
    }
    let own_token = Some((token.id, token.name));
    let who = Who { name: user.name, person: Some(user.id), own_token, login: None };
    Ok(Some(known(state, who, vec![grants, own], by_cookie)))
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
    of_token(state, found.token, true).await
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
    let login = Some(Login { user: user.id.clone(), session: session.id });
    let grants = grants.iter().filter_map(UserGrant::grant).collect();
    let who = Who { name: user.name, person: Some(user.id), own_token: None, login };
    Ok(Some(known(state, who, vec![grants], true)))
}

/// Somebody, as they proved who they are.
struct Who {
    name: String,
    person: Option<UserId>,
    own_token: Option<(TokenId, String)>,
    login: Option<Login>,
}

fn known(state: &AppState, who: Who, limits: Vec<Vec<Grant>>, by_cookie: bool) -> Principal {
    let Who { name, person, own_token, login } = who;
    Principal::Known(Box::new(Known {
        name,
        person,
        own_token,
        login,
        by_cookie,
        limits,
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
