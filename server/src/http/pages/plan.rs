//! `/repositories/{owner}/{name}/plan`: what captain.yml asks for, as the newest build of the default branch planned it,
//! or another one that is named.

use axum::extract::State;
use slipway_pipelines::config::{self, Source, Strategy};
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{PlanPage, Planned, PlannedApp, PlannedEnvironment, PlannedRow, Tab},
    parts::reference,
    time::{When, duration},
};

use super::{
    Html, rows,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    builds,
    http::{
        api::{
            lookup,
            plans::{Wanted, planned},
        },
        errors::Problem,
        extract::{Asked, Named},
    },
    queue::StepState,
    store::{repositories::Repository, steps::Step},
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/repositories/{owner}/{name}/plan", Permission::Read, show)
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
    let found = planned(conn, &repository, &wanted).await?;
    let of = wanted.build.map(|number| format!("build {number}"));
    Ok(Html::ok(PlanPage {
        frame: Frame::new(format!("Plan of {}", repository.name), Section::Repositories, viewer(&principal)),
        head: repository_head(&principal, repository.name.clone(), Tab::Plan),
        of: of.unwrap_or_else(|| reference(&wanted.git_ref(&repository)).to_owned()),
        branch: wanted.branch.unwrap_or_default(),
        address: format!("{}/plan", links::repository(&repository.name)),
        planned: found.map(|found| drawn(&repository, found, now)),
    }))
}

fn drawn(repository: &Repository, planned: builds::Planned, now: i64) -> Planned {
    let build = planned.build;
    let address = links::build(&repository.name, build.number);
    Planned {
        number: build.number,
        state: build.state.into(),
        reference: build.ref_name().to_owned(),
        commit: rows::commit(&build),
        when: When { at: build.created_at, now },
        warnings: planned.warnings,
        warning_count: planned.warning_count,
        apps: apps(planned.steps, &address),
        environments: environments(repository, planned.environments),
        address,
    }
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

fn environments(repository: &Repository, environments: Vec<config::Environment>) -> Vec<PlannedEnvironment> {
    let ordered = rows::ordered(environments, |one| (&one.name, &one.from));
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
