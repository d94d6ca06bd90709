//! What the release replaced is removed once all of it serves.

use super::{Rollout, Setback};
use crate::{proxy::Route, reporter::StepLog, targets::docker::Instance};

impl Rollout<'_> {
    /// Leaves exactly the release: its routes, its containers. Volumes and the network stay.
    pub(super) async fn cleanup(&self, log: &StepLog) -> Result<(), Setback> {
        self.close_previews().await?;
        let release = &self.work.release;
        let (current, replaced): (Vec<Instance>, Vec<Instance>) =
            self.target.instances().await?.into_iter().partition(|instance| instance.release == release.release);
        for app in &release.apps {
            self.settle_route(&app.app, app.run.domain.as_deref(), app.run.replicas, &current, log).await?;
        }
        for app in self.vanished(&replaced) {
            self.retire_app(&app, &replaced, log).await?;
        }
        for instance in &replaced {
            log.say(format!("removing {}", instance.name)).await;
        }
        self.still_owner()?;
        self.remove_all(&replaced).await
    }

    /// The app's route as it stays: its own domain, its own containers, nobody else's.
    async fn settle_route(
        &self,
        app: &str,
        domain: Option<&str>,
        replicas: u32,
        current: &[Instance],
        log: &StepLog,
    ) -> Result<(), Setback> {
        let Some(domain) = domain.filter(|_| replicas > 0) else { return self.unroute(app).await };
        let upstreams = upstreams_of(app, current);
        if upstreams.is_empty() {
            return Ok(());
        }
        self.switch(app, &Route { hosts: vec![domain.to_owned()], upstreams, ..Route::default() }, log).await?;
        self.close_lanes(app).await
    }

    /// Apps of before that the release does not know any more.
    fn vanished(&self, replaced: &[Instance]) -> Vec<String> {
        let known = |name: &str| self.work.release.apps.iter().any(|app| app.app == name);
        let before = self.work.previous.iter().flat_map(|previous| previous.apps.iter().map(|app| app.app.clone()));
        let standing = replaced.iter().map(|instance| instance.app.clone());
        let mut apps: Vec<String> = before.chain(standing).filter(|name| !known(name)).collect();
        apps.sort();
        apps.dedup();
        apps
    }

    /// Takes an app out of traffic, lets it finish, and stops it.
    pub(super) async fn retire_app(&self, app: &str, instances: &[Instance], log: &StepLog) -> Result<(), Setback> {
        let standing = self.route_of(app).await?.unwrap_or_default();
        let upstreams: Vec<String> = standing.all_upstreams().cloned().collect();
        let limit = self.drain_limit(app);
        if !upstreams.is_empty() {
            let route = Route { draining: upstreams.clone(), ..Route::default() };
            self.switch(app, &route, log).await?;
            self.while_owner(self.drain(&upstreams, limit, log)).await??;
        }
        self.still_owner()?;
        self.unroute(app).await?;
        let own: Vec<Instance> =
            instances.iter().filter(|instance| instance.app == app && instance.is_up()).cloned().collect();
        self.stop_all(&own, limit).await
    }
}

/// Where an app's running containers take connections.
pub(super) fn upstreams_of(app: &str, instances: &[Instance]) -> Vec<String> {
    instances.iter().filter(|instance| instance.app == app).filter_map(|instance| instance.upstream.clone()).collect()
}
