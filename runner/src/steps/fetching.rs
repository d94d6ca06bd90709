//! Having the images that a plan names on the engine, as far as the build may use them.

use slipway_pipelines::{
    dockerfile::{Dockerfile, means},
    plan::{Action, Plan, StepRun},
};
use tokio_util::sync::CancellationToken;

use super::{Site, StepError};
use crate::{
    engine::scoped_socket::trigger,
    images::{self, ImageRequest},
    registry::ImageRefused,
    reporter::StepLog,
};

impl Site {
    /// Says, before any step begins, which images the plan names: scripts get a login for no others.
    pub(crate) fn plan_images(&self, plan: &Plan) {
        for service in &plan.services {
            self.image_names.planned(&service.image);
        }
        for step in &plan.steps {
            match &step.action {
                Action::Run { run: StepRun::Shell { image, .. }, .. }
                | Action::Build { image, .. }
                | Action::Push { image, .. } => self.image_names.planned(image),
                Action::Run { run: StepRun::Container { container, .. }, .. } => {
                    self.image_names.planned(&container.image);
                }
            }
        }
    }

    /// Has an image that the plan names on the engine.
    pub(crate) async fn fetch(&self, image: &str, log: &StepLog, cancel: &CancellationToken) -> Result<(), StepError> {
        self.may_use(image).await?;
        images::ensure(&self.engine, image, &self.registries, log, cancel).await
    }

    /// The same for whoever has no log yet.
    pub(super) async fn fetch_silently(&self, image: &str) -> Result<(), StepError> {
        self.may_use(image).await?;
        Ok(images::ensure_silently(&self.engine, image, &self.registries).await?)
    }

    async fn may_use(&self, image: &str) -> Result<(), StepError> {
        self.rights.check(image).await.map_err(|why| refused(&why))?;
        let digits = image.strip_prefix("sha256:").unwrap_or(image);
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        // The engine takes the beginning of an id for the image, whatever that image is.
        let Ok(found) = self.engine.inspect_image(image).await else { return Ok(()) };
        let is_named = found.repo_tags.iter().flatten().any(|name| name.split(':').next() == Some(image));
        let is_meant = found.id.is_some_and(|id| id.trim_start_matches("sha256:").starts_with(digits));
        if is_meant && !is_named { Err(refused(&ImageRefused::Id { image: image.to_owned() })) } else { Ok(()) }
    }

    /// Judges the images that a Dockerfile names: BuildKit takes what the engine has without asking anybody. Where all
    /// logins are the build's, there is nothing to judge.
    pub(crate) async fn may_build(
        &self,
        request: &ImageRequest,
        log: &StepLog,
        cancel: &CancellationToken,
    ) -> Result<(), StepError> {
        if !self.rights.are_bounded() {
            return Ok(());
        }
        // What is wrong with the file is for the build to say.
        let Some(text) = images::dockerfile(request).await else { return Ok(()) };
        let read = Dockerfile::read(&text, &request.build_args);
        let argument = request.build_args.iter().find(|(name, _)| name == "BUILDKIT_SYNTAX");
        let frontend = argument.map(|(_, value)| value.as_str()).or(read.frontend());
        if let Some(frontend) = frontend.filter(|frontend| !is_docker_s(frontend)) {
            return Err(unjudged(request, &format!("it is read by `{frontend}`, which may use any image")));
        }
        if read.hides_images() {
            return Err(unjudged(request, "it names an image in a way that cannot be read here"));
        }
        for used in read.images(request.target.as_deref()) {
            if request.bases.iter().any(|base| means(&used.image, &base.image)) {
                continue;
            }
            self.fetch(&used.image, log, cancel).await?;
            let found = self.engine.inspect_image(&used.image).await;
            let found =
                found.map_err(|error| self.engine.error(format!("inspect the image {}", used.image), &error))?;
            for text in found.config.and_then(|config| config.on_build).unwrap_or_default() {
                trigger(&text)
                    .map_err(|why| unjudged(request, &format!("it builds on {}, which says {why}", used.image)))?;
            }
        }
        Ok(())
    }
}

fn refused(why: &ImageRefused) -> StepError {
    StepError::Other(why.to_string())
}

fn unjudged(request: &ImageRequest, why: &str) -> StepError {
    StepError::Other(format!(
        "{} cannot be built while there are logins for registries that are not for this build: {why}",
        request.dockerfile
    ))
}

/// Whether a frontend is Docker's own, which does what a Dockerfile says and no more.
fn is_docker_s(frontend: &str) -> bool {
    let name = frontend.strip_prefix("docker.io/").unwrap_or(frontend);
    name.strip_prefix("docker/dockerfile").is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
}
