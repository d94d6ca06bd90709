//! A step that runs a command: what it is given, what runs beside it, and its container.

use slipway_pipelines::plan::StepRun;

use super::step::Bench;
use crate::{
    coordinator::SecretValue,
    reporter::StepLog,
    steps::{ContainerCommand, Patience, Provisions, ServiceStart, ShellCommand, StepError},
    storage::is_full,
};

/// A command of an app, as the plan has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) app: &'a str,
    pub(super) run: &'a StepRun,
    pub(super) secrets: &'a [String],
    pub(super) services: &'a [String],
    pub(super) engine: bool,
}

impl Bench<'_> {
    /// Runs a command to its end, beside the services that it names.
    pub(super) async fn command(
        &self,
        command: Command<'_>,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(), StepError> {
        let mut provisions = Provisions { secrets: self.secrets(command.secrets)?, ..Provisions::default() };
        if command.engine {
            self.site.provide_engine(&mut provisions).await?;
        }
        let services = self.services(command)?;
        self.site.start_services(&services, log, patience).await?;
        patience.bear(self.site.check_disk()).await?;
        let ended = {
            let mut running = std::pin::pin!(self.in_container(command, &provisions, log, patience));
            tokio::select! {
                ended = &mut running => ended,
                error = self.site.service_ended(&services) => {
                    patience.break_off(error);
                    running.await
                }
                error = self.site.disk_exceeded() => {
                    patience.break_off(error);
                    running.await
                }
            }
        };
        if ended.as_ref().is_err_and(|error| !matches!(error, StepError::Cancelled | StepError::EngineLost)) {
            self.site.tell_last_lines(&services, log).await;
        }
        ended.map_err(|error| match error {
            // What it could not write, it may have said in any words, or in none.
            StepError::Exit(code) if is_full(self.site.workspace().path()) => StepError::DiskFull { code },
            other => other,
        })
    }

    async fn in_container(
        &self,
        command: Command<'_>,
        provisions: &Provisions,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<(), StepError> {
        let app = command.app;
        match command.run {
            StepRun::Shell { image, built, line, strict, env, mounts } => {
                let built = self.built(built.as_deref())?;
                let (built, strict) = (built.as_deref(), *strict);
                let command = ShellCommand { app, image, built, line, strict, env, mounts, provisions };
                self.site.run_shell(command, log, patience).await
            }
            StepRun::Container { built, container } => {
                let built = self.built(built.as_deref())?;
                let command = ContainerCommand { app, run: container, built: built.as_deref(), provisions };
                self.site.run_container(command, log, patience).await
            }
        }
    }

    /// The values of secrets, by their names.
    ///
    /// # Errors
    /// When one of them is not set.
    pub(super) fn secrets(&self, names: &[String]) -> Result<Vec<(String, String)>, StepError> {
        let value = |name: &String| {
            let found = self.secrets.iter().find(|secret| secret.name == *name);
            let found = found.ok_or_else(|| {
                StepError::Other(SecretValue::missing(&self.subject.repository, name, &self.withheld))
            })?;
            Ok((found.name.clone(), found.value.clone()))
        };
        names.iter().map(value).collect()
    }

    fn services(&self, command: Command<'_>) -> Result<Vec<ServiceStart>, StepError> {
        let start = |name: &String| {
            let planned = self.site.planned_service(command.app, name).ok_or_else(|| {
                StepError::Other(format!("the plan has no service `{name}` of `{}`: the plan is wrong", command.app))
            })?;
            Ok(ServiceStart {
                app: command.app.to_owned(),
                name: name.clone(),
                built: self.built(planned.built.as_deref())?,
                secrets: self.secrets(&planned.secrets)?,
            })
        };
        command.services.iter().map(start).collect()
    }

    /// The id of an app's just-built image.
    fn built(&self, app: Option<&str>) -> Result<Option<String>, StepError> {
        app.map(|app| self.image(app)).transpose()
    }
}
