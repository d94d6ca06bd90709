//! `/`: every repository, what is at work, and what is live where.

use axum::extract::State;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{Activity, Home, RepositoryCard},
    state::Tone,
    time::Took,
};

use super::{Html, rows, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::errors::Problem,
    ids::{BuildId, ReleaseId},
    store::{
        Conn, builds, environments, events, jobs, releases,
        repositories::{self, Repository},
    },
};

/// The repositories on the page.
const REPOSITORIES: i64 = 50;
/// The branches shown of each.
const BRANCHES: i64 = 5;
/// The jobs at work or waiting that are listed.
const ACTIVE: i64 = 20;

pub(super) fn routes() -> Routes {
    Routes::new().get("/", Permission::Read, show)
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<Home>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let mut cards = Vec::new();
    for repository in repositories::list(conn, "", REPOSITORIES).await? {
        cards.push(card(conn, &repository, now).await?);
    }
    let active = active(conn, now).await?;
    let tone = if active.iter().any(|job| job.state.tone() == Tone::Active) { Tone::Active } else { Tone::Quiet };
    let frame = Frame::new("Repositories", Section::Repositories, viewer(&principal))
        .live(format!("/stream/home?from={since}"))
        .toned(tone);
    Ok(Html::ok(Home { frame, active, repositories: cards }))
}

async fn card(conn: &mut Conn<'_>, repository: &Repository, now: i64) -> Result<RepositoryCard, Problem> {
    let mut builds = Vec::new();
    for head in repositories::heads(conn, &repository.id, None, BRANCHES).await? {
        let waits = rows::why_it_waits(conn, &head.build, now).await?;
        builds.push(rows::build_row(&repository.name, &head.build, waits, now));
    }
    Ok(RepositoryCard {
        name: repository.name.clone(),
        address: links::repository(&repository.name),
        environments: links::environments(&repository.name),
        stages: rows::stages(conn, repository, now).await?,
        builds,
    })
}

async fn active(conn: &mut Conn<'_>, now: i64) -> Result<Vec<Activity>, Problem> {
    let mut active = Vec::new();
    let mut open = jobs::leased(conn).await?;
    open.extend(jobs::queued(conn, ACTIVE).await?);
    for job in open.into_iter().take(usize::try_from(ACTIVE).unwrap_or(usize::MAX)) {
        let found = match (&job.build_id, &job.release_id) {
            (Some(build), _) => build_activity(conn, build, now).await?,
            (None, Some(release)) => release_activity(conn, release, now).await?,
            (None, None) => None,
        };
        active.extend(found);
    }
    Ok(active)
}

async fn build_activity(conn: &mut Conn<'_>, id: &BuildId, now: i64) -> Result<Option<Activity>, Problem> {
    let Some(build) = builds::find(conn, id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &build.repository_id).await? else { return Ok(None) };
    let waits = rows::why_it_waits(conn, &build, now).await?;
    Ok(Some(Activity {
        state: build.state.into(),
        what: format!("{} #{}", repository.name, build.number),
        address: links::build(&repository.name, build.number),
        detail: rows::commit(&build).subject().to_owned(),
        took: Took { from: build.started_at.or(Some(build.created_at)), to: build.finished_at, now },
        reason: waits.or(build.reason),
    }))
}

async fn release_activity(conn: &mut Conn<'_>, id: &ReleaseId, now: i64) -> Result<Option<Activity>, Problem> {
    let Some(release) = releases::find(conn, id).await? else { return Ok(None) };
    let Some(environment) = environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &environment.repository_id).await? else { return Ok(None) };
    let waits = rows::why_release_waits(conn, &release, now).await?;
    Ok(Some(Activity {
        state: release.state.into(),
        what: format!("{} → {} #{}", repository.name, environment.name, release.number),
        address: links::release(&repository.name, &environment.name, release.number),
        detail: rows::build_of(conn, &release).await?.subject().to_owned(),
        took: Took { from: release.started_at.or(Some(release.created_at)), to: release.finished_at, now },
        reason: waits.or(release.reason),
    }))
}
