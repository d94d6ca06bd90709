//! The object store in which finished logs are kept, where one is configured.
//!
//! A log is one object there: its packed runs of lines, one behind the other. The database knows where each begins. An
//! object is named by its step and written from what does not change any more, so that writing it twice changes nothing.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, aws::AmazonS3Builder,
    buffered::BufWriter, local::LocalFileSystem, path::Path,
};
use tokio::io::AsyncWriteExt as _;

use super::StoreError;
use crate::{
    config::{ArchivePlace, ArchiveSettings},
    ids::StepId,
};

/// How much of an object is held in memory while it is written; a larger one is sent in parts of this size.
const PART_BYTES: usize = 8 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may take.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a request is repeated that a store answers with an error of its own.
const REPEATED: Duration = Duration::from_secs(15);

/// Where finished logs go; nowhere unless it is configured. Cloning it is cheap.
#[derive(Clone, Default)]
pub struct Archive(Option<Arc<Place>>);

struct Place {
    store: Arc<dyn ObjectStore>,
    /// What every object's name begins with.
    prefix: Path,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archive").field(&self.0.is_some()).finish()
    }
}

impl Archive {
    /// Opens what the configuration names. A store that does not answer now is no error: logs wait for it.
    ///
    /// # Errors
    /// When the folder cannot be made, or the settings contradict each other.
    pub fn open(settings: &ArchiveSettings) -> Result<Self, StoreError> {
        let Some(place) = &settings.place else { return Ok(Archive(None)) };
        let place = match place {
            ArchivePlace::Folder(folder) => {
                let failed = |error: &dyn fmt::Display| unusable("use its folder", &error);
                std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(&error))?;
                Place {
                    // What is taken out of the database must be on the disk.
                    store: Arc::new(store.with_fsync(true)),
                    prefix: Path::default(),
                    folder: Some(folder.clone()),
                }
            }
            ArchivePlace::Bucket { name, prefix } => {
                let store = bucket(name, settings).build().map_err(|error| unusable("be used", &error))?;
                let prefix = Path::parse(prefix).map_err(|error| unusable("be used", &error))?;
                Place { store: Arc::new(store), prefix, folder: None }
            }
        };
        Ok(Archive(Some(Arc::new(place))))
    }

    /// Whether finished logs leave the database.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.0.is_some()
    }

    fn place(&self) -> Result<&Place, StoreError> {
        self.0.as_deref().ok_or_else(|| {
            unusable("be asked", &"a log was moved there, and the configuration does not name it any more (logs.store)")
        })
    }

    /// Begins to write a step's log. Nothing is there until [`Writing::finish`].
    pub(crate) fn begin(&self, step: &StepId) -> Result<Writing, StoreError> {
        let place = self.place()?;
        let name = place.name(step);
        place.clear_halves(&name);
        let writer =
            BufWriter::with_capacity(Arc::clone(&place.store), name.clone(), PART_BYTES).with_max_concurrency(1);
        Ok(Writing { store: Arc::clone(&place.store), name, writer, bytes: 0 })
    }

    /// Parts of a step's log.
    pub(crate) async fn read(&self, step: &StepId, parts: &[Range<u64>]) -> Result<Vec<Bytes>, StoreError> {
        let place = self.place()?;
        place.store.get_ranges(&place.name(step), parts).await.map_err(|error| unusable("give a log back", &error))
    }

    /// Removes a step's log. That there is none is fine.
    pub(crate) async fn remove(&self, step: &StepId) -> Result<(), StoreError> {
        let place = self.place()?;
        match place.store.delete(&place.name(step)).await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                Err(unusable("remove a log", &error))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    /// Spread over folders, none of which grows large: the end of an id is drawn by chance.
    fn name(&self, step: &StepId) -> Path {
        let step = step.to_string();
        self.prefix.clone().join(&step[step.len() - 2..]).join(format!("{step}.log"))
    }

    /// Removes what a process that was killed in the middle of writing this object left in a folder. A bucket's own
    /// rules remove such parts.
    fn clear_halves(&self, name: &Path) {
        let Some(folder) = &self.folder else { return };
        let path = folder.join(name.as_ref());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let half = format!("{}#", name.to_string_lossy());
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&half) {
                // One that stays takes room, and does no other harm.
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }
}

/// A log on its way into the archive.
pub(crate) struct Writing {
    store: Arc<dyn ObjectStore>,
    name: Path,
    writer: BufWriter,
    bytes: u64,
}

impl Writing {
    /// Adds a run of lines, packed.
    pub(crate) async fn add(&mut self, run: Vec<u8>) -> Result<(), StoreError> {
        self.bytes += run.len() as u64;
        self.writer.put(run.into()).await.map_err(|error| unusable("take a log", &error))
    }

    /// Ends it: when this returns, the whole log is there.
    pub(crate) async fn finish(mut self) -> Result<(), StoreError> {
        self.writer.shutdown().await.map_err(|error| unusable("take a log", &error))?;
        let there = self.store.head(&self.name).await.map_err(|error| unusable("tell of a log", &error))?;
        if there.size == self.bytes {
            return Ok(());
        }
        Err(unusable("keep a log", &format_args!("{} of its {} bytes are there", there.size, self.bytes)))
    }
}

fn bucket(name: &str, settings: &ArchiveSettings) -> AmazonS3Builder {
    let options = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(ANSWER);
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 3, retry_timeout: REPEATED };
    let builder = AmazonS3Builder::new().with_bucket_name(name).with_client_options(options).with_retry(retry);
    // Objects are removed one by one, and not every store knows how to remove many.
    let builder = builder.with_disable_bulk_delete(true);
    let builder = match &settings.endpoint {
        // Whoever names an address without TLS means it.
        Some(endpoint) => {
            builder.with_endpoint(endpoint.as_str().trim_end_matches('/')).with_allow_http(endpoint.scheme() == "http")
        }
        None => builder,
    };
    let builder = builder.with_region(settings.region.as_deref().unwrap_or("us-east-1"));
    match &settings.key {
        Some((id, secret)) => builder.with_access_key_id(id).with_secret_access_key(secret.reveal()),
        None => builder,
    }
}

fn unusable(doing: &'static str, cause: &dyn fmt::Display) -> StoreError {
    StoreError::Archive { doing, cause: cause.to_string() }
}
