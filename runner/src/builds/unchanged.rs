//! Images of earlier builds that are taken as they are, because nothing that they are made of has changed.
//!
//! Such an image is not built, and its push is a matter of its manifest. What runs in a build runs all the same: a test
//! has inputs of its own.

use std::collections::BTreeSet;

use slipway_pipelines::plan::{Action, Plan, PlannedStep, StepRun};

use super::step::Bench;
use crate::{
    coordinator::{KnownImage, RegistryCredential},
    images::{self, Pushed},
    registry::{Registry, pinned},
    reporter::StepLog,
    steps::{Patience, StepError},
};

/// What earlier builds pushed.
#[derive(Debug)]
pub(super) struct Earlier {
    known: Vec<KnownImage>,
    registry: Registry,
    /// The apps whose images something in the build uses, so that the engine must have them.
    used: BTreeSet<String>,
}

impl Earlier {
    pub(super) fn new(known: Vec<KnownImage>, registries: &[RegistryCredential], plan: &Plan) -> Self {
        Earlier { known, registry: Registry::new(registries), used: used(plan) }
    }

    /// The newest image of an app that was made of what this key names.
    pub(super) fn find(&self, app: &str, image: &str, key: &str) -> Option<&KnownImage> {
        self.known.iter().find(|known| known.app == app && known.image == image && known.key == key)
    }
}

/// The apps whose images are run, built upon, or can be asked for from within a step.
fn used(plan: &Plan) -> BTreeSet<String> {
    let built_by = |index: &u32| {
        let is_build = |step: &&PlannedStep| step.index == *index && matches!(step.action, Action::Build { .. });
        plan.steps.iter().find(is_build).map(|step| step.app.clone())
    };
    let mut used: BTreeSet<String> = plan.services.iter().filter_map(|service| service.built.clone()).collect();
    for step in &plan.steps {
        match &step.action {
            Action::Run { engine: true, .. } => used.extend(plan.steps.iter().map(|other| other.app.clone())),
            Action::Run { run: StepRun::Shell { built, .. } | StepRun::Container { built, .. }, .. } => {
                used.extend(built.clone());
            }
            Action::Build { .. } => used.extend(step.needs.iter().filter_map(built_by)),
            Action::Push { .. } => {}
        }
    }
    used
}

impl Bench<'_> {
    /// Takes an earlier build's image for the one that this step would make; false, and nothing is changed, when it cannot
    /// be had any more.
    pub(super) async fn take_over(
        &self,
        step: &PlannedStep,
        known: &KnownImage,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<bool, StepError> {
        let Some(earlier) = &self.earlier else { return Ok(false) };
        let KnownImage { image, digest, build, .. } = known;
        let reference = pinned(image, digest);
        let there = patience.bear(async { Ok(earlier.registry.exists(image, digest).await) }).await?;
        if !matches!(there, Ok(true)) {
            log.say(format!("nothing has changed since build {build}, but the registry does not hold {reference}"))
                .await;
            return Ok(false);
        }
        if earlier.used.contains(&step.app) {
            let (engine, registries) = (self.site.engine(), self.site.registries());
            let fetched = images::ensure(engine, &reference, registries, log, patience.cancel());
            match patience.bear(fetched).await {
                Ok(()) => {}
                Err(StepError::Other(why)) => {
                    log.say(format!("nothing has changed since build {build}, but its image is not to be had: {why}"))
                        .await;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
            let found = engine.inspect_image(&reference).await;
            let found = found.map_err(|error| engine.error(format!("inspect the image {reference}"), &error))?;
            self.has_image(step, image, &found.id.unwrap_or(reference)).await?;
        }
        log.say(format!("not built: nothing that the image is made of has changed since build {build}")).await;
        log.say(format!("taking {image}@{digest}")).await;
        self.made().taken.insert(step.app.clone(), known.clone());
        Ok(true)
    }

    /// Gives an image that was taken over its new tags, in the registry and without the engine.
    pub(super) async fn tag_again(
        &self,
        known: &KnownImage,
        tags: &[String],
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Pushed, StepError> {
        let KnownImage { image, digest, size, .. } = known;
        // There is one wherever something was taken over.
        if let Some(earlier) = &self.earlier {
            let tagging = images::tag_pushed(&earlier.registry, image, digest, tags, log);
            patience.bear(Box::pin(self.told(tagging))).await?;
        }
        Ok(Pushed { digest: digest.clone(), size: *size })
    }
}
