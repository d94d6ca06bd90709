//! What runners measure, taken in: what came within one moment counts once, and is added to the sum of its span.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use slipway_runner::coordinator::{Condition, Measurements, ReplicaMeasurement};

use super::{ServerCoordinator, fence::ReportError};
use crate::{
    measurements::{AppFigures, HostFigures, MOMENT_MS, SUM_MS, add_all},
    runners::notice_disk,
    store::{self, StoreError, Tx, measurements as stored, measurements::Lived, runners::Runner},
};

/// The most containers that one report tells of.
const MOST_REPLICAS: usize = 20_000;

/// An environment's containers that were measured, by app.
type ByApp<'a> = HashMap<&'a str, Vec<&'a ReplicaMeasurement>>;

/// Keeps what a runner measured of its host, and of the environments on its engine in which something is live. What a life
/// that is over tells, and what is told of environments of others, is dropped.
pub(super) async fn take(server: &ServerCoordinator, measured: Measurements) -> Result<(), ReportError> {
    let containers = measured.replicas.as_deref().unwrap_or_default();
    if containers.len() > MOST_REPLICAS {
        return Err(ReportError::Refused(format!("a report tells of at most {MOST_REPLICAS} containers")));
    }
    let mut reader = server.store.read().await?;
    let runner = store::runners::find(&mut reader.conn(), &measured.runner).await?;
    let is_present = |it: &Runner| it.revoked_at.is_none() && it.incarnation == measured.incarnation;
    let Some(runner) = runner.filter(is_present) else { return Ok(()) };
    let lived = match &measured.replicas {
        Some(_) => stored::lived(&mut reader.conn(), &measured.runner).await?,
        // Its engine did not tell: that is not that nothing runs.
        None => Vec::new(),
    };
    drop(reader);
    let mut by_environment: HashMap<&str, ByApp<'_>> = HashMap::new();
    for container in containers {
        let apps = by_environment.entry(&container.environment).or_default();
        apps.entry(&container.app).or_default().push(container);
    }
    let mut tx = server.store.write().await?;
    if let Some(host) = measured.host {
        notice_disk(&mut tx, &runner, &host).await?;
        keep(&mut tx, &measured.runner, HostFigures::from(host), |sum, now| sum.add(now)).await?;
    }
    for environment in &lived {
        let apps = by_environment.remove(environment.id.as_str()).unwrap_or_default();
        let figures = figures(environment, &apps);
        keep(&mut tx, environment.id.as_str(), figures, |sum, now| add_all(sum, now)).await?;
    }
    Ok(tx.commit().await?)
}

/// What was measured of the apps that are live in an environment.
fn figures(environment: &Lived, measured: &ByApp<'_>) -> Vec<AppFigures> {
    let standing = environment.replicas.as_ref().map(|replicas| replicas.0.as_slice()).unwrap_or_default();
    let healthy = |app: &str| standing.iter().filter(|it| it.app == app && it.condition == Condition::Healthy).count();
    let figures = environment.content.iter().map(|app| {
        let containers = measured.get(app.app.as_str()).map(Vec::as_slice).unwrap_or_default();
        let healthy = u32::try_from(healthy(&app.app)).unwrap_or(u32::MAX);
        let mut figures = AppFigures::of(&app.app, app.run.replicas, healthy, containers);
        let told = standing.iter().filter(|it| it.app == app.app).map(|it| it.restarts);
        figures.restarts = figures.restarts.max(told.fold(0, u32::saturating_add));
        figures
    });
    figures.collect()
}

/// Keeps what was measured now, unless something was kept of this moment already, and adds it to the sum of its span.
async fn keep<F>(tx: &mut Tx, subject: &str, figures: F, add: impl Fn(&mut F, &F)) -> Result<(), StoreError>
where
    F: Serialize + DeserializeOwned + Send + Sync + Unpin + 'static,
{
    let now = tx.now();
    if !stored::insert(tx, subject, MOMENT_MS, now - now.rem_euclid(MOMENT_MS), &figures).await? {
        return Ok(());
    }
    let at = now - now.rem_euclid(SUM_MS);
    let sum = match stored::sum::<F>(&mut tx.conn(), subject, SUM_MS, at).await? {
        Some(mut sum) => {
            add(&mut sum, &figures);
            sum
        }
        None => figures,
    };
    stored::put(tx, subject, SUM_MS, at, &sum).await
}
