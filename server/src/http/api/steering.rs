//! Steering a rollout that is under way: pausing it, letting it go on, ending it.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    decisions::Said,
    lookup::{self, ReleasePath},
    releases::ReleaseView,
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    releases::{self, By},
    store::{audit, decisions::Decision, releases::Release},
};

pub(super) fn routes() -> ApiRoutes {
    let pause_path = "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/pause";
    let rollout = "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/rollout";
    ApiRoutes::about("Releases")
        .put(pause_path, Permission::Deploy, "pauseRollout", "Holds a rollout where it is.", pause)
        .delete(pause_path, Permission::Deploy, "resumeRollout", "Lets a rollout go on.", resume)
        .delete(
            rollout,
            Permission::Deploy,
            "cancelRollout",
            "Ends a rollout: what was live serves alone again.",
            cancel,
        )
}

/// That a rollout is paused.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pause")]
pub(super) struct PauseView {
    by: String,
    reason: Option<String>,
    since: Time,
}

impl PauseView {
    /// The pause, while there is one.
    pub(super) fn of(decisions: &[Decision]) -> Option<Self> {
        let pause = releases::pause(decisions)?;
        Some(PauseView { by: pause.actor.clone(), reason: pause.reason.clone(), since: Time(pause.at) })
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedResume")]
#[serde(deny_unknown_fields)]
struct Resumed {
    reason: Option<String>,
    /// Whether the rest of the bake that it is in is passed over.
    #[serde(default)]
    now: bool,
}

async fn pause(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Body(said): Body<Said>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json(steer(&state, &principal, &release, Order::Pause, said.reason.as_deref()).await?.into()))
}

async fn resume(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Body(said): Body<Resumed>,
) -> Result<Json<ReleaseView>, Problem> {
    let order = if said.now { Order::GoOn } else { Order::Resume };
    Ok(Json(steer(&state, &principal, &release, order, said.reason.as_deref()).await?.into()))
}

async fn cancel(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Body(said): Body<Said>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json(steer(&state, &principal, &release, Order::Cancel, said.reason.as_deref()).await?.into()))
}

/// What a person wants of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) enum Order {
    /// That it stays where it is.
    Pause,
    /// That it goes on.
    Resume,
    /// That it goes on at once, whatever is left of the bake that it is in.
    GoOn,
    /// That it ends, and what was live serves alone again.
    Cancel,
}

/// Steers the rollout of a release.
pub(in crate::http) async fn steer(
    state: &AppState,
    principal: &Principal,
    ReleasePath { owner, name, environment, number }: &ReleasePath,
    order: Order,
    reason: Option<&str>,
) -> Result<Release, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let by = By { actor: principal.name(), reason };
    let (release, action) = match order {
        Order::Pause => {
            let paused = releases::pause_rollout(&mut tx, &repository, environment, *number, by).await?;
            (paused, "release.pause")
        }
        Order::Resume | Order::GoOn => {
            let now = order == Order::GoOn;
            let resumed = releases::resume_rollout(&mut tx, &repository, environment, *number, by, now).await?;
            (resumed, "release.resume")
        }
        Order::Cancel => {
            let ended = releases::cancel_rollout(&mut tx, &repository, environment, *number, by).await?;
            (ended, "release.cancel")
        }
    };
    let subject = format!("{} {environment} #{number}", repository.name);
    let detail = json!({"reason": reason, "now": order == Order::GoOn});
    audit::append(&mut tx, &principal.actor(), action, &subject, detail).await?;
    tx.commit().await?;
    Ok(release)
}
