//! Containers that an earlier life of the runner made, and that this one takes over.

use bollard::models::{ContainerState, ContainerStateStatusEnum};

use super::{
    Site, StepError,
    container::{ContainerGuard, Output},
    output::written,
};

/// Why a step begins again whose container is not to be found.
pub(super) const GONE: &str = "its container is gone, or was never made";
/// How a container ends that is ended from outside: by SIGKILL or SIGTERM, or with an engine that was gone.
const FROM_OUTSIDE: [i64; 3] = [137, 143, 255];

/// A container of the build that is there already.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) container: ContainerGuard,
    /// What [`labels::SHELL`](crate::engine::labels::SHELL) says on it.
    pub(super) shell: Option<String>,
    pub(super) stage: FoundStage,
}

/// How far a container came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundStage {
    /// It was made. Its start may have been asked for, and may be under way.
    Made,
    /// It runs.
    Running,
    /// It ended by itself.
    Ended,
    /// It did not come to its own end: the engine or somebody ended it.
    Stopped,
}

impl FoundStage {
    /// None of what is being removed.
    fn of(state: &ContainerState) -> Option<Self> {
        Some(match state.status? {
            ContainerStateStatusEnum::CREATED => FoundStage::Made,
            ContainerStateStatusEnum::RUNNING
            | ContainerStateStatusEnum::PAUSED
            | ContainerStateStatusEnum::RESTARTING => FoundStage::Running,
            ContainerStateStatusEnum::EXITED => {
                let code = state.exit_code.unwrap_or_default();
                let is_stopped = FROM_OUTSIDE.contains(&code) && state.oom_killed != Some(true);
                if is_stopped { FoundStage::Stopped } else { FoundStage::Ended }
            }
            _ => return None,
        })
    }
}

impl Site {
    /// The container of this name, if an earlier life of the runner made it. It goes on if that life held it still.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Found>, StepError> {
        let found = match self.engine.inspect_container(name, None).await {
            Ok(found) => found,
            Err(error) => {
                let error = self.engine.error(format!("look for the container {name}"), &error);
                return if error.is_not_found() { Ok(None) } else { Err(error.into()) };
            }
        };
        let (Some(id), Some(state)) = (found.id, found.state) else { return Ok(None) };
        let Some(stage) = FoundStage::of(&state) else { return Ok(None) };
        if state.paused == Some(true) {
            self.thaw(&id).await?;
        }
        let shell = found.config.and_then(|config| config.labels?.remove(crate::engine::labels::SHELL));
        Ok(Some(Found { container: ContainerGuard::new(self, id), shell, stage }))
    }

    /// Everything that a container wrote, from the beginning, and what it writes until it ends. That it was made for
    /// this is all that it needs: what it wrote while nobody listened is there.
    pub(super) fn read_again(&self, id: &str, tail: Option<usize>) -> Output {
        written(&self.engine, id, true, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_from_outside_is_told_from_what_ended_by_itself() {
        let stage = |status, code, oom| {
            let exit_code = Some(code);
            FoundStage::of(&ContainerState {
                status: Some(status),
                exit_code,
                oom_killed: Some(oom),
                ..Default::default()
            })
        };
        use ContainerStateStatusEnum::{CREATED, DEAD, EXITED, PAUSED};
        assert_eq!(stage(CREATED, 0, false), Some(FoundStage::Made));
        assert_eq!(stage(PAUSED, 0, false), Some(FoundStage::Running), "its engine froze it for the life before");
        assert_eq!(stage(EXITED, 0, false), Some(FoundStage::Ended));
        assert_eq!(stage(EXITED, 7, false), Some(FoundStage::Ended));
        assert_eq!(stage(EXITED, 137, false), Some(FoundStage::Stopped));
        assert_eq!(stage(EXITED, 137, true), Some(FoundStage::Ended), "it used too much memory");
        assert_eq!(stage(DEAD, 0, false), None);
    }
}
