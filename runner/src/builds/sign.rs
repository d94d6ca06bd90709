//! Signing what was pushed: the server signs, and the runner puts the signature beside the image.

use crate::{
    coordinator::{Artifact, BuildWork, SignatureRequest},
    images::{self, ImageError},
    registry::Registry,
    reporter::{ReportError, Reporter, StepLog},
    signing::PublicKey,
    steps::StepError,
};

/// Who signs the images of a build.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    key: String,
    reporter: Reporter,
}

impl Signer {
    /// The server, if it has a key.
    pub(super) fn of(work: &BuildWork, reporter: &Reporter) -> Option<Self> {
        Some(Signer { key: work.signing_key.clone()?, reporter: reporter.clone() })
    }

    /// Has an image signed, unless that key has signed it already, and answers with the digest of its signatures.
    pub(super) async fn sign(
        &self,
        step: u32,
        artifact: &Artifact,
        registry: &Registry,
        log: &StepLog,
    ) -> Result<String, StepError> {
        let Artifact { image, digest, .. } = artifact;
        let key: PublicKey = self.key.parse().map_err(|error| unsigned(digest, error))?;
        let known = registry.signatures(image, digest).await.map_err(|error| unsigned(digest, error))?;
        if known.signatures.iter().any(|signature| signature.is_on(digest, std::slice::from_ref(&key))) {
            log.say(format!("the key {} has signed it already", key.fingerprint())).await;
            return Ok(known.held_as);
        }
        let asked = SignatureRequest { image: image.clone(), digest: digest.clone(), key: self.key.clone() };
        let signature = self.reporter.sign(step, &asked).await.map_err(|error| match error {
            ReportError::LeaseLost => StepError::Cancelled,
            refused @ ReportError::Refused { .. } => unsigned(digest, refused),
        })?;
        if !signature.is_on(digest, std::slice::from_ref(&key)) {
            return Err(unsigned(digest, "the server's signature does not hold"));
        }
        let added = images::sign_pushed(registry, (image, digest), &signature, log).await;
        let held_as = added.map_err(|error| match error {
            ImageError::Engine(engine) => StepError::Engine(engine),
            other => unsigned(digest, other),
        })?;
        log.say(format!("signed by the key {}", key.fingerprint())).await;
        Ok(held_as)
    }
}

fn unsigned(digest: &str, why: impl std::fmt::Display) -> StepError {
    StepError::Other(format!("{digest} is pushed, and could not be signed: {why}"))
}
