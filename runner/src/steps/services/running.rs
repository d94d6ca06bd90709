//! One service that runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{container::LogOutput, models::HealthConfig};
use futures_util::StreamExt;
use slipway_pipelines::{
    config::{Ready, ReadyProbe},
    plan::PlannedService,
    release::DEFAULT_START_MS,
};
use tokio::{
    sync::{OnceCell, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    ServiceStart,
    ready::Prober,
    tail::{self, Tail},
};
use crate::{
    coordinator::LogStream,
    engine::{self, Engine},
    reporter::StepLog,
    steps::{
        Blueprint, Patience, Site, StepError,
        container::{ContainerGuard, Output},
        found::FoundStage,
        handing::Secrets,
    },
};

/// How often the engine runs a service's health command, in milliseconds.
const HEALTH_INTERVAL_MS: u64 = 500;
/// What is asked of a service that does not say how to tell.
const BY_ITSELF: Ready = Ready { probe: ReadyProbe::Container, start_ms: DEFAULT_START_MS };

/// The command by which the engine tells whether a service is ready, where that is how it is asked. The engine knows no
/// secrets: what may need them the runner runs itself.
fn health_command(ready: &Ready, secrets: &Secrets) -> Option<HealthConfig> {
    let ReadyProbe::Command { command } = &ready.probe else { return None };
    if !secrets.is_empty() {
        return Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() });
    }
    Some(engine::health_command(command, HEALTH_INTERVAL_MS, ready.start_ms))
}

/// A container that goes on until this is dropped.
#[derive(Debug)]
pub(super) struct RunningService {
    name: String,
    container: ContainerGuard,
    /// Whether an earlier life of the runner started it.
    is_found: bool,
    since: Instant,
    ready: OnceCell<Result<(), StepError>>,
    tail: Arc<Mutex<Tail>>,
    /// Its exit code, or why nobody knows it, once it has ended.
    ended: watch::Receiver<Option<String>>,
    reader: JoinHandle<()>,
}

impl Drop for RunningService {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl RunningService {
    /// Makes the container and starts it.
    pub(super) async fn start(
        site: &Site,
        container_name: String,
        service: &PlannedService,
        start: &ServiceStart,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Self, StepError> {
        if start.built.is_none() {
            site.fetch(&service.image, log, patience.cancel()).await?;
        }
        let env = service.env.iter().map(|(name, value)| format!("{name}={value}"));
        let blueprint = Blueprint {
            name: container_name,
            labels: site.origin.service(&service.name),
            image: start.built.clone().unwrap_or_else(|| service.image.clone()),
            command: service.command.clone(),
            env: env.collect(),
            links: site.services.links(&site.origin, &service.app),
            health: service.ready.as_ref().and_then(|ready| health_command(ready, &start.secrets)),
            ..Blueprint::default()
        };
        let container = site.create_waiting(blueprint, &start.secrets).await?;
        let output = site.attach(container.id()).await?;
        site.start(container.id()).await.map_err(|error| site.explained(error, &start.secrets))?;
        patience.bear(site.hand_over(&container, &start.secrets)).await?;
        Ok(Self::follow(site, container, output, service, log))
    }

    /// Takes over the container that an earlier life of the runner made, unless it was stopped from outside meanwhile.
    pub(super) async fn find(
        site: &Site,
        container_name: &str,
        service: &PlannedService,
        start: &ServiceStart,
        log: &StepLog,
    ) -> Result<Option<Self>, StepError> {
        let Some(found) = site.find(container_name).await? else { return Ok(None) };
        match found.stage {
            FoundStage::Stopped => return Ok(None),
            FoundStage::Made => {
                site.start(found.container.id()).await?;
                site.hand_over(&found.container, &start.secrets).await?;
            }
            FoundStage::Running => site.hand_over_again(&found.container, &start.secrets).await,
            FoundStage::Ended => {}
        }
        let output = site.read_again(found.container.id(), Some(tail::LINES));
        let mut running = Self::follow(site, found.container, output, service, log);
        running.is_found = true;
        Ok(Some(running))
    }

    fn follow(site: &Site, container: ContainerGuard, output: Output, service: &PlannedService, log: &StepLog) -> Self {
        let tail = Arc::new(Mutex::new(Tail::new(log.masks())));
        let (tell, ended) = watch::channel(None);
        let reading = read(site.engine.clone(), container.id().to_owned(), output, tail.clone(), tell);
        RunningService {
            name: service.name.clone(),
            container,
            is_found: false,
            since: Instant::now(),
            ready: OnceCell::new(),
            tail,
            ended,
            reader: tokio::spawn(reading),
        }
    }

    /// Waits until it is ready; how long that took, the first time.
    pub(super) async fn ready(
        &self,
        site: &Site,
        ready: Option<&Ready>,
        secrets: &Secrets,
    ) -> Result<Option<Duration>, StepError> {
        let mut first = None;
        let waited = self.ready.get_or_init(|| async {
            let waited = self.wait(site, ready.unwrap_or(&BY_ITSELF), secrets).await;
            // How long one took that was there already nobody knows.
            first = (!self.is_found).then(|| self.since.elapsed());
            waited
        });
        waited.await.clone()?;
        Ok(first)
    }

    async fn wait(&self, site: &Site, ready: &Ready, secrets: &Secrets) -> Result<(), StepError> {
        let network = site.network.name().await?;
        let is_closed = site.limits.network.is_closed();
        let prober = Prober { engine: &site.engine, id: self.container.id(), network: &network, is_closed, secrets };
        tokio::select! {
            biased;
            error = self.ended() => Err(error),
            late = prober.wait(&ready.probe, self.since, Duration::from_millis(ready.start_ms)) => {
                late.map_err(|why| StepError::Other(format!("the service {} {why}", self.name)))
            }
        }
    }

    /// Waits until it has ended, which it should not.
    pub(super) async fn ended(&self) -> StepError {
        let mut ended = self.ended.clone();
        let how = match ended.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => "ended".to_owned(),
        };
        StepError::Other(format!("the service {} {how} while it was needed", self.name))
    }

    /// What it wrote last.
    pub(super) fn last_lines(&self) -> Vec<(LogStream, String)> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }
}

/// Takes in what a service writes, until it ends, and tells how it did.
async fn read(
    engine: Engine,
    id: String,
    mut output: Output,
    tail: Arc<Mutex<Tail>>,
    tell: watch::Sender<Option<String>>,
) {
    let tail = || tail.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some(Ok(piece)) = output.next().await {
        match piece {
            LogOutput::StdErr { message } => tail().feed(LogStream::Err, &message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => tail().feed(LogStream::Out, &message),
            LogOutput::StdIn { .. } => {}
        }
    }
    tail().finish();
    // The output may end a moment before the container does.
    let how = match engine.wait_container(&id, None).next().await {
        Some(Ok(ended)) => format!("ended with exit code {}", ended.status_code),
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => {
            format!("ended with exit code {code}")
        }
        Some(Err(error)) => format!("cannot be followed any more ({})", engine.error("wait for it", &error)),
        None => "ended".to_owned(),
    };
    // Nobody listens any more when the build has ended.
    let _ = tell.send(Some(how));
}
