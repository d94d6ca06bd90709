//! What is checked before anything is touched.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Rollout, Setback, health::seconds};
use crate::{
    coordinator::{ReleasedApp, SecretValue},
    registry::{RegistryError, pinned},
    reporter::StepLog,
};

impl Rollout<'_> {
    /// The engine can run the release, every secret is set, every domain is free, every image is there under its digest and signed
    /// where that is asked for, the proxy is ready, and the engine holds what will run.
    pub(super) async fn preflight(&self, log: &StepLog) -> Result<(), Setback> {
        self.check_target().await?;
        self.check_secrets()?;
        self.check_domains().await?;
        for app in &self.work.release.apps {
            self.check_routable(app, log).await?;
            self.unless_stopped(self.check_image(app, log)).await??;
            self.unless_stopped(self.check_signature(app, log)).await??;
        }
        if let Some(proxy) = self.ctx.proxy.as_ref().filter(|_| self.is_routed()) {
            proxy.prepare().await?;
            if let Some(advice) = proxy.advice() {
                log.say(advice).await;
            }
        }
        for app in &self.work.release.apps {
            self.unless_stopped(self.fetch(app, log)).await??;
        }
        self.target.ensure_network().await?;
        self.remove_commands_of_others().await
    }

    /// All that are missing are told at once.
    fn check_secrets(&self) -> Result<(), Setback> {
        let apps = self.work.release.apps.iter();
        let missing: BTreeSet<&String> = apps.flat_map(|app| app.missing_secrets(&self.ctx.secrets)).collect();
        let withheld = &self.ctx.withheld_secrets;
        let missing = missing.into_iter().map(|name| SecretValue::missing(&self.work.repository_name, name, withheld));
        let missing = missing.collect::<Vec<_>>();
        if missing.is_empty() { Ok(()) } else { Err(Setback::Failed(missing.join("; "))) }
    }

    async fn check_routable(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let Some(domain) = &app.run.domain else { return Ok(()) };
        if app.run.port.is_none() {
            let reason = format!("it has the domain {domain} but no port; give it one in its release settings");
            return Err(Setback::of(&app.app, reason));
        }
        if self.ctx.proxy.is_none() {
            log.say(format!("{}: this runner has no proxy, so that {domain} will not lead to it", app.app)).await;
        }
        Ok(())
    }

    async fn check_image(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let reference = pinned(&app.image, &app.digest);
        match self.registry.exists(&app.image, &app.digest).await {
            Ok(true) => {
                log.say(format!("{}: the registry has {reference}", app.app)).await;
                Ok(())
            }
            Ok(false) => {
                let reason = format!("{reference} is not in its registry any more. Build the commit again");
                Err(Setback::of(&app.app, reason))
            }
            Err(outage) if outage.is_outage() => self.settle_for_local(app, &outage, log).await,
            Err(error) => Err(Setback::of(&app.app, error)),
        }
    }

    /// The registry is down: a digest that the engine holds is as good. Which of a Swarm's other nodes hold it, only those know.
    async fn settle_for_local(&self, app: &ReleasedApp, outage: &RegistryError, log: &StepLog) -> Result<(), Setback> {
        let because = if self.target.has_image(&app.image, &app.digest).await? {
            "the engine holds the image already"
        } else if self.has_other_nodes().await? {
            "other nodes of the Swarm may hold the image; the release returns when one that is to run it does not"
        } else {
            return Err(Setback::of(&app.app, outage));
        };
        log.say(format!("{}: {outage}", app.app)).await;
        log.say(format!("{}: going on, because {because}", app.app)).await;
        Ok(())
    }

    async fn fetch(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let has_commands = !app.run.before.run.is_empty() || !app.run.after.run.is_empty();
        let is_needed_here = self.target.as_swarm().is_none() || (has_commands && self.work.runs_commands);
        // Each of a Swarm's nodes fetches what it runs.
        if !is_needed_here {
            return Ok(());
        }
        let target = self.target.for_commands();
        if target.has_image(&app.image, &app.digest).await? {
            return Ok(());
        }
        log.say(format!("{}: fetching {}", app.app, pinned(&app.image, &app.digest))).await;
        let since = Instant::now();
        target.pull(&app.image, &app.digest).await.map_err(|error| Setback::of(&app.app, error))?;
        let took = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        log.say(format!("{}: fetched in {}", app.app, seconds(took))).await;
        Ok(())
    }
}
