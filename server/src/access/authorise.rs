//! The layer that every request passes: it finds out who asks, what about, and whether they may.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{Method, Uri, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Known, Permission, Permissions, Principal, Role, Scope, Subject,
    authenticate::authenticate,
    scope::{About, Names, about},
    session,
};
use crate::{
    app::AppState,
    http::{errors::Problem, room::Place},
};

/// Where people see to the tokens of their own by the API.
const OWN_TOKENS: &str = "/api/v1/account/tokens";

/// Where others are let in: those tokens and accounts would outlive a token that somebody made for themselves.
const DOORS: [&str; 6] =
    ["/api/v1/tokens", "/api/v1/users", "/api/v1/runners", "/settings/tokens", "/settings/users", "/runners"];

/// What the layer needs: the server, and what each route needs.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The server.
    pub state: AppState,
    /// What each route needs.
    pub permissions: Arc<Permissions>,
}

/// Lets a request through to its route if whoever sent it may. Addresses without a route go on to be told so.
pub async fn authorise(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let needed = guard.permissions.needed(path.as_str(), request.method());
    let subject = guard.permissions.subject(path.as_str(), request.method());
    let (mut parts, body) = request.into_parts();
    match judge(&guard.state, needed, subject, &mut parts).await {
        Ok(principal) => {
            if !matches!(principal, Principal::Anonymous)
                && let Some(place) = parts.extensions.get::<Arc<Place>>()
            {
                place.keep();
            }
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal.into_response(),
    }
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

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal::Problem(problem)
    }
}

/// Who sent the request, if they may.
async fn judge(
    state: &AppState,
    needed: Permission,
    subject: Option<Subject>,
    parts: &mut Parts,
) -> Result<Principal, Refusal> {
    if needed == Permission::Public {
        return Ok(Principal::Anonymous);
    }
    let is_open = needed == Permission::Read && state.config.public_read && subject != Some(Subject::Own);
    match authenticate(state, &parts.headers).await? {
        Principal::Known(mut known) => {
            known.about = judge_known(state, &known, needed, subject, parts).await?;
            if known.by_cookie && !session::is_same_site(&parts.method, &parts.headers) {
                return Err(Refusal::Problem(Problem::forbidden(
                    "This change did not come from a page of this server. Programs send a token instead of a cookie.",
                )));
            }
            Ok(Principal::Known(known))
        }
        runner @ Principal::Runner { .. } if is_open || needed == Permission::RunJobs => Ok(runner),
        Principal::Runner { name, .. } => Err(Refusal::Problem(Problem::forbidden(format!(
            "The token is that of the runner {name}, and opens nothing but what runners need."
        )))),
        Principal::Anonymous if is_open => Ok(Principal::Anonymous),
        Principal::Anonymous if is_page(&parts.uri) => Err(Refusal::Login(login_for(&parts.method, &parts.uri))),
        Principal::Anonymous => Err(Refusal::Problem(Problem::unauthorized(
            "This needs a token: send it as `Authorization: Bearer <token>`.",
        ))),
    }
}

/// What the request is about, if whoever is known may do there what is needed. Whoever does not see a thing is told the same
/// as where there is none.
async fn judge_known(
    state: &AppState,
    known: &Known,
    needed: Permission,
    subject: Option<Subject>,
    parts: &mut Parts,
) -> Result<Scope, Problem> {
    let Some(least) = Role::needed_for(needed) else {
        return Err(Problem::forbidden("This is for runners alone: `slipway runner create` makes a token for one."));
    };
    let Some(subject) = subject else {
        return Err(Problem::forbidden("It is not known what this route is about, so that nobody may use it."));
    };
    if subject == Subject::Own {
        // By a token of their own, somebody sees to their tokens alone.
        let is_own_token = known.own_token.is_some() && parts.uri.path().starts_with(OWN_TOKENS);
        return match known.login.is_some() || is_own_token {
            true => Ok(Scope::Server),
            false => Err(Problem::forbidden("This is for people with an account; you came by a token.")),
        };
    }
    if known.own_token.is_some() && opens_doors(&parts.method, parts.uri.path()) {
        return Err(Problem::forbidden(
            "By a token of one's own, nobody makes or revokes tokens of the server, accounts or runners, as what it opens ends with it: log in, or send a token of the server.",
        ));
    }
    let names = Names::of(parts).await?;
    match about(&state.store, subject, &names).await? {
        About::Scope(scope) if known.role_in(&scope) >= Some(least) => Ok(scope),
        About::Scope(scope) if subject == Subject::Seen && known.has_any_role() => Ok(scope),
        About::Scope(scope) => match known.role_in(&scope) {
            None if scope != Scope::Server || subject == Subject::Alert => Err(names.missing(subject)),
            held => Err(too_little(&known.name, held, least, &scope)),
        },
        About::Nothing if known.role_in(&Scope::Server) >= Some(least) => Ok(Scope::Server),
        About::Nothing => Err(names.missing(subject)),
    }
}

/// Whether a request changes who is let in.
fn opens_doors(method: &Method, path: &str) -> bool {
    !method.is_safe()
        && DOORS.iter().any(|door| path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn too_little(name: &str, held: Option<Role>, least: Role, scope: &Scope) -> Problem {
    let place = match scope {
        Scope::Server => "the server as a whole".to_owned(),
        Scope::Repository(repository) => repository.clone(),
        Scope::Environment { repository, environment } => format!("{environment} of {repository}"),
    };
    let held = held.map_or_else(|| "no role".to_owned(), |role| format!("the role {}", role.name()));
    Problem::forbidden(format!("{name} has {held} in {place}; this needs the role {} there.", least.name()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in_is_changed_at_these_addresses() {
        for path in
            ["/api/v1/tokens", "/api/v1/users/ana/grants", "/api/v1/runners", "/settings/users", "/runners/a/drain"]
        {
            assert!(opens_doors(&Method::POST, path) && opens_doors(&Method::DELETE, path), "{path}");
            assert!(!opens_doors(&Method::GET, path), "{path}");
        }
        for path in ["/api/v1/account/tokens", "/api/v1/repositories/shop/web/builds", "/runners-of-mine"] {
            assert!(!opens_doors(&Method::POST, path), "{path}");
        }
    }
}
