//! `/account`: one's own password, sessions and tokens.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::{AccountPage, IdentityRow, OwnTokenPage, ROLES, SessionRow, TokenForm, TokenRow},
    time::When,
};

use super::{
    Html,
    settings::{may, token_row, told},
    token_form::WantedToken,
    viewer::viewer,
};
use crate::{
    access::{Permission, Principal, Role, Routes},
    app::AppState,
    http::{
        api::{account as api, tokens::TokenRights},
        errors::Problem,
        extract::{Filled, Named},
    },
    ids::{SessionId, TokenId},
    secrets::Secret,
    store::{
        access_tokens::{self, AccessToken},
        audit,
        user_identities::{self, UserIdentity},
        user_sessions::{self, UserSession},
        users::{self as accounts, User},
    },
    users,
};

pub(super) const PAGE: &str = "/account";
/// The sessions that are shown.
const SESSIONS: i64 = 50;
/// How long ago somebody without a password must have logged in at most who changes how one comes in, in milliseconds: 10 minutes.
const FRESH_MS: i64 = 10 * 60 * 1_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(PAGE, Permission::Read, show)
        .post("/account/password", Permission::Read, set_password)
        .post("/account/sessions/{id}/end", Permission::Read, end)
        .post("/account/tokens", Permission::Read, make_token)
        .post("/account/tokens/{id}/revoke", Permission::Read, revoke_token)
}

/// Whose account it is, and by which session they ask.
pub(super) async fn own(state: &AppState, principal: &Principal) -> Result<(User, SessionId), Problem> {
    let gone = || Problem::forbidden("This account is no longer there.");
    let Principal::Known(known) = principal else { return Err(gone()) };
    let Some(login) = &known.login else { return Err(gone()) };
    let found = accounts::find(&mut state.store.read().await?.conn(), &login.user).await?;
    Ok((found.ok_or_else(gone)?, login.session.clone()))
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<AccountPage>, Problem> {
    Ok(Html::ok(page(&state, &principal).await?))
}

pub(super) async fn page(state: &AppState, principal: &Principal) -> Result<AccountPage, Problem> {
    let now = state.store.clock().now();
    let (user, session) = own(state, principal).await?;
    let mut reader = state.store.read().await?;
    let grants = accounts::grants(&mut reader.conn(), &user.id).await?;
    let sessions = user_sessions::of_user(&mut reader.conn(), &user.id, SESSIONS).await?;
    let identities = user_identities::of_user(&mut reader.conn(), &user.id).await?;
    let mut tokens = access_tokens::of_user(&mut reader.conn(), &user.id).await?;
    tokens.reverse();
    let token = |one: AccessToken| {
        let revoke = Some(format!("/account/tokens/{}/revoke", one.id));
        TokenRow { revoke, ..token_row(one, now) }
    };
    let most = grants.iter().filter_map(|grant| Role::named(&grant.role)).max();
    let identity = |one: UserIdentity| IdentityRow {
        disconnect: format!("/account/identities/{}/disconnect", one.id),
        provider: one.provider,
        shown: one.shown,
        used: one.last_login_at.map(|at| When { at, now }),
    };
    let row = |one: UserSession| SessionRow {
        is_this: one.id == session,
        end: format!("/account/sessions/{}/end", one.id),
        address: one.address,
        browser: one.browser,
        opened: When { at: one.created_at, now },
        used: When { at: one.last_seen_at, now },
    };
    let words =
        |grant: accounts::UserGrant| may(&grant.role, grant.repository.as_deref(), grant.environment.as_deref());
    Ok(AccountPage {
        frame: Frame::new("Your account", Section::Elsewhere, viewer(principal)),
        name: user.name,
        grants: grants.into_iter().map(words).collect(),
        sessions: sessions.into_iter().map(row).collect(),
        identities: identities.into_iter().map(identity).collect(),
        providers: state.providers.iter().map(|one| (one.name().to_owned(), connect_at(one.slug()))).collect(),
        tokens: tokens.into_iter().map(token).collect(),
        roles: ROLES.iter().copied().filter(|(role, _)| Role::named(role) <= most).collect(),
        token: TokenForm { role: Role::Viewer.name(), ..TokenForm::default() },
        has_password: user.password_hash.is_some(),
        note: None,
        error: None,
    })
}

fn connect_at(slug: &str) -> String {
    format!("{PAGE}/connect/{slug}")
}

#[derive(Deserialize)]
struct Chosen {
    old: Secret,
    password: Secret,
    again: Secret,
}

/// Whoever changes the password shows the old one: a browser that was left open is not enough.
async fn set_password(
    State(state): State<AppState>,
    principal: Principal,
    Filled(chosen): Filled<Chosen>,
) -> Result<Response, Problem> {
    let (user, session) = own(&state, &principal).await?;
    if let Err(wrong) = change(&state, &user, &session, &chosen).await? {
        let page = AccountPage { error: Some(wrong), ..page(&state, &principal).await? };
        return Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let page = page(&state, &principal).await?;
    let tokens = if page.tokens.is_empty() { "" } else { " Your tokens hold on: revoke those that you do not know." };
    let note = Some(format!("The password is changed, and your other sessions have ended.{tokens}"));
    Ok(Html::ok(AccountPage { note, ..page }).into_response())
}

/// The inner error is what they can better.
async fn change(
    state: &AppState,
    user: &User,
    session: &SessionId,
    chosen: &Chosen,
) -> Result<Result<(), String>, Problem> {
    if chosen.password != chosen.again {
        return Ok(Err("The two new passwords differ.".to_owned()));
    }
    if let Err(error) = users::check_password(&user.name, chosen.password.reveal()) {
        return Ok(Err(error.to_string()));
    }
    if let Err(wrong) = shows_password(state, user, session, &chosen.old).await? {
        return Ok(Err(wrong));
    }
    let hash = state.passwords.hash(&chosen.password).await.map_err(busy)?;
    let mut tx = state.store.write().await?;
    users::set_password(&mut tx, user, &hash, user.password_hash.as_deref(), Some(session)).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// Whether it is their password; the inner error says why it does not count. Guessing is slowed down for each session.
async fn shows_password(
    state: &AppState,
    user: &User,
    session: &SessionId,
    password: &Secret,
) -> Result<Result<(), String>, Problem> {
    if !state.password_limit.begin(session, state.store.clock().now()) {
        return Ok(Err("Too many wrong passwords were tried. Wait a minute, then try again.".to_owned()));
    }
    if !state.passwords.holds(password, user.password_hash.clone()).await.map_err(busy)? {
        return Ok(Err("This is not the password that you have now.".to_owned()));
    }
    state.password_limit.was_right(session);
    Ok(Ok(()))
}

/// Whether it is they who sit there, and not somebody at a browser that was left open: by their password, or where they have none,
/// by a login of just now. The inner error says why it does not count.
pub(super) async fn shows_themselves(
    state: &AppState,
    user: &User,
    session: &SessionId,
    password: Option<&Secret>,
) -> Result<Result<(), String>, Problem> {
    if user.password_hash.is_some() {
        return shows_password(state, user, session, password.unwrap_or(&Secret::new(""))).await;
    }
    logged_in_just_now(state, user, session).await?;
    Ok(Ok(()))
}

/// Whoever has no password to show has logged in elsewhere just now: a browser that was left open is not enough.
pub(super) async fn logged_in_just_now(state: &AppState, user: &User, session: &SessionId) -> Result<(), Problem> {
    let now = state.store.clock().now();
    let opened = user_sessions::opened_at(&mut state.store.read().await?.conn(), &user.id, session).await?;
    match opened.is_some_and(|at| (0..FRESH_MS).contains(&(now - at))) {
        true => Ok(()),
        false => Err(Problem::forbidden(
            "You have no password to show, and logged in more than ten minutes ago: log out, log in once more, and do it then.",
        )),
    }
}

fn busy(error: users::PasswordError) -> Problem {
    Problem::unavailable(error.to_string())
}

/// The answer shows the token, this once.
async fn make_token(
    State(state): State<AppState>,
    principal: Principal,
    Filled(wanted): Filled<WantedToken>,
) -> Result<Response, Problem> {
    let problem = match make_asked(&state, &principal, &wanted).await {
        Ok((name, token)) => {
            let frame = Frame::new("A token of your own", Section::Elsewhere, viewer(&principal));
            let page = OwnTokenPage { frame, name, value: token.reveal().to_owned() };
            return Ok(Html::with_status(StatusCode::CREATED, page).into_response());
        }
        Err(problem) => told(problem)?,
    };
    let token = wanted.form();
    let page = AccountPage { token, error: Some(problem), ..page(&state, &principal).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// Makes the token for whoever shows that they are themselves.
async fn make_asked(
    state: &AppState,
    principal: &Principal,
    wanted: &WantedToken,
) -> Result<(String, Secret), Problem> {
    let TokenRights { role, repository, environment, expires_in_days } = wanted.rights()?;
    let asked = api::Wanted { name: wanted.name().to_owned(), role, repository, environment, expires_in_days };
    let (user, session) = own(state, principal).await?;
    if let Err(wrong) = shows_themselves(state, &user, &session, wanted.password.as_ref()).await? {
        return Err(Problem::unprocessable(wrong));
    }
    let (_, token) = api::make_own(state.store.write().await?, &user, principal, &asked).await?;
    Ok((asked.name, token))
}

async fn revoke_token(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<TokenId>,
) -> Result<Redirect, Problem> {
    api::end_own(&state, &principal, &id).await?;
    Ok(Redirect::to("/account#tokens"))
}

async fn end(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<SessionId>,
) -> Result<Redirect, Problem> {
    let (user, _) = own(&state, &principal).await?;
    let mut tx = state.store.write().await?;
    if user_sessions::end(&mut tx, &user.id, &id).await? {
        audit::append(&mut tx, &user.name, "session.end", &user.name, serde_json::json!({})).await?;
    }
    tx.commit().await?;
    Ok(Redirect::to(PAGE))
}
