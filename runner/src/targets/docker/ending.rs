//! How containers end, and what they said last.

use std::time::Duration;

use bollard::{
    container::LogOutput,
    errors::Error,
    models::{ContainerState, ContainerStateStatusEnum},
    query_parameters::{KillContainerOptionsBuilder, LogsOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{DockerTarget, Instance, TargetError};
use crate::{
    coordinator::{ContainerLog, LogStream},
    targets::recent::Window,
};

/// The longest line of a failed container that is shown.
const LINE_LIMIT: usize = 2_000;
/// How long the engine may take to hand out a few lines.
const LINES_WITHIN: Duration = Duration::from_secs(5);

impl DockerTarget {
    /// Waits until the container does not run, and tells its exit code; at once if it has ended already.
    ///
    /// # Errors
    /// When the engine fails, or the container is gone.
    pub async fn exit_code(&self, name: &str) -> Result<i64, TargetError> {
        loop {
            let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
            let ended = self.engine.wait_container(name, Some(options)).next().await;
            match ended {
                Some(Ok(ended)) => return Ok(ended.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => return Ok(code),
                // Nothing was said for longer than the client waits; the container runs on.
                Some(Err(Error::RequestTimeoutError)) | None => {}
                Some(Err(failure)) => {
                    return Err(self.engine.error(format!("wait for the container {name}"), &failure).into());
                }
            }
        }
    }

    /// Asks a container to end by the signal that it is stopped with, and waits for it, at most as long as `grace`. One that is
    /// gone or has ended is fine.
    ///
    /// # Errors
    /// When the engine fails.
    pub(super) async fn ask_to_end(&self, name: &str, grace: Duration) -> Result<(), TargetError> {
        let asked = async {
            let found = self.engine.inspect_container(name, None).await?;
            let signal = found.config.and_then(|config| config.stop_signal).filter(|signal| !signal.is_empty());
            let options = KillContainerOptionsBuilder::default().signal(signal.as_deref().unwrap_or("SIGTERM")).build();
            self.engine.kill_container(name, Some(options)).await
        };
        match asked.await {
            Ok(()) => {}
            Err(failure) => {
                let error = self.engine.error(format!("ask {name} to end"), &failure);
                // One that does not run takes no signal.
                return if error.is_not_found() || error.is_conflict() { Ok(()) } else { Err(error.into()) };
            }
        }
        // Whatever is wrong with waiting for it, stopping it tells.
        let _ = tokio::time::timeout(grace, self.exit_code(name)).await;
        Ok(())
    }

    /// What the engine says of the container's state; none if the container is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn state(&self, name: &str) -> Result<Option<ContainerState>, TargetError> {
        match self.engine.inspect_container(name, None).await {
            Ok(found) => Ok(found.state),
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                if error.is_not_found() { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// The last lines that the container wrote; as many as could be had.
    pub async fn last_lines(&self, name: &str, count: usize) -> Vec<(LogStream, String)> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&count.to_string()).build();
        last_lines(self.engine.logs(name, Some(options)), count).await
    }

    /// The lines of a window that the very container wrote: another one may have its name by now.
    pub(crate) async fn recent_log(&self, instance: &Instance, window: Window) -> Result<ContainerLog, TargetError> {
        let read = window.read(self.engine.logs(&instance.id, Some(window.options()))).await;
        Ok(read.map_err(|failure| self.engine.error(format!("read the log of {}", instance.name), &failure))?)
    }
}

/// What an engine hands out of somebody's last lines, as far as it comes in time.
pub(crate) async fn last_lines(
    parts: impl Stream<Item = Result<LogOutput, Error>>,
    count: usize,
) -> Vec<(LogStream, String)> {
    let parts = parts.take(count * 4).try_collect::<Vec<LogOutput>>();
    let parts = match tokio::time::timeout(LINES_WITHIN, parts).await {
        Ok(Ok(parts)) => parts,
        _ => return Vec::new(),
    };
    let lines = parts.into_iter().flat_map(|part| {
        let stream = if matches!(part, LogOutput::StdErr { .. }) { LogStream::Err } else { LogStream::Out };
        let text = String::from_utf8_lossy(&part.into_bytes()).into_owned();
        let cut = |line: &str| (stream, line.chars().take(LINE_LIMIT).collect());
        text.lines().map(cut).collect::<Vec<(LogStream, String)>>()
    });
    lines.collect()
}

/// Whether a state is one in which the container serves.
pub fn runs(state: &ContainerState) -> bool {
    state.status == Some(ContainerStateStatusEnum::RUNNING)
}
