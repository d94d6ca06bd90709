//! The step that makes an app's image, or finds that it need not be made.

use slipway_pipelines::plan::PlannedStep;

use super::step::Bench;
use crate::{
    coordinator::{INPUT_KEY, StepResult, UNCHANGED_SINCE},
    images::{Base, ImageRequest, input_key},
    reporter::StepLog,
    steps::{Patience, StepError},
};

impl Bench<'_> {
    /// Builds an app's image, unless an earlier build pushed one from exactly the same inputs.
    pub(super) async fn image_step(
        &self,
        step: &PlannedStep,
        image: &str,
        request: ImageRequest,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<StepResult, StepError> {
        let Some(earlier) = &self.earlier else {
            let id = patience.bear(self.told(self.builder.build(request, log))).await?;
            return self.made_image(step, image, id, log).await;
        };
        let key = patience.bear(async { Ok(input_key(self.site.engine(), &request).await) }).await?;
        if let Some(known) = key.as_deref().and_then(|key| earlier.find(&step.app, image, key))
            && self.take_over(step, known, log, patience).await?
        {
            return Ok(StepResult::succeeded()
                .with(INPUT_KEY, &known.key)
                .with(UNCHANGED_SINCE, known.build.to_string())
                .with("digest", &known.digest));
        }
        let id = patience.bear(self.told(self.builder.build(request, log))).await?;
        let result = self.made_image(step, image, id, log).await?;
        Ok(match key {
            Some(key) => result.with(INPUT_KEY, key),
            None => result,
        })
    }

    async fn made_image(
        &self,
        step: &PlannedStep,
        image: &str,
        id: String,
        log: &StepLog,
    ) -> Result<StepResult, StepError> {
        self.has_image(step, image, &id).await?;
        log.say(format!("built {id}")).await;
        self.name(&step.app, &id, log).await?;
        Ok(StepResult::succeeded().with("image_id", id))
    }

    /// Lets the other steps of the build find an app's image, which the engine has.
    pub(super) async fn has_image(&self, step: &PlannedStep, image: &str, id: &str) -> Result<(), StepError> {
        let local = self.site.keep_image(step.index, id).await?;
        self.made().images.insert(step.app.clone(), id.to_owned());
        self.site.tell_image(image, &local);
        self.made().bases.push(Base { image: image.to_owned(), local });
        Ok(())
    }
}
