//! The blue-green strategy: everything new stands beside everything old, and then takes all traffic at once.

use super::{
    Rollout, Setback, cleanup::upstreams_of, health::seconds, of_app, title, turnover::Turnover, watch::Watched,
};
use crate::{
    coordinator::ReleasedApp,
    proxy::Route,
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

impl Rollout<'_> {
    /// Starts all of the app's new containers, without traffic.
    pub(super) async fn start_beside(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        for number in 1..=app.run.replicas {
            self.bring_up(Replica { release: &self.work.release, app, number }, log).await?;
        }
        Ok(())
    }

    /// Leads each app's preview to its new containers and watches these for the bake time. Nobody else meets them yet.
    pub(super) async fn preview(&self, bake_ms: u64, log: &StepLog) -> Result<(), Setback> {
        let release = &self.work.release;
        let mut watched = Vec::new();
        for app in &release.apps {
            let instances = of_app(self.target.instances().await?, &app.app);
            let instances: Vec<Instance> =
                instances.into_iter().filter(|it| it.release == release.release && it.is_running()).collect();
            if let Some(host) = &app.run.preview {
                let upstreams = upstreams_of(&app.app, &instances);
                let route = Route { hosts: vec![host.clone()], upstreams, ..Route::default() };
                self.go_on()?;
                self.put_route(&self.target.names().preview_route(&app.app), &app.app, &route, log).await?;
            }
            watched.push(Watched { app, instances });
        }
        if bake_ms > 0 {
            log.say(format!("watching for {}", seconds(bake_ms))).await;
        }
        self.bake(&watched, &self.trial_limits(), bake_ms, log).await
    }

    /// Takes the previews away: those that look follow everybody else now.
    pub(super) async fn close_previews(&self) -> Result<(), Setback> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        for claim in proxy.claims().await? {
            let names = self.target.names();
            if names.owns_route(&claim.id) && claim.id.ends_with(".preview") {
                self.still_owner()?;
                self.routes.remove(proxy.as_ref(), &claim.id).await?;
            }
        }
        Ok(())
    }

    /// Leads the traffic of every app to its new containers, and only then lets the old ones finish and stops them.
    pub(super) async fn switch_all(&self, log: &StepLog) -> Result<(), Setback> {
        self.close_previews().await?;
        let instances = self.target.instances().await?;
        let mut leaving = Vec::new();
        for app in &self.work.release.apps {
            leaving.push((app, self.switch_over(app, of_app(instances.clone(), &app.app), log).await?));
        }
        for (app, old) in leaving {
            let limit = self.drain_limit(&app.app);
            let draining: Vec<String> = old.iter().filter_map(|old| old.upstream.clone()).collect();
            self.unless_stopped(self.drain(&draining, limit, log)).await??;
            for instance in &old {
                log.say(format!("stopping {}", title(instance, &self.work.release))).await;
            }
            self.go_on()?;
            self.stop_all(&old, limit).await?;
        }
        Ok(())
    }

    /// One app's switch; answers with the old containers that take no new requests any more.
    async fn switch_over(
        &self,
        app: &ReleasedApp,
        instances: Vec<Instance>,
        log: &StepLog,
    ) -> Result<Vec<Instance>, Setback> {
        let route = self.route_of(&app.app).await?;
        let release = &self.work.release.release;
        let mut turnover = Turnover::new(&instances, release, app.run.domain.as_deref(), route.as_ref());
        for new in instances.iter().filter(|it| it.release == *release && it.is_running()) {
            turnover.gain(new);
        }
        let leaving = turnover.lose(app.run.replicas, 0, app.run.replicas);
        self.go_on()?;
        self.switch(&app.app, &turnover.route(&leaving), log).await?;
        Ok(leaving)
    }
}
