//! The step that makes an app's image, or finds that it need not be made.

use slipway_pipelines::plan::PlannedStep;

use super::step::Bench;
use crate::{
    coordinator::{
        INPUT_KEY, KnownImage, LAYERS, LAYERS_CACHED, MATERIALS, PLATFORM, RECIPE, StepResult, UNCHANGED_SINCE,
    },
    images::{Base, BuiltImage, ImageRequest, input_key},
    reporter::StepLog,
    steps::{Patience, StepError},
};

impl Bench<'_> {
    /// Builds an app's image, unless an earlier build pushed one from exactly the same inputs, or this is a tag on a commit
    /// of which it was made before.
    pub(super) async fn image_step(
        &self,
        step: &PlannedStep,
        image: &str,
        request: ImageRequest,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<StepResult, StepError> {
        let Some(earlier) = &self.earlier else {
            let built = patience.bear(self.told(self.builder.build(request, log))).await?;
            return self.made_image(step, image, built, log).await;
        };
        let recipe = earlier.recipe(step);
        if let Some(known) = earlier.of_commit(step, image)
            && self
                .take_over(step, known, &format!("build {} made it of the same commit", known.build), log, patience)
                .await?
        {
            return Ok(taken(known, known.key.as_deref(), recipe));
        }
        let key = patience.bear(async { Ok(input_key(self.site.engine(), &request).await) }).await?;
        if let Some(known) = key.as_deref().and_then(|key| earlier.find(&step.app, image, key)) {
            let why = format!("nothing that the image is made of has changed since build {}", known.build);
            if self.take_over(step, known, &why, log, patience).await? {
                return Ok(taken(known, key.as_deref(), recipe));
            }
        }
        let built = patience.bear(self.told(self.builder.build(request.clone(), log))).await?;
        let materials = self.materials(&request, &built.fetched).await;
        let result = self.made_image(step, image, built, log).await?;
        let result = result.with(MATERIALS, serde_json::json!(materials).to_string());
        self.made().materials.insert(step.app.clone(), materials);
        Ok(made_by(result, key.as_deref(), recipe))
    }

    async fn made_image(
        &self,
        step: &PlannedStep,
        image: &str,
        built: BuiltImage,
        log: &StepLog,
    ) -> Result<StepResult, StepError> {
        let BuiltImage { id, layers, .. } = built;
        self.has_image(step, image, &id).await?;
        log.say(format!("built {id}")).await;
        self.name(&step.app, &id, log).await?;
        let result = StepResult::succeeded().with("image_id", id);
        Ok(result.with(LAYERS, layers.all.to_string()).with(LAYERS_CACHED, layers.cached.to_string()))
    }

    /// Lets the other steps of the build find an app's image, which the engine has.
    pub(super) async fn has_image(&self, step: &PlannedStep, image: &str, id: &str) -> Result<(), StepError> {
        let local = self.site.keep_image(step.index, id).await?;
        self.made().images.insert(step.app.clone(), id.to_owned());
        self.site.tell_image(image, &local);
        self.made().bases.push(Base { image: image.to_owned(), local, is_pinned: false });
        Ok(())
    }
}

/// An image that was taken over from an earlier build.
fn taken(known: &KnownImage, key: Option<&str>, recipe: Option<&str>) -> StepResult {
    let result = StepResult::succeeded()
        .with(UNCHANGED_SINCE, known.build.to_string())
        .with("digest", &known.digest)
        .with("size", known.size.to_string());
    let result = match &known.platform {
        Some(platform) => result.with(PLATFORM, platform),
        None => result,
    };
    made_by(result, key, recipe)
}

/// A result with what later builds know the image by.
fn made_by(result: StepResult, key: Option<&str>, recipe: Option<&str>) -> StepResult {
    let facts = [(INPUT_KEY, key), (RECIPE, recipe)];
    facts.into_iter().fold(result, |result, (name, value)| match value {
        Some(value) => result.with(name, value),
        None => result,
    })
}
