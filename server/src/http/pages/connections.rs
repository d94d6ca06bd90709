//! `/account/connect`: the accounts elsewhere by which somebody logs in.

use axum::{
    extract::State,
    response::{Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::ConnectionPage,
};

use super::{
    Html,
    account::{PAGE, own},
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
    let (user, _) = own(&state, &principal).await?;
    go_to(&state, &provider, PAGE, Purpose::Connect(user.id)).await
}

/// The page that asks whether what was proved is to open this account.
pub(in crate::http) fn connection(
    state: &AppState,
    provider: &Provider,
    user: &User,
    proved: &Proved,
) -> Html<ConnectionPage> {
    Html::ok(ConnectionPage {
        frame: Frame::new("Connect an account", Section::Door, slipway_web::frame::Viewer::Unseen),
        provider: provider.name().to_owned(),
        shown: proved.shown().to_owned(),
        name: user.name.clone(),
        address: format!("/account/connect/{}", provider.slug()),
        proof: proved.seal(&state.sealer, provider.slug()),
    })
}

#[derive(Deserialize)]
struct Confirmed {
    proof: String,
}

async fn connect(
    State(state): State<AppState>,
    principal: Principal,
    Named(slug): Named<String>,
    Filled(confirmed): Filled<Confirmed>,
) -> Result<Redirect, Problem> {
    let (user, _) = own(&state, &principal).await?;
    let provider = known(&state, &slug)?;
    let now = state.store.clock().now();
    let proved = Proved::open(&state.sealer, &slug, &confirmed.proof).filter(|proved| proved.is_of(&user.id, now));
    let proved = proved.ok_or_else(|| {
        Problem::bad_request("This was proved by somebody else, or more than ten minutes ago. Connect it once more.")
    })?;
    let mut tx = state.store.write().await?;
    users::connect(&mut tx, &user, provider, &proved).await?;
    tx.commit().await?;
    Ok(Redirect::to(PAGE))
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
