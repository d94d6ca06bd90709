//! `/repositories/{owner}/{name}`: the builds of a repository.

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{BadgeMarkup, BuildFilter, RepositoryPage, ScheduleRow, Tab},
    parts::reference,
    time::When,
};

use super::{
    Html, rows,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes, session},
    app::AppState,
    builds::BuildState,
    http::{
        api::{self, lookup, request_build, run_schedule, set_paused},
        badges,
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    store::{
        Conn,
        build_search::{self, Found, Wish},
        events,
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
        .post("/repositories/{owner}/{name}/builds", Permission::Develop, build)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/run", Permission::Develop, run)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/pause", Permission::Develop, pause)
        .post("/repositories/{owner}/{name}/schedules/{schedule}/resume", Permission::Develop, resume)
}

/// Which builds are asked for. A field of the form that was left empty says nothing.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    branch: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    status: String,
    before: Option<i64>,
}

impl Wanted {
    /// As the store looks for it, or what cannot be looked for.
    fn wish(&self) -> Result<Wish, String> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let git_ref = match (text(&self.branch), text(&self.tag)) {
            (Some(_), Some(_)) => {
                return Err("No build is of a branch and of a tag: leave one of them empty.".to_owned());
            }
            (Some(branch), None) => Some(full_ref(&branch)),
            (None, Some(tag)) => Some(if tag.starts_with("refs/") { tag } else { format!("refs/tags/{tag}") }),
            (None, None) => None,
        };
        let state = match text(&self.status) {
            Some(name) => {
                let known = BuildState::ALL.iter().find(|state| state.as_str() == name);
                Some(*known.ok_or_else(|| format!("No build is ever “{name}”: choose a status of the list."))?)
            }
            None => None,
        };
        Ok(Wish { git_ref, author: text(&self.author), state })
    }

    fn filter(&self, refused: Option<String>) -> BuildFilter {
        let of_tag = self.branch.strip_prefix("refs/tags/");
        BuildFilter {
            branch: if of_tag.is_some() { String::new() } else { reference(&self.branch).to_owned() },
            tag: of_tag.unwrap_or(&self.tag).to_owned(),
            author: self.author.clone(),
            status: self.status.clone(),
            states: BuildState::ALL.iter().map(|state| state.as_str()).collect(),
            refused,
        }
    }

    /// The address of the page below a number.
    fn page(&self, repository: &str, before: Option<i64>) -> String {
        let named = [("branch", &self.branch), ("tag", &self.tag), ("author", &self.author), ("status", &self.status)];
        let query: Vec<String> = named
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", links::encode(value)))
            .chain(before.map(|before| format!("before={before}")))
            .collect();
        let address = links::repository(repository);
        if query.is_empty() { address } else { format!("{address}?{}", query.join("&")) }
    }
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
    let (wish, refused) = match wanted.wish() {
        Ok(wish) => (Some(wish), None),
        Err(refused) => (None, Some(refused)),
    };
    let found = match &wish {
        Some(wish) => build_search::find(conn, &repository.id, wish, wanted.before, BUILDS).await?,
        None => Found { builds: Vec::new(), before: None },
    };
    let older = found.before.map(|before| wanted.page(&repository.name, Some(before)));
    let mut build_rows = Vec::new();
    for build in &found.builds {
        let waits = rows::why_it_waits(conn, build, now).await?;
        build_rows.push(rows::build_row(&repository.name, build, waits, now));
    }
    let heads = repositories::heads(conn, &repository.id, None, BRANCHES).await?;
    let branches = heads.iter().map(|head| choice(&repository.name, &head.git_ref)).collect();
    let viewer = viewer(&principal);
    let (may_develop, may_administer) = (viewer.may_develop(), viewer.may_administer());
    let hook_url = may_administer.then(|| state.url(&format!("/webhooks/github/{}", repository.hook_id)));
    let mut frame = Frame::new(repository.name.as_str(), Section::Repositories, viewer);
    if wanted.before.is_none() {
        frame = frame.live(format!("/stream{}?from={since}", links::repository(&repository.name)));
    }
    Ok(Html::ok(RepositoryPage {
        frame,
        head: repository_head(&principal, repository.name.clone(), Tab::Builds),
        stages: rows::stages(conn, &repository, now).await?,
        branches,
        filter: wanted.filter(refused),
        badge: badge_markup(&state, conn, &repository, may_administer).await?,
        builds: build_rows,
        older,
        newest: wanted.before.map(|_| wanted.page(&repository.name, None)),
        schedules: schedule_rows(conn, &repository, now).await?,
        may_build: may_develop.then(|| repository.default_branch.clone()),
        hook_url,
        clone_url: repository.clone_url,
    }))
}

/// The badge of the default branch; where the server is closed to strangers, for administrators alone.
async fn badge_markup(
    state: &AppState,
    conn: &mut Conn<'_>,
    repository: &Repository,
    may_administer: bool,
) -> Result<Option<BadgeMarkup>, Problem> {
    let is_secret = !state.config.public_read;
    if is_secret && !may_administer {
        return Ok(None);
    }
    let token = badges::token(state, conn, repository).await?;
    let query = token.map_or_else(String::new, |token| format!("?token={token}"));
    let picture = state.url(&format!("{}{query}", links::badge(&repository.name)));
    let page = state.url(&links::repository(&repository.name));
    Ok(Some(BadgeMarkup {
        badge: badges::badge(conn, repository, None).await?,
        markdown: format!("[![build]({picture})]({page})"),
        html: format!("<a href=\"{page}\"><img src=\"{picture}\" alt=\"build\"></a>"),
        is_secret,
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
    let wish = api::Wish { r#ref: None, branch, tag, commit };
    let build = request_build(&state, &principal, &owner, &name, wish).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), build.number)))
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
