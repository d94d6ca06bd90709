//! The recreate strategy: what is old ends before what is new starts, for apps of which two versions must never run side
//! by side.

use super::{Rollout, Setback, of_app, turnover::Turnover};
use crate::{
    coordinator::ReleasedApp,
    proxy::Route,
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

impl Rollout<'_> {
    /// Ends the app's old containers, starts the new ones, and leads traffic to them once all are healthy. Between the
    /// two nobody serves, and visitors are told so by the proxy.
    pub(super) async fn recreate(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        self.end_old(app, log).await?;
        let mut ready = Vec::new();
        for number in 1..=app.run.replicas {
            ready.push(self.bring_up(Replica { release: &self.work.release, app, number }, log).await?);
        }
        let instances = of_app(self.target.instances().await?, &app.app);
        let route = self.route_of(&app.app).await?;
        let release = &self.work.release.release;
        let mut turnover = Turnover::new(&instances, release, app.run.domain.as_deref(), route.as_ref());
        ready.iter().for_each(|ready| turnover.gain(ready));
        self.go_on()?;
        self.switch(&app.app, &turnover.route(&[]), log).await
    }

    async fn end_old(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let is_old = |it: &Instance| it.release != self.work.release.release && it.is_up();
        let instances = of_app(self.target.instances().await?, &app.app);
        let old: Vec<Instance> = instances.into_iter().filter(is_old).collect();
        if old.is_empty() {
            return Ok(());
        }
        let standing = self.route_of(&app.app).await?.unwrap_or_default();
        let draining: Vec<String> = old.iter().filter_map(|old| old.upstream.clone()).collect();
        self.go_on()?;
        self.switch(&app.app, &Route { hosts: standing.hosts, draining: draining.clone(), ..Route::default() }, log)
            .await?;
        let limit = self.drain_limit(&app.app);
        self.unless_stopped(self.drain(&draining, limit, log)).await??;
        for instance in &old {
            log.say(format!("stopping the old {}", instance.name)).await;
        }
        self.go_on()?;
        self.stop_all(&old, limit).await
    }
}
