//! The service directory, for programs and for Prometheus.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    environments::{Service, directory},
    http::errors::Problem,
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Services")
        .get(
            "/api/v1/services",
            Permission::Read,
            "listServices",
            "The service directory: where every container of what is live takes connections.",
            list,
        )
        .get(
            "/api/v1/services/prometheus",
            Permission::Read,
            "discoverTargets",
            "The same as Prometheus discovers targets over HTTP.",
            prometheus,
        )
}

#[derive(Serialize, JsonSchema)]
struct Services {
    items: Vec<ServiceView>,
}

/// One replica of an app that is live.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Service")]
struct ServiceView {
    repository: String,
    environment: String,
    app: String,
    replica: u32,
    /// Where it takes connections inside the environment's network.
    address: Option<String>,
    /// `healthy`, `starting`, `sick`, `crash_loop`, `unknown` while its runner does not tell, or `unattended`
    /// where captain.yml no longer names the environment and nobody looks after it.
    condition: &'static str,
    release: i64,
    domain: Option<String>,
    runner: Option<String>,
    container: Option<String>,
}

impl From<Service> for ServiceView {
    fn from(service: Service) -> Self {
        ServiceView {
            repository: service.repository,
            environment: service.environment,
            app: service.app,
            replica: service.replica,
            address: service.address,
            condition: service.condition,
            release: service.release,
            domain: service.domain,
            runner: service.runner,
            container: service.container,
        }
    }
}

async fn list(State(state): State<AppState>) -> Result<Json<Services>, Problem> {
    let now = state.store.lease_time().await?;
    let services = directory(&mut state.store.read().await?.conn(), now).await?;
    Ok(Json(Services { items: services.into_iter().map(ServiceView::from).collect() }))
}

/// A group of targets as Prometheus discovers them over HTTP
/// (<https://prometheus.io/docs/prometheus/latest/http_sd/>): every label is a text, and whatever begins with `__meta_` is gone
/// after relabelling.
#[derive(Serialize, JsonSchema)]
struct TargetGroup {
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

/// Every replica that takes connections, each as a group of its own.
async fn prometheus(State(state): State<AppState>) -> Result<Json<Vec<TargetGroup>>, Problem> {
    let now = state.store.lease_time().await?;
    let services = directory(&mut state.store.read().await?.conn(), now).await?;
    Ok(Json(services.into_iter().filter_map(group).collect()))
}

fn group(service: Service) -> Option<TargetGroup> {
    let labels = BTreeMap::from([
        ("__meta_slipway_repository", service.repository),
        ("__meta_slipway_environment", service.environment),
        ("__meta_slipway_app", service.app),
        ("__meta_slipway_replica", service.replica.to_string()),
        ("__meta_slipway_condition", service.condition.to_owned()),
        ("__meta_slipway_release", service.release.to_string()),
        ("__meta_slipway_domain", service.domain.unwrap_or_default()),
        ("__meta_slipway_runner", service.runner.unwrap_or_default()),
        ("__meta_slipway_container", service.container.unwrap_or_default()),
    ]);
    Some(TargetGroup { targets: [service.address?], labels })
}
