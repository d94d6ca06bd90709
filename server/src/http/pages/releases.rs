//! `/repositories/{owner}/{name}/environments/{environment}/releases/{n}`: one release and its rollout.

use axum::extract::State;
use slipway_web::{
    frame::{Frame, Section, Viewer},
    links,
    pages::{ReleasePage, ReleaseRow, Tab},
    time::{Took, When},
    trial::TrialList,
};

use super::{
    Html, differences,
    environments::app_rows,
    gates::decision_rows,
    rows,
    steering::steering_of,
    steps,
    steps::Listed,
    trials,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{api::lookup, errors::Problem, extract::Named},
    releases::{ReleaseKind, ReleaseState},
    store::{
        Conn, decisions,
        environments::{self, Environment},
        events, forge_reports, jobs,
        releases::{self, Release},
        repositories::Repository,
    },
};

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/repositories/{owner}/{name}/environments/{environment}/releases/{number}",
        Permission::Read,
        show,
    )
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment, number)): Named<(String, String, String, i64)>,
) -> Result<Html<ReleasePage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let event = events::last_id(conn).await?;
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let release = lookup::release(conn, &environment, number).await?;
    let job = jobs::of_release(conn, &release.id).await?;
    let address = links::release(&repository.name, &environment.name, number);
    let decided = decisions::of_release(conn, &release.id).await?;
    drop(reader);
    let on = Listed { page: &address, repository: &repository.name };
    let steps = steps::of_job(&state.store, job.as_ref(), None, on, event, now).await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let viewer = viewer(&principal);
    let row = release_row(conn, &repository, &environment, &release, &viewer, now).await?;
    let (compared, change) = differences::of_release(conn, &release, &viewer).await?;
    let trials = trials::of_job(conn, job.as_ref()).await?;
    let told = rows::told(forge_reports::of_release(conn, &release.id).await?);
    let title = format!("{} #{number} {} of {}", environment.name, row.state.word(), repository.name);
    Ok(Html::ok(ReleasePage {
        frame: Frame::new(title, Section::Repositories, viewer)
            .live(format!("/stream{address}?from={}", links::encode(&steps.cursor.to_string())))
            .toned(row.state.tone()),
        head: repository_head(&principal, repository.name.clone(), Tab::Environments),
        environment_address: links::environment(&repository.name, &environment.name),
        environment: environment.name.clone(),
        apps: app_rows(&release, &state.config.proxy.listen),
        release: row,
        compared: compared.map(|number| (number, links::release(&repository.name, &environment.name, number))),
        change,
        decisions: decision_rows(&repository, &environment, decided, now),
        attempt: steps.notice,
        told,
        trials: TrialList::new(trials),
        steps: steps.list,
    }))
}

/// A release in a list.
pub(super) async fn release_row(
    conn: &mut Conn<'_>,
    repository: &Repository,
    environment: &Environment,
    release: &Release,
    viewer: &Viewer,
    now: i64,
) -> Result<ReleaseRow, Problem> {
    let waits = rows::why_release_waits(conn, release, now).await?;
    let steering = steering_of(conn, release, viewer, now).await?;
    let can_return = viewer.may_deploy() && is_way_back(conn, release).await?;
    let address = links::release(&repository.name, &environment.name, release.number);
    Ok(ReleaseRow {
        number: release.number,
        state: release.state.into(),
        origin: origin(conn, release).await?,
        build: release.build_number,
        build_address: links::build(&repository.name, release.build_number),
        commit: rows::build_of(conn, release).await?,
        actor: release.actor.clone(),
        may_answer: release.state == ReleaseState::Held && viewer.may_deploy(),
        when: When { at: release.created_at, now },
        took: Took { from: release.started_at, to: release.finished_at, now },
        reason: waits.or_else(|| release.reason.clone()),
        steering,
        roll_back: can_return.then(|| format!("{address}/rollback")),
        address,
    })
}

/// Whether an environment can be rolled back to the release: it was live, or is, while something newer takes its place.
async fn is_way_back(conn: &mut Conn<'_>, release: &Release) -> Result<bool, Problem> {
    Ok(match release.state {
        ReleaseState::Retired => true,
        ReleaseState::Live => {
            let newer = releases::rolling_in(conn, &release.environment_id).await?;
            newer.is_some_and(|newer| newer.started_at.is_some())
        }
        _ => false,
    })
}

/// What made a release, in words.
async fn origin(conn: &mut Conn<'_>, release: &Release) -> Result<String, Problem> {
    let source = match &release.source_release_id {
        Some(id) => releases::find(conn, id).await?,
        None => None,
    };
    Ok(match (release.kind, source) {
        (ReleaseKind::Build, _) => "released by its build".to_owned(),
        (ReleaseKind::Promotion, Some(source)) => {
            let from = environments::find(conn, &source.environment_id).await?;
            let from = from.map_or_else(|| "another environment".to_owned(), |environment| environment.name);
            format!("promoted from {from} #{}", source.number)
        }
        (ReleaseKind::Rollback, Some(source)) => format!("rolled back to #{}", source.number),
        (ReleaseKind::Restore, Some(source)) => format!("made anew from #{}", source.number),
        (ReleaseKind::Restore, None) => "made anew".to_owned(),
        (ReleaseKind::Promotion, None) => "promoted".to_owned(),
        (ReleaseKind::Rollback, None) => "rolled back".to_owned(),
    })
}
