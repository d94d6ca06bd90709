//! Keeping what is live well while a rollout waits: for the end of a bake, or for the people who paused it. Its environment has
//! no keeper meanwhile: what serves of the release before is the rollout's to start again.
//!
//! What of it serves is what runs when the wait begins: what the rollout itself has stopped by then stays stopped. Starting a
//! container that runs changes nothing, and a route is compared with what runs at every look, so that the next life of a
//! runner that was killed in between goes on from what it finds.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Rollout, Setback, of_app};
use crate::{
    coordinator::ReleaseContent,
    proxy::Route,
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

/// The shortest and the longest pause before one that ended again is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What serves of the release before, by the names of its containers; none before the first look.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    kept: Option<BTreeMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    app: String,
    number: u32,
    /// When it may be started again, and how long it waits the next time.
    next: (Instant, Duration),
}

impl Rollout<'_> {
    /// Starts again what has ended of the release before since the wait began, and leads requests to where it is now. What
    /// cannot be done is said and tried again: it is no reason against the release that rolls out.
    pub(super) async fn keep_up(&self, upkeep: &mut Upkeep, log: &StepLog) -> Result<(), Setback> {
        // A Swarm starts again by itself what ends.
        let Some(previous) = self.work.previous.as_ref().filter(|_| self.target.as_swarm().is_none()) else {
            return Ok(());
        };
        let mut instances = self.target.instances().await?;
        let is_old = |it: &&Instance| it.release == previous.release && it.is_running();
        let kept = upkeep.kept.get_or_insert_with(|| instances.iter().filter(is_old).map(Kept::of).collect());
        let mut has_started = false;
        for (name, kept) in kept.iter_mut() {
            let runs = instances.iter().any(|it| it.name == *name && it.is_running());
            if !runs && Instant::now() >= kept.next.0 {
                self.start_again(previous, kept, log).await?;
                kept.wait();
                has_started = true;
            }
        }
        if has_started {
            instances = self.target.instances().await?;
        }
        for app in &previous.apps {
            self.lead_to_who_runs(&app.app, of_app(instances.clone(), &app.app), kept, log).await?;
        }
        Ok(())
    }

    async fn start_again(&self, previous: &ReleaseContent, kept: &Kept, log: &StepLog) -> Result<(), Setback> {
        let Some(app) = previous.apps.iter().find(|app| app.app == kept.app) else { return Ok(()) };
        self.go_on()?;
        let (whose, number) = (self.whose(&app.app), kept.number);
        let started = self.target.ensure_running(Replica { release: previous, app, number }).await;
        log.say(match started {
            Ok(_) => format!("{whose}the old replica {number} had ended, and was started again"),
            Err(error) => format!("{whose}the old replica {number} had ended, and cannot be started: {error}"),
        })
        .await;
        Ok(())
    }

    /// Takes those out of the app's route that do not run, and puts those in that are kept and well.
    async fn lead_to_who_runs(
        &self,
        app: &str,
        instances: Vec<Instance>,
        kept: &BTreeMap<String, Kept>,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let Some(standing) = self.route_of(app).await?.filter(Route::serves) else { return Ok(()) };
        let running: Vec<(&String, &String)> =
            instances.iter().filter_map(|it| Some((&it.name, it.upstream.as_ref()?))).collect();
        let mut upstreams: Vec<String> =
            standing.upstreams.iter().filter(|up| running.iter().any(|(_, runs)| runs == up)).cloned().collect();
        for (name, upstream) in running {
            let is_led = standing.all_upstreams().chain(&standing.draining).any(|known| known == upstream);
            if kept.contains_key(name) && !is_led && self.is_well(name, app).await? {
                upstreams.push(upstream.clone());
            }
        }
        // Better a route to who may come back than none.
        if upstreams.is_empty() || upstreams == standing.upstreams {
            return Ok(());
        }
        self.go_on()?;
        self.switch(app, &Route { upstreams, ..standing }, log).await
    }

    /// Whether an old container passes its health check.
    async fn is_well(&self, name: &str, app: &str) -> Result<bool, Setback> {
        let Some(app) = self.previous_app(app) else { return Ok(false) };
        Ok(self.prober.check(&self.target, name, &app.run.health).await?.is_ok())
    }
}

impl Kept {
    fn of(instance: &Instance) -> (String, Self) {
        let next = (Instant::now(), PAUSES.0);
        (instance.name.clone(), Kept { app: instance.app.clone(), number: instance.replica, next })
    }

    /// The next time that it has ended, it waits for longer.
    fn wait(&mut self) {
        let pause = self.next.1;
        self.next = (Instant::now() + pause, (pause * 2).min(PAUSES.1));
    }
}
