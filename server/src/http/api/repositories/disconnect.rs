//! Letting a repository go, with all that hangs on it.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::lookup;
use crate::{
    access::Principal,
    app::AppState,
    departures,
    http::{
        errors::{Problem, sentence},
        extract::{Asked, Named},
    },
    ids::RepositoryId,
    store::{Conn, StoreError, audit, disconnection, environments, repositories},
};

/// Whether it is let go whatever stands against it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Also where something of it is live, waits or runs, or an alert of it is open.
    #[serde(default)]
    force: bool,
}

/// A repository that was let go.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DisconnectedRepository")]
pub(super) struct Disconnected {
    name: String,
}

pub(super) async fn disconnect(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Disconnected>, Problem> {
    let name = let_go(&state, &principal, (&owner, &name), wanted.force).await?;
    Ok(Json(Disconnected { name }))
}

/// What stands against letting a repository go, in sentences.
pub(in crate::http) async fn hindrances(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
) -> Result<Vec<String>, StoreError> {
    let mut said = Vec::new();
    match disconnection::under_way(conn, repository).await? {
        0 => {}
        1 => said.push("one job of it waits or runs".to_owned()),
        many => said.push(format!("{many} jobs of it wait or run")),
    }
    match disconnection::held(conn, repository).await? {
        0 => {}
        1 => said.push("one release of it is held".to_owned()),
        many => said.push(format!("{many} releases of it are held")),
    }
    match disconnection::open_alerts(conn, repository).await? {
        0 => {}
        1 => said.push("one alert of it is open, and who was told would never hear of its end".to_owned()),
        many => said.push(format!("{many} alerts of it are open, and who was told would never hear of their end")),
    }
    let live = disconnection::live_in(conn, repository).await?;
    if !live.is_empty() {
        said.push(format!("its releases are live in {}", live.join(", ")));
    }
    Ok(said)
}

/// Disconnects a repository, for the API and for the page; unless it is forced, only where nothing of it is live, waits or
/// runs, and no alert of it is open. What runs on an engine is left there: nobody looks after it any more. It is out of sight at
/// once, and removed behind that. Returns its name.
pub(in crate::http) async fn let_go(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    force: bool,
) -> Result<String, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    // Nothing is queued meanwhile.
    repositories::hold(&mut tx, &repository.id).await?;
    // Nor is a release made: that locks its environment alone.
    for environment in environments::of_repository(&mut tx.conn(), &repository.id).await? {
        environments::lock(&mut tx, &environment.id).await?;
    }
    let against = hindrances(&mut tx.conn(), &repository.id).await?;
    if !against.is_empty() && !force {
        return Err(Problem::conflict(format!(
            "{} Wait for its end, or say that it is disconnected all the same (`--force`, in the API `?force=true`): what runs is \
             broken off, and what is live runs on with nobody looking after it.",
            sentence(&against.join(", and "))
        )));
    }
    departures::leave(&mut tx, &repository).await?;
    let detail = json!({"clone_url": repository.clone_url, "force": force, "against": against});
    audit::append(&mut tx, &principal.actor(), "repository.disconnect", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(repository.name)
}
