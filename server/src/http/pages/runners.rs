//! `/runners`: who does the work.

use axum::extract::State;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{RunnerRow, RunnersPage},
    time::When,
};

use super::{Html, measurements, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    measurements::Window,
    runners::{Presence, Takes},
    store::{
        Conn, builds, environments, events,
        jobs::{self, Job},
        releases, repositories, runners,
    },
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/runners", Permission::Read, show)
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(asking): Asked<measurements::Asking>,
) -> Result<Html<RunnersPage>, Problem> {
    let now = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let leased = jobs::leased(conn).await?;
    let runners = runners::list(conn).await?;
    let window = asking.window.unwrap_or(Window::Hour);
    let hosts = measurements::of_hosts(conn, &runners, "/runners", window, state.store.clock().now()).await?;
    let mut rows = Vec::new();
    for runner in runners {
        let mut held = Vec::new();
        for job in leased.iter().filter(|job| job.lease_owner.as_ref() == Some(&runner.id)) {
            held.extend(named(conn, job).await?);
        }
        let presence = Presence::of(&runner, now);
        rows.push(RunnerRow {
            name: runner.name,
            labels: runner.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            builds_only: runner.takes == Takes::Builds,
            version: runner.version,
            capacity: runner.capacity,
            jobs: held,
            seen: (presence != Presence::Expected).then_some(When { at: runner.last_seen_at, now }),
            state: (presence.as_str(), presence.meaning()),
            good: presence.is_good().map(|good| good && runner.hindrance.is_none()),
            hindrance: runner.hindrance,
        });
    }
    Ok(Html::ok(RunnersPage {
        frame: Frame::new("Runners", Section::Runners, viewer(&principal))
            .live(format!("/stream/runners?from={since}")),
        runners: rows,
        waiting: jobs::queued_count(conn).await?,
        hosts,
    }))
}

/// A job as people name it, with its page.
async fn named(conn: &mut Conn<'_>, job: &Job) -> Result<Option<(String, String)>, Problem> {
    if let Some(build) = &job.build_id {
        let Some(build) = builds::find(conn, build).await? else { return Ok(None) };
        let Some(repository) = repositories::find(conn, &build.repository_id).await? else { return Ok(None) };
        let text = format!("{} #{}", repository.name, build.number);
        return Ok(Some((text, links::build(&repository.name, build.number))));
    }
    let Some(release) = &job.release_id else { return Ok(None) };
    let Some(release) = releases::find(conn, release).await? else { return Ok(None) };
    let Some(environment) = environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &environment.repository_id).await? else { return Ok(None) };
    let text = format!("{} → {} #{}", repository.name, environment.name, release.number);
    Ok(Some((text, links::release(&repository.name, &environment.name, release.number))))
}
