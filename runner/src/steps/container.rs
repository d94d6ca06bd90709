//! A `docker run` line as a container of its own.

use std::pin::Pin;

use bollard::{container::LogOutput, errors::Error, query_parameters::AttachContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use slipway_pipelines::config::ContainerRun;

use super::{
    Blueprint, Patience, Provisions, Site, StepError,
    blueprint::Wishes,
    found::{Found, FoundStage, GONE},
    mounts::has_partial,
    output::{pump, pump_again},
};
use crate::{engine::Engine, reporter::StepLog, steps::Leftovers, workspace::Links};

/// The largest `--env-file`, in bytes.
const ENV_FILE_LIMIT: u64 = 1024 * 1024;

/// What a container writes.
pub(super) type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// Removes its container in the background when it is dropped, whichever way its step ends.
#[derive(Debug)]
pub(super) struct ContainerGuard {
    engine: Engine,
    leftovers: Leftovers,
    id: String,
}

impl ContainerGuard {
    pub(super) fn new(site: &Site, id: String) -> Self {
        ContainerGuard { engine: site.engine.clone(), leftovers: site.leftovers.clone(), id }
    }

    /// The container's id: another one may bear its name by the time that it is removed.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for ContainerGuard {
    fn drop(&mut self) {
        let (engine, leftovers, id) = (self.engine.clone(), self.leftovers.clone(), std::mem::take(&mut self.id));
        let removal = async move { leftovers.remove_container(&engine, &id).await };
        self.leftovers.spawn(removal);
    }
}

/// A `docker run` line of an app.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContainerCommand<'a> {
    /// The app.
    pub(crate) app: &'a str,
    /// What it asks for.
    pub(crate) run: &'a ContainerRun,
    /// The id of the image to run in place of the one named, when the build has just made that one.
    pub(crate) built: Option<&'a str>,
    /// What it is given besides.
    pub(crate) provisions: &'a Provisions,
}

impl Site {
    /// Runs a `docker run` line to its end and writes its output to the log. One that an earlier life of the runner
    /// started is followed to its end.
    pub(crate) async fn run_container(
        &self,
        command: ContainerCommand<'_>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(), StepError> {
        let (mut made, mut started) = (None, None);
        if log.is_resumed() {
            match self.adoptable(command, log).await? {
                Some(found) if found.stage == FoundStage::Made => made = Some(found.container),
                Some(found) => {
                    if found.stage == FoundStage::Running {
                        let again = self.hand_over_again(&found.container, &command.provisions.secrets);
                        let told = async {
                            again.await;
                            Ok(())
                        };
                        patience.bear(told).await?;
                    }
                    started = Some(found.container);
                }
                None => log.begin_again(GONE).await,
            }
        }
        // 1. Made and attached to before it starts, so that not a byte of its output is missed.
        let ((container, output), _running) = if let Some(container) = started {
            ((container, None), self.calm.read().await)
        } else {
            if command.built.is_none() {
                let pulled = self.fetch(&command.run.image, log, patience.cancel());
                patience.bear(pulled).await?;
            }
            let going = Box::pin(self.set_going(command, made, log, patience));
            if has_partial(&command.run.mounts) {
                self.in_stillness(going).await?
            } else {
                let running = self.calm.read().await;
                (going.await?, running)
            }
        };
        // 2. Its output ends when it does.
        let reading = async {
            let read = match output {
                Some(output) => pump(output, log).await,
                None => pump_again(&self.engine, container.id(), log).await,
            };
            Ok(read.map_err(|error| self.engine.error("read the output", &error))?)
        };
        if let Err(error) = patience.bear(reading).await {
            let error = self.judged(error).await;
            if error != StepError::EngineLost {
                self.end_at_once(&container).await;
            }
            return Err(error);
        }
        // 3. What it said at its end. It stays until the server knows that, too.
        let exit = self.exit_of(container.id(), command.run).await;
        self.keep(log.index(), container);
        exit
    }

    /// What an earlier life of the runner made for the step, unless it is of no more use.
    async fn adoptable(&self, command: ContainerCommand<'_>, log: &StepLog) -> Result<Option<Found>, StepError> {
        let found = self.find(&self.origin.container(log.index())).await?;
        // What leads to the runner's own socket led to that of the earlier life.
        let is_lost = |found: &Found| found.stage == FoundStage::Stopped || !command.provisions.mounts.is_empty();
        match found {
            Some(found) if is_lost(&found) => {
                self.end_at_once(&found.container).await;
                Ok(None)
            }
            found => Ok(found),
        }
    }

    /// Makes the container unless it is there, attaches to its output and starts it. The output of one that was there is
    /// to be read from the beginning: it may have been started by now, as the earlier life asked for it.
    async fn set_going(
        &self,
        command: ContainerCommand<'_>,
        made: Option<ContainerGuard>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(ContainerGuard, Option<Output>), StepError> {
        let ContainerCommand { app, run, built, provisions } = command;
        let mut names = run.name.iter().chain(&run.aliases).chain(&run.hostname);
        if let Some(ours) = names.find(|name| name.to_ascii_lowercase().starts_with("slipway-")) {
            return Err(StepError::Other(format!("the name {ours} is one of Slipway's own containers; take another")));
        }
        let mut mounts = self.mounts(&run.mounts).await?;
        mounts.extend(provisions.mounts.iter().cloned());
        let mut env = self.environment(run)?;
        env.extend(provisions.env.iter().map(|(name, value)| format!("{name}={value}")));
        let blueprint = Blueprint {
            entrypoint: run.entrypoint.as_ref().map(|entrypoint| vec![entrypoint.clone()]),
            command: (!run.args.is_empty()).then(|| run.args.clone()),
            env,
            workdir: run.workdir.clone(),
            user: run.user.clone(),
            hostname: run.hostname.clone(),
            aliases: run.name.iter().chain(&run.aliases).cloned().collect(),
            mounts,
            wishes: Wishes::of(run),
            ..self.blueprint(log.index(), app, built.unwrap_or(&run.image))
        };
        let was_made = made.is_some();
        let container = match made {
            Some(container) => container,
            None => self.create_waiting(blueprint, &provisions.secrets).await?,
        };
        let attached = if was_made { None } else { Some(self.attach(container.id()).await?) };
        let secrets = &provisions.secrets;
        let explained = |error| self.explained(error, secrets);
        let handed = if has_partial(&run.mounts) {
            self.start_at_once(container.id()).await.map_err(explained)?;
            patience.bear(self.hand_over_at_once(&container, secrets)).await
        } else {
            self.start(container.id()).await.map_err(explained)?;
            patience.bear(self.hand_over(&container, secrets)).await
        };
        if let Err(error) = handed {
            let error = self.judged(error).await;
            if error != StepError::EngineLost {
                self.end_at_once(&container).await;
            }
            return Err(error);
        }
        Ok((container, attached))
    }

    /// Everything that a container writes from now on.
    pub(super) async fn attach(&self, id: &str) -> Result<Output, StepError> {
        let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
        let attached = self.engine.attach_container(id, Some(options)).await;
        Ok(attached.map_err(|error| self.engine.error("attach to the container", &error))?.output)
    }

    pub(super) async fn start(&self, id: &str) -> Result<(), StepError> {
        let _beginning = self.stillness.start().await;
        self.start_at_once(id).await
    }

    /// Starts a container for whoever keeps the build still.
    async fn start_at_once(&self, id: &str) -> Result<(), StepError> {
        let started = self.engine.start_container(id, None).await;
        started.map_err(|error| self.engine.error("start the container", &error).into())
    }

    async fn exit_of(&self, id: &str, run: &ContainerRun) -> Result<(), StepError> {
        let mut waiting = std::pin::pin!(self.engine.wait_container(id, None));
        let code = match waiting.next().await {
            Some(Ok(ended)) => ended.status_code,
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(self.engine.error("wait for the container", &error).into()),
            None => return Err(StepError::Other(format!("the engine did not tell how the container {id} ended"))),
        };
        if code == 0 {
            return Ok(());
        }
        let state = self.engine.inspect_container(id, None).await.ok().and_then(|container| container.state);
        if state.and_then(|state| state.oom_killed) == Some(true) {
            let limit = run.memory.map_or(self.limits.memory, |asked| asked.min(self.limits.memory));
            return Err(StepError::OutOfMemory { limit });
        }
        Err(StepError::Exit(code))
    }

    /// The variables of `-e` and `--env-file`, the former over the latter, as `docker run` does it.
    fn environment(&self, run: &ContainerRun) -> Result<Vec<String>, StepError> {
        let mut env = Vec::new();
        for path in &run.env_files {
            let bytes = self
                .workspace
                .read(path, Links::Within, ENV_FILE_LIMIT)?
                .ok_or_else(|| StepError::Other(format!("the --env-file `{path}` is not in the workspace")))?;
            env.extend(env_file(&String::from_utf8_lossy(&bytes)));
        }
        env.extend(run.env.iter().map(|(name, value)| format!("{name}={value}")));
        Ok(env)
    }
}

/// The assignments in an `--env-file`: one on each line, `#` begins a comment. A bare name, for which `docker run` takes
/// its caller's variable, is left out: the runner's own variables are nobody's business.
fn env_file(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && line.contains('='))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_read_as_docker_run_does() {
        let text = "# database\nURL=postgres://x?a=b\n\n  NAME=spaced \nHOME\nEMPTY=\n";
        assert_eq!(env_file(text).collect::<Vec<_>>(), ["URL=postgres://x?a=b", "NAME=spaced ", "EMPTY="]);
    }
}
