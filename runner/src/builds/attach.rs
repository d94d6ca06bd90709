//! What is attached to an image once it is pushed.

use slipway_pipelines::{
    config::Attestation,
    plan::{Action, PlannedStep},
};

use super::{
    provenance::{self, Making},
    step::Bench,
};
use crate::{
    clock::unix_ms,
    coordinator::{ATTACHED, Artifact, PLATFORM, StepResult},
    registry::Attachment,
    reporter::StepLog,
    sbom,
    steps::{Patience, StepError},
};

/// The kinds of what is attached, as people read it.
const PROVENANCE: &str = "provenance";
const SBOM: &str = "sbom";
const SIGNATURE: &str = "signature";

impl Bench<'_> {
    /// Attaches what captain.yml asks for to an image that was pushed, and ends its step. What a registry does not take is a
    /// warning: the image is pushed all the same. An image that was taken over keeps what was attached when it was made.
    pub(super) async fn attach(
        &self,
        step: &PlannedStep,
        mut artifact: Artifact,
        wanted: &[Attestation],
        log: &StepLog,
        patience: &Patience,
    ) -> Result<StepResult, StepError> {
        let is_own = !self.made().taken.contains_key(&step.app);
        if is_own && wanted.contains(&Attestation::Provenance) {
            let attaching = async { Ok(self.attach_provenance(&artifact, log).await) };
            if let Some(digest) = patience.bear(Box::pin(attaching)).await? {
                artifact.attached.insert(PROVENANCE.to_owned(), digest);
            }
        }
        if is_own && wanted.contains(&Attestation::Sbom) {
            let attached = Box::pin(self.attach_sbom(step, &artifact, log, patience)).await?;
            artifact.attached.extend(attached.map(|digest| (SBOM.to_owned(), digest)));
        }
        if let Some(signer) = &self.signer {
            let signing = signer.sign(step.index, &artifact, &self.registry, log);
            let digest = patience.bear(Box::pin(signing)).await?;
            artifact.attached.insert(SIGNATURE.to_owned(), digest);
        }
        let result = StepResult::succeeded()
            .with("image", &artifact.image)
            .with("digest", &artifact.digest)
            .with("tags", artifact.tags.join(" "))
            .with("size", artifact.size.to_string());
        let result = match &artifact.platform {
            Some(platform) => result.with(PLATFORM, platform),
            None => result,
        };
        let result = if artifact.attached.is_empty() {
            result
        } else {
            result.with(ATTACHED, serde_json::json!(artifact.attached).to_string())
        };
        self.pushed(step.index, artifact);
        Ok(result)
    }

    async fn attach_provenance(&self, artifact: &Artifact, log: &StepLog) -> Option<String> {
        let account = self.account.as_ref()?;
        let making = self.making(&artifact.app, log);
        let pushed = (artifact.image.as_str(), artifact.digest.as_str());
        let statement = account.statement(&self.subject, &artifact.app, pushed, &making, unix_ms()).to_string();
        let what = Attachment {
            kind: provenance::KIND,
            content: statement.as_bytes(),
            annotations: &[("in-toto.io/predicate-type", provenance::PREDICATE)],
        };
        match self.registry.attach(&artifact.image, &artifact.digest, what).await {
            Ok(digest) => {
                log.say(format!("its provenance is attached as {digest}")).await;
                Some(digest)
            }
            Err(error) => {
                log.say(format!("warning: the image is pushed without its provenance: {error}")).await;
                None
            }
        }
    }

    /// Attaches what is in the image, as far as its package databases tell.
    async fn attach_sbom(
        &self,
        step: &PlannedStep,
        artifact: &Artifact,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Option<String>, StepError> {
        let id = self.image(&step.app)?;
        let reading = self.site.contents((step.index, &step.app), &id, sbom::PATHS);
        let inventory = sbom::Inventory::of(&patience.bear(Box::pin(reading)).await?);
        let pushed = (artifact.image.as_str(), artifact.digest.as_str());
        let content = sbom::document(pushed, &inventory, unix_ms()).to_string();
        let what = Attachment { kind: sbom::KIND, content: content.as_bytes(), annotations: &[] };
        let attaching = async { Ok(self.registry.attach(&artifact.image, &artifact.digest, what).await) };
        match patience.bear(Box::pin(attaching)).await? {
            Ok(digest) => {
                let count = inventory.packages.len();
                log.say(format!("what is in it, {count} packages, is attached as {digest}")).await;
                Ok(Some(digest))
            }
            Err(error) => {
                log.say(format!("warning: the image is pushed without telling what is in it: {error}")).await;
                Ok(None)
            }
        }
    }

    /// What the app's image was made of. No secret stands in what strangers may read.
    fn making(&self, app: &str, log: &StepLog) -> Making {
        let made = self.made();
        let mut making = made.makings.get(app).cloned().unwrap_or_default();
        making.bases = made.materials.get(app).cloned().unwrap_or_default();
        for (_, value) in &mut making.build_args {
            *value = log.masks().text(value).into_owned();
        }
        making
    }
}

impl Making {
    /// What a step's image is made of, apart from its bases.
    pub(super) fn of(step: &PlannedStep) -> Option<Self> {
        let Action::Build { dockerfile, context, target, build_args, .. } = &step.action else { return None };
        Some(Making {
            dockerfile: dockerfile.clone(),
            context: context.clone(),
            target: target.clone(),
            build_args: build_args.clone(),
            bases: Vec::new(),
        })
    }
}
