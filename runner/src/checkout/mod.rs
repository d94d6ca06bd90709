//! From a commit's name to its files on disk: a bare mirror per repository, fetched incrementally.

mod abandoned;
mod address;
mod changes;
mod error;
mod measure;
mod mirror;
mod tree;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) use abandoned::free_mirrors;
pub use changes::{Contents, Since};
pub use error::CheckoutError;
use mirror::Mirror;
use slipway_pipelines::plan::Refs;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use self::{address::CloneAddress, mirror::Locks};

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The repository's id, under which its mirror is kept.
    pub repository: String,
    /// Where to fetch from.
    pub clone_url: String,
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// The exact commit, 40 hexadecimal digits.
    pub commit: String,
}

/// What was checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The first line of the commit's message.
    pub subject: String,
    /// Whether the commit was in the mirror already.
    pub from_mirror: bool,
    /// The server's branches and tags; empty when it could not be asked.
    pub refs: Refs,
}

/// The bounds of one checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckoutLimits {
    /// How long it may take.
    pub time: Duration,
    /// How many bytes it may receive.
    pub bytes: usize,
    /// How many files and folders a commit may hold.
    pub files: usize,
    /// How many bytes a commit's files may have together.
    pub written_bytes: u64,
    /// How many bytes one file may have; git reads each of them as a whole.
    pub file_bytes: u64,
}

impl Default for CheckoutLimits {
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        CheckoutLimits {
            time: Duration::from_secs(600),
            bytes: 8 * 1024 * 1024 * 1024,
            files: 1_000_000,
            written_bytes: 16 * GIB,
            file_bytes: GIB,
        }
    }
}

/// The mirrors of every repository that this runner has met.
#[derive(Debug, Clone)]
pub struct Mirrors {
    folder: PathBuf,
    locks: Locks,
    limits: CheckoutLimits,
}

/// Tells blocking work to stop, and hears what it has to say.
#[derive(Debug, Clone)]
struct Watch {
    stopped: Arc<AtomicBool>,
    deadline: Instant,
    limits: CheckoutLimits,
    progress: UnboundedSender<String>,
}

/// Stops blocking work when nobody waits for it any more.
#[derive(Debug, Default)]
struct StoppedOnDrop(Arc<AtomicBool>);

impl Drop for StoppedOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    fn goes_on(&self) -> bool {
        self.check().is_ok()
    }

    fn check(&self) -> Result<(), CheckoutError> {
        if self.stopped.load(Ordering::Relaxed) {
            Err(CheckoutError::Cancelled)
        } else if Instant::now() >= self.deadline {
            Err(CheckoutError::TooSlow { seconds: self.limits.time.as_secs() })
        } else {
            Ok(())
        }
    }
}

impl Mirrors {
    /// Keeps mirrors in `folder`, one for each repository.
    #[must_use]
    pub fn new(folder: PathBuf, limits: CheckoutLimits) -> Self {
        Mirrors { folder, locks: Locks::default(), limits }
    }

    /// Fetches the commit, unless the mirror has it, and puts its files into `into`, which must not exist.
    ///
    /// The files are complete when this returns: they are written elsewhere and renamed. Progress is told in lines.
    ///
    /// # Errors
    /// When the address is not allowed, the repository does not answer, the branch or the commit is not there, the time
    /// is over, or `cancel` is cancelled.
    pub async fn checkout(
        &self,
        request: CheckoutRequest,
        into: &Path,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
    ) -> Result<Checkout, CheckoutError> {
        let mirror = Mirror::at(&self.folder, &request.repository);
        let address = CloneAddress::parse(&request.clone_url)?;
        let into = into.to_owned();
        let repository = request.repository.clone();
        let bring = move |watch: &Watch| {
            let written = mirror.bring(&address, &request, watch).and_then(|found| {
                let subject = tree::write(&mirror, found.commit, &into, watch)?;
                Ok(Checkout { subject, from_mirror: found.from_mirror, refs: found.refs })
            });
            // Whoever would have removed the files may be gone by now.
            if written.is_err() || watch.stopped.load(Ordering::Relaxed) {
                tree::discard(&into);
            }
            written
        };
        self.at_work(&repository, cancel, progress, bring).await
    }

    /// Says what a commit holds that was checked out, and what it changes. That nobody knows what it changes is an answer.
    ///
    /// # Errors
    /// When the mirror cannot be read, the time is over, or `cancel` is cancelled.
    pub async fn contents(
        &self,
        request: CheckoutRequest,
        since: Since,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
    ) -> Result<Contents, CheckoutError> {
        let mirror = Mirror::at(&self.folder, &request.repository);
        let address = CloneAddress::parse(&request.clone_url)?;
        let repository = request.repository.clone();
        let look = move |watch: &Watch| changes::contents(&mirror, &address, &request, &since, watch);
        self.at_work(&repository, cancel, progress, look).await
    }

    /// The mirrors that there are: the repository's id, and how many bytes each has.
    pub(crate) fn sizes(&self) -> Vec<(String, u64)> {
        mirror::sizes(&self.folder)
    }

    /// Removes a mirror, unless somebody works on it; tells whether it did.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) async fn remove(&self, repository: &str) -> std::io::Result<bool> {
        let Some(lock) = self.locks.try_lock(repository) else { return Ok(false) };
        let (folder, repository) = (self.folder.clone(), repository.to_owned());
        let removing = move || {
            let _lock = lock;
            mirror::remove(&folder, &repository)
        };
        tokio::task::spawn_blocking(removing).await.map_err(std::io::Error::other)??;
        Ok(true)
    }

    /// Does blocking work on a repository's mirror, alone.
    async fn at_work<T: Send + 'static>(
        &self,
        repository: &str,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
        doing: impl FnOnce(&Watch) -> Result<T, CheckoutError> + Send + 'static,
    ) -> Result<T, CheckoutError> {
        let lock = tokio::select! {
            lock = self.locks.lock(repository) => lock,
            () = cancel.cancelled() => return Err(CheckoutError::Cancelled),
        };
        // However the wait ends, the thread is not left working for nobody.
        let stopped = StoppedOnDrop::default();
        let watch = Watch {
            stopped: stopped.0.clone(),
            deadline: Instant::now() + self.limits.time,
            limits: self.limits,
            progress,
        };
        // The lock goes into the thread: when nobody waits for it any more, the mirror stays locked until it has ended.
        let work = tokio::task::spawn_blocking(move || {
            let _lock = lock;
            doing(&watch)
        });
        let patience = self.limits.time + Duration::from_secs(5);
        tokio::select! {
            done = work => done.unwrap_or_else(|_| Err(CheckoutError::Git("an internal error".to_owned()))),
            () = cancel.cancelled() => Err(CheckoutError::Cancelled),
            () = tokio::time::sleep(patience) => Err(CheckoutError::TooSlow { seconds: self.limits.time.as_secs() }),
        }
    }
}
