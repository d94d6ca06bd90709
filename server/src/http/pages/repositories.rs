//! `/repositories/{owner}/{name}`: the builds of a repository.

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{RepositoryHead, RepositoryPage, ScheduleRow, Tab},
    parts::reference,
    time::When,
};

use super::{Html, rows, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes, session},
    app::AppState,
    builds::Requested,
    http::{
        api::{Wish, lookup, request_build, run_schedule, set_paused},
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    store::{
        Conn, builds, events,
        repositories::{self, Repository},
        schedules::{self, Schedule},
    },
};

/// The builds on a page.
const BUILDS: i64 = 30;
/// The branches that can be chosen.
const BRANCHES: i64 = 12;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/repositories/{owner}/{name}", Permission::Read, show)
        .post("/repositories/{owner}/{name}/builds", Permission::Change, build)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/run", Permission::Change, run)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/pause", Permission::Change, pause)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/resume", Permission::Change, resume)
}

/// Which builds are asked for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    branch: Option<String>,
    before: Option<i64>,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<RepositoryPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let repository = lookup::repository(conn, &owner, &name).await?;
    let git_ref = wanted.branch.as_ref().map(|branch| full_ref(branch));
    let mut found = builds::list(conn, &repository.id, git_ref.as_deref(), wanted.before, BUILDS + 1).await?;
    let more = found.len() > usize::try_from(BUILDS).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(BUILDS).unwrap_or(usize::MAX));
    let page_of = |before: Option<i64>| {
        let mut address = links::repository(&repository.name);
        let branch = wanted.branch.as_ref().map(|branch| format!("branch={}", links::encode(branch)));
        let query: Vec<String> = branch.into_iter().chain(before.map(|before| format!("before={before}"))).collect();
        if !query.is_empty() {
            address = format!("{address}?{}", query.join("&"));
        }
        address
    };
    let older = if more { found.last().map(|last| page_of(Some(last.number))) } else { None };
    let mut build_rows = Vec::new();
    for build in &found {
        let waits = rows::why_it_waits(conn, build, now).await?;
        build_rows.push(rows::build_row(&repository.name, build, waits, now));
    }
    let heads = repositories::heads(conn, &repository.id, None, BRANCHES).await?;
    let branches = heads.iter().map(|head| choice(&repository.name, &head.git_ref)).collect();
    let viewer = viewer(&principal);
    let may_change = viewer.may_change();
    let hook_url = may_change.then(|| state.url(&format!("/webhooks/github/{}", repository.hook_id)));
    let mut frame = Frame::new(repository.name.as_str(), Section::Repositories, viewer);
    if wanted.before.is_none() {
        frame = frame.live(format!("/stream{}?from={since}", links::repository(&repository.name)));
    }
    Ok(Html::ok(RepositoryPage {
        frame,
        head: RepositoryHead { name: repository.name.clone(), tab: Tab::Builds },
        stages: rows::stages(conn, &repository, now).await?,
        branches,
        branch: wanted.branch.as_deref().map(|branch| reference(branch).to_owned()),
        builds: build_rows,
        older,
        newest: wanted.before.map(|_| page_of(None)),
        schedules: schedule_rows(conn, &repository, now).await?,
        may_build: may_change.then(|| repository.default_branch.clone()),
        hook_url,
        clone_url: repository.clone_url,
    }))
}

/// Branches are named alone; a tag is named by its whole ref.
fn full_ref(wanted: &str) -> String {
    if wanted.starts_with("refs/") { wanted.to_owned() } else { format!("refs/heads/{wanted}") }
}

/// The filter's entry for a ref: what people read, and where it leads.
fn choice(repository: &str, git_ref: &str) -> (String, String) {
    (reference(git_ref).to_owned(), ref_address(repository, git_ref))
}

/// The builds of a ref.
pub(super) fn ref_address(repository: &str, git_ref: &str) -> String {
    links::branch(repository, git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref))
}

pub(super) async fn schedule_rows(
    conn: &mut Conn<'_>,
    repository: &Repository,
    now: i64,
) -> Result<Vec<ScheduleRow>, Problem> {
    let mut rows = Vec::new();
    for schedule in schedules::of_repository(conn, &repository.id).await? {
        rows.push(schedule_row(conn, &repository.name, schedule, now).await?);
    }
    Ok(rows)
}

/// A schedule as pages show it.
pub(super) async fn schedule_row(
    conn: &mut Conn<'_>,
    repository: &str,
    schedule: Schedule,
    now: i64,
) -> Result<ScheduleRow, Problem> {
    let last = schedules::last_fire(conn, &schedule.id).await?;
    Ok(ScheduleRow {
        next: schedule.next_at.map(|at| When { at, now }),
        is_paused: schedule.paused_at.is_some(),
        missed: last.as_ref().map_or(0, |last| last.missed),
        last: last.and_then(|last| {
            let number = last.build?;
            Some((When { at: last.fired_at, now }, number, links::build(repository, number)))
        }),
        address: format!("{}/schedules/{}", links::repository(repository), schedule.name),
        name: schedule.name,
        cron: schedule.cron,
        timezone: schedule.timezone,
        branch: schedule.branch,
    })
}

/// The form to build something.
#[derive(Debug, Deserialize)]
struct BuildForm {
    kind: RefKind,
    reference: String,
    #[serde(default)]
    commit: String,
}

/// What is named in the form.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefKind {
    Branch,
    Tag,
}

async fn build(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Filled(asked): Filled<BuildForm>,
) -> Result<Redirect, Problem> {
    let reference = Some(asked.reference.trim().to_owned());
    let (branch, tag) = match asked.kind {
        RefKind::Branch => (reference, None),
        RefKind::Tag => (None, reference),
    };
    let commit = Some(asked.commit.trim().to_owned()).filter(|commit| !commit.is_empty());
    let wish = Wish { r#ref: None, branch, tag, commit };
    let address = links::repository(&format!("{owner}/{name}"));
    match request_build(&state, &principal, &owner, &name, wish, None).await? {
        Requested::Queued(build) | Requested::Before(build) => {
            Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), build.number)))
        }
        Requested::Reused => Ok(Redirect::to(&address)),
    }
}

async fn run(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
) -> Result<Redirect, Problem> {
    let build = run_schedule(&state, &principal, &owner, &name, &schedule).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), build.number)))
}

/// From which page the button was pressed.
#[derive(Debug, Default, Deserialize)]
struct From {
    back: Option<String>,
}

impl From {
    /// Where to go on: that page, or the repository's.
    fn page(&self, owner: &str, name: &str) -> Redirect {
        match self.back.as_deref() {
            Some(back) => Redirect::to(session::local_target(Some(back))),
            None => Redirect::to(&links::repository(&format!("{owner}/{name}"))),
        }
    }
}

async fn pause(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
    Filled(from): Filled<From>,
) -> Result<Redirect, Problem> {
    set_paused(&state, &principal, (&owner, &name, &schedule), true).await?;
    Ok(from.page(&owner, &name))
}

async fn resume(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
    Filled(from): Filled<From>,
) -> Result<Redirect, Problem> {
    set_paused(&state, &principal, (&owner, &name, &schedule), false).await?;
    Ok(from.page(&owner, &name))
}
