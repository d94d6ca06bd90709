//! The containers beside an app's steps.

use super::{PlanError, PlannedService, instances::Instance, steps::Lowering};
use crate::{
    config::{Ready, ReadyProbe},
    images,
    release::{Probe, ReleaseSettings, RunSpec},
};

/// The services that an app declares. What image of the build each runs is not said yet.
pub(super) fn declared(instance: &Instance<'_>, lowering: &Lowering<'_>) -> Result<Vec<PlannedService>, PlanError> {
    let texts = instance.texts();
    let services = instance.app.services.iter().map(|service| {
        Ok(PlannedService {
            app: instance.name.clone(),
            name: service.name.clone(),
            image: texts.checked("the service's image", &service.image, images::check)?,
            built: None,
            env: texts.pairs(&service.env)?,
            secrets: lowering.secrets(&service.secrets, &[]),
            command: service.command.clone(),
            ready: service.ready.clone(),
        })
    });
    services.collect()
}

/// The service that a step of `user` gets by starting an app: as it runs where it is released. It is the just-built image
/// where there is one, and what the registry holds where not.
pub(super) fn started(
    user: &Instance<'_>,
    app: &Instance<'_>,
    is_built: bool,
    lowering: &Lowering<'_>,
) -> PlannedService {
    let settings = ReleaseSettings::default();
    let settings = app.app.release.as_ref().unwrap_or(&settings);
    let run = RunSpec::resolve(&[settings]);
    let probe = match (run.health.probe, run.port) {
        (Probe::Http { path }, Some(port)) => ReadyProbe::Http { port, path },
        (Probe::Tcp, Some(port)) => ReadyProbe::Tcp { port },
        (Probe::Command { command }, _) => ReadyProbe::Command { command },
        _ => ReadyProbe::Container,
    };
    PlannedService {
        app: user.name.clone(),
        name: app.app.name.clone(),
        image: if is_built { String::new() } else { app.image.clone() },
        built: is_built.then(|| app.name.clone()),
        env: run.env.into_iter().collect(),
        secrets: lowering.secrets(&run.secrets, &[]),
        command: run.command,
        ready: Some(Ready { probe, start_ms: run.health.start_ms }),
    }
}
