//! `/account/connect`: the accounts elsewhere by which somebody logs in.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::{AccountPage, ConnectionPage},
};

use super::{
    Html,
    account::{PAGE, logged_in_just_now, own, page, shows_themselves},
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
    ids::IdentityId,
    secrets::Secret,
    store::users::User,
    users,
};

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
    if let Err(wrong) = shows_themselves(&state, &user, &session, confirmed.password.as_ref()).await? {
        let page = ConnectionPage { error: Some(wrong), ..connection(&state, provider, &user, &proved) };
        return Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let mut tx = state.store.write().await?;
    users::connect(&mut tx, &user, provider, &proved).await?;
    tx.commit().await?;
    Ok(Redirect::to(PAGE).into_response())
}

/// What somebody shows who disconnects an account: by whose builds nobody but others approves.
#[derive(Deserialize)]
struct Shown {
    password: Option<Secret>,
}

async fn disconnect(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<IdentityId>,
    Filled(shown): Filled<Shown>,
) -> Result<Response, Problem> {
    let (user, session) = own(&state, &principal).await?;
    if let Err(wrong) = shows_themselves(&state, &user, &session, shown.password.as_ref()).await? {
        let page = AccountPage { error: Some(wrong), ..page(&state, &principal).await? };
        return Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let mut tx = state.store.write().await?;
    users::disconnect(&mut tx, &user, &id).await?;
    tx.commit().await?;
    Ok(Redirect::to(PAGE).into_response())
}
