//! Plain commands, run one after another in a container that stays.
//!
//! Starting a command in a running container takes about an eighth of what a container of its own takes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bollard::exec::{CreateExecOptions, StartExecResults};
use slipway_pipelines::config;
use tokio::sync::OnceCell;

use super::{
    Blueprint, Patience, Provisions, Site, StepError, container::ContainerGuard, mounts::WORKSPACE, output::pump,
};
use crate::{images, reporter::StepLog};

/// Keeps a container alive. As its first process it ignores what it does not handle, but SIGKILL ends it and with it
/// everything in the container at once.
const KEEP_ALIVE: &str = "while :; do sleep 86400; done";

/// A plain command of an app.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShellCommand<'a> {
    /// The app whose commands share a container.
    pub(crate) app: &'a str,
    /// The image to run it in.
    pub(crate) image: &'a str,
    /// The id of the image to run in place of the one named, when the build has just made that one.
    pub(crate) built: Option<&'a str>,
    /// The text for the shell.
    pub(crate) line: &'a str,
    /// Whether the first of its lines that fails is the end.
    pub(crate) strict: bool,
    /// Its variables.
    pub(crate) env: &'a [(String, String)],
    /// Cache volumes.
    pub(crate) mounts: &'a [config::Mount],
    /// What it is given besides.
    pub(crate) provisions: &'a Provisions,
}

impl ShellCommand<'_> {
    /// Commands with the same app, image, mounts and secrets share a container: what one of them left running must not
    /// read the secrets of another.
    fn key(&self) -> String {
        let image = self.built.unwrap_or(self.image);
        let given: Vec<&str> = self.provisions.env.iter().map(|(name, _)| name.as_str()).collect();
        format!("{}\n{image}\n{:?}\n{:?}\n{given:?}", self.app, self.mounts, self.provisions.mounts)
    }
}

/// A container that is there or being made.
pub(super) type Slot = Arc<OnceCell<ContainerGuard>>;

/// The containers that stay, by what the commands in them have in common.
#[derive(Debug, Default)]
pub(super) struct WarmContainers(Mutex<HashMap<String, Slot>>);

impl WarmContainers {
    fn slot(&self, key: &str) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(key.to_owned()).or_default().clone()
    }

    /// Lets all of them go.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets a container go: whatever runs in it must end.
    fn discard(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Site {
    /// Runs a line in the app's container, which is made for its first one, and writes the output to the log.
    pub(crate) async fn run_shell(
        &self,
        command: ShellCommand<'_>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(), StepError> {
        let _reading = self.calm.read().await;
        let key = command.key();
        let slot = self.warm.slot(&key);
        let container = patience.bear(slot.get_or_try_init(|| self.warm_up(command, log, patience))).await?;
        let ended = patience.bear(self.exec(container.id(), command, log)).await;
        // Whatever else than its own end broke the command off, it may still run.
        if !matches!(ended, Ok(()) | Err(StepError::Exit(_))) {
            self.warm.discard(&key);
            self.end_at_once(container).await;
        }
        ended
    }

    async fn warm_up(
        &self,
        command: ShellCommand<'_>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<ContainerGuard, StepError> {
        let image = command.image;
        if command.built.is_none() {
            images::ensure(&self.engine, image, &self.registries, log, patience.cancel()).await?;
        }
        let mut mounts = vec![self.workspace_mount()];
        mounts.extend(self.mounts(command.mounts).await?);
        mounts.extend(command.provisions.mounts.iter().cloned());
        let blueprint = Blueprint {
            entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), KEEP_ALIVE.to_owned()]),
            workdir: Some(WORKSPACE.to_owned()),
            mounts,
            ..self.blueprint(log.index(), command.app, command.built.unwrap_or(image))
        };
        let container = self.create(blueprint).await?;
        self.start(container.id()).await.map_err(|error| match error {
            StepError::Engine(engine @ crate::engine::EngineError::Refused { .. }) => {
                StepError::Other(format!("plain commands need a shell at /bin/sh in the step image {image}: {engine}"))
            }
            other => other,
        })?;
        Ok(container)
    }

    async fn exec(&self, container: &str, command: ShellCommand<'_>, log: &StepLog) -> Result<(), StepError> {
        let doing = || "run the command".to_owned();
        let flags = if command.strict { "-ec" } else { "-c" };
        let env = command.env.iter().map(|(name, value)| format!("{name}={value}"));
        let options = CreateExecOptions {
            cmd: Some(vec!["/bin/sh".to_owned(), flags.to_owned(), command.line.to_owned()]),
            env: Some(env.chain(command.provisions.assignments()).collect()),
            working_dir: Some(WORKSPACE.to_owned()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let failed = |error| self.engine.error(doing(), &error);
        let beginning = self.stillness.start().await;
        let exec = self.engine.create_exec(container, options).await.map_err(failed)?;
        if let StartExecResults::Attached { output, .. } =
            self.engine.start_exec(&exec.id, None).await.map_err(failed)?
        {
            drop(beginning);
            pump(output, log).await.map_err(failed)?;
        }
        let ended = self.engine.inspect_exec(&exec.id).await.map_err(failed)?;
        match ended.exit_code {
            Some(0) => Ok(()),
            Some(code) => Err(StepError::Exit(code)),
            None => Err(StepError::Other(
                "the command's container ended under it: a command must not kill the container's first process"
                    .to_owned(),
            )),
        }
    }
}
