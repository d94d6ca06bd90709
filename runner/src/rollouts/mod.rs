//! Bringing an environment to a release, app by app and replica by replica, without losing a request; and back, when
//! a new version does not become healthy.
//!
//! Nothing but the ends of its steps is remembered between two runs: each looks at what the engine and the proxy hold and
//! goes on from there, so that a rollout cut off anywhere is finished by running it again.

mod anew;
pub(crate) mod answers;
mod beside;
mod blue_green;
mod canary;
mod cleanup;
mod commands;
mod domains;
mod gauge;
pub(crate) mod health;
mod helm;
pub(crate) mod judge;
mod patience;
mod preflight;
mod probes;
mod readings;
mod recreate;
mod restore;
mod rolling;
mod routes;
mod setback;
mod signatures;
mod steps;
mod swarm;
mod traffic;
mod turnover;
mod upkeep;
mod watch;

use std::sync::Arc;

use health::Prober;
use helm::Helm;
use patience::Patient;
use routes::Routes;
use setback::Setback;
use steps::Stage;

use crate::{
    builds::BrokenOff,
    coordinator::{JobResult, ReleaseContent, ReleasedApp, RolloutWork, StepOutcome, StepResult},
    engine::Engine,
    job::JobContext,
    proxy::Proxy,
    registry::Registry,
    reporter::StepLog,
    targets::{
        Target,
        docker::{EnvironmentNames, Instance, Placement},
    },
};

/// Why a rollout failed that people ended.
pub const CANCELLED: &str = "the rollout was cancelled on request";

/// What the log of a step says that an earlier life of the runner began.
const RESTARTED: &str = "the runner or its engine was restarted; what it had done is kept";

/// Rolls the release out. Answers [`JobResult::Live`] once every app runs it and takes traffic, and
/// [`JobResult::Failed`] when it does not; the release before it serves then. A job that was cancelled is a failure
/// that returns. When the lease is lost, nothing more is touched and the answer means nothing.
pub async fn execute(work: &RolloutWork, ctx: &JobContext) -> JobResult {
    result(carry_out(work, ctx, false).await)
}

/// The same, which stops where it is when the engine goes away: run again when that is back, it goes on from there.
pub(crate) async fn execute_with_engine(work: &RolloutWork, ctx: &JobContext) -> Result<JobResult, BrokenOff> {
    match carry_out(work, ctx, true).await {
        Err(Setback::EngineAway) => Err(BrokenOff::EngineLost),
        outcome => Ok(result(outcome)),
    }
}

async fn carry_out(work: &RolloutWork, ctx: &JobContext, waits: bool) -> Result<(), Setback> {
    let rollout = Rollout::new(work, ctx, waits)?;
    tokio::select! {
        outcome = Box::pin(rollout.run()) => outcome,
        never = rollout.helm.listen(&ctx.reporter) => never,
        never = rollout.keep_routes() => never,
    }
}

fn result(outcome: Result<(), Setback>) -> JobResult {
    match outcome {
        Ok(()) => JobResult::Live,
        Err(Setback::Failed(reason)) => JobResult::Failed { reason },
        Err(Setback::Cancelled) => JobResult::Failed { reason: CANCELLED.to_owned() },
        // It is for whoever goes on with it to say how it ended.
        Err(Setback::Abandoned | Setback::EngineAway) => JobResult::Cancelled,
    }
}

/// One rollout and its means.
struct Rollout<'a> {
    work: &'a RolloutWork,
    ctx: &'a JobContext,
    target: Target,
    registry: Registry,
    prober: Prober,
    helm: Helm,
    routes: Routes,
    /// The proxy, waited for where it is away for a moment.
    proxy: Option<Arc<dyn Proxy>>,
    /// Whether it stops where it is when the engine goes away.
    waits: bool,
}

impl<'a> Rollout<'a> {
    fn new(work: &'a RolloutWork, ctx: &'a JobContext, waits: bool) -> Result<Self, Setback> {
        let placement = Placement {
            runner: ctx.runner_id.clone(),
            environment: work.environment.clone(),
            names: EnvironmentNames::new(&work.environment, &work.environment_name),
        };
        let kind = work.release.target();
        let target = Target::new(kind, ctx.engine.clone(), placement, ctx.registries.clone(), ctx.secrets.clone());
        let prober = Prober::new().map_err(Setback::Failed)?;
        let (registry, helm, routes) = (Registry::new(&ctx.registries), Helm::new(), Routes::default());
        let proxy = ctx.proxy.clone().map(|proxy| Patient::of(proxy, ctx.reporter.lease().clone()));
        Ok(Rollout { work, ctx, target, registry, prober, helm, routes, proxy, waits })
    }

    async fn run(&self) -> Result<(), Setback> {
        self.ctx.reporter.declare(steps::declare(self.work)).await?;
        // A proxy that is away has its say in the steps that need it.
        let _ = self.learn_routes().await;
        let Err((setback, rest)) = self.forward().await else {
            // The release serves: what is left over now is no reason to say that it does not.
            return match self.cleanup_step().await {
                Err(setback @ (Setback::Abandoned | Setback::EngineAway)) => Err(setback),
                _ => Ok(()),
            };
        };
        if matches!(setback, Setback::Abandoned | Setback::EngineAway) {
            return Err(setback);
        }
        for index in rest..steps::returning(self.work) {
            self.ctx.reporter.skip(index, StepOutcome::Skipped, "the rollout stopped before it").await?;
        }
        self.return_step(setback).await
    }

    /// Everything up to the point where the release serves alone. A setback comes with the first step that is left out.
    async fn forward(&self) -> Result<(), (Setback, u32)> {
        if let Some(reason) = &self.work.failed {
            // What was found wanting once is not tried on people again.
            return Err((Setback::Failed(reason.clone()), 0));
        }
        for (place, stage) in steps::stages(self.work).into_iter().enumerate() {
            let index = steps::index(place);
            if stage != Stage::Cleanup {
                let enact = async |log: &StepLog| {
                    // A command that is under way knows by itself where it stands.
                    if log.is_resumed() && !matches!(stage, Stage::Command(_)) {
                        log.begin_again(RESTARTED).await;
                    }
                    self.stand_still(log).await?;
                    self.enact(stage, log).await
                };
                self.step(index, enact).await.map_err(|setback| (setback, index + 1))?;
            }
        }
        Ok(())
    }

    async fn enact(&self, stage: Stage<'_>, log: &StepLog) -> Result<(), Setback> {
        match stage {
            Stage::Preflight => self.preflight(log).await,
            Stage::Command(command) => self.run_command(command, log).await,
            Stage::Canary(share) => self.canary(share, log).await,
            Stage::Roll(app) => self.roll(app, log).await,
            Stage::Recreate(app) => self.recreate(app, log).await,
            Stage::Start(app) => self.start_beside(app, log).await,
            Stage::StartAll => self.start_all(log).await,
            Stage::Preview(bake_ms) => self.preview(bake_ms, log).await,
            Stage::Switch => self.switch_all(log).await,
            Stage::Cleanup => self.cleanup(log).await,
        }
    }

    async fn cleanup_step(&self) -> Result<(), Setback> {
        let last = steps::index(steps::stages(self.work).len() - 1);
        let enact = async |log: &StepLog| {
            if log.is_resumed() {
                log.begin_again(RESTARTED).await;
            }
            self.enact(Stage::Cleanup, log).await
        };
        self.step(last, enact).await
    }

    /// Takes a step, and passes on what came of it; also when that was in an earlier life of the runner.
    async fn step(&self, index: u32, doing: impl AsyncFnOnce(&StepLog) -> Result<(), Setback>) -> Result<(), Setback> {
        if let Some(ended) = self.ctx.ended(index) {
            return outcome(ended);
        }
        let log = self.open(index).await?;
        let done = self.judged(doing(&log).await).await;
        close(log, done).await
    }

    /// What came of something, where it may be the engine that it failed by: one that goes away ends what runs on it.
    async fn judged<T>(&self, done: Result<T, Setback>) -> Result<T, Setback> {
        match done {
            Err(Setback::Failed(_)) if self.waits && is_away(&self.ctx.engine).await => Err(Setback::EngineAway),
            done => done,
        }
    }

    /// Undoes what was begun, and answers with the reason for it.
    async fn return_step(&self, setback: Setback) -> Result<(), Setback> {
        if !self.judged(self.has_begun().await).await? {
            return Err(setback);
        }
        self.ctx.reporter.declare(vec![steps::declare_return(self.work)]).await?;
        let restore = async |log: &StepLog| {
            if log.is_resumed() {
                log.begin_again(RESTARTED).await;
            }
            self.close_previews().await?;
            self.restore(log).await
        };
        match (self.step(steps::returning(self.work), restore).await, setback) {
            (Err(problem @ (Setback::Abandoned | Setback::EngineAway)), _) => Err(problem),
            (Err(Setback::Failed(problem)), Setback::Failed(reason)) => {
                Err(Setback::Failed(format!("{reason}; returning met a problem, too: {problem}")))
            }
            (Err(problem), Setback::Cancelled) => Err(problem),
            (_, setback) => Err(setback),
        }
    }

    /// Whether the environment differs from the release before: something of this one stands, or something of that
    /// one does not run.
    async fn has_begun(&self) -> Result<bool, Setback> {
        let instances = self.target.instances().await?;
        let new = instances.iter().any(|instance| instance.release == self.work.release.release);
        let Some(previous) = &self.work.previous else { return Ok(new) };
        let runs = |app: &str| {
            instances.iter().filter(|it| it.release == previous.release && it.app == app && it.is_running()).count()
        };
        Ok(new || previous.apps.iter().any(|app| u32::try_from(runs(&app.app)).unwrap_or(u32::MAX) < app.run.replicas))
    }

    async fn open(&self, index: u32) -> Result<StepLog, Setback> {
        self.still_owner()?;
        Ok(self.ctx.reporter.start(index).await?)
    }

    /// Waits for `waiting`, unless the lease is lost meanwhile.
    async fn while_owner<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Setback> {
        tokio::select! {
            biased;
            () = self.ctx.reporter.lease().lost().cancelled() => Err(Setback::Abandoned),
            done = waiting => Ok(done),
        }
    }

    /// Waits for `waiting`, unless the job is stopped meanwhile. Only waits may be cut off, never a change.
    async fn unless_stopped<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Setback> {
        tokio::select! {
            biased;
            () = self.ctx.cancel.cancelled() => Err(self.stopped()),
            done = waiting => Ok(done),
        }
    }

    /// To be asked before every change: whether the environment is still this job's to touch.
    fn still_owner(&self) -> Result<(), Setback> {
        if self.ctx.reporter.lease().lost().is_cancelled() { Err(Setback::Abandoned) } else { Ok(()) }
    }

    /// To be asked before every change that goes forward: whether the job is to go on.
    fn go_on(&self) -> Result<(), Setback> {
        if self.ctx.cancel.is_cancelled() { Err(self.stopped()) } else { self.still_owner() }
    }

    fn stopped(&self) -> Setback {
        if self.ctx.reporter.lease().lost().is_cancelled() { Setback::Abandoned } else { Setback::Cancelled }
    }

    /// The beginning of a line of a log that is of several apps.
    fn whose(&self, app: &str) -> String {
        if self.work.release.apps.len() > 1 { format!("{app}: ") } else { String::new() }
    }

    fn previous_app(&self, name: &str) -> Option<&ReleasedApp> {
        self.work.previous.as_ref().and_then(|previous| previous.apps.iter().find(|app| app.app == name))
    }

    /// How long an old container of the app may finish its requests.
    fn drain_limit(&self, app: &str) -> std::time::Duration {
        let next = || self.work.release.apps.iter().find(|released| released.app == app);
        let run = self.previous_app(app).or_else(next).map(|released| &released.run);
        std::time::Duration::from_millis(run.map_or(slipway_pipelines::release::DEFAULT_DRAIN_MS, |run| run.drain_ms))
    }
}

/// What came of a step that has ended.
fn outcome(ended: &StepResult) -> Result<(), Setback> {
    match ended.outcome {
        StepOutcome::Succeeded => Ok(()),
        StepOutcome::Cancelled => Err(Setback::Cancelled),
        StepOutcome::Failed | StepOutcome::Skipped => Err(Setback::Failed(ended.reason.clone().unwrap_or_default())),
    }
}

/// Ends a step with what came of it, and passes that on.
async fn close(log: StepLog, outcome: Result<(), Setback>) -> Result<(), Setback> {
    let result = match &outcome {
        Ok(()) => StepResult::succeeded(),
        Err(Setback::Failed(reason)) => StepResult::failed(reason),
        Err(Setback::Cancelled) => StepResult::of(StepOutcome::Cancelled),
        Err(Setback::Abandoned | Setback::EngineAway) => return outcome,
    };
    log.finish(result).await?;
    outcome
}

async fn is_away(engine: &Engine) -> bool {
    Engine::connect(Some(engine.address())).await.is_err()
}

/// The containers of one app.
fn of_app(instances: Vec<Instance>, app: &str) -> Vec<Instance> {
    instances.into_iter().filter(|instance| instance.app == app).collect()
}

/// How a container is named in logs.
fn title(instance: &Instance, release: &ReleaseContent) -> String {
    if instance.release == release.release {
        format!("replica {}", instance.replica)
    } else {
        format!("the old {}", instance.name)
    }
}
