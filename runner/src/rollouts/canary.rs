//! The canary strategy: a growing share of the traffic goes to new containers, which are judged before more follows.

use slipway_pipelines::config::{Limits, Share, Strategy, Usage};

use super::{Rollout, Setback, health::seconds, of_app, readings::Seen, turnover::hosts, watch::Watched};
use crate::{
    coordinator::ReleasedApp,
    proxy::{Canary, Route},
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

impl Rollout<'_> {
    /// Brings up as many new containers as the share asks for, leads that share of the traffic to them, and watches
    /// them for the bake time. A breach takes the traffic away at once and is the failure.
    pub(super) async fn canary(&self, share: Share, log: &StepLog) -> Result<(), Setback> {
        let Strategy::Canary { bake_ms, limits, .. } = self.work.strategy else { return Ok(()) };
        let mut watched = Vec::new();
        for app in &self.work.release.apps {
            let instances = self.bring_up_canaries(app, share, log).await?;
            watched.push(Watched { app, instances });
        }
        for watched in &watched {
            self.divide(watched, share, log).await?;
        }
        log.say(format!("watching for {}", seconds(bake_ms))).await;
        let baked = self.bake(&watched, &limits, bake_ms, log).await;
        baked.map_err(|setback| match setback {
            Setback::Failed(breach) => Setback::Failed(format!("at {share} % of the traffic, {breach}")),
            other => other,
        })
    }

    /// Watches what is new for so long, and while the rollout is paused. A breach takes the traffic away at once and is
    /// the failure.
    pub(super) async fn bake(
        &self,
        watched: &[Watched<'_>],
        limits: &Limits,
        bake_ms: u64,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let mut seen = Seen::default();
        let outcome = self.unless_stopped(self.watch(watched, limits, bake_ms, &mut seen, log)).await?;
        if let Err(Setback::Failed(breach)) = &outcome {
            log.say(format!("{breach}; the traffic is taken away from release {}", self.work.release.number)).await;
            self.withdraw(log).await.map_err(|problem| told_with(breach, problem))?;
        }
        self.tell(&mut seen, watched, limits, log).await;
        outcome
    }

    /// The limits of a preview or a pause. Where the strategy is no canary, nobody asked for a comparison: whoever looks at a
    /// preview may well press it hard.
    pub(super) fn trial_limits(&self) -> Limits {
        let limits = self.work.strategy.limits();
        match self.work.strategy {
            Strategy::Canary { .. } => limits,
            Strategy::Rolling(_) | Strategy::BlueGreen { .. } | Strategy::Recreate => {
                Limits { max_cpu: Some(Usage::Any), max_memory: Some(Usage::Any), ..limits }
            }
        }
    }

    async fn bring_up_canaries(
        &self,
        app: &ReleasedApp,
        share: Share,
        log: &StepLog,
    ) -> Result<Vec<Instance>, Setback> {
        let release = &self.work.release;
        let mut ready = Vec::new();
        for number in 1..=canaries(app.run.replicas, share) {
            ready.push(self.bring_up(Replica { release, app, number }, log).await?);
        }
        Ok(ready)
    }

    /// Leads the share to the app's new containers. An app without old ones, or without a domain, has nothing to divide.
    async fn divide(&self, watched: &Watched<'_>, share: Share, log: &StepLog) -> Result<(), Setback> {
        let app = watched.app;
        let standing = self.route_of(&app.app).await?;
        let stable = self.serving_before(&app.app).await?;
        let canary: Vec<String> = watched.instances.iter().filter_map(|it| it.upstream.clone()).collect();
        if app.run.domain.is_none() || stable.is_empty() || canary.is_empty() {
            return Ok(());
        }
        let hosts = hosts(app.run.domain.as_deref(), standing.as_ref());
        let canary = Some(Canary { share, upstreams: canary });
        self.go_on()?;
        self.switch(&app.app, &Route { hosts, upstreams: stable, canary, ..Route::default() }, log).await
    }

    /// Leads all traffic back to what served before, as far as anything did.
    async fn withdraw(&self, log: &StepLog) -> Result<(), Setback> {
        for app in &self.work.release.apps {
            let Some(standing) = self.route_of(&app.app).await? else { continue };
            let Some(canary) = standing.canary else { continue };
            self.still_owner()?;
            let draining = canary.upstreams;
            let route = Route { hosts: standing.hosts, upstreams: standing.upstreams, draining, ..Route::default() };
            self.switch(&app.app, &route, log).await?;
        }
        Ok(())
    }

    /// Where the app's containers of the release before take connections.
    async fn serving_before(&self, app: &str) -> Result<Vec<String>, Setback> {
        let Some(previous) = &self.work.previous else { return Ok(Vec::new()) };
        let instances = of_app(self.target.instances().await?, app);
        let old = instances.into_iter().filter(|instance| instance.release == previous.release);
        Ok(old.filter_map(|instance| instance.upstream).collect())
    }
}

/// What is told when the traffic cannot be taken away from what was found wanting: both.
fn told_with(breach: &str, problem: Setback) -> Setback {
    match problem {
        Setback::Failed(why) => Setback::Failed(format!("{breach}; its traffic could not be taken away: {why}")),
        other => other,
    }
}

/// How many of the replicas are needed for a share of the traffic: each is to have no more than its part of it.
fn canaries(replicas: u32, share: Share) -> u32 {
    (replicas * u32::from(share)).div_ceil(100)
}

#[cfg(test)]
mod tests {
    use super::{Setback, canaries, told_with};

    #[test]
    fn a_breach_is_told_though_its_traffic_stays() {
        let refused = Setback::Failed("the proxy does not answer".to_owned());
        let told = "replica 1 ended; its traffic could not be taken away: the proxy does not answer";
        assert_eq!(told_with("replica 1 ended", refused), Setback::Failed(told.to_owned()));
        assert_eq!(told_with("replica 1 ended", Setback::Abandoned), Setback::Abandoned);
    }

    #[test]
    fn no_canary_has_more_to_do_than_its_part() {
        for (replicas, share, wanted) in [(1, 10, 1), (10, 10, 1), (10, 25, 3), (4, 50, 2), (3, 100, 3), (0, 10, 0)] {
            assert_eq!(canaries(replicas, share), wanted, "{share} % of {replicas}");
        }
    }
}
