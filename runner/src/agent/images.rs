//! Which images were fetched here for a release, so that they can be collected one day, and no other can.

use super::Agent;
use crate::{coordinator::RolloutWork, engine::Engine, registry::pinned, storage::InUse};

impl Agent {
    /// Notes, before a rollout fetches them, the images that the engine does not have: those are Slipway's. One that was
    /// there before may be anybody's. They are in use until the answer is dropped.
    pub(super) async fn note_images(&self, work: &RolloutWork, engine: &Engine) -> Vec<InUse> {
        let mut in_use = Vec::new();
        for app in &work.release.apps {
            let reference = pinned(&app.image, &app.digest);
            let name = app.digest.replace(':', "-");
            // Where the engine cannot tell, the image counts as somebody's.
            if engine.has_image(&reference).await.unwrap_or(true) {
                if self.images.is_known(&name) {
                    in_use.push(self.images.begin(&name, &reference));
                }
            } else {
                in_use.push(self.images.begin(&name, &reference));
            }
        }
        in_use
    }
}
