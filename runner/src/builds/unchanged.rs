//! Images of earlier builds that are taken as they are, because nothing that they are made of has changed; or because they
//! were made of the very commit that a tag is on now.
//!
//! Such an image is not built, and its push is a matter of its manifest. What runs in a build runs all the same: a test
//! has inputs of its own.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use slipway_pipelines::plan::{Action, Plan, PlannedStep, StepRun};

use super::step::Bench;
use crate::{
    coordinator::{KnownImage, RegistryCredential},
    images::{self, Pushed},
    registry::{Registry, pinned},
    reporter::StepLog,
    steps::{Patience, StepError},
};

/// In how many images layers are looked for.
const LAYERS_OF: usize = 3;

/// What earlier builds pushed.
#[derive(Debug)]
pub(super) struct Earlier {
    known: Vec<KnownImage>,
    registry: Registry,
    /// The apps whose images something in the build uses, so that the engine must have them.
    used: BTreeSet<String>,
    /// By build step: what the commit makes its image by.
    recipes: BTreeMap<u32, String>,
}

impl Earlier {
    pub(super) fn new(known: Vec<KnownImage>, registries: &[RegistryCredential], plan: &Plan, commit: &str) -> Self {
        Earlier { known, registry: Registry::new(registries), used: used(plan), recipes: recipes(plan, commit) }
    }

    /// The newest image of an app that was made of what this key names.
    pub(super) fn find(&self, app: &str, image: &str, key: &str) -> Option<&KnownImage> {
        let is_same = |known: &&KnownImage| known.key.as_deref() == Some(key);
        self.known.iter().filter(|known| known.app == app && known.image == image).find(is_same)
    }

    /// The newest images of an app by their digests, for the layers that are in them.
    pub(super) fn pushed(&self, app: &str, image: &str) -> Vec<String> {
        let of_app = self.known.iter().filter(|known| known.app == app && known.image == image);
        let mut names: Vec<String> = Vec::new();
        for name in of_app.map(|known| pinned(image, &known.digest)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.truncate(LAYERS_OF);
        names
    }

    /// What the commit makes the image of a build step by; none where that depends on more than the commit.
    pub(super) fn recipe(&self, step: &PlannedStep) -> Option<&str> {
        self.recipes.get(&step.index).map(String::as_str)
    }

    /// The newest image that the commit was made to before, for the build of a tag.
    pub(super) fn of_commit(&self, step: &PlannedStep, image: &str) -> Option<&KnownImage> {
        let recipe = self.recipe(step)?;
        let is_same = |known: &&KnownImage| known.recipe.as_deref() == Some(recipe);
        self.known.iter().filter(|known| known.app == step.app && known.image == image).find(is_same)
    }
}

/// By build step: one name for the commit and all that captain.yml says of making the image.
fn recipes(plan: &Plan, commit: &str) -> BTreeMap<u32, String> {
    let builds = plan.steps.iter().filter(|step| matches!(step.action, Action::Build { .. }));
    let named = |step: &PlannedStep| {
        let digest = Sha256::new().chain_update(commit).chain_update("\n").chain_update(plan.recipe(step.index)?);
        Some((step.index, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    builds.filter_map(named).collect()
}

/// The apps whose images are run, built upon, or can be asked for from within a step.
pub(super) fn used(plan: &Plan) -> BTreeSet<String> {
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
    /// Takes an earlier build's image for the one that this step would make, and says `why`; false, and nothing is changed,
    /// when it cannot be had any more.
    pub(super) async fn take_over(
        &self,
        step: &PlannedStep,
        known: &KnownImage,
        why: &str,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<bool, StepError> {
        let Some(earlier) = &self.earlier else { return Ok(false) };
        let KnownImage { image, digest, .. } = known;
        let reference = pinned(image, digest);
        let there = patience.bear(async { Ok(earlier.registry.exists(image, digest).await) }).await?;
        if !matches!(there, Ok(true)) {
            log.say(format!("{why}, but the registry does not hold {reference}")).await;
            return Ok(false);
        }
        if earlier.used.contains(&step.app) {
            let (engine, registries) = (self.site.engine(), self.site.registries());
            let fetched = images::ensure(engine, &reference, registries, log, patience.cancel());
            match patience.bear(fetched).await {
                Ok(()) => {}
                Err(StepError::Other(problem)) => {
                    log.say(format!("{why}, but its image is not to be had: {problem}")).await;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.take_again(step, known).await?;
        log.say(format!("not built: {why}")).await;
        log.say(format!("taking {image}@{digest}")).await;
        Ok(true)
    }

    /// Takes an earlier build's image that was found good, which the engine has where the build uses it.
    pub(super) async fn take_again(&self, step: &PlannedStep, known: &KnownImage) -> Result<(), StepError> {
        let KnownImage { image, digest, .. } = known;
        if self.earlier.as_ref().is_some_and(|earlier| earlier.used.contains(&step.app)) {
            let (engine, reference) = (self.site.engine(), pinned(image, digest));
            let found = engine.inspect_image(&reference).await;
            let found = found.map_err(|error| engine.error(format!("inspect the image {reference}"), &error))?;
            self.has_image(step, image, &found.id.unwrap_or(reference)).await?;
        }
        self.made().taken.insert(step.app.clone(), known.clone());
        Ok(())
    }

    /// Gives an image that was taken over its new tags, in the registry and without the engine.
    pub(super) async fn tag_again(
        &self,
        known: &KnownImage,
        tags: &[String],
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Pushed, StepError> {
        let KnownImage { image, digest, size, platform, .. } = known;
        // There is one wherever something was taken over.
        if let Some(earlier) = &self.earlier {
            let tagging = images::tag_pushed(&earlier.registry, image, digest, tags, log);
            patience.bear(Box::pin(self.told(tagging))).await?;
        }
        Ok(Pushed { digest: digest.clone(), size: *size, platform: platform.clone() })
    }
}
