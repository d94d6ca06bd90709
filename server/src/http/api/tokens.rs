//! Making, listing and revoking access tokens.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Grant, Permission, Principal, Role, TokenFor, check_token_name, make_token},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Body, Named},
        openapi::Made,
    },
    ids::TokenId,
    secrets::Secret,
    store::{
        StoreError,
        access_tokens::{self, OwnedToken},
        audit, users,
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Tokens")
        .get(
            "/api/v1/tokens",
            Permission::Administer,
            "listTokens",
            "Every access token, oldest first, without its value.",
            list,
        )
        .post(
            "/api/v1/tokens",
            Permission::Administer,
            "createToken",
            "Makes a token. The one answer that holds its value.",
            create,
        )
        .delete("/api/v1/tokens/{id}", Permission::Administer, "revokeToken", "Revokes a token.", revoke)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewToken")]
#[serde(deny_unknown_fields)]
struct Create {
    /// Its bearer's name, in the audit log and wherever somebody's word counts.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// What its bearer may do.
    role: Role,
    /// The repositories that the role holds in, a pattern of names such as `shop/*`; the whole server unless it is said.
    #[schemars(length(min = 1, max = 256))]
    #[serde(default)]
    repository: Option<String>,
    /// The environments there that it holds in, a name or a pattern; all of the repository unless it is said.
    #[schemars(length(min = 1, max = 256))]
    #[serde(default)]
    environment: Option<String>,
    /// After how many days it opens nothing any more; never unless it is said.
    #[schemars(range(min = 1, max = 3660))]
    #[serde(default)]
    expires_in_days: Option<u16>,
}

/// What a token is to allow, and for how long.
#[derive(Debug)]
pub(in crate::http) struct TokenRights {
    /// What its bearer may do.
    pub(in crate::http) role: Role,
    /// The pattern of repositories that the role holds in; none for the whole server.
    pub(in crate::http) repository: Option<String>,
    /// The pattern of environments there; none for all of the repository.
    pub(in crate::http) environment: Option<String>,
    /// After how many days it opens nothing any more; none for never.
    pub(in crate::http) expires_in_days: Option<u16>,
}

/// The longest that a token may hold which expires, in days.
const LONGEST_DAYS: u16 = 3_660;
/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl TokenRights {
    /// What is granted.
    fn grant(&self) -> Result<Grant, Problem> {
        Grant::new(self.role, self.repository.clone(), self.environment.clone())
            .map_err(|error| Problem::unprocessable(error.to_string()))
    }

    /// When it expires, in unix milliseconds.
    fn expires_at(&self, now: i64) -> Result<Option<i64>, Problem> {
        match self.expires_in_days {
            None => Ok(None),
            Some(days @ 1..=LONGEST_DAYS) => Ok(Some(now + i64::from(days) * DAY_MS)),
            Some(_) => {
                Err(Problem::unprocessable(format!("A token expires after 1 to {LONGEST_DAYS} days, or never.")))
            }
        }
    }
}

/// The one answer that holds a token's value.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedToken")]
struct Created {
    id: String,
    name: String,
    token: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
struct TokenView {
    id: String,
    name: String,
    /// Whose own it is, and whose grants limit it; null where it is its bearer's.
    user: Option<String>,
    /// `viewer`, `developer`, `deployer` or `administrator`; `runner` of a runner's.
    role: String,
    /// The pattern of repositories that the role holds in; null for the whole server.
    repository: Option<String>,
    /// The pattern of environments there; null for all of the repository.
    environment: Option<String>,
    /// When it opens nothing any more; null for never.
    expires_at: Option<Time>,
    created_at: Time,
    revoked_at: Option<Time>,
    /// When it was last used, to the minute; null where that is not known.
    last_used_at: Option<Time>,
}

impl From<OwnedToken> for TokenView {
    fn from(OwnedToken { token, owner }: OwnedToken) -> Self {
        TokenView {
            user: owner,
            id: token.id.to_string(),
            name: token.name,
            role: token.role,
            repository: token.repository,
            environment: token.environment,
            expires_at: token.expires_at.map(Time),
            created_at: Time(token.created_at),
            revoked_at: token.revoked_at.map(Time),
            last_used_at: token.last_used_at.map(Time),
        }
    }
}

async fn list(State(state): State<AppState>, Asked(cursor): Asked<Cursor>) -> Result<Json<Page<TokenView>>, Problem> {
    let after = cursor.parsed::<TokenId>()?;
    let found = access_tokens::portion(&mut state.store.read().await?.conn(), after.as_ref(), cursor.rows()).await?;
    Ok(Json(cursor.page(found, |one| one.token.id.to_string(), TokenView::from)))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(asked): Body<Create>,
) -> Result<Made<Created>, Problem> {
    let Create { name, role, repository, environment, expires_in_days } = asked;
    let rights = TokenRights { role, repository, environment, expires_in_days };
    let (id, token) = make(&state, &principal, &name, &rights).await?;
    let created = Created { id: id.to_string(), name, token: token.reveal().to_owned() };
    Ok(Made(created))
}

/// Makes a token of that name, for the API and for the page. Its value is in the answer and nowhere else.
pub(in crate::http) async fn make(
    state: &AppState,
    principal: &Principal,
    name: &str,
    rights: &TokenRights,
) -> Result<(TokenId, Secret), Problem> {
    let grant = rights.grant()?;
    let mut tx = state.store.write().await?;
    let taken = access_tokens::living_names(&mut tx).await?;
    check_token_name(name, &taken).map_err(|error| Problem::unprocessable(error.to_string()))?;
    let wanted = TokenFor { name, grant: &grant, expires_at: rights.expires_at(tx.now())?, owner: None };
    let made = make_token(&mut tx, wanted, &principal.actor()).await?;
    tx.commit().await?;
    Ok(made)
}

/// A token that was just revoked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevokedToken")]
struct Revoked {
    id: TokenId,
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<TokenId>,
) -> Result<Json<Revoked>, Problem> {
    end(&state, &principal, &id).await?;
    Ok(Json(Revoked { id }))
}

/// Revokes a token, for the API and for the page.
pub(in crate::http) async fn end(state: &AppState, principal: &Principal, id: &TokenId) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let found = access_tokens::find(&mut tx.conn(), id).await?;
    let found = found.ok_or_else(|| StoreError::missing("access token", id))?;
    let owner = match &found.user_id {
        Some(user) => users::name_of(&mut tx.conn(), user).await?,
        None => None,
    };
    access_tokens::revoke(&mut tx, id).await?;
    let detail = json!({"name": found.name, "user": owner});
    audit::append(&mut tx, &principal.actor(), "token.revoke", id.as_str(), detail).await?;
    Ok(tx.commit().await?)
}
