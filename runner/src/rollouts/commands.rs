//! The commands of a release: run once each, in a container of the app's new image, before it takes over or after it has.
//!
//! The container of a command stays until the environment's next release, also when it has ended: it is what a later life or
//! another attempt knows by that the command was run, and how it ended. So a migration is never run twice unseen.

use std::time::Duration;

use slipway_pipelines::release::ReleaseCommands;

use super::{Rollout, Setback, health::seconds};
use crate::{
    coordinator::ReleasedApp,
    reporter::StepLog,
    targets::docker::{CommandState, Moment, ReleaseCommand},
};

/// How long a command that must stop may take to do so by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Every command of the release at this moment, app by app.
pub(super) fn commands(apps: &[ReleasedApp], moment: Moment) -> impl Iterator<Item = Command<'_>> {
    apps.iter().flat_map(move |app| {
        let of = match moment {
            Moment::Before => &app.run.before,
            Moment::After => &app.run.after,
        };
        (1..).zip(&of.run).map(move |(number, words)| Command { app, of, moment, number, words })
    })
}

/// One command of an app.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Command<'w> {
    pub(super) app: &'w ReleasedApp,
    of: &'w ReleaseCommands,
    pub(super) moment: Moment,
    /// Its place among the app's, from 1.
    number: u32,
    words: &'w [String],
}

impl Command<'_> {
    /// As people read it.
    pub(super) fn line(&self) -> String {
        self.words.join(" ")
    }
}

impl Rollout<'_> {
    /// Runs a command to its end, or follows one that an earlier life or attempt began. It must end with exit code 0.
    pub(super) async fn run_command(&self, command: Command<'_>, log: &StepLog) -> Result<(), Setback> {
        let failed = |reason: String| Setback::of(&command.app.app, format!("`{}` {reason}", command.line()));
        let made = ReleaseCommand {
            release: &self.work.release,
            app: command.app,
            moment: command.moment,
            number: command.number,
            words: command.words,
        };
        let target = self.target.for_commands();
        let name = target.command_name(made);
        self.set_going(made, &name, log).await?;
        let ended = async {
            target.command_output(&name, log).await?;
            target.exit_code(&name).await
        };
        let limit = Duration::from_millis(command.of.timeout_ms);
        let ended = tokio::time::timeout_at(log.time().reaches(limit), ended);
        match self.unless_stopped(ended).await {
            Ok(Ok(Ok(0))) => Ok(()),
            Ok(Ok(Ok(code))) => Err(failed(format!("ended with exit code {code}"))),
            Ok(Ok(Err(error))) => Err(failed(format!("could not be followed: {error}"))),
            Ok(Err(_)) => {
                target.stop(&name, GRACE).await?;
                Err(failed(format!("took longer than {}", seconds(command.of.timeout_ms))))
            }
            Err(Setback::Cancelled) => {
                target.stop(&name, GRACE).await?;
                Err(Setback::Cancelled)
            }
            Err(other) => Err(other),
        }
    }

    /// Sees to it that the command's container was started, once.
    async fn set_going(&self, command: ReleaseCommand<'_>, name: &str, log: &StepLog) -> Result<(), Setback> {
        let target = self.target.for_commands();
        match target.find_command(command, name).await? {
            Some(CommandState::Begun) if !log.is_resumed() => {
                log.say("an earlier attempt of this rollout began it; it is followed, not run again").await;
                return Ok(());
            }
            Some(CommandState::Begun) => return Ok(()),
            Some(CommandState::Made) => {}
            Some(CommandState::CutOff(code)) => {
                log.begin_again(&format!("it was cut off from outside, with exit code {code}")).await;
                self.go_on()?;
                target.remove(name).await?;
            }
            None if log.is_resumed() => log.begin_again("its container is gone, or was never made").await,
            None => {}
        }
        self.go_on()?;
        let started = target.start_command(command, name).await;
        started.map_err(|error| Setback::of(&command.app.app, format!("a command could not be started: {error}")))
    }

    /// Removes the containers of other releases' commands: their rollouts are over, or were given up while one still ran.
    pub(super) async fn remove_commands_of_others(&self) -> Result<(), Setback> {
        let target = self.target.for_commands();
        for (name, release) in target.commands().await? {
            if release != self.work.release.release {
                self.still_owner()?;
                target.remove(&name).await?;
            }
        }
        Ok(())
    }
}
