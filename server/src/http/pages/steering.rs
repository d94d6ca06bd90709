//! How a rollout that is under way is steered, and the forms by which people do so.

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_web::{
    frame::Viewer,
    pages::{Pause, Steering},
    time::When,
};

use super::gates::Said;
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::{
            lookup::ReleasePath,
            steering::{self as api, Order},
        },
        errors::Problem,
        extract::{Filled, Named},
    },
    releases::{self, ReleaseState},
    store::{Conn, StoreError, decisions, jobs, releases::Release, steps},
};

pub(super) fn routes() -> Routes {
    let path = "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/rollout/{order}";
    Routes::new().post(path, Permission::Deploy, steer)
}

/// The end of a form's address.
#[derive(Debug, Deserialize)]
struct Wanted {
    order: Order,
}

async fn steer(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Named(Wanted { order }): Named<Wanted>,
    Filled(said): Filled<Said>,
) -> Result<Redirect, Problem> {
    api::steer(&state, &principal, &release, order, Some(&said.reason)).await?;
    Ok(Redirect::to(&release.page()))
}

/// How the release's rollout is steered, while it is under way.
pub(super) async fn steering_of(
    conn: &mut Conn<'_>,
    release: &Release,
    viewer: &Viewer,
    now: i64,
) -> Result<Option<Steering>, StoreError> {
    if !matches!(release.state, ReleaseState::Queued | ReleaseState::Rolling) {
        return Ok(None);
    }
    let decided = decisions::of_release(conn, &release.id).await?;
    let paused = releases::pause(&decided).map(|pause| Pause {
        by: pause.actor.clone(),
        reason: pause.reason.clone(),
        since: When { at: pause.at, now },
    });
    let steps = match jobs::of_release(conn, &release.id).await? {
        Some(job) => steps::of_attempt(conn, &job.id, job.attempt).await?,
        None => Vec::new(),
    };
    let bakes = steps.iter().any(releases::bakes);
    Ok(Some(Steering { paused, bakes, may_steer: viewer.may_deploy() }))
}
