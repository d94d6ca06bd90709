//! Measuring what runs: the host, and the containers of releases on its engine.

mod containers;
mod host;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    coordinator::{Coordinator, Measurements},
    engine::Engine,
};
use containers::Containers;
use host::Host;

/// How long the server may take to hear of it: what is late is not worth more of it.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// Measures again and again, and tells the server.
pub(crate) struct Surveyor {
    pub(crate) coordinator: Arc<dyn Coordinator>,
    /// The runner's id.
    pub(crate) runner: String,
    /// Its life.
    pub(crate) incarnation: String,
    /// Its engine.
    pub(crate) docker_host: Option<String>,
    /// A folder on the disk that is measured.
    pub(crate) folder: PathBuf,
    /// How often; zero for never.
    pub(crate) every: Duration,
}

impl Surveyor {
    /// Measures until `ended` is cancelled. The first look only says from where the second one measures.
    pub(crate) async fn run(self, ended: CancellationToken) {
        if self.every.is_zero() {
            return;
        }
        let mut looks = interval(self.every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut host, mut containers) = (Host::default(), Containers::default());
        while ended.run_until_cancelled(looks.tick()).await.is_some() {
            if ended.run_until_cancelled(self.look(&mut host, &mut containers)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, host: &mut Host, containers: &mut Containers) {
        let now = Instant::now();
        let host = host.measure(&self.folder);
        let measured = match Engine::connect(self.docker_host.as_deref()).await {
            Ok(engine) => containers.measure(&engine, &self.runner, now).await,
            Err(error) => Err(error),
        };
        let replicas = measured.unwrap_or_else(|error| {
            tracing::debug!(%error, "the containers of releases cannot be measured");
            None
        });
        if host.is_none() && replicas.is_none() {
            return;
        }
        let (runner, incarnation) = (self.runner.clone(), self.incarnation.clone());
        let told = self.coordinator.report_measurements(Measurements { runner, incarnation, host, replicas });
        match tokio::time::timeout(TELL_WITHIN, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the server does not take measurements"),
            Err(_) => tracing::debug!("the server does not answer to measurements"),
        }
    }
}
