//! The first moments of a runner's life.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Agent, RunnerConfig, RunnerError};
use crate::{
    checkout::free_mirrors,
    coordinator::{CoordinatorError, Hello},
    engine::{Engine, EngineError},
    steps::Leftovers,
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// When the engine is looked at again: it finishes what it was asked for within this time, also under load.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Makes the runner's folders, and removes the checkouts of earlier lives in the background, and from the mirrors what
/// they were writing when they ended. Returns where this life
/// keeps its own.
pub(super) fn folders(config: &RunnerConfig, incarnation: &str, leftovers: &Leftovers) -> Result<PathBuf, RunnerError> {
    let failed =
        |path: &Path, error: &io::Error| RunnerError::DataFolder { path: path.to_owned(), cause: error.to_string() };
    let all = config.data_dir.join("workspaces");
    let mirrors = config.data_dir.join("mirrors");
    for path in [&mirrors, &all] {
        std::fs::create_dir_all(path).map_err(|error| failed(path, &error))?;
    }
    free_mirrors(&mirrors).map_err(|error| failed(&mirrors, &error))?;
    // An engine mounts only what it is given a whole path to.
    let all = all.canonicalize().map_err(|error| failed(&all, &error))?;
    for entry in std::fs::read_dir(&all).map_err(|error| failed(&all, &error))?.flatten() {
        leftovers.remove_folder(entry.path());
    }
    let mine = all.join(incarnation);
    std::fs::create_dir_all(&mine).map_err(|error| failed(&mine, &error))?;
    Ok(mine)
}

/// What is needed to clean up after earlier lives.
struct Cleaning {
    host: Option<String>,
    runner: String,
    life: String,
    leftovers: Leftovers,
}

impl Cleaning {
    /// Tries until the engine has answered.
    async fn until_done(&self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.once().await {
            tracing::warn!(%error, "cannot clean up after earlier builds; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self) -> Result<(), EngineError> {
        let engine = Engine::connect(self.host.as_deref()).await?;
        self.leftovers.remove_earlier(&engine, &self.runner, &self.life).await
    }
}

impl Agent {
    /// Removes what earlier lives left on the engine. When the engine does not answer for a while, this goes on in the
    /// background: builds then say that it is down, instead of waiting for nobody knows what.
    ///
    /// Some time later it looks again: what the life before had asked for when it was killed, the engine may have made
    /// only after the first look.
    pub(super) async fn clean_up(&self, shutdown: &CancellationToken) {
        let (first_look, looked) = oneshot::channel();
        let cleaning = Cleaning {
            host: self.config.docker_host.clone(),
            runner: self.config.id.clone(),
            life: self.incarnation.clone(),
            leftovers: self.workshop.leftovers.clone(),
        };
        let stop = shutdown.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            cleaning.until_done().await;
            // Nobody waits any more when the engine took too long.
            let _ = first_look.send(());
            tokio::time::sleep(SECOND_LOOK).await;
            cleaning.until_done().await;
        }));
        let _ = tokio::time::timeout(self.config.limits.engine_patience, looked).await;
    }

    /// Announces this life until the server has heard of it.
    pub(super) async fn register(&self, shutdown: &CancellationToken) -> Result<(), RunnerError> {
        let hello = Hello {
            runner: self.config.id.clone(),
            name: self.config.name.clone(),
            incarnation: self.incarnation.clone(),
            capacity: self.config.capacity,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resuming: Vec::new(),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.coordinator.register(hello.clone()).await {
                Ok(()) => return Ok(()),
                Err(CoordinatorError::Refused { reason }) => return Err(RunnerError::Refused { reason }),
                Err(error) => tracing::warn!(%error, "the server did not take this runner in; trying again"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
