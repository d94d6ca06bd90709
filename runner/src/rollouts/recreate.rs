//! The recreate strategy: what is old ends before what is new starts, for apps of which two versions must never run side
//! by side.

use super::{Rollout, Setback, cleanup::upstreams_of, of_app, turnover::Turnover};
use crate::{
    coordinator::{ReleaseContent, ReleasedApp},
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
        let limit = self.drain_limit(app);
        let led_away = match self.lead_away(app, &new, log).await {
            Ok(draining) => self.while_owner(self.drain(&draining, limit, log)).await?,
            refused => refused.map(drop),
        };
        match led_away {
            // What is old cannot start before what is new has ended, whoever leads requests there.
            Err(Setback::Failed(problem)) => log.say(format!("{app}: no request is led away: {problem}")).await,
            led_away => led_away?,
        }
        for instance in &new {
            log.say(format!("stopping {}", instance.name)).await;
        }
        self.still_owner()?;
        self.stop_all(&new, limit).await
    }

    /// Where what is old does not come back, what is new runs once more, and stays if it is healthy: better the version that
    /// was to go than none. Otherwise nothing of it runs, and what is old is started again.
    pub(super) async fn stand_in(
        &self,
        previous: &ReleaseContent,
        old: &ReleasedApp,
        log: &StepLog,
    ) -> Result<bool, Setback> {
        let release = &self.work.release;
        let is_new = |it: &Instance| it.release == release.release;
        let instances = of_app(self.target.instances().await?, &old.app);
        let begun = release.apps.iter().find(|it| it.app == old.app).filter(|_| instances.iter().any(is_new));
        // Nobody keeps a Swarm from running again what it was told to run.
        let Some(app) = begun.filter(|_| self.target.as_swarm().is_none()) else { return Ok(false) };
        log.say(format!("{}: release {} is tried once more in its place", app.app, release.number)).await;
        self.still_owner()?;
        let up: Vec<Instance> = instances.into_iter().filter(|it| !is_new(it) && it.is_up()).collect();
        self.stop_all(&up, self.drain_limit(&app.app)).await?;
        for number in 1..=app.run.replicas {
            let back = self.while_owner(self.bring_back(Replica { release, app, number }, log)).await?;
            if let Err(Setback::Failed(problem)) = back {
                log.say(problem).await;
                self.end_new(&app.app, log).await?;
                for number in 1..=old.run.replicas {
                    self.still_owner()?;
                    self.target.ensure_running(Replica { release: previous, app: old, number }).await?;
                }
                return Ok(false);
            }
            back?;
        }
        let Some(domain) = &app.run.domain else { return Ok(true) };
        let instances: Vec<Instance> = self.target.instances().await?.into_iter().filter(is_new).collect();
        let route =
            Route { hosts: vec![domain.clone()], upstreams: upstreams_of(&app.app, &instances), ..Route::default() };
        self.still_owner()?;
        self.switch(&app.app, &route, log).await?;
        Ok(true)
    }

    /// Leads no new request to the app any more: the upstreams whose requests are to be finished.
    async fn lead_away(&self, app: &str, leaving: &[Instance], log: &StepLog) -> Result<Vec<String>, Setback> {
        let hosts = self.route_of(app).await?.unwrap_or_default().hosts;
        let draining: Vec<String> = leaving.iter().filter_map(|it| it.upstream.clone()).collect();
        self.switch(app, &Route { hosts, draining: draining.clone(), ..Route::default() }, log).await?;
        Ok(draining)
    }
}
