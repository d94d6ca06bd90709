//! The rolling strategy: some new containers at a time come in addition, or in the room that old ones leave, and each takes
//! the place of one old one.

use futures_util::future::join_all;
use slipway_pipelines::config::{Pace, Strategy};

use super::{Rollout, Setback, health::Unhealthy, of_app, title, turnover::Turnover};
use crate::{
    coordinator::{LogStream, ReleasedApp},
    reporter::StepLog,
    targets::docker::{Instance, Replica},
};

/// How many of a failed container's last lines are shown.
const LAST_LINES: usize = 20;

impl Rollout<'_> {
    /// Replaces the app's old containers. They are stopped and kept: only the end of the whole rollout removes them.
    pub(super) async fn roll(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let instances = of_app(self.target.instances().await?, &app.app);
        let route = self.route_of(&app.app).await?;
        let release = &self.work.release;
        let mut turnover = Turnover::new(&instances, &release.release, app.run.domain.as_deref(), route.as_ref());
        let (surge, unavailable) = self.pace().of(app.run.replicas);
        let mut ready = 0;
        while ready < app.run.replicas {
            if self.stand_still(log).await? {
                let instances = of_app(self.target.instances().await?, &app.app);
                turnover.renew(&instances, self.route_of(&app.app).await?.as_ref());
            }
            if unavailable > 0 {
                self.turn(app, &mut turnover, (ready, unavailable), log).await?;
            }
            let batch = turnover.room(ready, app.run.replicas, surge).min(app.run.replicas - ready);
            let coming = (ready + 1..=ready + batch).map(|number| self.bring_up(Replica { release, app, number }, log));
            for come in join_all(coming).await {
                turnover.gain(&come?);
            }
            ready += batch;
            self.turn(app, &mut turnover, (ready, unavailable), log).await?;
        }
        if app.run.replicas == 0 {
            self.turn(app, &mut turnover, (0, 0), log).await?;
        }
        Ok(())
    }

    /// Starts a replica, unless it runs, and waits until it is healthy.
    pub(super) async fn bring_up(&self, replica: Replica<'_>, log: &StepLog) -> Result<Instance, Setback> {
        let (app, number) = (&replica.app.app, replica.number);
        let failed = |reason: String| Setback::of(app, format!("replica {number} {reason}"));
        let whose = self.whose(app);
        log.say(format!("{whose}starting replica {number} of {}", replica.app.run.replicas)).await;
        self.go_on()?;
        let started = self.target.ensure_running(replica).await;
        let started = started.map_err(|error| failed(format!("could not be started: {error}")))?;
        let waiting = self.prober.wait(&self.target, &started.name, &replica.app.run.health);
        match self.unless_stopped(waiting).await? {
            Ok(ready) => {
                self.target.keep_running(&ready.name).await?;
                log.say(format!("{whose}replica {number} is healthy")).await;
                Ok(ready)
            }
            Err(unhealthy) => {
                self.show_last_lines(&started.name, &unhealthy, &format!("{whose}replica {number}"), log).await;
                Err(failed(unhealthy.to_string()))
            }
        }
    }

    /// How many containers are replaced at a time; after a canary, as if nothing were said of it.
    fn pace(&self) -> Pace {
        match self.work.strategy {
            Strategy::Rolling(pace) => pace,
            _ => Pace::default(),
        }
    }

    /// Leads traffic to the new containers that are ready, and lets go of the old ones that they replace, and of so many
    /// more as may be missing.
    async fn turn(
        &self,
        app: &ReleasedApp,
        turnover: &mut Turnover,
        (ready, missing): (u32, u32),
        log: &StepLog,
    ) -> Result<(), Setback> {
        let leaving = turnover.lose(ready, missing, app.run.replicas);
        // Where all leave, it is clear who does.
        let chooser = self.target.as_swarm().filter(|_| !leaving.is_empty() && turnover.has_others());
        if let Some(swarm) = chooser {
            return Box::pin(self.let_swarm_choose(swarm, app, turnover, leaving, log)).await;
        }
        let route = turnover.route(&leaving);
        self.go_on()?;
        self.switch(&app.app, &route, log).await?;
        if leaving.is_empty() {
            return Ok(());
        }
        let limit = self.drain_limit(&app.app);
        self.unless_stopped(self.drain(&route.draining, limit, log)).await??;
        for instance in &leaving {
            log.say(format!("stopping {}", title(instance, &self.work.release))).await;
        }
        self.stop_all(&leaving, limit).await
    }

    async fn show_last_lines(&self, name: &str, unhealthy: &Unhealthy, who: &str, log: &StepLog) {
        let lines = self.target.last_lines(name, LAST_LINES).await;
        log.say(match (lines.is_empty(), unhealthy) {
            (true, _) => format!("{who} wrote nothing"),
            (false, Unhealthy::Exited(_)) => format!("the last that {who} wrote:"),
            (false, _) => format!("the last that {who} has written:"),
        })
        .await;
        for (stream, line) in lines {
            let stream = if stream == LogStream::Err { LogStream::Err } else { LogStream::Out };
            log.line(stream, line).await;
        }
    }
}
