//! What a rollback would change, and what differs between two releases.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    lookup,
    promotions::{CommitView, ImageView, Place, SettingView},
    releases::ReleaseView,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    releases::{self, Difference},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Releases")
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/rollback",
            Permission::Read,
            "previewRollback",
            "What a rollback of an environment would change.",
            show_rollback,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/compare",
            Permission::Read,
            "compareReleases",
            "What differs between two releases of an environment.",
            compare,
        )
}

/// What differs between two releases.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Difference")]
pub(super) struct DifferenceView {
    /// The commits that differ, newest first.
    commits: Vec<CommitView>,
    /// Whether there are more than are listed.
    more_commits: bool,
    /// Whether those commits go, as the earlier one has them.
    goes_back: bool,
    /// The apps whose image differs.
    images: Vec<ImageView>,
    /// What differs in how the apps run.
    configuration: Vec<SettingView>,
}

impl DifferenceView {
    pub(super) fn of(found: Difference, shows_values: bool) -> Self {
        let found = found.seen_by(shows_values);
        DifferenceView {
            commits: found.commits.into_iter().map(CommitView::from).collect(),
            more_commits: found.has_more_commits,
            goes_back: found.goes_back,
            images: found
                .images
                .into_iter()
                .map(|image| ImageView { app: image.app, before: image.before, after: image.after })
                .collect(),
            configuration: found
                .settings
                .into_iter()
                .map(|change| SettingView {
                    app: change.app,
                    setting: change.setting,
                    before: change.before,
                    after: change.after,
                })
                .collect(),
        }
    }
}

/// What a rollback would change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RollbackPreview")]
struct WayBackView {
    /// The release that it would return to.
    release: ReleaseView,
    /// What it would replace.
    live: Option<ReleaseView>,
    /// What differs between the two.
    #[serde(flatten)]
    change: DifferenceView,
    /// The numbers of the releases that wait or roll out, which it would end.
    ends: Vec<i64>,
    /// What any other release would have to wait for; a rollback does not.
    passes: Option<String>,
    /// That the environment runs just this already: it would be refused.
    is_live: bool,
}

/// Which rollback is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WantedWayBack")]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The number of the release to return to; the one before what is live, unless it is given.
    to: Option<i64>,
}

async fn show_rollback(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<Place>,
    Asked(Wanted { to }): Asked<Wanted>,
) -> Result<Json<WayBackView>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let found = releases::preview_rollback(conn, &environment, to, state.store.clock().now()).await?;
    Ok(Json(WayBackView {
        release: found.to.into(),
        live: found.live.map(ReleaseView::from),
        change: DifferenceView::of(found.change, principal.may_deploy()),
        ends: found.ends.iter().map(|release| release.number).collect(),
        passes: found.passes,
        is_live: found.is_live,
    }))
}

/// Which two releases are compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Compared")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Compared {
    /// The number of the one that the other is compared to.
    pub(in crate::http) from: i64,
    /// The number of the other one.
    pub(in crate::http) to: i64,
}

async fn compare(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<Place>,
    Asked(Compared { from, to }): Asked<Compared>,
) -> Result<Json<DifferenceView>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let before = lookup::release(conn, &environment, from).await?;
    let after = lookup::release(conn, &environment, to).await?;
    let found = releases::difference(conn, Some(&before), &after).await?;
    Ok(Json(DifferenceView::of(found, principal.may_deploy())))
}
