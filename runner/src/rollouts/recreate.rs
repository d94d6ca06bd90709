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
        self.go_on()?;
        let draining = self.lead_away(&app.app, &old, log).await?;
        let limit = self.drain_limit(&app.app);
        self.unless_stopped(self.drain(&draining, limit, log)).await??;
        for instance in &old {
            log.say(format!("stopping the old {}", instance.name)).await;
        }
        self.go_on()?;
        self.stop_all(&old, limit).await
    }

    /// The same on the way back: what is new of the app ends before what is old starts again.
    pub(super) async fn end_new(&self, app: &str, log: &StepLog) -> Result<(), Setback> {
        let is_new = |it: &Instance| it.release == self.work.release.release && it.is_up();
        let new: Vec<Instance> = of_app(self.target.instances().await?, app).into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.still_owner()?;
        let draining = self.lead_away(app, &new, log).await?;
        let limit = self.drain_limit(app);
        self.while_owner(self.drain(&draining, limit, log)).await??;
        for instance in &new {
            log.say(format!("stopping {}", instance.name)).await;
        }
        self.still_owner()?;
        self.stop_all(&new, limit).await
    }

    /// Leads no new request to the app any more: the upstreams whose requests are to be finished.
    async fn lead_away(&self, app: &str, leaving: &[Instance], log: &StepLog) -> Result<Vec<String>, Setback> {
        let hosts = self.route_of(app).await?.unwrap_or_default().hosts;
        let draining: Vec<String> = leaving.iter().filter_map(|it| it.upstream.clone()).collect();
        self.switch(app, &Route { hosts, draining: draining.clone(), ..Route::default() }, log).await?;
        Ok(draining)
    }
}
