//! The containers in which the commands of releases run.

use std::collections::HashMap;

use bollard::{
    models::{ContainerCreateBody, ContainerStateStatusEnum, HostConfig},
    query_parameters::{CreateContainerOptionsBuilder, ListContainersOptionsBuilder},
};

use super::{
    DockerTarget, TargetError, check_secrets,
    container::Replica,
    labels::{APP, COMMAND, ENVIRONMENT, RELEASE, of_environment},
};
use crate::{
    coordinator::{ReleaseContent, ReleasedApp},
    engine::labels::{KIND, KIND_COMMAND, filter},
    reporter::StepLog,
    steps::{kept_output, pump_again},
};

/// How a container ends that is ended from outside: by SIGKILL or SIGTERM, or with an engine that was gone.
const FROM_OUTSIDE: [i64; 3] = [137, 143, 255];

/// When a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before anything of the release takes traffic.
    Before,
    /// Once it has all the traffic.
    After,
}

impl Moment {
    /// The word of captain.yml.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Moment::Before => "before",
            Moment::After => "after",
        }
    }
}

/// One command of one app of one release.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseCommand<'a> {
    /// The release.
    pub release: &'a ReleaseContent,
    /// Its app, in whose image the command runs.
    pub app: &'a ReleasedApp,
    /// When.
    pub moment: Moment,
    /// Its place among the app's of this moment, from 1.
    pub number: u32,
    /// The program and its arguments.
    pub words: &'a [String],
}

/// How far the container of a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// It was made, and not started yet.
    Made,
    /// It runs, or came to its own end.
    Begun,
    /// The engine or somebody ended it, with this exit code.
    CutOff(i64),
}

impl DockerTarget {
    /// The name of a command's container.
    #[must_use]
    pub fn command_name(&self, command: ReleaseCommand<'_>) -> String {
        let which = format!("{}-{}", command.moment.word(), command.number);
        self.names().command(&command.app.app, command.release.number, &which)
    }

    /// How far the command came; none if it has no container.
    ///
    /// # Errors
    /// When the engine fails, or the name belongs to somebody else's container.
    pub async fn find_command(
        &self,
        command: ReleaseCommand<'_>,
        name: &str,
    ) -> Result<Option<CommandState>, TargetError> {
        let Some(instance) = self.find(name).await? else { return Ok(None) };
        let wanted = self.command_labels(command);
        if [KIND, ENVIRONMENT, RELEASE, APP, COMMAND].iter().any(|key| instance.labels.get(*key) != wanted.get(*key)) {
            return Err(TargetError::Foreign { name: name.to_owned() });
        }
        let state = self.state(name).await?.unwrap_or_default();
        let code = state.exit_code.unwrap_or_default();
        Ok(match state.status {
            None => None,
            Some(ContainerStateStatusEnum::CREATED) => Some(CommandState::Made),
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD)
                if FROM_OUTSIDE.contains(&code) && state.oom_killed != Some(true) =>
            {
                Some(CommandState::CutOff(code))
            }
            Some(_) => Some(CommandState::Begun),
        })
    }

    /// Makes the command's container, unless it is there, and starts it.
    ///
    /// # Errors
    /// When the engine fails, or a secret is not set.
    pub async fn start_command(&self, command: ReleaseCommand<'_>, name: &str) -> Result<(), TargetError> {
        check_secrets(&self.secrets, name, command.app)?;
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let container = self.waiting(name, self.command_container(command), command.app).await?;
        let created = self.engine.create_container(Some(options), container).await;
        if let Err(failure) = created {
            let error = self.engine.error(format!("create the container {name}"), &failure);
            if !error.is_conflict() {
                return Err(error.into());
            }
        }
        self.start(name, command.app).await
    }

    /// Writes to the log all that the command's container writes and has written, until it ends.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn command_output(&self, name: &str, log: &StepLog) -> Result<(), TargetError> {
        let read = pump_again(&self.engine, name, log).await;
        Ok(read.map_err(|failure| self.engine.error(format!("read what {name} writes"), &failure))?)
    }

    /// The containers of commands in this environment, by name, each with the release that it is of.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn commands(&self) -> Result<Vec<(String, String)>, TargetError> {
        let filters = filter(&[(KIND, KIND_COMMAND), (ENVIRONMENT, &self.placement.environment)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.engine.list_containers(Some(options)).await;
        let listed = listed.map_err(|failure| self.engine.error("list the containers of commands", &failure))?;
        let named = listed.into_iter().filter_map(|summary| {
            let name = summary.names?.into_iter().next()?.trim_start_matches('/').to_owned();
            Some((name, summary.labels?.remove(RELEASE)?))
        });
        Ok(named.collect())
    }

    /// The container as the engine is asked for it: as the app's own, but without its name in the network, and for once.
    fn command_container(&self, command: ReleaseCommand<'_>) -> ContainerCreateBody {
        let replica = Replica { release: command.release, app: command.app, number: 0 };
        let container = self.placement.container(replica);
        let host_config = container.host_config.map(|host| HostConfig { log_config: Some(kept_output()), ..host });
        ContainerCreateBody {
            cmd: Some(command.words.to_vec()),
            labels: Some(self.command_labels(command)),
            networking_config: None,
            healthcheck: None,
            host_config,
            ..container
        }
    }

    fn command_labels(&self, command: ReleaseCommand<'_>) -> HashMap<String, String> {
        let mut labels = of_environment(&self.placement.runner, &self.placement.environment);
        labels.insert(KIND.to_owned(), KIND_COMMAND.to_owned());
        labels.insert(RELEASE.to_owned(), command.release.release.clone());
        labels.insert(APP.to_owned(), command.app.app.clone());
        labels.insert(COMMAND.to_owned(), format!("{}-{}", command.moment.word(), command.number));
        labels
    }
}
