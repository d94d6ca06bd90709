//! `/repositories/{owner}/{name}/plan`: what captain.yml asks for, as the newest build of the default branch planned it,
//! or another one that is named.

use axum::extract::State;
use serde::Deserialize;
use slipway_pipelines::{
    config::{self, Source, Strategy},
    plan::ReleasePlan,
};
use slipway_runner::coordinator::{StepKind, WARNING_TEXTS, WARNINGS};
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{PlanPage, Planned, PlannedApp, PlannedEnvironment, PlannedRow, Tab},
    time::{When, duration},
};

use super::{
    Html, rows,
    steps::latest_attempt,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::lookup,
        errors::Problem,
        extract::{Asked, Named},
    },
    queue::StepState,
    store::{
        Conn,
        builds::{self, Build},
        jobs,
        repositories::Repository,
        steps::{self, Step},
    },
};

/// How many of the newest builds of the default branch are asked for a plan.
const LOOKED_AT: i64 = 5;

pub(super) fn routes() -> Routes {
    Routes::new().get("/repositories/{owner}/{name}/plan", Permission::Read, show)
}

#[derive(Debug, Deserialize)]
struct Wanted {
    /// The build's number.
    build: Option<i64>,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<PlanPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let builds = match wanted.build {
        Some(number) => vec![lookup::build(conn, &repository, number).await?],
        None => {
            let git_ref = format!("refs/heads/{}", repository.default_branch);
            builds::list(conn, &repository.id, Some(&git_ref), None, LOOKED_AT).await?
        }
    };
    let mut planned = None;
    for build in builds {
        let found = steps_of(conn, &build).await?;
        let is_read = |step: &Step| step.kind.0 == StepKind::Checkout && step.state == StepState::Succeeded;
        if found.iter().any(is_read) {
            planned = Some(plan(conn, &repository, build, found, now).await?);
            break;
        }
    }
    Ok(Html::ok(PlanPage {
        frame: Frame::new(format!("Plan of {}", repository.name), Section::Repositories, viewer(&principal)),
        head: repository_head(&principal, repository.name, Tab::Plan),
        default_branch: repository.default_branch,
        planned,
    }))
}

async fn steps_of(conn: &mut Conn<'_>, build: &Build) -> Result<Vec<Step>, Problem> {
    Ok(match jobs::of_build(conn, &build.id).await? {
        Some(job) => latest_attempt(steps::of_job(conn, &job.id).await?),
        None => Vec::new(),
    })
}

async fn plan(
    conn: &mut Conn<'_>,
    repository: &Repository,
    build: Build,
    steps: Vec<Step>,
    now: i64,
) -> Result<Planned, Problem> {
    let address = links::build(&repository.name, build.number);
    let release = builds::release_plan(conn, &build.id).await?.unwrap_or_default();
    let output = steps.iter().find(|step| step.kind.0 == StepKind::Checkout).map(|step| &step.output.0);
    let fact = |name: &str| output.and_then(|output| output.get(name));
    let warnings: Vec<String> =
        fact(WARNING_TEXTS).and_then(|texts| serde_json::from_str(texts).ok()).unwrap_or_default();
    let warning_count = fact(WARNINGS).and_then(|count| count.parse().ok()).unwrap_or(warnings.len());
    Ok(Planned {
        number: build.number,
        state: build.state.into(),
        reference: build.ref_name().to_owned(),
        commit: rows::commit(&build),
        when: When { at: build.created_at, now },
        warnings,
        warning_count,
        apps: apps(steps, &address),
        environments: environments(repository, release),
        address,
    })
}

/// The steps by their apps, in the order in which the apps come first.
fn apps(steps: Vec<Step>, address: &str) -> Vec<PlannedApp> {
    let mut apps: Vec<PlannedApp> = Vec::new();
    for step in steps {
        let Some(name) = step.app else { continue };
        let row = PlannedRow {
            position: step.position,
            kind: step.kind.as_str().to_owned(),
            address: links::step(address, u32::try_from(step.position).unwrap_or(0)),
            name: step.name,
            needs: step.needs.0,
            skipped: step.reason.filter(|_| step.state == StepState::Skipped),
        };
        match apps.iter_mut().find(|app| app.name == name) {
            Some(app) => app.steps.push(row),
            None => apps.push(PlannedApp { name, steps: vec![row] }),
        }
    }
    apps
}

fn environments(repository: &Repository, plan: ReleasePlan) -> Vec<PlannedEnvironment> {
    let ordered = rows::ordered(plan.environments, |one| (&one.name, &one.from));
    let planned = |one: config::Environment| PlannedEnvironment {
        address: links::environment(&repository.name, &one.name),
        follows: matches!(one.from, Source::Environment { .. }),
        source: match &one.from {
            Source::Branch { branch } => format!("from branch {branch}"),
            Source::Environment { environment } if one.auto => format!("from {environment}, by itself"),
            Source::Environment { environment } => format!("from {environment}"),
        },
        asks: asks(&one),
        name: one.name,
    };
    ordered.into_iter().map(planned).collect()
}

/// How an environment takes a release, in words.
fn asks(environment: &config::Environment) -> Vec<String> {
    let strategy = match environment.strategy {
        Strategy::Rolling(_) => "rolling",
        Strategy::BlueGreen { .. } => "blue-green",
        Strategy::Recreate => "recreate",
        Strategy::Canary { .. } => "canary",
    };
    let approvals = match environment.approvals.count {
        0 => None,
        1 => Some("1 approval".to_owned()),
        many => Some(format!("{many} approvals")),
    };
    let bake_ms = i64::try_from(environment.bake_ms).unwrap_or(i64::MAX);
    let bake = (bake_ms > 0).then(|| format!("after {} in its source", duration(bake_ms)));
    let window = environment.window.is_some().then(|| "within a window".to_owned());
    std::iter::once(strategy.to_owned()).chain(approvals).chain(bake).chain(window).collect()
}
