//! What people decide of releases and environments: approvals, rejections, freezes, protection; and all that was decided.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value, json};

use super::{
    lookup::{self, ReleasePath},
    page::{Cursor, Page},
    releases::ReleaseView,
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    environments::{self as domain, Freeze, Protection},
    http::{
        errors::Problem,
        extract::{Asked, Body, Named},
    },
    releases::{self, By, DecisionKind},
    store::{
        StoreError, Tx, audit,
        decisions::{self, Decision},
        environments::{self, Environment},
        releases::Release,
        repositories::Repository,
    },
};

pub(super) fn routes() -> ApiRoutes {
    let approvals = "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/approvals";
    let rejections = "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/rejections";
    let protection = "/api/v1/repositories/{owner}/{name}/environments/{environment}/protection";
    let freeze = "/api/v1/repositories/{owner}/{name}/environments/{environment}/freeze";
    let decisions = "/api/v1/repositories/{owner}/{name}/environments/{environment}/decisions";
    ApiRoutes::about("Releases")
        .post(approvals, Permission::Deploy, "approveRelease", "Agrees to a release that waits for people.", approve)
        .post(rejections, Permission::Deploy, "rejectRelease", "Rejects a release that waits for people.", reject)
        .get(
            protection,
            Permission::Read,
            "getProtection",
            "What an administrator asks of the releases of an environment.",
            show_protection,
        )
        .put(
            protection,
            Permission::Administer,
            "setProtection",
            "Sets what is asked of the releases of an environment.",
            set_protection,
        )
        .put(freeze, Permission::Deploy, "freezeEnvironment", "Has nothing released to an environment.", set_freeze)
        .delete(freeze, Permission::Deploy, "unfreezeEnvironment", "Ends the freeze of an environment.", end_freeze)
        .get(
            decisions,
            Permission::Read,
            "listDecisions",
            "What people decided of an environment and its releases, newest first.",
            list,
        )
}

/// A decision as the API has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Decision")]
pub(super) struct DecisionView {
    kind: DecisionKind,
    /// The number of the release that it is about; none where it is about the whole environment.
    release: Option<i64>,
    actor: String,
    reason: Option<String>,
    /// The particulars, such as a protection before and after.
    detail: Value,
    at: Time,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        DecisionView {
            kind: decision.kind,
            release: decision.release_number,
            actor: decision.actor,
            reason: decision.reason,
            detail: decision.detail.0,
            at: Time(decision.at),
        }
    }
}

/// That nothing is released to an environment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Freeze")]
pub(super) struct FreezeView {
    by: String,
    reason: String,
    since: Time,
    until: Option<Time>,
}

impl FreezeView {
    /// The freeze, unless it has ended by itself.
    pub(super) fn of(freeze: Option<&Freeze>, now: i64) -> Option<Self> {
        let freeze = freeze.filter(|freeze| freeze.holds(now))?;
        Some(FreezeView {
            by: freeze.by.clone(),
            reason: freeze.reason.clone(),
            since: Time(freeze.since),
            until: freeze.until.map(Time),
        })
    }
}

/// What a person says along with a decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedFreeze")]
#[serde(deny_unknown_fields)]
struct Frozen {
    reason: String,
    /// When it ends by itself, as RFC 3339 has it.
    #[schemars(with = "Option<Time>")]
    until: Option<DateTime<Utc>>,
}

/// What is asked for, as it is shown, and beside it why.
#[derive(JsonSchema)]
#[schemars(rename = "WantedProtection", deny_unknown_fields)]
struct Protected {
    #[schemars(flatten)]
    protection: Protection,
    reason: Option<String>,
}

impl<'de> Deserialize<'de> for Protected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let reason = fields.remove("reason").unwrap_or_default();
        Ok(Protected {
            reason: serde_json::from_value(reason).map_err(D::Error::custom)?,
            protection: serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)?,
        })
    }
}

async fn approve(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Body(said): Body<Said>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json(answer(&state, &principal, &release, Answer::Approve, said.reason.as_deref()).await?.into()))
}

async fn reject(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Body(said): Body<Said>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json(answer(&state, &principal, &release, Answer::Reject, said.reason.as_deref()).await?.into()))
}

/// What a person says of a release that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Answer {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// Says yes or no to a release.
pub(in crate::http) async fn answer(
    state: &AppState,
    principal: &Principal,
    ReleasePath { owner, name, environment, number }: &ReleasePath,
    answer: Answer,
    reason: Option<&str>,
) -> Result<Release, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let by = By { actor: principal.name(), reason };
    let (release, action) = match answer {
        Answer::Approve => {
            let release = releases::approve(&mut tx, &repository, environment, *number, by).await?;
            (release, "release.approve")
        }
        Answer::Reject => {
            let release = releases::reject(&mut tx, &repository, environment, *number, by).await?;
            (release, "release.reject")
        }
    };
    let subject = format!("{} {environment} #{number}", repository.name);
    audit::append(&mut tx, &principal.actor(), action, &subject, json!({"reason": reason})).await?;
    tx.commit().await?;
    Ok(release)
}

async fn show_protection(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
) -> Result<Json<Protection>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    Ok(Json(environment.protection.0))
}

async fn set_protection(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(wanted): Body<Protected>,
) -> Result<Json<Protection>, Problem> {
    let Protected { protection, reason } = wanted;
    protect(&state, &principal, (&owner, &name, &environment), &protection, reason.as_deref()).await?;
    Ok(Json(protection))
}

/// Sets what is asked of the releases of the environment of `owner/name`.
pub(in crate::http) async fn protect(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): (&str, &str, &str),
    protection: &Protection,
    reason: Option<&str>,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let (repository, environment) = locked(&mut tx, owner, name, environment).await?;
    domain::protect(&mut tx, &environment, protection, principal.name(), reason).await?;
    let detail = json!({"before": environment.protection.0, "after": protection, "reason": reason});
    audited(&mut tx, principal, "environment.protect", &repository, &environment, detail).await?;
    tx.commit().await?;
    Ok(())
}

async fn set_freeze(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(frozen): Body<Frozen>,
) -> Result<Json<Option<FreezeView>>, Problem> {
    let until = frozen.until.map(|until| until.timestamp_millis());
    let about = (owner.as_str(), name.as_str(), environment.as_str());
    freeze(&state, &principal, about, &frozen.reason, until).await?;
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    Ok(Json(FreezeView::of(environment.frozen.as_deref(), state.store.clock().now())))
}

async fn end_freeze(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(said): Body<Said>,
) -> Result<(), Problem> {
    unfreeze(&state, &principal, (&owner, &name, &environment), said.reason.as_deref()).await
}

/// Freezes the environment of `owner/name`.
pub(in crate::http) async fn freeze(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): (&str, &str, &str),
    reason: &str,
    until: Option<i64>,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let (repository, environment) = locked(&mut tx, owner, name, environment).await?;
    domain::freeze(&mut tx, &environment, reason, until, principal.name()).await?;
    let detail = json!({"reason": reason, "until": until.map(Time)});
    audited(&mut tx, principal, "environment.frozen", &repository, &environment, detail).await?;
    Ok(tx.commit().await?)
}

/// Ends the freeze of the environment of `owner/name`.
pub(in crate::http) async fn unfreeze(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): (&str, &str, &str),
    reason: Option<&str>,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let (repository, environment) = locked(&mut tx, owner, name, environment).await?;
    domain::unfreeze(&mut tx, &environment, reason, principal.name()).await?;
    let detail = json!({"reason": reason});
    audited(&mut tx, principal, "environment.unfreeze", &repository, &environment, detail).await?;
    Ok(tx.commit().await?)
}

async fn locked(tx: &mut Tx, owner: &str, name: &str, environment: &str) -> Result<(Repository, Environment), Problem> {
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let environment = lookup::environment(&mut tx.conn(), &repository, environment).await?;
    let environment = environments::lock(tx, &environment.id).await?;
    Ok((repository, environment))
}

async fn audited(
    tx: &mut Tx,
    principal: &Principal,
    action: &str,
    repository: &Repository,
    environment: &Environment,
    detail: Value,
) -> Result<(), StoreError> {
    let subject = format!("{} {}", repository.name, environment.name);
    audit::append(tx, &principal.actor(), action, &subject, detail).await
}

async fn list(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<DecisionView>>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let before = cursor.parsed()?;
    let rows = decisions::of_environment(&mut reader.conn(), &environment.id, before.as_ref(), cursor.rows()).await?;
    Ok(Json(cursor.page(rows, |row| row.id.to_string(), DecisionView::from)))
}
