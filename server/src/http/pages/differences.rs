//! What differs between two releases, shown before somebody goes back to one of them, and whenever they are compared.

use axum::extract::State;
use slipway_web::{
    difference::{AppChange, Difference, SettingRow},
    frame::{Frame, Section, Viewer},
    links,
    pages::{ComparePage, ComparedRelease, RollbackPage, Tab},
    parts::{Commit, Digest},
};

use super::{
    Html, rows,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::{differences::Compared, lookup},
        errors::Problem,
        extract::{Asked, Named},
    },
    releases::{self as domain, preview_rollback},
    store::Conn,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/rollback",
            Permission::Read,
            show_rollback,
        )
        .get("/repositories/{owner}/{name}/environments/{environment}/compare", Permission::Read, compare)
}

/// The difference as the viewer sees it on a page, with what its two columns are called.
pub(super) fn difference(found: domain::Difference, columns: [String; 2], viewer: &Viewer) -> Difference {
    let digest = |whole: Option<String>| whole.map(|whole| Digest { whole });
    let found = found.seen_by(viewer.may_deploy());
    let [before, after] = columns;
    Difference {
        before,
        after,
        commits: found
            .commits
            .into_iter()
            .map(|commit| Commit { sha: commit.name, message: commit.message, author: commit.author })
            .collect(),
        has_more_commits: found.has_more_commits,
        goes_back: found.goes_back,
        images: found
            .images
            .into_iter()
            .map(|image| AppChange { app: image.app, before: digest(image.before), after: digest(image.after) })
            .collect(),
        settings: found
            .settings
            .into_iter()
            .map(|change| SettingRow {
                app: change.app,
                setting: change.setting,
                before: change.before,
                after: change.after,
            })
            .collect(),
    }
}

/// What the columns are called where something is about to change.
pub(super) fn soon() -> [String; 2] {
    ["Runs now".to_owned(), "Will run".to_owned()]
}

async fn show_rollback(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment, number)): Named<(String, String, String, i64)>,
) -> Result<Html<RollbackPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let found = preview_rollback(conn, &environment, Some(number), now).await?;
    let viewer = viewer(&principal);
    let address = links::environment(&repository.name, &environment.name);
    let page = |number: i64| links::release(&repository.name, &environment.name, number);
    let title = format!("Roll {} of {} back to #{number}", environment.name, repository.name);
    Ok(Html::ok(RollbackPage {
        to: rows::version(conn, &found.to, now).await?,
        change: difference(found.change, soon(), &viewer),
        live: found.live.map(|live| live.number),
        ends: found.ends.iter().map(|one| (one.state.into(), one.number, page(one.number))).collect(),
        passes: found.passes,
        is_live: found.is_live,
        may_deploy: viewer.may_deploy(),
        frame: Frame::new(title, Section::Repositories, viewer),
        head: repository_head(&principal, repository.name.clone(), Tab::Environments),
        environment: environment.name.clone(),
        environment_address: address,
    }))
}

async fn compare(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(Compared { from, to }): Asked<Compared>,
) -> Result<Html<ComparePage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let before = lookup::release(conn, &environment, from).await?;
    let after = lookup::release(conn, &environment, to).await?;
    let change = domain::difference(conn, Some(&before), &after).await?;
    let mut sides = Vec::new();
    for release in [&before, &after] {
        sides.push(ComparedRelease {
            state: release.state.into(),
            address: links::release(&repository.name, &environment.name, release.number),
            version: rows::version(conn, release, now).await?,
        });
    }
    let viewer = viewer(&principal);
    let title = format!("{} #{from} and #{to} of {}", environment.name, repository.name);
    Ok(Html::ok(ComparePage {
        change: difference(change, [format!("#{from}"), format!("#{to}")], &viewer),
        frame: Frame::new(title, Section::Repositories, viewer),
        head: repository_head(&principal, repository.name.clone(), Tab::Environments),
        environment_address: links::environment(&repository.name, &environment.name),
        environment: environment.name,
        sides,
        from,
        to,
    }))
}

/// What a release changes, with what it is compared to.
pub(super) async fn of_release(
    conn: &mut Conn<'_>,
    release: &crate::store::releases::Release,
    viewer: &Viewer,
) -> Result<(Option<i64>, Difference), Problem> {
    let (before, found) = domain::changed_by(conn, release).await?;
    let number = before.map(|before| before.number);
    let columns = if release.state.is_settled() {
        [number.map_or_else(|| "Before".to_owned(), |number| format!("#{number}")), format!("#{}", release.number)]
    } else {
        soon()
    };
    Ok((number, difference(found, columns, viewer)))
}
