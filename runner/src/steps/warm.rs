//! Plain commands, run one after another in a container that stays.
//!
//! A shell in the container is told them (see [`shell`](super::shell)), so that beginning one costs the engine nothing.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bollard::{container::LogOutput, errors::Error, query_parameters::AttachContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use slipway_pipelines::config;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{Mutex as AsyncMutex, OnceCell},
};
use tokio_util::sync::CancellationToken;

use super::{
    Blueprint, Patience, Provisions, Site, StepError,
    container::{ContainerGuard, Output},
    digest::digest,
    found::{FoundStage, GONE},
    mounts::WORKSPACE,
    output::{Kept, LINES_LOST},
    shell::{self, Segment, SegmentEnd},
};
use crate::{coordinator::LogStream, engine::labels, reporter::StepLog};

/// How much of a hash tells the containers of a build apart, in bytes.
const NAME_BYTES: usize = 4;
/// How long a command's id is, in bytes: nobody guesses it.
const ID_BYTES: usize = 16;

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
        let given: Vec<&str> = self.provisions.variables().map(|(name, _)| name.as_str()).collect();
        format!("{}\n{image}\n{:?}\n{:?}\n{given:?}", self.app, self.mounts, self.provisions.mounts)
    }
}

/// A container with a shell that waits for commands.
pub(super) struct WarmShell {
    container: ContainerGuard,
    /// What the ids of its commands are made of.
    secret: String,
    /// Whether an earlier life of the runner made it.
    is_found: bool,
    /// Whether all that is left of it is what it said.
    is_ended: bool,
    /// The way to the shell, from its first command on.
    channel: AsyncMutex<Option<Channel>>,
}

struct Channel {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Output,
}

impl Channel {
    async fn write(&mut self, line: &str) -> Result<(), StepError> {
        let written = async {
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await
        };
        let failed = |error| StepError::Other(format!("the command could not be handed to its container: {error}"));
        written.await.map_err(failed)
    }
}

impl WarmShell {
    fn new(container: ContainerGuard, secret: String) -> Self {
        WarmShell { container, secret, is_found: false, is_ended: false, channel: AsyncMutex::new(None) }
    }

    /// The id of a step's command: the same in every life of the runner, and known to none of the commands.
    fn id_of(&self, step: u32) -> String {
        id_of(&self.secret, step)
    }
}

fn id_of(secret: &str, step: u32) -> String {
    digest(&[secret, &step.to_string()], ID_BYTES)
}

impl std::fmt::Debug for WarmShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmShell").field("container", &self.container).finish_non_exhaustive()
    }
}

/// A container that is there or being made.
pub(super) type Slot = Arc<OnceCell<WarmShell>>;

/// The containers that stay, by what the commands in them have in common.
#[derive(Debug, Default)]
pub(super) struct WarmContainers(Mutex<Warm>);

#[derive(Debug, Default)]
struct Warm {
    slots: HashMap<String, Slot>,
    /// Those whose containers, if they are there, are not to be used again.
    discarded: HashSet<String>,
    /// What has ended, kept for a later life of the runner.
    retired: Vec<Slot>,
}

impl WarmContainers {
    fn slot(&self, key: &str) -> Slot {
        self.warm().slots.entry(key.to_owned()).or_default().clone()
    }

    /// Lets all of them go.
    pub(super) fn clear(&self) {
        *self.warm() = Warm::default();
    }

    /// Lets a container go: whatever runs in it must end.
    fn discard(&self, key: &str) {
        let mut warm = self.warm();
        warm.slots.remove(key);
        warm.discarded.insert(key.to_owned());
    }

    /// Takes whatever container bears the name of these commands for none of theirs.
    fn distrust(&self, key: &str) {
        self.warm().discarded.insert(key.to_owned());
    }

    /// Keeps a container that has ended until the next command needs its name: by then the server knows how this one
    /// ended.
    fn retire(&self, key: &str) {
        let mut warm = self.warm();
        let ended = warm.slots.remove(key);
        warm.retired.extend(ended);
        warm.discarded.insert(key.to_owned());
    }

    fn is_discarded(&self, key: &str) -> bool {
        self.warm().discarded.contains(key)
    }

    fn warm(&self) -> MutexGuard<'_, Warm> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let shell = patience.bear(Box::pin(slot.get_or_try_init(|| self.warm_up(command, log, patience)))).await?;
        let mut ended = patience.bear(Box::pin(self.tell(shell, command, log))).await;
        if let Err(error) = ended {
            ended = Err(self.judged(error).await);
        }
        if shell.is_ended {
            self.warm.retire(&key);
        }
        // Whatever else than its own end broke the command off, it may still run.
        if !matches!(ended, Ok(()) | Err(StepError::Exit(_) | StepError::EngineLost)) {
            self.warm.discard(&key);
            self.end_at_once(&shell.container).await;
        }
        ended
    }

    async fn warm_up(
        &self,
        command: ShellCommand<'_>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<WarmShell, StepError> {
        let key = command.key();
        let name = self.shell_container(&key);
        // Later commands may use what earlier ones left in it.
        if !self.warm.is_discarded(&key)
            && let Some(shell) = self.warm_already(&name, command, log).await?
        {
            return Ok(shell);
        }
        if log.is_resumed() {
            log.begin_again(GONE).await;
        }
        if command.built.is_none() {
            self.fetch(command.image, log, patience.cancel()).await?;
        }
        self.make_shell(command, log.index(), self.services.links(&self.origin, command.app)).await
    }

    /// Makes the container of a command for a step, with a shell that waits in it. The image is there; the services that
    /// it is linked to need not be.
    async fn make_shell(
        &self,
        command: ShellCommand<'_>,
        step: u32,
        links: Vec<String>,
    ) -> Result<WarmShell, StepError> {
        let image = command.image;
        let mut mounts = vec![self.workspace_mount()];
        mounts.extend(self.mounts(command.mounts).await?);
        mounts.extend(command.provisions.mounts.iter().cloned());
        let secret = ulid::Ulid::generate().to_string();
        let mut blueprint = Blueprint {
            name: self.shell_container(&command.key()),
            entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), shell::LOOP.to_owned()]),
            workdir: Some(WORKSPACE.to_owned()),
            mounts,
            links,
            has_input: true,
            ..self.blueprint(step, command.app, command.built.unwrap_or(image))
        };
        blueprint.labels.insert(labels::SHELL.to_owned(), secret.clone());
        let container = self.create(blueprint).await?;
        self.start(container.id()).await.map_err(|error| match error {
            StepError::Engine(engine @ crate::engine::EngineError::Refused { .. }) => {
                StepError::Other(format!("plain commands need a shell at /bin/sh in the step image {image}: {engine}"))
            }
            other => other,
        })?;
        Ok(WarmShell::new(container, secret))
    }

    /// Makes the container of a command before its step begins, unless that turns out to be `unwanted`.
    pub(super) async fn warm_ahead(
        &self,
        command: ShellCommand<'_>,
        step: u32,
        links: Vec<String>,
        unwanted: &CancellationToken,
    ) {
        let _reading = self.calm.read().await;
        let key = command.key();
        let slot = self.warm.slot(&key);
        let making = slot.get_or_try_init(|| async {
            if unwanted.is_cancelled() {
                Err(StepError::Cancelled)
            } else {
                self.make_shell(command, step, links).await
            }
        });
        if let Err(error) = making.await {
            tracing::debug!(%error, "a container was not made ahead of its step");
            self.warm.distrust(&key);
        }
    }

    /// Ends what [`Site::warm_ahead`] made or is making, before any step begins. Returns when it is gone.
    pub(super) async fn cool(&self, command: ShellCommand<'_>) {
        let key = command.key();
        let slot = self.warm.slot(&key);
        let made = slot.get_or_try_init(|| async { Err(StepError::Cancelled) }).await;
        self.warm.discard(&key);
        // However long it takes: nothing of the build may come beside it.
        if let Ok(shell) = made {
            self.leftovers.remove_container(&self.engine, shell.container.id()).await;
        }
    }

    fn shell_container(&self, key: &str) -> String {
        self.origin.shell_container(&digest(&[key], NAME_BYTES))
    }

    /// The container that an earlier life of the runner made, if a shell waits in it, or if the command came to its end.
    async fn warm_already(
        &self,
        name: &str,
        command: ShellCommand<'_>,
        log: &StepLog,
    ) -> Result<Option<WarmShell>, StepError> {
        let Some(found) = self.find(name).await? else { return Ok(None) };
        // What leads to the runner's own socket led to that of the earlier life.
        if command.provisions.mounts.is_empty()
            && let Some(secret) = found.shell
        {
            let is_ended = matches!(found.stage, FoundStage::Ended | FoundStage::Stopped);
            let is_of_use = if is_ended {
                let mut output = self.read_again(found.container.id(), None);
                let id = id_of(&secret, log.index());
                log.is_resumed() && self.follow(&mut output, &id, None).await?.is_some()
            } else {
                if found.stage == FoundStage::Made {
                    self.start(found.container.id()).await?;
                }
                true
            };
            if is_of_use {
                return Ok(Some(WarmShell { is_found: true, is_ended, ..WarmShell::new(found.container, secret) }));
            }
        }
        self.end_at_once(&found.container).await;
        if !log.is_resumed() {
            log.say("the container of the commands before has ended: what they left outside the workspace is gone")
                .await;
        }
        Ok(None)
    }

    /// Has the shell run a command, and follows it to its end.
    async fn tell(&self, shell: &WarmShell, command: ShellCommand<'_>, log: &StepLog) -> Result<(), StepError> {
        let id = shell.id_of(log.index());
        let line = shell::told(&id, command)?;
        let container = shell.container.id();
        let mut channel = shell.channel.lock().await;
        let ended = if log.is_resumed() && shell.is_found {
            // The shell knows whether it was told before. It is told once more, and all that it said is read again.
            let mut once = self.open_channel(container, false).await?;
            // What the earlier life could not write to its end is a line of its own.
            once.write(&format!("\n{line}")).await?;
            let mut kept = Kept::default();
            let output = self.read_again(container, None);
            let mut output = output.inspect(|piece| piece.iter().for_each(|piece| kept.count(piece)));
            let ended = self.follow(&mut output, &id, Some(log)).await?;
            drop(output);
            if kept.may_be_cut() || ended.is_some_and(|end| !end.is_whole) {
                log.say(LINES_LOST).await;
            }
            ended
        } else {
            let channel = match &mut *channel {
                Some(channel) => channel,
                none => none.insert(self.open_channel(container, true).await?),
            };
            channel.write(&line).await?;
            self.follow(&mut channel.output, &id, Some(log)).await?
        };
        match ended {
            Some(SegmentEnd { code: 0, .. }) => Ok(()),
            Some(SegmentEnd { code, .. }) => Err(StepError::Exit(code)),
            None => Err(self.broken_off(container).await),
        }
    }

    /// Why a container says no more although its command has not ended.
    async fn broken_off(&self, container: &str) -> StepError {
        match self.engine.inspect_container(container, None).await {
            Ok(_) => StepError::Other(
                "the command's container ended under it: a command must not kill the container's first process"
                    .to_owned(),
            ),
            Err(error) => self.engine.error("read the output", &error).into(),
        }
    }

    /// The way to the shell in a container, with all that it says from now on if that is wanted. It stays open to others
    /// when this end of it is closed.
    async fn open_channel(&self, id: &str, with_output: bool) -> Result<Channel, StepError> {
        // Not while the container is frozen, which the engine would refuse. What is written to it later may come while
        // it is: the shell reads it once it goes on.
        let _beginning = self.stillness.start().await;
        let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true);
        let options = options.stdout(with_output).stderr(with_output);
        let attached = self.engine.attach_container(id, Some(options.build())).await;
        let attached = attached.map_err(|error| self.engine.error("attach to the container", &error))?;
        Ok(Channel { input: attached.input, output: attached.output })
    }

    /// Writes a command's part of what its container says to the log, until both streams have told its end. None when the
    /// container ends before.
    async fn follow(
        &self,
        output: &mut (impl Stream<Item = Result<LogOutput, Error>> + Send + Unpin),
        id: &str,
        log: Option<&StepLog>,
    ) -> Result<Option<SegmentEnd>, StepError> {
        let (mut out, mut err) = (Segment::of(id), Segment::of(id));
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(|error| self.engine.error("read the output", &error))?;
            let (stream, segment, message) = match piece {
                LogOutput::StdErr { message } => (LogStream::Err, &mut err, message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => (LogStream::Out, &mut out, message),
                LogOutput::StdIn { .. } => continue,
            };
            let own = segment.feed(&message);
            if let Some(log) = log.filter(|_| !own.is_empty()) {
                log.bytes(stream, &own).await;
            }
            if let (Some(end), Some(on_err)) = (out.end(), err.end()) {
                return Ok(Some(SegmentEnd { is_whole: end.is_whole && on_err.is_whole, ..end }));
            }
        }
        Ok(None)
    }
}
