//! The first moments of a runner's life.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Agent, RunnerConfig, RunnerError};
use crate::{
    backoff::Backoff,
    checkout::free_mirrors,
    coordinator::{CoordinatorError, Hello, PROTOCOL},
    engine::{
        Engine, EngineError,
        labels::{Earlier, Origin},
    },
    journal::{Entry, Journal},
    steps::Leftovers,
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// When the engine is looked at again: it finishes what it was asked for within this time, also under load.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Opens a journal of the runner's. Returns what earlier lives left in it, too.
pub(super) fn journal(config: &RunnerConfig, name: &str) -> Result<(Journal, Vec<Entry>), RunnerError> {
    let path = config.data_dir.join(name);
    let opened = Journal::open(path.clone()).and_then(|journal| {
        let entries = journal.entries()?;
        Ok((journal, entries))
    });
    opened.map_err(|error| failed(&path, &error))
}

fn failed(path: &Path, error: &io::Error) -> RunnerError {
    RunnerError::DataFolder { path: path.to_owned(), cause: error.to_string() }
}

/// Makes the runner's folders, and removes the checkouts of earlier lives in the background, except for those that are
/// `kept`, and from the mirrors what they were writing when they ended. Returns where checkouts are kept.
pub(super) fn folders(
    config: &RunnerConfig,
    incarnation: &str,
    kept: &[Origin],
    leftovers: &Leftovers,
) -> Result<PathBuf, RunnerError> {
    let all = config.data_dir.join("workspaces");
    let mirrors = config.data_dir.join("mirrors");
    for path in [&mirrors, &all] {
        std::fs::create_dir_all(path).map_err(|error| failed(path, &error))?;
    }
    free_mirrors(&mirrors).map_err(|error| failed(&mirrors, &error))?;
    // An engine mounts only what it is given a whole path to.
    let all = all.canonicalize().map_err(|error| failed(&all, &error))?;
    for life in std::fs::read_dir(&all).map_err(|error| failed(&all, &error))?.flatten() {
        let kept: Vec<_> =
            kept.iter().filter(|origin| life.file_name() == *origin.incarnation).map(Origin::name).collect();
        if kept.is_empty() {
            leftovers.remove_folder(life.path());
            continue;
        }
        for entry in std::fs::read_dir(life.path()).map_err(|error| failed(&life.path(), &error))?.flatten() {
            // Beside a checkout lies what bears its name with an ending.
            if !kept.iter().any(|name| entry.path().file_stem().is_some_and(|stem| stem == name.as_str())) {
                leftovers.remove_folder(entry.path());
            }
        }
    }
    let mine = all.join(incarnation);
    std::fs::create_dir_all(&mine).map_err(|error| failed(&mine, &error))?;
    Ok(all)
}

impl Agent {
    /// Cleans up after earlier lives, and tries until the engine has answered.
    async fn clean(&self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.clean_once().await {
            tracing::warn!(%error, "cannot clean up after earlier builds; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn clean_once(&self) -> Result<(), EngineError> {
        let engine = Engine::connect(self.config.docker_host.as_deref()).await?;
        let earlier = Earlier {
            runner: self.config.id.clone(),
            life: self.incarnation.clone(),
            resumed: self.resumed().clone(),
            kept: self.workshop.kept.origins(),
        };
        self.workshop.leftovers.remove_earlier(&engine, &earlier).await?;
        self.workshop.inside.remove_earlier(&engine).await
    }

    /// Removes what earlier lives left on the engine. When the engine does not answer for a while, this goes on in the
    /// background: builds then say that it is down, instead of waiting for nobody knows what.
    ///
    /// Some time later it looks again: what the life before had asked for when it was killed, the engine may have made
    /// only after the first look.
    pub(super) async fn clean_up(self: &Arc<Self>, shutdown: &CancellationToken) {
        let (first_look, looked) = oneshot::channel();
        let (agent, stop) = (self.clone(), shutdown.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            agent.clean().await;
            // Nobody waits any more when the engine took too long.
            let _ = first_look.send(());
            tokio::time::sleep(SECOND_LOOK).await;
            agent.clean().await;
        }));
        let _ = tokio::time::timeout(self.config.limits.engine_patience, looked).await;
    }

    /// Announces this life until the server has heard of it.
    pub(super) async fn register(&self, resuming: &[Entry], shutdown: &CancellationToken) -> Result<(), RunnerError> {
        let hello = Hello {
            runner: self.config.id.clone(),
            name: self.config.name.clone(),
            incarnation: self.incarnation.clone(),
            capacity: self.config.capacity,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resuming: resuming.iter().map(|entry| entry.lease.clone()).collect(),
            protocol: PROTOCOL,
            labels: self.config.labels(),
            builds_only: self.config.builds_only,
        };
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.coordinator.register(hello.clone()).await {
                Ok(()) => return Ok(()),
                Err(CoordinatorError::Refused { reason }) => return Err(RunnerError::Refused { reason }),
                Err(error) => tracing::warn!(%error, "the server did not take this runner in; trying again"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }
}
