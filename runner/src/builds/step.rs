//! One step of a plan.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use slipway_pipelines::{
    config::BuildCache,
    plan::{Action, Plan, PlannedStep},
};
use tokio_util::sync::CancellationToken;

use super::{
    command::Command,
    provenance::{Account, Making, Material},
    resumed::RESTARTED,
    sign::Signer,
    subject::Subject,
    unchanged::Earlier,
};
use crate::{
    coordinator::{Artifact, KnownImage, SecretValue, StepResult, WithheldSecret},
    images::{self, Base, ImageBuilder, ImageError, ImageRequest},
    registry::Registry,
    reporter::StepLog,
    steps::{Patience, Site, StepError},
    storage::BuiltImages,
};

/// What the steps of one build work with, and what they have made so far.
pub(super) struct Bench<'a> {
    pub(super) subject: Subject,
    pub(super) site: &'a Site,
    pub(super) builder: &'a dyn ImageBuilder,
    pub(super) cancel: &'a CancellationToken,
    /// What steps may name.
    pub(super) secrets: Vec<SecretValue>,
    /// What they may name and are not given.
    pub(super) withheld: Vec<WithheldSecret>,
    /// By app: the names that its image keeps on the engine after the build.
    names: BTreeMap<String, Vec<String>>,
    /// Where it is noted which names images keep that were pushed, and the repository's id; none where that is nobody's concern.
    noting: Option<(BuiltImages, String)>,
    /// Whether images are built without the layers that earlier builds left.
    is_fresh: bool,
    /// The registries, with the logins of the build; a connection is made where it is needed.
    pub(super) registry: Registry,
    /// What earlier builds pushed; none where that does not matter.
    pub(super) earlier: Option<Earlier>,
    /// What the provenance of its images tells; none where nobody vouches for it.
    pub(super) account: Option<Account>,
    /// Who signs what is pushed; none where nobody does.
    pub(super) signer: Option<Signer>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
pub(super) struct Made {
    /// Image ids by app.
    pub(super) images: HashMap<String, String>,
    /// By app: what an earlier build pushed and this one takes over.
    pub(super) taken: HashMap<String, KnownImage>,
    pub(super) bases: Vec<Base>,
    /// By app: how its image is made, and what it is built on.
    pub(super) makings: HashMap<String, Making>,
    pub(super) materials: HashMap<String, Vec<Material>>,
    artifacts: HashMap<u32, Artifact>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        subject: Subject,
        secrets: Vec<SecretValue>,
        site: &'a Site,
        builder: &'a dyn ImageBuilder,
        cancel: &'a CancellationToken,
    ) -> Self {
        Bench {
            subject,
            site,
            builder,
            cancel,
            secrets,
            withheld: Vec::new(),
            names: BTreeMap::new(),
            noting: None,
            is_fresh: false,
            registry: Registry::new(site.registries()),
            earlier: None,
            account: None,
            signer: None,
            made: Mutex::default(),
        }
    }

    /// The same with names that images keep on the engine.
    pub(super) fn keeping(mut self, names: BTreeMap<String, Vec<String>>) -> Self {
        self.names = names;
        self
    }

    /// The same, knowing why some secrets are not given.
    pub(super) fn withholding(mut self, withheld: &[WithheldSecret]) -> Self {
        self.withheld = withheld.to_vec();
        self
    }

    /// The same, building images without the layers that earlier builds left.
    pub(super) fn fresh(mut self, is_fresh: bool) -> Self {
        self.is_fresh = is_fresh;
        self
    }

    /// The same, noting for the repository of this id which names images keep.
    pub(super) fn noting(mut self, built: BuiltImages, repository: &str) -> Self {
        self.noting = Some((built, repository.to_owned()));
        self
    }

    /// The same, taking over what earlier builds pushed where nothing has changed since.
    pub(super) fn knowing(mut self, earlier: Earlier) -> Self {
        self.earlier = Some(earlier);
        self
    }

    /// The same, telling in the registry what images come from.
    pub(super) fn accounting(mut self, account: Option<Account>, plan: &Plan) -> Self {
        self.account = account;
        let makings = plan.steps.iter().filter_map(|step| Some((step.app.clone(), Making::of(step)?)));
        self.made().makings.extend(makings);
        self
    }

    /// The same, having signed what is pushed.
    pub(super) fn signing(mut self, signer: Option<Signer>) -> Self {
        self.signer = signer;
        self
    }

    /// Takes an image that is there already for what the plan's build of an app would make.
    pub(super) async fn adopt(&self, plan: &Plan, app: &str, id: &str) -> Result<(), StepError> {
        let build = plan.steps.iter().find_map(|step| match &step.action {
            Action::Build { image, .. } if step.app == app => Some((step.index, image)),
            _ => None,
        });
        let Some((index, image)) = build else { return Ok(()) };
        let local = self.site.keep_image(index, id).await?;
        self.made().images.insert(app.to_owned(), id.to_owned());
        self.site.tell_image(image, &local);
        self.made().bases.push(Base { image: image.clone(), local, is_pinned: false });
        for name in self.names.get(app).into_iter().flatten() {
            self.site.name_image(id, name).await?;
        }
        Ok(())
    }

    /// Takes what a step has pushed for an artifact of the build.
    pub(super) fn pushed(&self, index: u32, artifact: Artifact) {
        self.made().artifacts.insert(index, artifact);
    }

    /// What was pushed, in the order of the plan.
    pub(super) fn into_artifacts(self) -> Vec<Artifact> {
        let made = self.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut artifacts: Vec<_> = made.artifacts.into_iter().collect();
        artifacts.sort_unstable_by_key(|(index, _)| *index);
        artifacts.into_iter().map(|(_, artifact)| artifact).collect()
    }

    /// Runs a step to its end.
    pub(super) async fn run(&self, step: &PlannedStep, log: &StepLog) -> Result<StepResult, StepError> {
        let patience = Patience::with(log.time(), self.site.limits(), step.timeout_ms, self.cancel);
        match &step.action {
            Action::Run { run, secrets, services, engine, .. } => {
                let command = Command { app: &step.app, run, secrets, services, engine: *engine };
                self.command(command, log, &patience).await?;
                Ok(StepResult { exit_code: Some(0), ..StepResult::succeeded() })
            }
            Action::Build { dockerfile, context, image, target, build_args, secrets, cache, pin } => {
                let from_registry = *cache == BuildCache::Registry;
                let pushed = self.earlier.as_ref().filter(|_| from_registry);
                let mut request = ImageRequest {
                    app: step.app.clone(),
                    dockerfile: dockerfile.clone(),
                    context: context.clone(),
                    target: target.clone(),
                    build_args: build_args.clone(),
                    secrets: self.secrets(secrets)?,
                    tells_layers: from_registry,
                    cache_from: pushed.map(|earlier| earlier.pushed(&step.app, image)).unwrap_or_default(),
                    ..self.request()
                };
                self.begin_again(log).await;
                patience.bear(self.site.may_build(&request, log, patience.cancel())).await?;
                if *pin {
                    request.bases.extend(Box::pin(self.pinned(&request, log, &patience)).await?);
                }
                Box::pin(self.image_step(step, image, request, log, &patience)).await
            }
            Action::Push { image, tags, attest } => {
                let pushed = Box::pin(self.push(step, image, tags, log, &patience)).await?;
                Box::pin(self.attach(step, pushed, attest, log, &patience)).await
            }
        }
    }

    async fn push(
        &self,
        step: &PlannedStep,
        image: &str,
        tags: &[String],
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Artifact, StepError> {
        self.begin_again(log).await;
        let taken = self.made().taken.get(&step.app).cloned();
        // What is attached to an image stays when it is taken over.
        let attached = taken.as_ref().map(|known| known.attached.clone()).unwrap_or_default();
        let pushed = match taken {
            Some(known) => self.tag_again(&known, tags, log, patience).await?,
            None => {
                let id = self.image(&step.app)?;
                let (engine, registries) = (self.site.engine(), self.site.registries());
                // Noted before the engine gives the name, so that a kill in between leaves nothing that nobody collects.
                let _noted = self.noting.as_ref().zip(tags.first()).map(|((built, repository), tag)| {
                    built.begin(repository, &step.app, &format!("{image}:{tag}"), &id)
                });
                let means = images::Means { engine, registries, silence: self.site.limits().push_silence, log };
                let pushing = Box::pin(self.told(images::push(means, &id, image, tags)));
                let pushed = patience.bear(pushing).await?;
                // The push gave the engine's names back to what had them before.
                self.name(&step.app, &id, log).await?;
                pushed
            }
        };
        Ok(Artifact {
            app: step.app.clone(),
            image: image.to_owned(),
            digest: pushed.digest,
            tags: tags.to_vec(),
            size: pushed.size,
            platform: pushed.platform,
            attached,
        })
    }

    /// An image that an earlier life of the runner began to build or to push is built or pushed once more. Nothing is done
    /// twice, as the engine has it in its cache, and the registry by its digest.
    async fn begin_again(&self, log: &StepLog) {
        if log.is_resumed() {
            log.begin_again(RESTARTED).await;
        }
    }

    /// Gives an app's image the names that it keeps.
    pub(super) async fn name(&self, app: &str, id: &str, log: &StepLog) -> Result<(), StepError> {
        for name in self.names.get(app).into_iter().flatten() {
            self.site.name_image(id, name).await?;
            log.say(format!("the engine has it as {name}")).await;
        }
        Ok(())
    }

    /// What the requests of all of the build's images have in common.
    fn request(&self) -> ImageRequest {
        ImageRequest {
            bases: self.made().bases.clone(),
            labels: self.subject.labels(),
            registries: self.site.registries().to_vec(),
            is_fresh: self.is_fresh,
            caches: self.site.caches().to_owned(),
            is_apart: self.site.is_apart(),
            ..ImageRequest::of(self.site.workspace().clone())
        }
    }

    /// The same with an error of a step.
    pub(super) async fn told<T>(&self, doing: impl Future<Output = Result<T, ImageError>>) -> Result<T, StepError> {
        doing.await.map_err(|error| match error {
            ImageError::Engine(engine) => StepError::Engine(engine),
            other => StepError::Other(other.to_string()),
        })
    }

    pub(super) fn image(&self, app: &str) -> Result<String, StepError> {
        self.made().images.get(app).cloned().ok_or_else(|| {
            StepError::Other(format!("the image of `{app}` was not built before this step: the plan is wrong"))
        })
    }

    pub(super) fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
