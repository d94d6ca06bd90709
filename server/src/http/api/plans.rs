//! captain.yml as a build planned it.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::config::{self, Source};

use super::{builds::BuildView, lookup, steps::StepView};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    builds::{self, Planned},
    environments::Settings,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    store::{Conn, repositories::Repository},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Builds").get(
        "/api/v1/repositories/{owner}/{name}/plan",
        Permission::Read,
        "getPlan",
        "What captain.yml asks for, with its warnings, as a build has planned it.",
        show,
    )
}

/// Whose plan is asked for: that of the newest build of the default branch unless something is named.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "WantedPlan")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    /// The number of a build.
    pub(in crate::http) build: Option<i64>,
    /// A branch, or a full ref such as `refs/tags/v1.0.0`: its newest build that was planned.
    pub(in crate::http) branch: Option<String>,
}

impl Wanted {
    /// The full ref whose newest build is meant where no build is named.
    pub(in crate::http) fn git_ref(&self, repository: &Repository) -> String {
        let branch = self.branch.as_deref().map(str::trim).filter(|branch| !branch.is_empty());
        match branch.unwrap_or(&repository.default_branch) {
            full if full.starts_with("refs/") => full.to_owned(),
            branch => format!("refs/heads/{branch}"),
        }
    }
}

/// The plan that is asked for, for the API and for the page; none where nothing was planned yet.
pub(in crate::http) async fn planned(
    conn: &mut Conn<'_>,
    repository: &Repository,
    wanted: &Wanted,
) -> Result<Option<Planned>, Problem> {
    Ok(match wanted.build {
        Some(number) => {
            let build = lookup::build(conn, repository, number).await?;
            builds::planned(conn, build).await?
        }
        None => builds::newest_planned(conn, &repository.id, &wanted.git_ref(repository)).await?,
    })
}

/// captain.yml as a build planned it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct PlanView {
    /// The build.
    build: BuildView,
    /// What is legal in captain.yml and surely not meant, each with its place. There may be more of them: see `warning_count`.
    warnings: Vec<String>,
    warning_count: usize,
    /// All steps, with what each waits for, and why some are left out.
    steps: Vec<StepView>,
    environments: Vec<PlannedEnvironment>,
}

/// An environment as captain.yml of that commit describes it.
#[derive(Serialize, JsonSchema)]
struct PlannedEnvironment {
    name: String,
    /// Where its releases come from.
    source: Source,
    /// How it wants them.
    settings: Settings,
}

impl From<config::Environment> for PlannedEnvironment {
    fn from(environment: config::Environment) -> Self {
        PlannedEnvironment { settings: Settings::from(&environment), source: environment.from, name: environment.name }
    }
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<PlanView>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let Some(planned) = planned(conn, &repository, &wanted).await? else {
        return Err(Problem::not_found(match wanted.build {
            Some(number) => format!("Build {number} has not read captain.yml."),
            None => format!("No build of {} has read captain.yml lately.", wanted.git_ref(&repository)),
        }));
    };
    let step = |step| StepView::new(step, Vec::new());
    Ok(Json(PlanView {
        build: planned.build.into(),
        warnings: planned.warnings,
        warning_count: planned.warning_count,
        steps: planned.steps.into_iter().map(step).collect(),
        environments: planned.environments.into_iter().map(PlannedEnvironment::from).collect(),
    }))
}
