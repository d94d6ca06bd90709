//! `/repositories/{owner}/{name}/environments`: what is live where, and how it moves on.

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_pipelines::config::Source as FromWhere;
use slipway_runner::coordinator::ReleasedApp;
use slipway_web::{
    frame::{Frame, Section, Viewer},
    links,
    pages::{AppRow, EnvironmentCard, EnvironmentPage, EnvironmentsPage, Promotion, Source, Tab},
    parts::Digest,
};

use super::{
    Html,
    differences::{difference, soon},
    gates::{Said, asks, decision_rows, freeze_of},
    measurements, protection,
    releases::release_row,
    replicas, rows,
    viewer::{repository_head, viewer, viewer_in},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::served_at,
    http::{
        api::{
            lookup,
            promotions::{self, Place},
        },
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    measurements::Window,
    releases::{self as domain, ReleaseError},
    store::{
        Conn, decisions,
        environments::{self, Environment},
        events,
        releases::{self, Release},
        repositories::Repository,
    },
};

/// The releases on an environment's page.
const RELEASES: i64 = 30;
/// The decisions on an environment's page.
const DECISIONS: i64 = 30;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/repositories/{owner}/{name}/environments", Permission::Read, list)
        .get("/repositories/{owner}/{name}/environments/{environment}", Permission::Read, show)
        .post("/repositories/{owner}/{name}/environments/{environment}/promote", Permission::Deploy, promote)
        .post("/repositories/{owner}/{name}/environments/{environment}/rollback", Permission::Deploy, roll_back)
        .post("/repositories/{owner}/{name}/environments/{environment}/restore", Permission::Deploy, restore)
}

async fn list(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Html<EnvironmentsPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let repository = lookup::repository(conn, &owner, &name).await?;
    let viewer = viewer(&principal);
    let mut cards = Vec::new();
    for environment in rows::in_graph_order(environments::of_repository(conn, &repository.id).await?) {
        let viewer = viewer_in(&principal, &repository.name, &environment.name);
        let scene = Scene { repository: &repository, viewer: &viewer, proxy: &state.config.proxy.listen, now };
        cards.push(card(conn, &scene, &environment).await?);
    }
    Ok(Html::ok(EnvironmentsPage {
        frame: Frame::new(format!("Environments of {}", repository.name), Section::Repositories, viewer)
            .live(format!("/stream{}?from={since}", links::repository(&repository.name))),
        head: repository_head(&principal, repository.name, Tab::Environments),
        environments: cards,
    }))
}

/// Which releases are asked for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    before: Option<i64>,
    window: Option<Window>,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<EnvironmentPage>, Problem> {
    let now = state.store.clock().now();
    let told_at = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let viewer = viewer(&principal);
    let mut found = releases::list(conn, &environment.id, wanted.before, RELEASES + 1).await?;
    let more = found.len() > usize::try_from(RELEASES).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(RELEASES).unwrap_or(usize::MAX));
    let address = links::environment(&repository.name, &environment.name);
    let older = if more { found.last().map(|last| format!("{address}?before={}", last.number)) } else { None };
    let mut release_rows = Vec::new();
    for release in &found {
        release_rows.push(release_row(conn, &repository, &environment, release, &viewer, now).await?);
    }
    let scene = Scene { repository: &repository, viewer: &viewer, proxy: &state.config.proxy.listen, now };
    let card = card(conn, &scene, &environment).await?;
    let measurements = match card.live {
        Some(_) => {
            let window = wanted.window.unwrap_or(Window::Hour);
            Some(measurements::of_apps(conn, &environment.id, &address, window, now).await?)
        }
        None => None,
    };
    let decided = decisions::of_environment(conn, &environment.id, None, DECISIONS).await?;
    let title = format!("{} of {}", environment.name, repository.name);
    let may_administer = viewer.may_administer();
    let containers = card.may_deploy.then_some(repository.name.as_str());
    Ok(Html::ok(EnvironmentPage {
        frame: Frame::new(title, Section::Repositories, viewer)
            .live(format!("/stream{}?from={since}", links::repository(&repository.name))),
        decisions: decision_rows(&repository, &environment, decided, now),
        replicas: replicas::rows(conn, &environment, containers, told_at).await?,
        drifts: replicas::drift_rows(conn, &environment, now).await?,
        protection: may_administer.then(|| protection::form(&environment.protection.0)),
        measurements,
        head: repository_head(&principal, repository.name, Tab::Environments),
        environment: card,
        releases: release_rows,
        older,
    }))
}

/// What the environments of one page have in common.
struct Scene<'a> {
    repository: &'a Repository,
    viewer: &'a Viewer,
    proxy: &'a [String],
    now: i64,
}

async fn card(conn: &mut Conn<'_>, scene: &Scene<'_>, environment: &Environment) -> Result<EnvironmentCard, Problem> {
    let Scene { repository, viewer, now, .. } = *scene;
    let live = releases::live(conn, &environment.id).await?;
    let newest = releases::list(conn, &environment.id, None, 1).await?.pop();
    let newest = newest.filter(|newest| live.as_ref().is_none_or(|live| live.id != newest.id));
    Ok(EnvironmentCard {
        name: environment.name.clone(),
        address: links::environment(&repository.name, &environment.name),
        source: match &environment.source.0 {
            FromWhere::Branch { branch } => Source::Branch(branch.clone()),
            FromWhere::Environment { environment } => Source::Environment(environment.clone()),
        },
        live_address: live
            .as_ref()
            .map_or_else(String::new, |live| links::release(&repository.name, &environment.name, live.number)),
        apps: live.as_ref().map_or_else(Vec::new, |live| app_rows(live, scene.proxy)),
        asks: asks(environment),
        freeze: freeze_of(environment, now),
        promotion: promotion(conn, scene, environment).await?,
        newest: match newest {
            Some(release) => Some(release_row(conn, repository, environment, &release, viewer, now).await?),
            None => None,
        },
        live: match &live {
            Some(release) => Some(rows::version(conn, release, now).await?),
            None => None,
        },
        may_deploy: viewer.may_deploy(),
    })
}

/// The apps of a release.
pub(super) fn app_rows(release: &Release, proxy: &[String]) -> Vec<AppRow> {
    let row = |app: &ReleasedApp| AppRow {
        app: app.app.clone(),
        image: app.image.clone(),
        digest: Digest { whole: app.digest.clone() },
        replicas: app.run.replicas,
        url: app.run.domain.as_ref().map(|domain| served_at(domain, proxy)),
        kept_from: app.build.filter(|build| *build != release.build_number),
    };
    release.content.iter().map(row).collect()
}

/// What could be promoted to the environment now; nothing where nothing is live in its source.
async fn promotion(
    conn: &mut Conn<'_>,
    scene: &Scene<'_>,
    environment: &Environment,
) -> Result<Option<Promotion>, Problem> {
    let preview = match domain::preview(conn, scene.repository, environment, scene.now).await {
        Ok(preview) => preview,
        Err(ReleaseError::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    Ok(Some(Promotion {
        from: preview.source.name,
        version: rows::version(conn, &preview.promoted, scene.now).await?,
        change: difference(preview.change, soon(), scene.viewer),
        waits: preview.waits,
        refused: preview.refused,
    }))
}

/// What the page's promotion sends: the release that was shown.
#[derive(Debug, Deserialize)]
struct Promote {
    release: i64,
    #[serde(default)]
    reason: String,
}

async fn promote(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Filled(form): Filled<Promote>,
) -> Result<Redirect, Problem> {
    let asked = promotions::Promotion { release: Some(form.release), reason: Some(form.reason) };
    Ok(to_page(&place, &promotions::promote_to(&state, &principal, &place, &asked).await?))
}

/// What the page's rollback sends.
#[derive(Debug, Deserialize)]
struct RollBack {
    to: i64,
    live: Option<i64>,
    #[serde(default)]
    reason: String,
}

async fn roll_back(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Filled(form): Filled<RollBack>,
) -> Result<Redirect, Problem> {
    let asked = promotions::Rollback { to: Some(form.to), live: form.live, reason: Some(form.reason) };
    Ok(to_page(&place, &promotions::roll_back_to(&state, &principal, &place, &asked).await?))
}

async fn restore(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Filled(form): Filled<Said>,
) -> Result<Redirect, Problem> {
    let asked = promotions::Restore { runner: None, reason: Some(form.reason) };
    Ok(to_page(&place, &promotions::make_anew(&state, &principal, &place, &asked).await?))
}

/// To the page of the release that was made.
fn to_page((owner, name, environment): &Place, release: &Release) -> Redirect {
    Redirect::to(&links::release(&format!("{owner}/{name}"), environment, release.number))
}
