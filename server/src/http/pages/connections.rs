//! `/account/connect`: the accounts elsewhere by which somebody logs in.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::ConnectionPage,
};

use super::{
    Html,
    account::{PAGE, own, shows_password},
};
use crate::{
    access::{
        Permission, Principal, Routes,
        external::{Proved, Provider, Purpose},
    },
    app::AppState,
    http::{
        errors::Problem,
        extract::{Filled, Named},
        login_with::{go_to, known},
    },
    ids::{IdentityId, SessionId},
    secrets::Secret,
    store::{user_sessions, users::User},
    users,
};

/// How long ago somebody without a password must have logged in at most who connects an account, in milliseconds: 10 minutes.
const FRESH_MS: i64 = 10 * 60 * 1_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/account/connect/{provider}", Permission::Read, go)
        .post("/account/connect/{provider}", Permission::Read, connect)
        .post("/account/identities/{id}/disconnect", Permission::Read, disconnect)
}

/// Goes to the provider, to prove there which account is one's own.
async fn go(
    State(state): State<AppState>,
    principal: Principal,
    Named(provider): Named<String>,
) -> Result<Response, Problem> {
    let (user, session) = own(&state, &principal).await?;
    if user.password_hash.is_none() {
        logged_in_just_now(&state, &user, &session).await?;
    }
    go_to(&state, &provider, PAGE, Purpose::Connect(user.id)).await
}

/// Whoever has no password to show has logged in elsewhere just now: a browser that was left open is not enough.
async fn logged_in_just_now(state: &AppState, user: &User, session: &SessionId) -> Result<(), Problem> {
    let now = state.store.clock().now();
    let opened = user_sessions::opened_at(&mut state.store.read().await?.conn(), &user.id, session).await?;
    match opened.is_some_and(|at| (0..FRESH_MS).contains(&(now - at))) {
        true => Ok(()),
        false => Err(Problem::forbidden(
            "You have no password to show, and logged in more than ten minutes ago: log out, log in once more, and connect the account then.",
        )),
    }
}

/// The page that asks whether what was proved is to open this account.
pub(in crate::http) fn connection(
    state: &AppState,
    provider: &Provider,
    user: &User,
    proved: &Proved,
) -> ConnectionPage {
    ConnectionPage {
        frame: Frame::new("Connect an account", Section::Door, slipway_web::frame::Viewer::Unseen),
        provider: provider.name().to_owned(),
        shown: proved.shown().to_owned(),
        name: user.name.clone(),
        address: format!("/account/connect/{}", provider.slug()),
        proof: proved.seal(&state.sealer, provider.slug()),
        wants_password: user.password_hash.is_some(),
        error: None,
    }
}

#[derive(Deserialize)]
struct Confirmed {
    proof: String,
    password: Option<Secret>,
}

async fn connect(
    State(state): State<AppState>,
    principal: Principal,
    Named(slug): Named<String>,
    Filled(confirmed): Filled<Confirmed>,
) -> Result<Response, Problem> {
    let (user, session) = own(&state, &principal).await?;
    let provider = known(&state, &slug)?;
    let now = state.store.clock().now();
    let proved = Proved::open(&state.sealer, &slug, &confirmed.proof).filter(|proved| proved.is_of(&user.id, now));
    let proved = proved.ok_or_else(|| {
        Problem::bad_request("This was proved by somebody else, or more than ten minutes ago. Connect it once more.")
    })?;
    if user.password_hash.is_none() {
        logged_in_just_now(&state, &user, &session).await?;
    } else {
        let password = confirmed.password.unwrap_or_else(|| Secret::new(""));
        if let Err(wrong) = shows_password(&state, &user, &session, &password).await? {
            let page = ConnectionPage { error: Some(wrong), ..connection(&state, provider, &user, &proved) };
            return Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    }
    let mut tx = state.store.write().await?;
    users::connect(&mut tx, &user, provider, &proved).await?;
    tx.commit().await?;
    Ok(Redirect::to(PAGE).into_response())
}

async fn disconnect(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<IdentityId>,
) -> Result<Redirect, Problem> {
    let (user, _) = own(&state, &principal).await?;
    let mut tx = state.store.write().await?;
    users::disconnect(&mut tx, &user, &id).await?;
    tx.commit().await?;
    Ok(Redirect::to(PAGE))
}
