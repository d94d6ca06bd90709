//! The queue's loops, and the runner that lives in the server's own process.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc};

use slipway_runner::{
    RunnerConfig,
    proxy::{ProxyConfig, SwitchConfig},
};
use tokio_util::task::TaskTracker;

use super::{AppState, StartError, state::timing};
use crate::{
    config::{Config, ProxySettings},
    departures,
    queue::run_rescuer,
    releases, retention, schedules,
};

/// Starts the rescuer, the keepers of what is stored, of schedules and of environments' gates and, where it is enabled, the
/// embedded runner, whose id it returns. All of them end at the server's shutdown.
pub(super) fn start(state: &AppState, data_dir: &Path, loops: &TaskTracker) -> Result<Option<String>, StartError> {
    loops.spawn(run_rescuer(state.store.clone(), timing(&state.config), state.shutdown.clone()));
    let watch = Arc::clone(&state.watch);
    loops.spawn(retention::run_keeper(state.store.clone(), state.config.retention, watch, state.shutdown.clone()));
    loops.spawn(departures::run_remover(state.store.clone(), state.shutdown.clone()));
    loops.spawn(schedules::run_keeper(state.store.clone(), state.shutdown.clone()));
    loops.spawn(releases::run_gatekeeper(state.store.clone(), state.shutdown.clone()));
    if !state.config.runner.enabled {
        return Ok(None);
    }
    let config = runner_config(&state.config, data_dir)?;
    let id = config.id.clone();
    let coordinator = Arc::new(state.coordinator.clone());
    let shutdown = state.shutdown.clone();
    loops.spawn(async move {
        if let Err(error) = slipway_runner::run(config, coordinator, shutdown).await {
            tracing::error!(%error, "the embedded runner ended; jobs wait until the server is started again");
        }
    });
    Ok(Some(id))
}

fn runner_config(config: &Config, data_dir: &Path) -> Result<RunnerConfig, StartError> {
    let folder = data_dir.join("runner");
    let file = folder.join("id");
    let id = identity(&folder, &file).map_err(|source| StartError::RunnerIdentity { path: file, source })?;
    Ok(RunnerConfig {
        id,
        name: config.runner.name.clone(),
        data_dir: folder,
        capacity: config.runner.capacity,
        labels: config.runner.labels.clone(),
        builds_only: config.runner.builds_only,
        internal_hosts: config.runner.internal_hosts.clone(),
        step_hosts: config.runner.step_hosts.clone(),
        docker_host: config.runner.docker_host.clone(),
        proxy: proxy_config(&config.proxy),
        at_shutdown: config.runner.at_shutdown,
        limits: config.runner.limits(),
    })
}

pub(crate) fn proxy_config(settings: &ProxySettings) -> Option<ProxyConfig> {
    let switch = settings.switch.clone().map(|switch| SwitchConfig { admin: switch.admin, socket: switch.socket });
    settings.caddy_admin.clone().map(|admin| ProxyConfig { admin, listen: settings.listen.clone(), switch })
}

/// The same after every restart: by it the runner finds again what it left on the engine.
fn identity(folder: &Path, file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(id) if id.trim().parse::<ulid::Ulid>().is_ok() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = ulid::Ulid::generate().to_string();
    // What lies below are the sources of every repository.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = file.with_extension("new");
    fs::write(&draft, &id)?;
    fs::rename(&draft, file)?;
    Ok(id)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::identity;

    #[test]
    fn a_runner_stays_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("runner"), dir.path().join("runner/id"));
        let first = identity(&folder, &file).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "sources are nobody else's");
        assert_eq!(identity(&folder, &file).unwrap(), first);
        std::fs::write(&file, "").unwrap();
        assert_ne!(identity(&folder, &file).unwrap(), first, "an empty file is no identity");
    }
}
