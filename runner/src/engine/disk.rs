//! What things take on the engine's disk, as far as it says so, and giving back what its build cache takes.

use std::{collections::HashMap, time::Duration};

use reqwest::{Body, header::HeaderMap};
use serde::{Deserialize, de::IgnoredAny};

use super::{Engine, EngineError, Line};

/// The newest version of the API that tells it in this form: <https://docs.docker.com/reference/api/engine/version/v1.51/>
const NEWEST_FORM: usize = 51;
/// `GET /system/df`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<CacheRecord>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    usage_data: Option<VolumeUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUsage {
    /// -1 where that is not known.
    size: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CacheRecord {
    size: i64,
    shared: bool,
}

/// How many bytes each volume takes, by their names; of some drivers it is not known. An engine that is older than its API
/// 1.42 measures everything that it has; it is left alone after `patience`.
pub(crate) async fn volume_sizes(engine: &Engine, patience: Duration) -> Result<HashMap<String, u64>, EngineError> {
    let usage = measured(engine, "volume", patience).await?;
    let size = |volume: Volume| Some((volume.name, u64::try_from(volume.usage_data?.size).ok()?));
    Ok(usage.volumes.into_iter().flatten().filter_map(size).collect())
}

/// How many layers the build cache holds, and how many bytes they take; without those that images have, too.
pub(crate) async fn build_cache(engine: &Engine, patience: Duration) -> Result<(u64, u64), EngineError> {
    let usage = measured(engine, "build-cache", patience).await?;
    let own = usage.build_cache.into_iter().flatten().filter(|record| !record.shared);
    let sizes = own.map(|record| u64::try_from(record.size).unwrap_or(0));
    Ok(sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes.saturating_add(size))))
}

/// Has the engine remove from its build cache what was not used for longest, until at most so many bytes are left, or what
/// is left is in use.
pub(crate) async fn prune_build_cache(engine: &Engine, bytes: u64) -> Result<(), EngineError> {
    // The older name of the bound, and the newer one.
    let path = path(engine, &format!("/build/prune?all=true&keep-storage={bytes}&max-used-space={bytes}"));
    let line = Line::to(engine)?;
    let answer = line.post("prune its build cache", &path, HeaderMap::new(), Body::default()).await?;
    answer.json::<IgnoredAny>().await.map_err(|error| line.unreachable(&error))?;
    Ok(())
}

async fn measured(engine: &Engine, kind: &str, patience: Duration) -> Result<Usage, EngineError> {
    let path = path(engine, &format!("/system/df?type={kind}"));
    let line = Line::to(engine)?;
    let asked = line.get("measure its disk", &path);
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
        let cause = format!("it was still measuring its disk after {} s", patience.as_secs());
        Err(EngineError::Unreachable { address: engine.address().to_owned(), cause })
    })
}

/// The path in the version of the API that both sides know and that answers in the form that is read here.
fn path(engine: &Engine, path: &str) -> String {
    format!("/v1.{}{path}", engine.client_version().minor_version.min(NEWEST_FORM))
}
