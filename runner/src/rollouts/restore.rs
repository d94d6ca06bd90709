//! Returning to the release before: its containers first, the failed ones after; where the two must never run side by side,
//! the other way round.

use slipway_pipelines::config::Strategy;

use super::{Rollout, Setback, cleanup::upstreams_of, of_app};
use crate::{
    coordinator::{ReleaseContent, ReleasedApp},
    proxy::Route,
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

impl Rollout<'_> {
    /// Leaves exactly the release before this one; without one, nothing of this one.
    ///
    /// Goes on where one app has a problem, so that the others return nevertheless, and tells all problems at the end.
    pub(super) async fn restore(&self, log: &StepLog) -> Result<(), Setback> {
        let mut problems = Vec::new();
        if let Some(previous) = &self.work.previous {
            for app in &previous.apps {
                match self.restore_app(previous, app, log).await {
                    Err(Setback::Failed(problem)) => problems.push(problem),
                    other => other?,
                }
            }
        }
        for app in self.new_apps() {
            match self.remove_app(&app, log).await {
                Err(Setback::Failed(problem)) => problems.push(problem),
                other => other?,
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Setback::Failed(problems.join("; "))) }
    }

    /// Brings the app's containers of before back, leads traffic to them, and only then removes the failed ones.
    async fn restore_app(&self, previous: &ReleaseContent, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let is_alone = matches!(self.work.strategy, Strategy::Recreate);
        if is_alone {
            self.end_new(&app.app, log).await?;
        }
        let mut problem = None;
        for number in 1..=app.run.replicas {
            let returned = self.while_owner(self.bring_back(Replica { release: previous, app, number }, log)).await?;
            match returned {
                Err(Setback::Failed(reason)) => problem = problem.or(Some(reason)),
                other => other?,
            }
        }
        if let Some(reason) = problem.as_ref().filter(|_| is_alone)
            && self.stand_in(previous, app, log).await?
        {
            let number = self.work.release.number;
            return Err(Setback::Failed(format!("{reason}; release {number} goes on in its place")));
        }
        let instances = of_app(self.target.instances().await?, &app.app);
        let (old, failed): (Vec<Instance>, Vec<Instance>) =
            instances.into_iter().partition(|instance| instance.release == previous.release);
        let standing = self.route_of(&app.app).await?.unwrap_or_default();
        let new_serves =
            failed.iter().any(|new| standing.all_upstreams().any(|serving| new.upstream.as_ref() == Some(serving)));
        match problem {
            // Better the new version than none.
            Some(problem) if new_serves => return Err(Setback::Failed(problem)),
            _ => self.lead_back(app, &old, &standing, log).await?,
        }
        for instance in &failed {
            log.say(format!("removing {}", instance.name)).await;
        }
        self.still_owner()?;
        self.remove_all(&failed).await?;
        problem.map_or(Ok(()), |problem| Err(Setback::Failed(problem)))
    }

    /// Starts a container on the way back, unless it runs, and waits until it is healthy.
    pub(super) async fn bring_back(&self, replica: Replica<'_>, log: &StepLog) -> Result<(), Setback> {
        let (app, number) = (&replica.app.app, replica.number);
        let release = replica.release.number;
        let failed = |reason: String| Setback::of(app, format!("replica {number} of release {release} {reason}"));
        self.still_owner()?;
        let started = self.target.ensure_running(replica).await;
        let started = started.map_err(|error| failed(format!("could not be started: {error}")))?;
        let ready = self.prober.wait(&self.target, &started.name, &replica.app.run.health).await;
        ready.map_err(|unhealthy| failed(unhealthy.to_string()))?;
        self.target.keep_running(&started.name).await?;
        log.say(format!("{app}: replica {number} of release {release} runs")).await;
        Ok(())
    }

    async fn lead_back(
        &self,
        app: &ReleasedApp,
        old: &[Instance],
        standing: &Route,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let upstreams = upstreams_of(&app.app, old);
        let known = standing.all_upstreams().chain(&standing.draining);
        let draining: Vec<String> = known.filter(|up| !upstreams.contains(up)).cloned().collect();
        self.still_owner()?;
        match app.run.domain.as_deref().filter(|_| !upstreams.is_empty()) {
            Some(domain) => {
                let hosts = vec![domain.to_owned()];
                let route = Route { hosts, upstreams, draining: draining.clone(), ..Route::default() };
                self.switch(&app.app, &route, log).await?;
                self.while_owner(self.drain(&draining, self.drain_limit(&app.app), log)).await??;
                self.close_lanes(&app.app).await
            }
            None => self.unroute(&app.app).await,
        }
    }

    /// Apps of this release that the one before did not know.
    fn new_apps(&self) -> Vec<String> {
        let apps = self.work.release.apps.iter().map(|app| app.app.clone());
        apps.filter(|name| self.previous_app(name).is_none()).collect()
    }

    async fn remove_app(&self, app: &str, log: &StepLog) -> Result<(), Setback> {
        let release = &self.work.release.release;
        let instances = of_app(self.target.instances().await?, app);
        let failed: Vec<Instance> = instances.into_iter().filter(|instance| instance.release == *release).collect();
        self.retire_app(app, &failed, log).await?;
        for instance in &failed {
            log.say(format!("removing {}", instance.name)).await;
        }
        self.still_owner()?;
        self.remove_all(&failed).await
    }
}
