//! The containers that run beside steps: a database for the tests, the app that is tested.
//!
//! A service starts when the first step that names it begins, and goes on until the build ends. Its name is an address
//! that only the containers of its own app know: each of them is given it as a link of the build's network.

mod ready;
mod running;
mod tail;

use std::sync::OnceLock;

use futures_util::future::try_join_all;
use slipway_pipelines::plan::PlannedService;
use tokio::sync::OnceCell;

use self::running::RunningService;
use super::{Patience, Site, StepError};
use crate::{engine::labels::Origin, reporter::StepLog};

/// A service that runs, or is being started, or is known not to start.
type Slot = OnceCell<Result<RunningService, StepError>>;

/// The services of one build, once it has a plan.
#[derive(Debug, Default)]
pub(super) struct Services(OnceLock<Vec<(PlannedService, Slot)>>);

/// A service as a step asks for it.
#[derive(Clone)]
pub(crate) struct ServiceStart {
    /// The app whose it is.
    pub(crate) app: String,
    /// Its name.
    pub(crate) name: String,
    /// The id of the just-built image that it runs, where it runs one.
    pub(crate) built: Option<String>,
    /// Its secrets.
    pub(crate) secrets: Vec<(String, String)>,
}

impl std::fmt::Debug for ServiceStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceStart").field("app", &self.app).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Services {
    fn all(&self) -> &[(PlannedService, Slot)] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// The names of an app's services as links: the engine looks up the container behind one when it is asked for it, so
    /// that a container may be made before its services are.
    pub(super) fn links(&self, origin: &Origin, app: &str) -> Vec<String> {
        let of_app = self.all().iter().enumerate().filter(|(_, (service, _))| service.app == app);
        of_app.map(|(at, (service, _))| origin.service_link(at, &service.name)).collect()
    }

    fn find(&self, app: &str, name: &str) -> Option<(usize, &PlannedService, &Slot)> {
        let mut all = self.all().iter().enumerate();
        let (at, (service, slot)) = all.find(|(_, (service, _))| service.app == app && service.name == name)?;
        Some((at, service, slot))
    }

    /// Lets all of them go.
    pub(super) fn clear(&mut self) {
        self.0.take();
    }
}

impl Site {
    /// Says, before any step begins, which services the plan has.
    pub(crate) fn plan_services(&self, planned: &[PlannedService]) {
        let planned = planned.iter().map(|service| (service.clone(), OnceCell::new()));
        // The plan is made once.
        let _ = self.services.0.set(planned.collect());
    }

    /// The service of an app with this name, as the plan has it.
    pub(crate) fn planned_service(&self, app: &str, name: &str) -> Option<&PlannedService> {
        self.services.find(app, name).map(|(_, service, _)| service)
    }

    /// Starts those of the services that do not run yet, and waits until all of them are ready.
    pub(crate) async fn start_services(
        &self,
        wanted: &[ServiceStart],
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(), StepError> {
        let starting = wanted.iter().map(|start| self.start_service(start, log, patience));
        let started = patience.bear(try_join_all(starting)).await;
        if started.as_ref().is_err_and(|error| *error != StepError::Cancelled) {
            self.tell_last_lines(wanted, log).await;
        }
        started.map(drop)
    }

    /// Waits until one of the services has ended, which none of them should.
    pub(crate) async fn service_ended(&self, wanted: &[ServiceStart]) -> StepError {
        let running = wanted.iter().filter_map(|start| self.running(start));
        let ends: Vec<_> = running.map(|service| Box::pin(service.ended())).collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(ends).await.0
    }

    /// Writes the last lines of the services to the log of a step that failed.
    pub(crate) async fn tell_last_lines(&self, wanted: &[ServiceStart], log: &StepLog) {
        for start in wanted {
            let Some(service) = self.running(start) else { continue };
            let lines = service.last_lines();
            let intro = if lines.is_empty() { "wrote nothing" } else { "wrote at last:" };
            log.say(format!("the service {} {intro}", start.name)).await;
            for (stream, line) in lines {
                log.line(stream, format!("{} | {line}", start.name)).await;
            }
        }
    }

    fn running(&self, start: &ServiceStart) -> Option<&RunningService> {
        self.services.find(&start.app, &start.name)?.2.get()?.as_ref().ok()
    }

    async fn start_service(&self, start: &ServiceStart, log: &StepLog, patience: &Patience) -> Result<(), StepError> {
        let Some((at, service, slot)) = self.services.find(&start.app, &start.name) else {
            return Err(StepError::Other(format!("the plan has no service `{}`: the plan is wrong", start.name)));
        };
        // What kept it from starting once is told to every step that needs it, and not tried again.
        let begun = slot.get_or_init(|| async {
            let name = self.origin.service_container(at);
            if let Some(running) = RunningService::find(self, &name, service, start, log).await? {
                return Ok(running);
            }
            log.say(format!("starting the service {}", service.name)).await;
            RunningService::start(self, name, service, start, log, patience).await
        });
        let running = begun.await.as_ref().map_err(Clone::clone)?;
        if let Some(took) = running.ready(self, service.ready.as_ref(), &start.secrets).await? {
            log.say(format!("the service {} is ready after {:.1} s", service.name, took.as_secs_f64())).await;
        }
        Ok(())
    }
}
