//! People: inviting them, what they are granted, and letting them go.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Grant, Permission, Principal, Role},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Body, Named},
        openapi::Made,
    },
    ids::GrantId,
    store::{
        Conn, StoreError,
        users::{self, User},
    },
    users as domain,
};

pub(super) fn routes() -> ApiRoutes {
    let disabled = "/api/v1/users/{name}/disabled";
    ApiRoutes::about("Users")
        .get("/api/v1/users", Permission::Administer, "listUsers", "Everybody who has an account, by name.", list)
        .post(
            "/api/v1/users",
            Permission::Administer,
            "inviteUser",
            "Makes an account, or brings one back. The one answer that holds the link by which its owner sets a password.",
            create,
        )
        .delete("/api/v1/users/{name}", Permission::Administer, "removeUser", "Removes an account; its name becomes nobody else's.", delete)
        .post(
            "/api/v1/users/{name}/link",
            Permission::Administer,
            "renewUserLink",
            "Makes a new link by which somebody sets a password. The one answer that holds it.",
            renew,
        )
        .post("/api/v1/users/{name}/grants", Permission::Administer, "grantUser", "Grants somebody a role.", grant)
        .delete(
            "/api/v1/users/{name}/grants/{grant}",
            Permission::Administer,
            "takeUserGrant",
            "Takes a grant back.",
            take,
        )
        .put(disabled, Permission::Administer, "disableUser", "Lets somebody do nothing any more.", disable)
        .delete(disabled, Permission::Administer, "enableUser", "Lets somebody do again what they may.", enable)
}

/// A role, and where it holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewGrant")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WantedGrant {
    /// The role.
    pub(in crate::http) role: Role,
    /// The repositories that it holds in, a pattern of names such as `shop/*`; the whole server unless it is said.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::http) repository: Option<String>,
    /// The environments there, a name or a pattern; all of the repository unless it is said.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::http) environment: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewUser")]
#[serde(deny_unknown_fields)]
struct Create {
    /// Their name, in the audit log and wherever their word counts.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Their first role.
    role: Role,
    /// The repositories that it holds in, a pattern of names such as `shop/*`; the whole server unless it is said.
    #[schemars(length(min = 1, max = 256))]
    repository: Option<String>,
    /// The environments there, a name or a pattern; all of the repository unless it is said.
    #[schemars(length(min = 1, max = 256))]
    environment: Option<String>,
    /// Whether it is the account of this name that was removed which is brought back.
    #[serde(default)]
    again: bool,
}

/// The one answer that holds a link.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserLink")]
struct Linked {
    name: String,
    /// Where they set their password, once.
    link: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct GrantView {
    id: GrantId,
    /// `viewer`, `developer`, `deployer` or `administrator`.
    role: String,
    repository: Option<String>,
    environment: Option<String>,
    /// The provider of whose groups it comes, and which alone takes it back; null where somebody granted it.
    of_groups: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
struct UserView {
    name: String,
    grants: Vec<GrantView>,
    /// Whether they have set a password.
    has_password: bool,
    /// Since when they may do nothing.
    disabled_at: Option<Time>,
    created_at: Time,
    last_login_at: Option<Time>,
}

async fn view(conn: &mut Conn<'_>, user: User) -> Result<UserView, StoreError> {
    let grants = users::grants(conn, &user.id).await?.into_iter();
    let grant = |grant: users::UserGrant| GrantView {
        id: grant.id,
        role: grant.role,
        repository: grant.repository,
        environment: grant.environment,
        of_groups: grant.of_groups,
    };
    Ok(UserView {
        name: user.name,
        grants: grants.map(grant).collect(),
        has_password: user.password_hash.is_some(),
        disabled_at: user.disabled_at.map(Time),
        created_at: Time(user.created_at),
        last_login_at: user.last_login_at.map(Time),
    })
}

async fn list(State(state): State<AppState>, Asked(cursor): Asked<Cursor>) -> Result<Json<Page<UserView>>, Problem> {
    let after = cursor.cursor.as_deref().unwrap_or_default();
    let mut reader = state.store.read().await?;
    let mut views = Vec::new();
    for user in users::portion(&mut reader.conn(), after, cursor.rows()).await? {
        views.push(view(&mut reader.conn(), user).await?);
    }
    Ok(Json(cursor.page(views, |user| user.name.clone(), |user| user)))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(Create { name, role, repository, environment, again }): Body<Create>,
) -> Result<Made<Linked>, Problem> {
    let wanted = WantedGrant { role, repository, environment };
    let link = invite(&state, &principal, (&name, again), wanted).await?;
    Ok(Made(Linked { name, link }))
}

/// Makes an account, or brings the removed one of that name back `again`, for the API and for the page. The answer is the link by which its owner sets a password.
pub(in crate::http) async fn invite(
    state: &AppState,
    principal: &Principal,
    (name, again): (&str, bool),
    wanted: WantedGrant,
) -> Result<String, Problem> {
    let grant = read(wanted)?;
    let mut tx = state.store.write().await?;
    let end = match again {
        true => domain::bring_back(&mut tx, name, &grant, &principal.actor()).await?,
        false => domain::invite(&mut tx, name, &grant, &principal.actor()).await?,
    };
    tx.commit().await?;
    Ok(state.url(&format!("/welcome/{}", end.reveal())))
}

async fn renew(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Made<Linked>, Problem> {
    let link = renew_link(&state, &principal, &name).await?;
    Ok(Made(Linked { name, link }))
}

/// Gives somebody a new link, for the API and for the page.
pub(in crate::http) async fn renew_link(
    state: &AppState,
    principal: &Principal,
    name: &str,
) -> Result<String, Problem> {
    let mut tx = state.store.write().await?;
    let user = domain::named(&mut tx.conn(), name).await?;
    let end = domain::invite_again(&mut tx, &user, &principal.actor()).await?;
    tx.commit().await?;
    Ok(state.url(&format!("/welcome/{}", end.reveal())))
}

/// What is changed of somebody's account.
#[derive(Debug)]
pub(in crate::http) enum Change {
    /// They are granted something more.
    Allow(WantedGrant),
    /// A grant is taken back.
    Forbid(GrantId),
    /// They may do nothing any more.
    Disable,
    /// They may do again what they are granted.
    Enable,
    /// They have no account any more.
    Remove,
}

/// Changes somebody's account, for the API and for the page.
pub(in crate::http) async fn change(
    state: &AppState,
    principal: &Principal,
    name: &str,
    change: Change,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let user = domain::named(&mut tx.conn(), name).await?;
    let actor = &principal.actor();
    match change {
        Change::Allow(wanted) => domain::allow(&mut tx, &user, &read(wanted)?, actor).await?,
        Change::Forbid(id) => domain::forbid(&mut tx, &user, &id, actor).await?,
        Change::Disable => domain::disable(&mut tx, &user, actor).await?,
        Change::Enable => domain::enable(&mut tx, &user, actor).await?,
        Change::Remove => domain::remove(&mut tx, &user, actor).await?,
    }
    Ok(tx.commit().await?)
}

fn read(wanted: WantedGrant) -> Result<Grant, Problem> {
    Grant::new(wanted.role, wanted.repository, wanted.environment)
        .map_err(|error| Problem::unprocessable(error.to_string()))
}

async fn grant(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
    Body(wanted): Body<WantedGrant>,
) -> Result<(), Problem> {
    change(&state, &principal, &name, Change::Allow(wanted)).await
}

async fn take(
    State(state): State<AppState>,
    principal: Principal,
    Named((name, id)): Named<(String, GrantId)>,
) -> Result<(), Problem> {
    change(&state, &principal, &name, Change::Forbid(id)).await
}

async fn disable(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<(), Problem> {
    change(&state, &principal, &name, Change::Disable).await
}

async fn enable(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<(), Problem> {
    change(&state, &principal, &name, Change::Enable).await
}

async fn delete(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<(), Problem> {
    change(&state, &principal, &name, Change::Remove).await
}
