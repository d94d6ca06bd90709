//! Looking after one environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Heard, Lease, Means,
    ailment::{Ailment, Remedy},
    answers::Answers,
    bake::{Baking, speaks_against},
    care::Care,
    leaving::Leaving,
    swarm::Services,
    sweep::Sweep,
};
use crate::{
    coordinator::{EnvironmentReport, HostedEnvironment, ReleasedApp, ReplicaReport},
    engine::Engine,
    rollouts::health::Prober,
    targets::{
        Target,
        docker::{DockerTarget, EnvironmentNames, Instance, Placement, Replica, TargetError},
    },
};

/// The shortest and the longest between two looks.
const BRISK: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_secs(10);
/// How many replicas are probed, or put right, at once.
pub(super) const AT_ONCE: usize = 16;
/// The longest that one that hangs may take to end, however long its app may.
const SICK_GRACE: Duration = Duration::from_secs(100);
/// How soon a report that was not taken is sent again.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How long the server may take to hear a report.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// The replica of an app, from 1.
pub(super) type Which = (String, u32);

/// Looks after one environment as long as one release is live there.
pub(super) struct Keeper {
    pub(super) wanted: Arc<HostedEnvironment>,
    pub(super) target: Target,
    pub(super) means: Arc<Means>,
    pub(super) stop: CancellationToken,
    pub(super) prober: Prober,
    lease: Lease,
    pub(super) cares: BTreeMap<Which, Care>,
    /// The ids of containers that were connected anew, as far as was heard.
    pub(super) connected: BTreeSet<String>,
    pub(super) names_due: Instant,
    told: Vec<ReplicaReport>,
    tell_after: Instant,
    /// While what is live bakes, and nothing was found wanting.
    pub(super) baking: Option<Baking>,
    pub(super) answers: Answers,
    /// From when on nothing is on its way to lanes at the proxy that nobody needs; none where all of those are closed.
    pub(super) lanes_due: Option<Instant>,
    /// What was found wanting, until it is told.
    breach: Option<String>,
    pub(super) leaving: Leaving,
    pub(super) sweep: Sweep,
    pub(super) services: Services,
}

/// Something that is wrong with a replica, and the container that was found in its place.
pub(super) type Case = (Ailment, Option<Instance>);

impl Keeper {
    /// A keeper, once the engine answers; none when it is not wanted any more by then.
    pub(super) async fn open(
        wanted: HostedEnvironment,
        means: Arc<Means>,
        lease: Lease,
        stop: CancellationToken,
    ) -> Option<Self> {
        let engine = loop {
            match Engine::connect(means.docker_host.as_deref()).await {
                Ok(engine) => break engine,
                Err(error) => tracing::debug!(%error, "an environment waits for the engine"),
            }
            stop.run_until_cancelled(tokio::time::sleep(BRISK)).await?;
        };
        let placement = Placement {
            runner: means.runner.clone(),
            environment: wanted.environment.clone(),
            names: EnvironmentNames::new(&wanted.environment, &wanted.environment_name),
        };
        let target =
            Target::new(wanted.release.target(), engine, placement, wanted.registries.clone(), wanted.secrets.clone());
        let prober = Prober::new().inspect_err(|problem| tracing::error!(problem, "no container can be asked")).ok()?;
        let (told, tell_after) = (wanted.known.clone(), Instant::now());
        let baking = wanted.bake.as_ref().map(Baking::begin);
        Some(Keeper {
            wanted: Arc::new(wanted),
            target,
            means,
            stop,
            prober,
            lease,
            cares: BTreeMap::new(),
            connected: BTreeSet::new(),
            names_due: tell_after,
            told,
            tell_after,
            baking,
            answers: Answers::new(),
            lanes_due: Some(tell_after),
            breach: None,
            leaving: Leaving::default(),
            sweep: Sweep::new(),
            services: Services::default(),
        })
    }

    /// Looks after the environment until it is told to stop: never in the middle of a change.
    pub(super) async fn run(mut self, mut hears: UnboundedReceiver<Heard>) {
        while !self.stop.is_cancelled() {
            if self.lease.holds() {
                self.look_after().await;
            }
            let pause = self.pause();
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                Some(heard) = hears.recv() => self.hear(&heard),
            }
            while let Ok(heard) = hears.try_recv() {
                self.hear(&heard);
            }
        }
        self.leaving.stop().await;
    }

    fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Connected(container) => drop(self.connected.insert(container.clone())),
            Heard::Updated(name) => drop(self.sweep.suspects.insert(name.clone())),
            Heard::Ended(_) | Heard::Changed => {}
        }
        let wanted = self.wanted.clone();
        for replica in replicas(&wanted) {
            if *heard == Heard::Ended(self.target.replica_name(replica)) {
                self.care(&which(replica)).is_suspect = true;
            }
        }
    }

    pub(super) fn care(&mut self, which: &Which) -> &mut Care {
        let known = || self.told.iter().find(|told| (&told.app, told.replica) == (&which.0, which.1));
        let trouble = || known().and_then(|told| told.trouble.clone());
        self.cares.entry(which.clone()).or_insert_with(|| Care::begin(trouble(), Instant::now()))
    }

    /// How long nothing needs to be looked at, unless the engine tells something.
    fn pause(&self) -> Duration {
        let checks = self.wanted.release.apps.iter().map(|app| Duration::from_millis(app.run.health.interval_ms));
        let usual = checks.min().unwrap_or(SLOW).clamp(BRISK, SLOW);
        if self.cares.values().any(Care::is_pressing) { BRISK } else { usual }
    }

    /// One look, and what it leads to. What is sick is taken out of the routes before it is touched.
    async fn look_after(&mut self) {
        let looked = async {
            let instances = self.target.instances().await?;
            self.compare_services().await?;
            let mut cases = self.diagnose(&instances).await?;
            if !cases.is_empty() {
                self.lead(&instances).await;
            }
            self.look_for_ends(&instances).await?;
            self.probe(&instances, &mut cases).await?;
            self.sweep(&instances, &mut cases).await?;
            Ok::<_, TargetError>((instances, cases))
        };
        let (instances, mut cases) = match looked.await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "an environment cannot be looked at; trying again"),
        };
        self.lead(&instances).await;
        self.close_lanes().await;
        self.judge(&instances, &cases).await;
        match self.target.clone() {
            Target::Docker(docker) => {
                let now = Instant::now();
                let is_due =
                    |care: &Care, ailment: &Ailment| care.may_be_treated(now) && ailment.remedy() != Remedy::Wait;
                cases.retain(|which, (ailment, _)| is_due(self.care(which), ailment));
                self.one_at_a_time(&docker, &instances, &mut cases);
                self.leave_stand_ins(&instances, &mut cases);
                if !cases.is_empty() && self.is_confirmed().await {
                    self.treat(&docker, cases, &instances).await;
                }
                self.let_go(&docker, &instances).await;
            }
            Target::Swarm(swarm) => {
                self.put_services_right(&swarm, &cases).await;
                self.leave_to_swarm(&cases);
                self.remove_stray_services(&swarm, &instances).await;
            }
        }
        self.tell(&instances).await;
    }

    /// Judges what is live while it bakes. What is found wanting once is enough.
    async fn judge(&mut self, instances: &[Instance], cases: &BTreeMap<Which, Case>) {
        if self.services.are_altered() {
            return;
        }
        let Some(mut baking) = self.baking.take().filter(|baking| !baking.is_over()) else { return };
        let ill = cases.iter().find_map(|(which, (ailment, _))| speaks_against(which, ailment));
        let judged = match ill {
            Some(ill) => Ok(Some(ill)),
            None => {
                let own: Vec<Instance> = instances.iter().filter(|it| self.is_in_place(it)).cloned().collect();
                match baking.judge(&self.target, &own).await {
                    Ok(None) => Ok(self.judge_answers(baking.limits(), cases).await),
                    judged => judged,
                }
            }
        };
        self.breach = judged.unwrap_or_else(|error| {
            tracing::debug!(%error, "what bakes cannot be judged; trying again");
            None
        });
        match &self.breach {
            Some(found) => {
                tracing::warn!(environment = self.wanted.environment, found, "what is live does not bake well");
            }
            None => self.baking = Some(baking),
        }
    }

    /// Whether the server still wants what this keeper keeps. Where it does not answer, its last answer counts as long as the
    /// lease holds.
    pub(super) async fn is_confirmed(&self) -> bool {
        let asked = Instant::now();
        match self.means.ask().await {
            Ok(hosting) => {
                self.lease.extend(asked + Duration::from_millis(hosting.lease_ms));
                let release = &self.wanted.release.release;
                hosting
                    .environments
                    .iter()
                    .any(|it| it.environment == self.wanted.environment && it.release.release == *release)
            }
            Err(reason) => {
                tracing::debug!(reason, "the server does not confirm what is to run");
                self.lease.holds()
            }
        }
    }

    /// Puts right what can be put right, side by side.
    async fn treat(&mut self, docker: &DockerTarget, mut cases: BTreeMap<Which, Case>, instances: &[Instance]) {
        let wanted = self.wanted.clone();
        if let Err(error) = docker.ensure_network().await {
            return tracing::warn!(%error, "an environment's network cannot be made; trying again");
        }
        let keeper = &*self;
        let mut treating = Vec::with_capacity(cases.len());
        for replica in replicas(&wanted) {
            let Some((ailment, found)) = cases.remove(&which(replica)) else { continue };
            treating.push(async move {
                let done = keeper.treat_one(docker, replica, (&ailment, found.as_ref()), instances).await;
                (replica, ailment, done)
            });
        }
        let treated: Vec<_> = stream::iter(treating).buffer_unordered(AT_ONCE).collect().await;
        for (replica, ailment, done) in treated {
            let name = self.target.replica_name(replica);
            let done = match done {
                Ok(false) => continue,
                Ok(true) => ailment.done().to_owned(),
                Err(error) => format!("could not put it right: {error}"),
            };
            tracing::info!(container = name, found = %ailment, done, "a replica was not as it should be");
            self.care(&which(replica)).was_treated(&ailment, done, Instant::now());
        }
    }

    /// False when a rollout wants the environment before anything was done.
    async fn treat_one(
        &self,
        docker: &DockerTarget,
        replica: Replica<'_>,
        (ailment, found): (&Ailment, Option<&Instance>),
        instances: &[Instance],
    ) -> Result<bool, TargetError> {
        let ReleasedApp { app, image, digest, .. } = replica.app;
        let name = docker.container_name(replica);
        if !docker.has_image(image, digest).await? {
            // Only waits may be cut off.
            match self.stop.run_until_cancelled(docker.pull(image, digest)).await {
                Some(pulled) => pulled?,
                None => return Ok(false),
            }
        }
        if self.stop.is_cancelled() {
            return Ok(false);
        }
        match (ailment.remedy(), found) {
            (Remedy::Wait, _) => return Ok(false),
            (Remedy::Attach, _) => docker.attach(&name, app).await?,
            (Remedy::Relieve, Some(sick)) if self.may_stand_beside(docker, sick, instances) => {
                docker.relieve(sick).await?;
                docker.ensure_running(replica).await?;
            }
            (Remedy::Relieve, _) => {
                let drain = Duration::from_millis(replica.app.run.drain_ms);
                // Nobody is looked after meanwhile, and one that hangs has nothing to finish.
                let grace = if matches!(ailment, Ailment::Unhealthy(_)) { drain.min(SICK_GRACE) } else { drain };
                // Only waits may be cut off: one that was told to end does so.
                match self.stop.run_until_cancelled(docker.stop(&name, grace)).await {
                    Some(stopped) => stopped?,
                    None => return Ok(false),
                }
                docker.remove(&name).await?;
                docker.ensure_running(replica).await?;
            }
            (Remedy::Replace, _) => {
                docker.remove(&name).await?;
                docker.ensure_running(replica).await?;
            }
            (Remedy::MoveAside, Some(intruder)) => {
                docker.move_aside(intruder).await?;
                docker.ensure_running(replica).await?;
            }
            (Remedy::MoveAside | Remedy::Run, _) => {
                if let Err(problem) = docker.ensure_running(replica).await {
                    tracing::info!(%problem, container = name, "it cannot be started as it is, and is made anew");
                    docker.remove(&name).await?;
                    docker.ensure_running(replica).await?;
                }
            }
        }
        Ok(true)
    }

    /// Tells the server how the replicas stand, if that is news.
    async fn tell(&mut self, instances: &[Instance]) {
        let wanted = self.wanted.clone();
        let mut reports = Vec::new();
        for replica in replicas(&wanted) {
            let container = self.target.replica_name(replica);
            let care = self.care(&which(replica));
            let (condition, trouble, lasts) = (care.condition(), care.trouble(), care.lasts(Instant::now()));
            let restarts = care.restarts();
            let address = instances.iter().find(|it| it.name == container).and_then(|it| it.upstream.clone());
            let (app, replica) = which(replica);
            reports.push(ReplicaReport { app, replica, container, address, condition, trouble, lasts, restarts });
        }
        if (reports == self.told && self.breach.is_none()) || Instant::now() < self.tell_after {
            return;
        }
        let report = EnvironmentReport {
            runner: self.means.runner.clone(),
            environment: self.wanted.environment.clone(),
            release: self.wanted.release.release.clone(),
            replicas: reports.clone(),
            breach: self.breach.clone(),
        };
        let told = tokio::time::timeout(TELL_WITHIN, self.means.coordinator.report_environment(report)).await;
        if !matches!(told, Ok(Ok(()))) {
            self.tell_after = Instant::now() + TELL_AGAIN_AFTER;
            return;
        }
        self.breach = None;
        for told in &mut reports {
            if let Some(care) = self.cares.get_mut(&(told.app.clone(), told.replica)) {
                care.was_told(told.trouble.as_ref());
            }
            told.trouble = told.trouble.take().filter(|trouble| !trouble.over);
        }
        self.told = reports;
    }
}

/// The replicas that an environment is to have.
pub(super) fn replicas(wanted: &HostedEnvironment) -> Vec<Replica<'_>> {
    let release = &wanted.release;
    let mut replicas = Vec::new();
    for app in &release.apps {
        replicas.extend((1..=app.run.replicas).map(|number| Replica { release, app, number }));
    }
    replicas
}

pub(super) fn which(replica: Replica<'_>) -> Which {
    (replica.app.app.clone(), replica.number)
}
