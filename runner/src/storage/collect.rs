//! Looking at what there is, and removing what was chosen: by itself, and when somebody asks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use bollard::{
    models::ImageInspect,
    query_parameters::{
        ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
    },
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    BuiltImages, ClockWatch, Records, Space, StorageLimits,
    choice::{Item, going},
    kind::{How, Kind},
};
use crate::{
    checkout::Mirrors,
    clock,
    coordinator::{
        CollectionOrder, CollectionReport, Coordinator, CoordinatorError, KeptImages, Leaving, MOST_DIGESTS, Stored,
    },
    engine::{Engine, EngineError, build_cache, labels, prune_build_cache, volume_sizes},
    kept::KeptBuilds,
};

/// After how many looks everything is collected that is too old.
const LOOKS_PER_ROUND: u32 = 60;
/// How often a report is sent that the server does not take; nobody waits for it any longer.
const REPORTS: u32 = 10;
const REPORT_PAUSE: Duration = Duration::from_secs(1);
/// The record of the last time that everything was collected which was too old.
const WHOLE_ROUND: &str = "whole";

/// Collects what this runner keeps.
pub(crate) struct Collector {
    pub(crate) docker_host: Option<String>,
    /// Whose things they are: nobody else's are looked at.
    pub(crate) runner: String,
    pub(crate) limits: StorageLimits,
    pub(crate) mirrors: Mirrors,
    pub(crate) repositories: Records,
    pub(crate) images: Records,
    pub(crate) built: BuiltImages,
    pub(crate) kept: KeptBuilds,
    /// When it was collected.
    pub(crate) rounds: Records,
    pub(crate) space: Arc<Space>,
    pub(crate) coordinator: Arc<dyn Coordinator>,
    /// What people ask for.
    pub(crate) orders: mpsc::Receiver<CollectionOrder>,
}

/// Why something is looked at, or removed, another time.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Without an answer, everything could be held.
    #[error("the server does not say which images releases hold: {0}")]
    Server(#[from] CoordinatorError),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Collector {
    /// Collects until `stop` is cancelled: what is too old every hour and when somebody asks, and whatever is not in use as
    /// soon as the disk is nearly full.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.collect()).await;
    }

    async fn collect(&mut self) {
        let last_round = self.rounds.of(WHOLE_ROUND).unused.as_millis();
        let now = clock::unix_ms();
        let last_round = now.saturating_sub(i64::try_from(last_round).unwrap_or(i64::MAX));
        let mut watch = ClockWatch::begin(now, Instant::now(), last_round);
        let mut look = 0_u32;
        let mut next = Instant::now() + self.limits.look;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                Some(order) = self.orders.recv() => {
                    let doubt = watch.doubt(clock::unix_ms(), Instant::now());
                    self.obey(order, doubt.as_deref()).await;
                    continue;
                }
            }
            let how = if self.space.shortage().is_some() { How::Pressing } else { How::Due };
            let is_whole = how == How::Pressing || look.is_multiple_of(LOOKS_PER_ROUND);
            let doubt = watch.doubt(clock::unix_ms(), Instant::now());
            self.round(if is_whole { Kind::ALL } else { &[Kind::FailedBuild] }, how, doubt.as_deref()).await;
            if is_whole && doubt.is_none() {
                self.rounds.touch(WHOLE_ROUND, "");
            }
            look += 1;
            next = Instant::now() + self.limits.look;
        }
    }

    /// Does what somebody asks for, and tells what came of it.
    async fn obey(&self, order: CollectionOrder, doubt: Option<&str>) {
        let how = if order.dry_run { How::DryRun } else { How::Due };
        let stored = self.round(Kind::ALL, how, doubt).await;
        let report = CollectionReport { runner: self.runner.clone(), order: order.id, stored };
        for _ in 0..REPORTS {
            match self.coordinator.collected(report.clone()).await {
                Err(CoordinatorError::Unavailable { .. }) => tokio::time::sleep(REPORT_PAUSE).await,
                Err(error) => return tracing::warn!(%error, "what was collected was not reported"),
                Ok(()) => return,
            }
        }
    }

    /// One round, in which nothing goes for its age where the clock is in doubt. What cannot be looked at is left for the
    /// next one.
    async fn round(&self, kinds: &[Kind], how: How, doubt: Option<&str>) -> Vec<Stored> {
        let mut round = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let paused = doubt.map(str::to_owned);
            let mut stored = Stored { what: kind.words().to_owned(), paused, ..Stored::default() };
            if let Err(error) = self.collect_kind(*kind, how, &mut stored).await {
                tracing::debug!(what = kind.words(), %error, "collected another time");
                stored.hindrance = Some(error.to_string());
            }
            round.push(stored);
        }
        if let Some(bytes) = self.limits.build_cache_bytes.filter(|_| kinds == Kind::ALL) {
            let mut stored = Stored { what: "layer of the build cache".to_owned(), ..Stored::default() };
            if let Err(error) = self.shrink_build_cache(bytes, how, &mut stored).await {
                tracing::debug!(%error, "the build cache stays as it is for now");
                stored.hindrance = Some(error.to_string());
            }
            round.push(stored);
        }
        round
    }

    /// Which layers go, the engine alone decides: they carry no labels.
    async fn shrink_build_cache(&self, most: u64, how: How, stored: &mut Stored) -> Result<(), EngineError> {
        let engine = self.engine().await?;
        (stored.count, stored.bytes) = build_cache(&engine, how.patience()).await?;
        let mut over = stored.bytes.saturating_sub(most);
        if over == 0 {
            return Ok(());
        }
        if how != How::DryRun {
            prune_build_cache(&engine, most).await?;
            over = stored.bytes.saturating_sub(build_cache(&engine, how.patience()).await?.1);
            tracing::info!(bytes = over, "the build cache was pruned");
        }
        stored.note(Leaving {
            name: "the least recently used ones".to_owned(),
            bytes: over,
            reason: format!("all have more than {most} bytes"),
        });
        Ok(())
    }

    async fn collect_kind(&self, kind: Kind, how: How, stored: &mut Stored) -> Result<(), CollectError> {
        let groups = self.groups(kind, how).await?;
        let all = groups.iter().flatten();
        stored.count = all.clone().count() as u64;
        stored.bytes = all.map(|item| item.bytes).fold(0, u64::saturating_add);
        let usual = self.limits.bounds(kind);
        // A full disk cannot wait: what is not in use goes in the order of its use, whatever the time is.
        let bounds = how.bounds(if stored.paused.is_some() { usual.ageless() } else { usual });
        for going in groups.into_iter().flat_map(|items| going(items, bounds)) {
            if how == How::Pressing && self.space.shortage().is_none() {
                break;
            }
            let (what, name, bytes, reason) = (kind.words(), going.name, going.bytes, going.reason);
            if how != How::DryRun {
                match self.remove(kind, &name).await {
                    Ok(true) => tracing::info!(what, name, bytes, reason, "collected"),
                    Ok(false) => continue,
                    Err(CollectError::Disk(error)) => {
                        tracing::warn!(what, name, %error, "it cannot be removed");
                        continue;
                    }
                    // Such as that somebody has made a container of the image since it was looked at.
                    Err(error) => {
                        tracing::debug!(what, name, %error, "it stays");
                        continue;
                    }
                }
            }
            stored.note(Leaving { name, bytes, reason: reason.to_owned() });
        }
        Ok(())
    }

    /// The things of a kind, in groups of which each is bounded by itself.
    async fn groups(&self, kind: Kind, how: How) -> Result<Vec<Vec<Item>>, CollectError> {
        match kind {
            Kind::FailedBuild => Ok(vec![self.kept.items().await]),
            Kind::Built => self.built(&self.engine().await?).await,
            Kind::Mirror => Ok(vec![self.mirrors().await?]),
            Kind::Image => Ok(vec![self.images(&self.engine().await?).await?]),
            Kind::Cache => Ok(vec![self.caches(&self.engine().await?, how).await?]),
        }
    }

    /// Removes something; false where somebody else has it. Never by force: the engine refuses what a container uses meanwhile.
    async fn remove(&self, kind: Kind, name: &str) -> Result<bool, CollectError> {
        match kind {
            Kind::FailedBuild => {
                let engine = self.engine().await?;
                let Some(left) = self.kept.take(name) else { return Ok(false) };
                Ok(self.kept.remove(left, &engine).await)
            }
            Kind::Built => {
                // A build of the same commit has begun to push it meanwhile.
                if self.built.is_in_use(name) {
                    return Ok(false);
                }
                self.remove_image(name).await?;
                self.built.forget(name);
                Ok(true)
            }
            Kind::Mirror => Ok(self.mirrors.remove(name).await?),
            Kind::Image => {
                self.remove_image(name).await?;
                Ok(true)
            }
            Kind::Cache => {
                let engine = self.engine().await?;
                let removed = engine.remove_volume(name, Some(RemoveVolumeOptionsBuilder::default().build())).await;
                removed.map_err(|error| engine.error(format!("remove the cache volume {name}"), &error))?;
                Ok(true)
            }
        }
    }

    /// Takes a name off an image, which goes with its last one.
    async fn remove_image(&self, name: &str) -> Result<(), CollectError> {
        let engine = self.engine().await?;
        let removed = engine.remove_image(name, Some(RemoveImageOptionsBuilder::default().build()), None).await;
        removed.map_err(|error| engine.error(format!("remove the image {name}"), &error))?;
        Ok(())
    }

    async fn engine(&self) -> Result<Engine, EngineError> {
        Engine::connect(self.docker_host.as_deref()).await
    }

    async fn mirrors(&self) -> Result<Vec<Item>, CollectError> {
        let mirrors = self.mirrors.clone();
        let sizes = tokio::task::spawn_blocking(move || mirrors.sizes()).await.map_err(io::Error::other)?;
        let items = sizes.into_iter().map(|(repository, bytes)| {
            let record = self.repositories.of(&repository);
            Item { name: repository, bytes, unused: record.unused, is_needed: record.is_in_use }
        });
        Ok(items.collect())
    }

    async fn images(&self, engine: &Engine) -> Result<Vec<Item>, CollectError> {
        let records = self.images.all()?;
        let digests: Vec<String> =
            records.iter().filter_map(|record| digest(&record.note)).take(MOST_DIGESTS).collect();
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.kept_among(&digests).await?;
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
        Ok(items)
    }

    /// Those of the digests that releases hold.
    async fn kept_among(&self, digests: &[String]) -> Result<BTreeSet<String>, CollectError> {
        if digests.is_empty() {
            return Ok(BTreeSet::new());
        }
        let question = KeptImages { runner: self.runner.clone(), digests: digests.to_vec() };
        Ok(self.coordinator.kept_images(question).await?.into_iter().collect())
    }

    /// The images that builds have made here, by their apps. A name that means another image by now is nobody's to take.
    async fn built(&self, engine: &Engine) -> Result<Vec<Vec<Item>>, CollectError> {
        let mut found = Vec::new();
        let mut noted = self.built.all()?;
        noted.sort_by_key(|(_, record)| std::cmp::Reverse(record.unused));
        for (image, record) in noted.into_iter().take(MOST_DIGESTS) {
            match engine.inspect_image(&image.name).await {
                Ok(inspected) if inspected.id.as_deref() == Some(&image.id) => found.push((image, record, inspected)),
                Ok(_) if !record.is_in_use => self.built.forget(&image.name),
                Ok(_) => {}
                Err(failure) => {
                    let error = engine.error(format!("inspect the image {}", image.name), &failure);
                    if error.is_not_found() && !record.is_in_use {
                        self.built.forget(&image.name);
                    }
                }
            }
        }
        let digests_of = |image: &ImageInspect| -> Vec<String> {
            image.repo_digests.iter().flatten().filter_map(|name| digest(name)).collect()
        };
        let mut digests: Vec<String> = found.iter().flat_map(|(_, _, image)| digests_of(image)).collect();
        digests.sort_unstable();
        digests.dedup();
        let mut kept = BTreeSet::new();
        for some in digests.chunks(MOST_DIGESTS) {
            kept.extend(self.kept_among(some).await?);
        }
        let used = used_images(engine).await?;
        let mut groups: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for (image, record, inspected) in found {
            let is_held = digests_of(&inspected).iter().any(|digest| kept.contains(digest));
            groups.entry(image.of).or_default().push(Item {
                bytes: inspected.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                unused: record.unused,
                is_needed: record.is_in_use || used.contains(&image.id) || is_held,
                name: image.name,
            });
        }
        Ok(groups.into_values().collect())
    }

    async fn caches(&self, engine: &Engine, how: How) -> Result<Vec<Item>, CollectError> {
        let mine = labels::filter(&[(labels::KIND, labels::KIND_CACHE), (labels::RUNNER, &self.runner)]);
        let found = engine.list_volumes(Some(ListVolumesOptionsBuilder::default().filters(&mine).build())).await;
        let found = found.map_err(|error| engine.error("list cache volumes", &error))?;
        let found = found.volumes.unwrap_or_default();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        // It costs the engine much to tell: where nothing depends on it, nobody asks.
        let sizes = match self.limits.caches_bytes {
            u64::MAX => HashMap::new(),
            _ => volume_sizes(engine, how.patience()).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "how large cache volumes are is not known: they go for their age alone");
                HashMap::new()
            }),
        };
        let items = found.into_iter().filter_map(|volume| {
            let record = self.repositories.of(volume.labels.get(labels::REPOSITORY)?);
            let bytes = sizes.get(&volume.name).copied().unwrap_or(0);
            Some(Item { name: volume.name, bytes, unused: record.unused, is_needed: record.is_in_use })
        });
        Ok(items.collect())
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
