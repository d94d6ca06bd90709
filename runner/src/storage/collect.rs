//! Looking at what there is, and removing what was chosen.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use tokio_util::sync::CancellationToken;

use super::{
    Records, Space, StorageLimits,
    choice::{Bounds, Going, Item, going},
};
use crate::{
    checkout::Mirrors,
    coordinator::{Coordinator, KeptImages, MOST_DIGESTS},
    engine::{Engine, EngineError, labels},
    kept::KeptBuilds,
};

/// After how many looks everything is collected that is too old.
const LOOKS_PER_ROUND: u32 = 60;

/// Collects what this runner keeps.
pub(crate) struct Collector {
    pub(crate) docker_host: Option<String>,
    /// Whose things they are: nobody else's are looked at.
    pub(crate) runner: String,
    pub(crate) limits: StorageLimits,
    pub(crate) mirrors: Mirrors,
    pub(crate) repositories: Records,
    pub(crate) images: Records,
    pub(crate) kept: KeptBuilds,
    pub(crate) space: Arc<Space>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
}

impl Collector {
    /// Collects until `stop` is cancelled: what is too old every hour, and whatever is not in use as soon as the disk is
    /// nearly full.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut look = 0_u32;
        while stop.run_until_cancelled(tokio::time::sleep(self.limits.look)).await.is_some() {
            let presses = self.space.shortage().is_some();
            let is_due = presses || look.is_multiple_of(LOOKS_PER_ROUND);
            look += 1;
            if stop.run_until_cancelled(self.collect_failed(presses)).await.is_none() {
                return;
            }
            if is_due && stop.run_until_cancelled(self.once(presses)).await.is_none() {
                return;
            }
        }
    }

    /// One round. What cannot be looked at is left for the next one.
    async fn once(&self, presses: bool) {
        self.collect_mirrors(presses).await;
        let engine = match Engine::connect(self.docker_host.as_deref()).await {
            Ok(engine) => engine,
            Err(error) => {
                tracing::debug!(%error, "what is on the engine is collected another time");
                return;
            }
        };
        if let Err(error) = self.collect_images(&engine, presses).await {
            tracing::warn!(%error, "cannot collect images of releases");
        }
        if let Err(error) = self.collect_caches(&engine, presses).await {
            tracing::warn!(%error, "cannot collect cache volumes");
        }
    }

    fn bounds(presses: bool, unused: Duration, bytes: u64) -> Bounds {
        if presses {
            Bounds { unused: Duration::ZERO, bytes: 0, count: 0 }
        } else {
            Bounds { unused, bytes, count: usize::MAX }
        }
    }

    /// Whether the next thing is still to go: under pressure only until there is room.
    fn goes_on(&self, presses: bool) -> bool {
        !presses || self.space.shortage().is_some()
    }

    async fn collect_failed(&self, presses: bool) {
        let too_much = self.kept.too_much(presses).await;
        if too_much.is_empty() {
            return;
        }
        let Ok(engine) = Engine::connect(self.docker_host.as_deref()).await else { return };
        for (left, Going { name, bytes, reason }) in too_much {
            if !self.goes_on(presses) {
                return;
            }
            self.kept.remove(left, &engine).await;
            tracing::info!(job = %name, bytes, reason, "removed what a failed build left");
        }
    }

    async fn collect_mirrors(&self, presses: bool) {
        let mirrors = self.mirrors.clone();
        let Ok(sizes) = tokio::task::spawn_blocking(move || mirrors.sizes()).await else { return };
        let items = sizes.into_iter().map(|(repository, bytes)| {
            let record = self.repositories.of(&repository);
            Item { name: repository, bytes, unused: record.unused, is_needed: record.is_in_use }
        });
        let bounds = Self::bounds(presses, self.limits.mirrors_unused, self.limits.mirrors_bytes);
        for Going { name, bytes, reason } in going(items.collect(), bounds) {
            if !self.goes_on(presses) {
                return;
            }
            match self.mirrors.remove(&name).await {
                Ok(true) => tracing::info!(repository = %name, bytes, reason, "removed a mirror"),
                Ok(false) => {}
                Err(error) => tracing::warn!(repository = %name, %error, "cannot remove a mirror"),
            }
        }
    }

    async fn collect_images(&self, engine: &Engine, presses: bool) -> Result<(), EngineError> {
        let records = self.images.all().unwrap_or_default();
        let digests: Vec<String> =
            records.iter().filter_map(|record| digest(&record.note)).take(MOST_DIGESTS).collect();
        if digests.is_empty() {
            return Ok(());
        }
        let question = KeptImages { runner: self.runner.clone(), digests: digests.clone() };
        // Without an answer, everything could be held.
        let kept: BTreeSet<String> = match self.coordinator.kept_images(question).await {
            Ok(kept) => kept.into_iter().collect(),
            Err(error) => {
                tracing::debug!(%error, "images of releases are collected another time");
                return Ok(());
            }
        };
        let asked: BTreeSet<String> = digests.into_iter().collect();
        let used = used_images(engine).await?;
        let mut items = Vec::new();
        for record in records {
            let Some(digest) = digest(&record.note).filter(|digest| asked.contains(digest)) else { continue };
            let image = match engine.inspect_image(&record.note).await {
                Ok(image) => image,
                Err(failure) => {
                    let error = engine.error(format!("inspect the image {}", record.note), &failure);
                    if error.is_not_found() && !record.is_in_use {
                        self.images.forget(&record.name);
                    }
                    continue;
                }
            };
            let runs = image.id.is_none_or(|id| used.contains(&id));
            items.push(Item {
                bytes: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                unused: record.unused,
                is_needed: record.is_in_use || runs || kept.contains(&digest),
                name: record.note,
            });
        }
        let bounds = Self::bounds(presses, self.limits.images_unused, u64::MAX);
        for Going { name, bytes, reason } in going(items, bounds) {
            if !self.goes_on(presses) {
                return Ok(());
            }
            // Not by force: the engine refuses what a container was made from meanwhile.
            let removed = engine.remove_image(&name, Some(RemoveImageOptionsBuilder::default().build()), None).await;
            match removed.map_err(|error| engine.error(format!("remove the image {name}"), &error)) {
                Ok(_) => tracing::info!(image = %name, bytes, reason, "removed an image of a release"),
                Err(error) => tracing::debug!(%error, "an image stays"),
            }
        }
        Ok(())
    }

    async fn collect_caches(&self, engine: &Engine, presses: bool) -> Result<(), EngineError> {
        let mine = labels::filter(&[(labels::KIND, labels::KIND_CACHE), (labels::RUNNER, &self.runner)]);
        let found = engine.list_volumes(Some(ListVolumesOptionsBuilder::default().filters(&mine).build())).await;
        let found = found.map_err(|error| engine.error("list cache volumes", &error))?;
        let items = found.volumes.unwrap_or_default().into_iter().filter_map(|volume| {
            let record = self.repositories.of(volume.labels.get(labels::REPOSITORY)?);
            Some(Item { name: volume.name, bytes: 0, unused: record.unused, is_needed: record.is_in_use })
        });
        let bounds = Self::bounds(presses, self.limits.caches_unused, u64::MAX);
        for Going { name, reason, .. } in going(items.collect(), bounds) {
            if !self.goes_on(presses) {
                return Ok(());
            }
            // Not by force: the engine refuses what a container uses.
            let removed = engine.remove_volume(&name, Some(RemoveVolumeOptionsBuilder::default().build())).await;
            match removed.map_err(|error| engine.error(format!("remove the cache volume {name}"), &error)) {
                Ok(()) => tracing::info!(volume = %name, reason, "removed a cache volume"),
                Err(error) => tracing::debug!(%error, "a cache volume stays"),
            }
        }
        Ok(())
    }
}

/// The images that containers were made from, running or not, whosever they are.
async fn used_images(engine: &Engine) -> Result<BTreeSet<String>, EngineError> {
    let options = ListContainersOptionsBuilder::default().all(true).build();
    let found = engine.list_containers(Some(options)).await;
    let found = found.map_err(|error| engine.error("list containers", &error))?;
    Ok(found.into_iter().filter_map(|container| container.image_id).collect())
}

/// The digest of a pinned image's name.
fn digest(reference: &str) -> Option<String> {
    let (_, digest) = reference.rsplit_once('@')?;
    digest.starts_with("sha256:").then(|| digest.to_owned())
}
