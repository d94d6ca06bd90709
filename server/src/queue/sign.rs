//! Signing what a runner has pushed. The key stays here: a runner is given a signature, and only on the image that the
//! push step pushes that it is carrying out.

use serde_json::json;
use slipway_runner::{
    coordinator::{LeaseKey, StepKind},
    signing::{Signature, SignatureRequest, payload},
};

use super::{
    ServerCoordinator, StepState,
    fence::{ReportError, held},
    give_back::{Subject, subject},
    work::is_anybodys,
};
use crate::{
    secrets::{Place, Secret},
    signing,
    store::{self, StoreError},
};

/// The signature of a key of the server's on an image that a step of the leased job pushes.
///
/// Nothing is signed of a build that may be anybody's doing, and no image but the one that the step was declared to push.
pub(super) async fn sign(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    index: u32,
    asked: &SignatureRequest,
) -> Result<Signature, ReportError> {
    let (mut tx, job) = held(server, lease).await?;
    let refused = |why: &str| Err(ReportError::Refused(format!("{} is not signed: {why}", asked.digest)));
    let Subject::Build(build) = subject(&mut tx, &job).await? else { return refused("a rollout pushes nothing") };
    if is_anybodys(&build.event) {
        return refused("its build may be anybody's doing");
    }
    if !is_digest(&asked.digest) {
        return refused("it is no sha256 digest");
    }
    let step = store::steps::at(&mut tx.conn(), &job.id, job.attempt, i64::from(index)).await?;
    let pushes = step.is_some_and(|step| {
        step.kind.0 == StepKind::Push
            && step.state == StepState::Running
            && step.name.strip_prefix("push ") == Some(asked.image.as_str())
    });
    if !pushes {
        return refused("no step of the job is pushing it");
    }
    let keys = store::signing_keys::list(&mut tx.conn()).await?;
    let Some(key) = keys.into_iter().find(|key| key.public_key == asked.key) else {
        return refused("its key was removed meanwhile; build the commit again");
    };
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    tx.roll_back().await?;
    let opened = server.credentials.unseal(Place::signing_key(&key.id), &key.private_key);
    let secret = opened.map_err(ReportError::Refused).map(Secret::new)?;
    let optional = json!({"repository": repository.name, "build": build.number.to_string()});
    let payload = payload(asked, &optional);
    let signature = signing::sign(&secret, &payload).map_err(|error| ReportError::Refused(error.to_string()))?;
    Ok(Signature { payload, signature })
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
