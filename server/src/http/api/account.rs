//! The tokens that people make for themselves.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::{
    access::{ApiRoutes, Grant, Permission, Principal, Role},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
        openapi::Made,
    },
    ids::TokenId,
    secrets::Secret,
    store::{
        Conn, Tx,
        access_tokens::{self, AccessToken},
        users::{self as accounts, User},
    },
    users::{self, OwnToken},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Account")
        .get(
            "/api/v1/account/tokens",
            Permission::Read,
            "listOwnTokens",
            "The tokens of one's own that were not revoked, oldest first, without their values; by one of them, it and those that were made with it.",
            list,
        )
        .post(
            "/api/v1/account/tokens",
            Permission::Read,
            "createOwnToken",
            "Makes a token of one's own with another of these, which it ends with. The one answer that holds its value. In a session, the page of the account makes one.",
            create,
        )
        .delete(
            "/api/v1/account/tokens/{id}",
            Permission::Read,
            "revokeOwnToken",
            "Revokes a token of one's own, with those that were made with it.",
            revoke,
        )
}

/// A token that somebody wants for themselves.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewOwnToken")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    /// What it is called, in the audit log behind its owner's name.
    #[schemars(length(min = 1, max = 100))]
    pub(in crate::http) name: String,
    /// The most that its bearer may do; never more than its owner may at that moment.
    pub(in crate::http) role: Role,
    /// The repositories that the role holds in, a pattern of names such as `shop/*`; all of its owner's unless it is said.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::http) repository: Option<String>,
    /// The environments there, a name or a pattern; all of the repository unless it is said.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::http) environment: Option<String>,
    /// After how many days it opens nothing any more; 90 unless it is said.
    #[schemars(range(min = 1, max = 366))]
    pub(in crate::http) expires_in_days: Option<u16>,
}

/// The one answer that holds the value of a token of one's own.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedOwnToken")]
struct Created {
    id: TokenId,
    name: String,
    token: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnToken")]
struct View {
    id: TokenId,
    name: String,
    /// `viewer`, `developer`, `deployer` or `administrator`.
    role: String,
    /// The pattern of repositories that the role holds in; null for all of its owner's.
    repository: Option<String>,
    /// The pattern of environments there; null for all of the repository.
    environment: Option<String>,
    /// When it opens nothing any more.
    expires_at: Option<Time>,
    created_at: Time,
    /// When it was last used, to the minute; null where it never was.
    last_used_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnTokens")]
struct List {
    /// At most 50: nobody has more.
    items: Vec<View>,
}

impl From<AccessToken> for View {
    fn from(token: AccessToken) -> Self {
        View {
            id: token.id,
            name: token.name,
            role: token.role,
            repository: token.repository,
            environment: token.environment,
            expires_at: token.expires_at.map(Time),
            created_at: Time(token.created_at),
            last_used_at: token.last_used_at.map(Time),
        }
    }
}

/// Whose account it is.
async fn own(conn: &mut Conn<'_>, principal: &Principal) -> Result<User, Problem> {
    let found = match principal.person() {
        Some(person) => accounts::find(conn, person).await?,
        None => None,
    };
    found.ok_or_else(|| Problem::forbidden("This account is no longer there."))
}

async fn list(State(state): State<AppState>, principal: Principal) -> Result<Json<List>, Problem> {
    let mut reader = state.store.read().await?;
    let user = own(&mut reader.conn(), &principal).await?;
    let found = access_tokens::of_user(&mut reader.conn(), &user.id).await?;
    Ok(Json(List {
        items: found.into_iter().filter(|token| users::sees_to(principal.own_token(), token)).map(View::from).collect(),
    }))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(wanted): Body<Wanted>,
) -> Result<Made<Created>, Problem> {
    if principal.own_token().is_none() {
        return Err(Problem::forbidden(
            "A browser that was left open makes no tokens: make this one on the page “Your account”, which asks for your password.",
        ));
    }
    let mut tx = state.store.write().await?;
    let user = own(&mut tx.conn(), &principal).await?;
    let (id, token) = make_own(tx, &user, &principal, &wanted).await?;
    Ok(Made(Created { id, name: wanted.name, token: token.reveal().to_owned() }))
}

/// Makes a token of one's own, for the API and for the page, which has seen who `user` is. Its value is in the answer and nowhere else.
pub(in crate::http) async fn make_own(
    mut tx: Tx,
    user: &User,
    principal: &Principal,
    wanted: &Wanted,
) -> Result<(TokenId, Secret), Problem> {
    let grant = Grant::new(wanted.role, wanted.repository.clone(), wanted.environment.clone())
        .map_err(|error| Problem::unprocessable(error.to_string()))?;
    let token = OwnToken { name: &wanted.name, grant: &grant, days: wanted.expires_in_days };
    let made = users::make_own_token(&mut tx, user, principal.own_token(), token, &principal.actor()).await?;
    tx.commit().await?;
    Ok(made)
}

/// A token of one's own that was just revoked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevokedOwnToken")]
struct Revoked {
    id: TokenId,
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<TokenId>,
) -> Result<Json<Revoked>, Problem> {
    end_own(&state, &principal, &id).await?;
    Ok(Json(Revoked { id }))
}

/// Revokes a token of one's own, for the API and for the page.
pub(in crate::http) async fn end_own(state: &AppState, principal: &Principal, id: &TokenId) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let user = own(&mut tx.conn(), principal).await?;
    users::revoke_own_token(&mut tx, &user, principal.own_token(), id, &principal.actor()).await?;
    Ok(tx.commit().await?)
}
