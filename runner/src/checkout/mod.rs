//! From a commit's name to its files on disk: a bare mirror per repository, fetched incrementally.

mod abandoned;
mod address;
mod changes;
mod error;
mod files;
mod gate;
mod git_config;
mod lfs;
mod lines;
mod measure;
mod merge;
mod mirror;
mod submodules;
mod tree;
mod upkeep;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) use abandoned::free_mirrors;
pub use changes::{Contents, Since};
pub use error::CheckoutError;
pub use lines::Lines;
use mirror::Mirror;
pub(crate) use mirror::bytes_below;
use slipway_pipelines::plan::Refs;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::coordinator::CloneLogin;

use self::{
    address::{CloneAddress, Place},
    gate::{Gate, Known, Way},
    mirror::Locks,
    tree::Origin,
};

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The repository's id, under which its mirror is kept.
    pub repository: String,
    /// Where to fetch from.
    pub clone_url: String,
    /// What is said there to whoever asks for a login, where that is by https.
    pub login: Option<CloneLogin>,
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// Which commit of it.
    pub aim: Aim,
}

/// Which commit is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// The one of this name, 40 hexadecimal digits.
    Commit(String),
    /// The one that the ref stands at.
    Head,
    /// The one of this name, which must be part of the ref's history: whoever asked for it may have copied it from
    /// anywhere, and a forge gives out also the commits of forks.
    On(String),
    /// The one that merges the tip of this name into the target of a pull request; the ref is `refs/pull/…/merge`.
    Merge(String),
}

impl CheckoutRequest {
    fn address(&self) -> Result<CloneAddress, CheckoutError> {
        let address = CloneAddress::parse(&self.clone_url)?;
        Ok(match &self.login {
            Some(login) => address.with_login(&login.user, &login.password),
            None => address,
        })
    }
}

impl Aim {
    /// The name of the commit that was asked for, where it is known beforehand.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Aim::Commit(name) | Aim::On(name) | Aim::Merge(name) => Some(name),
            Aim::Head => None,
        }
    }
}

/// What was checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The commit that was asked for: of a pull request the tip of its branch.
    pub commit: Described,
    /// The commit whose files are on disk; for a pull request that is the merge.
    pub written: String,
    /// What a pull request is merged into.
    pub merged_into: Option<String>,
    /// Where the branch or tag stands, where the commit was asked for as one of its history.
    pub tip: Option<String>,
    /// Whether the commit was in the mirror already.
    pub from_mirror: bool,
    /// The server's branches and tags; empty when it could not be asked.
    pub refs: Refs,
}

/// A commit as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name, 40 hexadecimal digits.
    pub name: String,
    /// Its whole message.
    pub message: String,
    /// Who wrote it, by name.
    pub author: String,
    /// When it was committed, in unix seconds.
    pub committed: i64,
}

impl Described {
    /// The first line of its message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
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
    /// How long the forge may take to merge a pull request.
    pub merge: Duration,
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
            merge: Duration::from_secs(90),
        }
    }
}

/// The mirrors of every repository that this runner has met.
#[derive(Debug, Clone)]
pub struct Mirrors {
    folder: PathBuf,
    locks: Locks,
    limits: CheckoutLimits,
    internal_hosts: Vec<String>,
}

/// Tells blocking work to stop, and hears what it has to say.
#[derive(Debug, Clone)]
struct Watch {
    stopped: Arc<AtomicBool>,
    deadline: Instant,
    limits: CheckoutLimits,
    /// How many bytes it has received, from all servers.
    received: Arc<AtomicUsize>,
    progress: UnboundedSender<String>,
    gate: Way,
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
    /// Notes that so many bytes were received.
    fn receive(&self, bytes: usize) -> Result<(), CheckoutError> {
        let before = self.received.fetch_add(bytes, Ordering::Relaxed);
        let limit = self.limits.bytes;
        if before.saturating_add(bytes) > limit { Err(CheckoutError::TooLarge { limit }) } else { Ok(()) }
    }

    /// How many bytes may still be received.
    fn may_receive(&self) -> usize {
        self.limits.bytes.saturating_sub(self.received.load(Ordering::Relaxed))
    }

    /// A watch over something small.
    #[cfg(test)]
    fn unbounded() -> Self {
        let (progress, _) = tokio::sync::mpsc::unbounded_channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let (stopped, limits) = (Arc::default(), CheckoutLimits::default());
        Watch { stopped, deadline, limits, received: Arc::default(), progress, gate: Way::default() }
    }

    fn say(&self, line: String) {
        // Nobody listens any more when the checkout is given up.
        let _ = self.progress.send(line);
    }

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
        Mirrors { folder, locks: Locks::default(), limits, internal_hosts: Vec::new() }
    }

    /// The same with servers, `host` or `host:port`, that submodules, large files and redirects may lead to although
    /// their addresses are internal.
    #[must_use]
    pub fn with_internal_hosts(self, internal_hosts: Vec<String>) -> Self {
        Mirrors { internal_hosts, ..self }
    }

    /// Fetches the commit, unless the mirror has it, and puts its files into `into`, which must not exist; those of its
    /// submodules and what it keeps in Git LFS as well. Nothing of the repository runs for it.
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
        let mut waiting = merge::Waiting::new(self.limits.merge);
        loop {
            let brought = self.bring(&request, into, cancel, progress.clone()).await;
            match brought {
                Err(CheckoutError::NotMerged { .. }) if waiting.goes_on(cancel).await => {
                    let _ = progress.send("the forge has not merged it yet; looking again".to_owned());
                }
                ended => {
                    self.keep_up(&request.repository);
                    return ended;
                }
            }
        }
    }

    /// Has a repository's mirror kept small in the background, unless somebody works on it already.
    fn keep_up(&self, repository: &str) {
        let Some(lock) = self.locks.try_lock(repository) else { return };
        let mirror = Mirror::at(&self.folder, repository);
        tokio::task::spawn_blocking(move || {
            let _lock = lock;
            if let Err(error) = mirror.pack() {
                tracing::warn!(%error, "the packs of a mirror stay as they are");
            }
        });
    }

    async fn bring(
        &self,
        request: &CheckoutRequest,
        into: &Path,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
    ) -> Result<Checkout, CheckoutError> {
        let mirror = Mirror::at(&self.folder, &request.repository);
        let address = request.address()?;
        let into = into.to_owned();
        let (repository, place, request) = (request.repository.clone(), address.place(), request.clone());
        let bring = move |watch: &Watch| {
            let written = mirror.bring(&address, &request, watch).and_then(|found| {
                let own = Origin { mirror: &mirror, address: &address };
                // What a pull request says is a stranger's word.
                let lender = found.merged_into.is_none().then_some(&address);
                tree::write(own, lender, found.commit, &into, watch)?;
                Ok(Checkout {
                    commit: mirror.described(found.named)?,
                    written: found.commit.to_string(),
                    merged_into: found.merged_into.map(|base| base.to_string()),
                    tip: found.tip.map(|tip| tip.to_string()),
                    from_mirror: found.from_mirror,
                    refs: found.refs,
                })
            });
            // Whoever would have removed the files may be gone by now.
            if written.is_err() || watch.stopped.load(Ordering::Relaxed) {
                tree::discard(&into);
            }
            written
        };
        self.at_work(&repository, &place, cancel, progress, bring).await
    }

    /// Says what the commit of this name holds, which was checked out, and what it changes. That nobody knows what it changes is an answer.
    ///
    /// # Errors
    /// When the mirror cannot be read, the time is over, or `cancel` is cancelled.
    pub async fn contents(
        &self,
        request: CheckoutRequest,
        commit: String,
        since: Since,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
    ) -> Result<Contents, CheckoutError> {
        let mirror = Mirror::at(&self.folder, &request.repository);
        let address = request.address()?;
        let (repository, place) = (request.repository.clone(), address.place());
        let look = move |watch: &Watch| changes::contents(&mirror, &address, &request, &commit, &since, watch);
        self.at_work(&repository, &place, cancel, progress, look).await
    }

    /// The commits that lead to one that was checked out and are not in the history of `before`, as many as anybody reads,
    /// and who wrote the others; the commit alone where nobody knows what was before.
    ///
    /// # Errors
    /// As [`Mirrors::contents`].
    pub async fn lines(
        &self,
        request: CheckoutRequest,
        commit: String,
        before: Option<String>,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
    ) -> Result<Lines, CheckoutError> {
        let mirror = Mirror::at(&self.folder, &request.repository);
        let place = request.address()?.place();
        let look = move |watch: &Watch| lines::lines(&mirror, &commit, before.as_deref(), watch);
        self.at_work(&request.repository, &place, cancel, progress, look).await
    }

    /// A file for what is worth knowing of a repository's builds: it lies within the mirror, and goes with it.
    pub(crate) fn notes(&self, repository: &str) -> PathBuf {
        Mirror::at(&self.folder, repository).notes()
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
        place: &Place,
        cancel: &CancellationToken,
        progress: UnboundedSender<String>,
        doing: impl FnOnce(&Watch) -> Result<T, CheckoutError> + Send + 'static,
    ) -> Result<T, CheckoutError> {
        let lock = tokio::select! {
            lock = self.locks.lock(repository) => lock,
            () = cancel.cancelled() => return Err(CheckoutError::Cancelled),
        };
        let gate = Gate::open(Known::new(&self.internal_hosts, place)).await?;
        // However the wait ends, the thread is not left working for nobody.
        let stopped = StoppedOnDrop::default();
        let watch = Watch {
            stopped: stopped.0.clone(),
            deadline: Instant::now() + self.limits.time,
            limits: self.limits,
            received: Arc::default(),
            progress,
            gate: gate.way(),
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
