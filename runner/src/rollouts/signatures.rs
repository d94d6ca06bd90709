//! Whether the images of a release are signed, where its environment asks for that.

use super::{Rollout, Setback};
use crate::{
    coordinator::ReleasedApp,
    registry::pinned,
    reporter::StepLog,
    signing::{KeyError, PublicKey},
};

impl Rollout<'_> {
    /// Lets an image in that one of the environment's keys has signed, and no other. A registry that cannot be asked lets none
    /// in. What is live already and is made anew was let in before.
    pub(super) async fn check_signature(&self, app: &ReleasedApp, log: &StepLog) -> Result<(), Setback> {
        let Some(keys) = self.work.signed_by.as_ref().filter(|_| !self.work.restore) else { return Ok(()) };
        let keys: Result<Vec<PublicKey>, KeyError> = keys.iter().map(|key| key.parse()).collect();
        let keys = keys.map_err(|error| Setback::of(&app.app, error))?;
        let (image, environment) = (pinned(&app.image, &app.digest), &self.work.environment_name);
        let found = self.registry.signatures(&app.image, &app.digest).await.map_err(|error| {
            let reason = format!("whether {image} is signed cannot be checked, and {environment} asks for it: {error}");
            Setback::of(&app.app, reason)
        })?;
        if found.signatures.iter().any(|signature| signature.is_on(&app.digest, &keys)) {
            log.say(format!("{}: signed as {environment} asks for", app.app)).await;
            return Ok(());
        }
        let names: Vec<String> = keys.iter().map(PublicKey::fingerprint).collect();
        let asked = match names.as_slice() {
            [] => "no key is left that could have signed it".to_owned(),
            names => format!("{environment} asks for a signature of the key {}", names.join(" or ")),
        };
        let has = match found.signatures.len() {
            0 => "is not signed".to_owned(),
            1 => "is signed by another key, or its signature does not hold".to_owned(),
            many => format!("has {many} signatures, of which none holds"),
        };
        let remedy = "Build the commit again where the key signs, or sign the image with cosign";
        Err(Setback::of(&app.app, format!("{image} {has}, and {asked}. {remedy}")))
    }
}
