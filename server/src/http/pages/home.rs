//! `/`: every repository, what is at work, and what is live where.

use std::collections::HashMap;

use axum::extract::State;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    matrix::{Cell, Line, Live, Matrix, Tip},
    pages::{Home, Repositories, RepositoryCard},
    parts::reference,
    state::Tone,
    time::When,
};

use super::{Html, activity::activity, rows, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes, seen_by},
    app::AppState,
    environments::Health,
    http::{errors::Problem, extract::Asked},
    store::{
        Conn, Seen, alerts,
        builds::Build,
        events,
        overview::{self, Stage},
        repositories::{self, Repository},
        runners::{self, Runner},
    },
};

/// The repositories on the page.
const REPOSITORIES: i64 = 50;
/// How many are shown each by itself, with what was built last; more stand side by side.
const FEW: usize = 3;
/// The branches shown of each repository where there are few, and where there are many.
const BRANCHES: (i64, i64) = (5, 3);
/// The most open alerts that are counted.
const ALERTS: i64 = 100;

pub(super) fn routes() -> Routes {
    Routes::new().get("/", Permission::Read, show)
}

/// Where the page begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Behind the repository of this name.
    after: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    Asked(wanted): Asked<Wanted>,
    principal: Principal,
) -> Result<Html<Home>, Problem> {
    let now = state.store.clock().now();
    let told_at = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let after = wanted.after.as_deref().unwrap_or_default();
    let seen = seen_by(&principal, conn).await?;
    let mut listed = repositories::seen(conn, &seen, after, REPOSITORIES + 1).await?;
    let has_more = listed.len() > usize::try_from(REPOSITORIES).unwrap_or(usize::MAX);
    listed.truncate(usize::try_from(REPOSITORIES).unwrap_or(usize::MAX));
    let next = listed.last().filter(|_| has_more).map(|last| links::repositories_after(&last.name));
    let repositories = match listed.len() {
        0 => Repositories::None,
        1..=FEW if after.is_empty() => Repositories::Cards(cards(conn, &listed, now).await?),
        _ => Repositories::Matrix(matrix(conn, &seen, after, &listed, (now, told_at)).await?),
    };
    let alerts = open_alerts(conn, &seen).await?;
    let (active, more_wait) = activity(conn, &seen, now).await?;
    let tone = match &repositories {
        _ if alerts > 0 => Tone::Bad,
        Repositories::Matrix(matrix) if matrix.wants_somebody() => Tone::Bad,
        _ if active.iter().any(|job| job.state.tone() == Tone::Active) => Tone::Active,
        _ => Tone::Quiet,
    };
    let frame = Frame::new("Repositories", Section::Repositories, viewer(&principal))
        .live(format!("/stream/home?from={since}"))
        .toned(tone);
    let first = (!after.is_empty()).then(|| "/".to_owned());
    Ok(Html::ok(Home { frame, alerts, active, more_wait, repositories, next, first }))
}

/// How many alerts are open of what is seen; those of runners are of no repository, and seen with all of them.
async fn open_alerts(conn: &mut Conn<'_>, seen: &Seen) -> Result<usize, Problem> {
    let open = alerts::open(conn, None, ALERTS).await?;
    if *seen == Seen::All {
        return Ok(open.len());
    }
    let mut count = 0;
    for repository in open.iter().filter_map(|alert| alert.repository_id.as_ref()) {
        let found = repositories::find(conn, repository).await?;
        count += usize::from(found.is_some_and(|repository| seen.holds(&repository.name)));
    }
    Ok(count)
}

async fn cards(conn: &mut Conn<'_>, listed: &[Repository], now: i64) -> Result<Vec<RepositoryCard>, Problem> {
    let mut cards = Vec::new();
    for repository in listed {
        let mut builds = Vec::new();
        for head in repositories::heads(conn, &repository.id, None, BRANCHES.0).await? {
            let waits = rows::why_it_waits(conn, &head.build, now).await?;
            builds.push(rows::build_row(&repository.name, &head.build, waits, now));
        }
        cards.push(RepositoryCard {
            name: repository.name.clone(),
            address: links::repository(&repository.name),
            environments: links::environments(&repository.name),
            stages: rows::stages(conn, repository, now).await?,
            builds,
        });
    }
    Ok(cards)
}

/// `now` is the server's, and `told_at` the database's, by which runners are heard of.
async fn matrix(
    conn: &mut Conn<'_>,
    seen: &Seen,
    after: &str,
    listed: &[Repository],
    (now, told_at): (i64, i64),
) -> Result<Matrix, Problem> {
    let runners = runners::list(conn).await?;
    let mut tips: HashMap<String, Vec<Tip>> = HashMap::new();
    for overview::Tip { repository, build } in overview::tips(conn, seen, after, REPOSITORIES, BRANCHES.1).await? {
        let tip = tip(&repository, &build);
        tips.entry(repository).or_default().push(tip);
    }
    let mut stages: HashMap<String, Vec<Stage>> = HashMap::new();
    for stage in overview::stages(conn, seen, after, REPOSITORIES).await? {
        stages.entry(stage.repository.clone()).or_default().push(stage);
    }
    let line = |repository: &Repository| {
        let stages = stages.remove(&repository.name).unwrap_or_default();
        let stages = rows::ordered(stages, |stage| (&stage.environment, &stage.source.0));
        Line {
            name: repository.name.clone(),
            address: links::repository(&repository.name),
            tips: tips.remove(&repository.name).unwrap_or_default(),
            cells: stages.iter().map(|stage| cell(stage, &runners, (now, told_at))).collect(),
        }
    };
    Ok(Matrix::of(listed.iter().map(line).collect()))
}

fn tip(repository: &str, build: &Build) -> Tip {
    Tip {
        number: build.number,
        address: links::build(repository, build.number),
        state: build.state.into(),
        reference: reference(&build.git_ref).to_owned(),
        detail: build.reason.clone().unwrap_or_else(|| rows::commit(build).subject().to_owned()),
    }
}

fn cell(stage: &Stage, runners: &[Runner], (now, told_at): (i64, i64)) -> Cell {
    let live = stage.live.map(|release| {
        let (healthy, drifted) = match Health::of(stage, runners, told_at) {
            Health::Unknown => (None, 0),
            Health::Told { healthy, wanted, drifted } => (Some((healthy, wanted)), drifted),
        };
        let commit = stage.commit_sha.as_deref().unwrap_or_default();
        Live {
            release,
            commit: commit.get(..8).unwrap_or(commit).to_owned(),
            since: When { at: stage.since.unwrap_or(now), now },
            healthy,
            drifted,
        }
    });
    let newest = stage.newest.zip(stage.newest_state).filter(|(number, _)| Some(*number) != stage.live);
    Cell {
        name: stage.environment.clone(),
        address: links::environment(&stage.repository, &stage.environment),
        live,
        newest: newest.map(|(number, state)| (state.into(), number)),
        is_frozen: stage.frozen.as_ref().is_some_and(|freeze| freeze.0.holds(now)),
    }
}
