//! `/repositories/{owner}/{name}`: the builds of a repository.

use axum::extract::State;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{RepositoryHead, RepositoryPage, Tab},
    parts::reference,
};

use super::{Html, rows, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::lookup,
        errors::Problem,
        extract::{Asked, Named},
    },
    store::{builds, events, repositories},
};

/// The builds on a page.
const BUILDS: i64 = 30;
/// The branches that can be chosen.
const BRANCHES: i64 = 12;

pub(super) fn routes() -> Routes {
    Routes::new().get("/repositories/{owner}/{name}", Permission::Read, show)
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
    let hook_url = viewer.may_change().then(|| state.url(&format!("/webhooks/github/{}", repository.hook_id)));
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
