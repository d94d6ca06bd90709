//! The layer that every request passes: it finds out who asks, and whether they may.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{Permission, Permissions, Principal, Role, session, token};
use crate::{
    app::AppState,
    http::errors::Problem,
    secrets::Secret,
    store::{
        StoreError,
        access_tokens::{self, AccessToken},
        sessions,
    },
};

/// How long a request waits until it is noted that its token was used: whoever only reads waits for no writer.
const NOTED_WITHIN: Duration = Duration::from_millis(200);

/// What the layer needs: the server, and what each route needs.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The server.
    pub state: AppState,
    /// What each route needs.
    pub permissions: Arc<Permissions>,
}

/// Lets a request through to its route if whoever sent it may. Addresses without a route go on to be told so.
pub async fn authorise(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let needed = guard.permissions.needed(path.as_str(), request.method());
    let principal = match needed {
        Permission::Public => Principal::Anonymous,
        Permission::Read | Permission::Develop | Permission::Deploy | Permission::Administer | Permission::RunJobs => {
            match authenticate(&guard.state, request.headers()).await {
                Ok(principal) => principal,
                Err(problem) => return problem.into_response(),
            }
        }
    };
    if let Err(refusal) = judge(&principal, needed, guard.state.config.public_read, &request) {
        return refusal.into_response();
    }
    request.extensions_mut().insert(principal);
    next.run(request).await
}

/// A request that was not let through.
enum Refusal {
    Login(Redirect),
    Problem(Problem),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Login(redirect) => redirect.into_response(),
            Refusal::Problem(problem) => problem.into_response(),
        }
    }
}

fn judge(principal: &Principal, needed: Permission, public_read: bool, request: &Request) -> Result<(), Refusal> {
    if !principal.has(needed, public_read) {
        return Err(match principal {
            Principal::Anonymous if is_page(request.uri()) => {
                Refusal::Login(login_for(request.method(), request.uri()))
            }
            Principal::Anonymous => Refusal::Problem(Problem::unauthorized(
                "This needs a token: send it as `Authorization: Bearer <token>`.",
            )),
            Principal::Bearer { .. } if needed == Permission::RunJobs => Refusal::Problem(Problem::forbidden(
                "This is for runners alone: `slipway runner create` makes a token for one.",
            )),
            Principal::Runner { name, .. } => Refusal::Problem(Problem::forbidden(format!(
                "The token is that of the runner {name}, and opens nothing but what runners need."
            ))),
            Principal::Bearer { name, .. } => {
                Refusal::Problem(Problem::forbidden(format!("The token {name} does not allow this.")))
            }
        });
    }
    let by_cookie = matches!(principal, Principal::Bearer { by_cookie: true, .. });
    if by_cookie && !session::is_same_site(request.method(), request.headers()) {
        return Err(Refusal::Problem(Problem::forbidden(
            "This change did not come from a page of this server. Programs send a token instead of a cookie.",
        )));
    }
    Ok(())
}

/// Finds out who sends these headers. A token that does not hold is refused, even where none is needed.
async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Principal, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let bearer = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else {
            return Err(Problem::unauthorized("The Authorization header is not of the form `Bearer <token>`."));
        };
        return by_token(state, token.trim()).await?.ok_or_else(|| {
            Problem::unauthorized("The token is not known, or was revoked; `slipway token create` makes a new one.")
        });
    }
    match state.cookie.read(headers) {
        Some(value) => Ok(by_session(state, &value).await?.unwrap_or(Principal::Anonymous)),
        None => Ok(Principal::Anonymous),
    }
}

async fn by_token(state: &AppState, token: &str) -> Result<Option<Principal>, StoreError> {
    let mut reader = state.store.read().await?;
    let found = access_tokens::valid_by_hash(&mut reader.conn(), &token::hash(token)).await?;
    drop(reader);
    if let Some(found) = &found {
        note_use(state, found).await;
    }
    Ok(found.map(|token| match token.runner_id {
        Some(id) => Principal::Runner { id, name: token.name },
        None => Principal::Bearer { name: token.name, role: Role::named(&token.role), by_cookie: false },
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

async fn by_session(state: &AppState, value: &Secret) -> Result<Option<Principal>, StoreError> {
    let id = token::hash(value.reveal());
    let found = sessions::by_hash(&mut state.store.read().await?.conn(), &id).await?;
    let now = state.store.clock().now();
    let Some(found) = found.filter(|found| session::is_alive(found.created_at, found.last_seen_at, now)) else {
        return Ok(None);
    };
    if now - found.last_seen_at >= session::TOUCH_MS {
        let mut tx = state.store.write().await?;
        sessions::touch(&mut tx, &id).await?;
        access_tokens::touch(&mut tx, &found.token_id).await?;
        tx.commit().await?;
    }
    Ok(Some(Principal::Bearer { name: found.token_name, role: Role::named(&found.role), by_cookie: true }))
}

/// Addresses that people open; all others are for programs.
fn is_page(uri: &Uri) -> bool {
    !["/api/", "/webhooks/", "/stream/", "/metrics"].iter().any(|prefix| uri.path().starts_with(prefix))
}

/// The login, and from there back to the page that was asked for.
fn login_for(method: &Method, uri: &Uri) -> Redirect {
    if *method != Method::GET {
        return Redirect::to("/login");
    }
    let asked = uri.path_and_query().map_or("/", |path| path.as_str());
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", asked).finish();
    Redirect::to(&format!("/login?{query}"))
}

/// Whoever sent the request, as the layer found out.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Principal>().cloned().unwrap_or(Principal::Anonymous))
    }
}
