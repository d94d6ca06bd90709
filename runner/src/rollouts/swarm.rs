//! What is different where the environment is on a Swarm: what it cannot do, and who chooses which old tasks end.

use slipway_pipelines::config::{Limits, Usage};

use super::{Rollout, Setback, of_app, turnover::Turnover, watch::Watched};
use crate::{
    coordinator::ReleasedApp,
    reporter::StepLog,
    targets::{docker::Instance, swarm::SwarmTarget},
};

impl Rollout<'_> {
    /// That the release can run on its kind of engine, and is not to move the environment from one kind to another.
    pub(super) async fn check_target(&self) -> Result<(), Setback> {
        let kind = self.work.release.target();
        if let Some(previous) = self.work.previous.as_ref().filter(|previous| previous.target() != kind) {
            let (name, from, to) = (&self.work.environment_name, previous.target().word(), kind.word());
            return Err(Setback::Failed(format!(
                "{name} runs with `target: {from}`, and a release does not move it to `target: {to}`; give captain.yml another \
                 environment with that target, and take this one out once nobody needs it"
            )));
        }
        if let Some(app) = self.work.release.apps.iter().find(|app| app.run.target != kind) {
            let reason =
                "it was built when the environment had another `target`; build it again, for the environment's own";
            return Err(Setback::of(&app.app, reason.to_owned()));
        }
        let Some(swarm) = self.target.as_swarm() else { return Ok(()) };
        // captain.yml with these is refused; a release may be of before the environment was on a Swarm.
        if let Some(app) = self.work.release.apps.iter().find(|app| !app.run.volumes.is_empty()) {
            let reason = "volumes are not kept on a Swarm, where each node has one of its own; see `target` in docs/captain-yml.md";
            return Err(Setback::of(&app.app, reason.to_owned()));
        }
        Ok(swarm.check_manager().await?)
    }

    /// Whether the engine is a manager of a Swarm of more nodes than its own.
    pub(super) async fn has_other_nodes(&self) -> Result<bool, Setback> {
        match self.target.as_swarm() {
            Some(swarm) => Ok(swarm.has_other_nodes().await?),
            None => Ok(false),
        }
    }

    /// Says which of the new containers run where nobody measures what they use, if that is to be judged.
    pub(super) async fn tell_unmeasured(
        &self,
        watched: &[Watched<'_>],
        limits: &Limits,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let is_judged = [limits.max_cpu, limits.max_memory].iter().any(|limit| *limit != Some(Usage::Any));
        let Some(swarm) = self.target.as_swarm().filter(|_| is_judged) else { return Ok(()) };
        for Watched { app, instances } in watched {
            for instance in instances {
                if let Some(node) = swarm.unmeasured(&instance.name).await? {
                    let (app, which) = (&app.app, instance.replica);
                    let said = format!(
                        "{app}: replica {which} runs on {node}, which nobody measures: its CPU and memory are not judged"
                    );
                    log.say(said).await;
                }
            }
        }
        Ok(())
    }

    /// Lets Swarm end as many of the old tasks as would leave, takes those that it chose out of the route, and waits
    /// until they have ended: they may finish their requests for as long as the app drains.
    pub(super) async fn let_swarm_choose(
        &self,
        swarm: &SwarmTarget,
        app: &ReleasedApp,
        turnover: &mut Turnover,
        leaving: Vec<Instance>,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let count = leaving.len();
        let plural = if count == 1 { "" } else { "s" };
        turnover.give_back(leaving.clone());
        self.go_on()?;
        self.switch(&app.app, &turnover.route(&[]), log).await?;
        log.say(format!("Swarm ends {count} old task{plural}")).await;
        self.go_on()?;
        Box::pin(swarm.scale_down(&leaving)).await?;
        let running = of_app(self.target.instances().await?, &app.app);
        let gone = turnover.part(&running);
        self.still_owner()?;
        self.switch(&app.app, &turnover.route(&gone), log).await?;
        let ended = Box::pin(swarm.wait_until_ended(&gone, self.drain_limit(&app.app)));
        Ok(self.unless_stopped(ended).await??)
    }
}
