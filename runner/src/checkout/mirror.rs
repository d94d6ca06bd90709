//! The bare mirror of one repository.

use std::{
    cell::Cell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Once, PoisonError},
    time::{Duration, Instant},
};

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, Oid, Remote, RemoteCallbacks,
    RemoteHead, RemoteRedirect, Repository, RepositoryInitOptions,
};
use sha2::{Digest, Sha256};
use slipway_pipelines::plan::Refs;
use tokio::sync::OwnedMutexGuard;

use super::{Aim, CheckoutError, CheckoutRequest, CloneAddress, Described, Watch, merge, upkeep};

/// How long a git server may stay silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How many branches, and how many tags, are looked at.
const REFS_LIMIT: usize = 50_000;
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What the system says of a full disk, in the words that libgit2 passes on.
const NO_SPACE: &str = "No space left on device";

/// One writer at a time for each mirror.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Locks {
    /// Waits until nobody else works on the repository's mirror.
    pub(super) async fn lock(&self, repository: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(repository.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The same, if nobody works on it now.
    pub(super) fn try_lock(&self, repository: &str) -> Option<OwnedMutexGuard<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(repository.to_owned()).or_default().clone().try_lock_owned().ok()
    }
}

/// How the name of a mirror begins that is being removed: it is none any more.
const GOING: &str = "going.";

/// The mirrors in a folder: the repository's id, and how many bytes each has. What cannot be read is left out.
pub(super) fn sizes(folder: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mirrors = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let repository = name.strip_suffix(".git")?;
        (!name.starts_with(GOING)).then(|| (repository.to_owned(), bytes_below(&entry.path())))
    });
    mirrors.collect()
}

/// How many bytes the files below a folder have.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Removes a mirror. It loses its name first, so that nobody opens half of one; what a process that was killed left of
/// others goes as well.
pub(super) fn remove(folder: &Path, repository: &str) -> std::io::Result<()> {
    let mirror = Mirror::at(folder, repository);
    let going = folder.join(format!("{GOING}{repository}.git"));
    if going.exists() {
        std::fs::remove_dir_all(&going)?;
    }
    std::fs::rename(&mirror.path, &going)?;
    std::fs::remove_dir_all(&going)
}

/// A bare repository that holds what was ever fetched.
#[derive(Debug)]
pub(super) struct Mirror {
    path: PathBuf,
}

impl Mirror {
    /// The mirror of the repository with this id, whether it exists or not.
    pub(super) fn at(folder: &Path, repository: &str) -> Self {
        // An id is the server's word; it becomes the name of a folder only in so far as it is harmless.
        let name: String =
            repository.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        Mirror { path: folder.join(format!("{name}.git")) }
    }

    /// The mirror of a submodule, which lies within this one and goes with it. What is fetched with a login is kept apart
    /// from what is fetched without.
    pub(super) fn of_submodule(&self, address: &CloneAddress) -> Self {
        // The login is not part of the name: it may be another one each time.
        let kind = if address.has_login() { "with a login" } else { "" };
        let digest = Sha256::digest(format!("{}\0{kind}", address.shown()).as_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Mirror { path: self.path.join("modules").join(format!("{name}.git")) }
    }

    /// Where the large files are that the repository keeps beside git.
    pub(super) fn large_files(&self) -> PathBuf {
        self.path.join("lfs")
    }

    /// What is noted of the repository's builds.
    pub(super) fn notes(&self) -> PathBuf {
        self.path.join("slipway-notes")
    }

    /// Writes its small packs as one, where there are too many.
    pub(super) fn pack(&self) -> Result<(), CheckoutError> {
        if self.path.join("objects/pack").exists() { upkeep::pack(&self.path) } else { Ok(()) }
    }

    /// Opens the mirror, and makes it when there is none or it cannot be read.
    pub(super) fn open(&self) -> Result<Repository, CheckoutError> {
        match Repository::open_bare(&self.path) {
            Ok(repository) => Ok(repository),
            Err(error) => {
                if self.path.exists() {
                    tracing::warn!(mirror = %self.path.display(), %error, "a mirror cannot be opened: making it anew");
                    std::fs::remove_dir_all(&self.path)?;
                }
                let options = &mut RepositoryInitOptions::new();
                let made = Repository::init_opts(&self.path, options.bare(true).mkpath(true).external_template(false))?;
                // Listing what a server has follows the first redirect otherwise, and nobody looks where it leads.
                made.config()?.set_str("http.followRedirects", "false")?;
                Ok(made)
            }
        }
    }

    /// Makes sure that the commit is here, and asks the server for its branches and tags.
    ///
    /// A commit that is here already is built even if the server does not answer.
    pub(super) fn bring(
        &self,
        address: &CloneAddress,
        request: &CheckoutRequest,
        watch: &Watch,
    ) -> Result<Found, CheckoutError> {
        let Some(name) = request.aim.name() else { return self.bring_head(address, request, watch) };
        let wanted = Oid::from_str(name)
            .ok()
            .filter(|_| name.len() == 40)
            .ok_or_else(|| CheckoutError::Malformed(format!("`{name}` is not a commit's full name")))?;
        let repository = self.open()?;
        set_server_timeouts();
        if let Aim::Merge(_) = request.aim {
            return merge::bring(&repository, address, request, wanted, watch);
        }
        if let Aim::On(_) = request.aim {
            let found = self.bring_head(address, request, watch)?;
            let is_on = wanted == found.commit || repository.graph_descendant_of(found.commit, wanted).unwrap_or(false);
            if !is_on {
                return Err(CheckoutError::NotOn { commit: name.to_owned(), name: in_words(&request.git_ref) });
            }
            return Ok(Found { commit: wanted, named: wanted, tip: Some(found.commit), ..found });
        }
        if let Some(commit) = commit_of(&repository, wanted) {
            let refs = list_refs(&repository, address, watch).unwrap_or_else(|error| {
                let _ = watch.progress.send(format!("{error}; going on with what was fetched before"));
                Refs::default()
            });
            return Ok(Found { commit, named: commit, merged_into: None, tip: None, from_mirror: true, refs });
        }
        let (named, refs) = fetch_ref(&repository, address, &request.git_ref, watch)?;
        if commit_of(&repository, wanted).is_none() {
            fetch_commit(&repository, address, wanted, watch)?;
        }
        match commit_of(&repository, wanted) {
            Some(commit) => Ok(Found { commit, named: commit, merged_into: None, tip: None, from_mirror: false, refs }),
            None if named => Err(CheckoutError::Gone { commit: name.to_owned() }),
            None => Err(CheckoutError::UnknownRef { name: in_words(&request.git_ref) }),
        }
    }

    /// Fetches the ref, and finds what it stands at.
    fn bring_head(
        &self,
        address: &CloneAddress,
        request: &CheckoutRequest,
        watch: &Watch,
    ) -> Result<Found, CheckoutError> {
        let repository = self.open()?;
        set_server_timeouts();
        let (is_there, refs) = fetch_ref(&repository, address, &request.git_ref, watch)?;
        let name = request.git_ref.strip_prefix("refs/").unwrap_or(&request.git_ref);
        let held = repository.refname_to_id(&format!("refs/slipway/{name}")).ok().filter(|_| is_there);
        let commit = held.and_then(|held| commit_of(&repository, held));
        let commit = commit.ok_or_else(|| CheckoutError::UnknownRef { name: in_words(&request.git_ref) })?;
        Ok(Found { commit, named: commit, merged_into: None, tip: None, from_mirror: false, refs })
    }

    /// What a commit tells of itself.
    pub(super) fn described(&self, commit: Oid) -> Result<Described, CheckoutError> {
        let repository = self.open()?;
        let commit = repository.find_commit(commit)?;
        Ok(Described {
            name: commit.id().to_string(),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
            author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
            committed: commit.time().seconds(),
        })
    }
}

impl Mirror {
    /// Makes sure that a commit is here of which nothing is known but its name; answers whether it was here before.
    pub(super) fn bring_commit(
        &self,
        address: &CloneAddress,
        wanted: Oid,
        watch: &Watch,
    ) -> Result<bool, CheckoutError> {
        let repository = self.open()?;
        set_server_timeouts();
        if commit_of(&repository, wanted).is_some() {
            return Ok(true);
        }
        fetch_commit(&repository, address, wanted, watch)?;
        if commit_of(&repository, wanted).is_none() {
            let everything = ["+refs/heads/*:refs/slipway/heads/*", "+refs/tags/*:refs/slipway/tags/*"];
            fetch(&repository, address, &everything, watch)?;
        }
        commit_of(&repository, wanted).map(|_| false).ok_or_else(|| CheckoutError::Gone { commit: wanted.to_string() })
    }
}

/// What the mirror and the server have.
pub(super) struct Found {
    /// The commit, also where an annotated tag was asked for.
    pub(super) commit: Oid,
    /// The commit that was asked for by its name: that of a pull request is merged in `commit`.
    pub(super) named: Oid,
    /// What a pull request is merged into.
    pub(super) merged_into: Option<Oid>,
    /// Where the branch or tag stands of which an earlier commit may have been asked for.
    pub(super) tip: Option<Oid>,
    /// Whether it was here before.
    pub(super) from_mirror: bool,
    /// The server's branches and tags.
    pub(super) refs: Refs,
}

/// The commit that an object is or, for an annotated tag, names.
pub(super) fn commit_of(repository: &Repository, object: Oid) -> Option<Oid> {
    repository.find_object(object, None).ok()?.peel_to_commit().ok().map(|commit| commit.id())
}

/// Fetches one ref, and says whether the server has it, and which others.
pub(super) fn fetch_ref(
    repository: &Repository,
    address: &CloneAddress,
    git_ref: &str,
    watch: &Watch,
) -> Result<(bool, Refs), CheckoutError> {
    let Some(name) = git_ref.strip_prefix("refs/").filter(|_| git2::Reference::is_valid_name(git_ref)) else {
        return Err(CheckoutError::Malformed(format!("`{git_ref}` is not the full name of a branch or tag")));
    };
    let remote = fetch(repository, address, &[&format!("+{git_ref}:refs/slipway/{name}")], watch)?;
    let heads = remote.list()?;
    upkeep::forget_unlisted(repository, heads)?;
    Ok((heads.iter().any(|head| head.name() == git_ref), refs(heads)))
}

/// Asks the server for its branches and tags, and fetches nothing.
fn list_refs(repository: &Repository, address: &CloneAddress, watch: &Watch) -> Result<Refs, CheckoutError> {
    let mut remote = repository.remote_anonymous(address.full())?;
    let connection = remote
        .connect_auth(Direction::Fetch, Some(callbacks(address, watch)), None)
        .map_err(|error| in_context(&error, address, watch))?;
    let refs = refs(connection.list()?);
    Ok(refs)
}

fn refs(heads: &[RemoteHead<'_>]) -> Refs {
    let under = |prefix: &str| {
        let names = heads.iter().filter_map(|head| head.name().strip_prefix(prefix));
        // `^{}` is not a tag but the commit that an annotated one names.
        names.filter(|name| !name.ends_with("^{}")).take(REFS_LIMIT).map(str::to_owned).collect()
    };
    Refs { branches: under("refs/heads/"), tags: under("refs/tags/") }
}

/// Fetches a commit by its name, where the server allows that (GitHub does). Where it does not, nothing happens.
pub(super) fn fetch_commit(
    repository: &Repository,
    address: &CloneAddress,
    commit: Oid,
    watch: &Watch,
) -> Result<(), CheckoutError> {
    match fetch(repository, address, &[&format!("+{commit}:refs/slipway/commits/{commit}")], watch) {
        Err(unreachable @ CheckoutError::Unreachable { .. }) => {
            tracing::debug!(%commit, %unreachable, "the server does not give a commit by its name");
            Ok(())
        }
        fetched => fetched.map(drop),
    }
}

fn fetch<'r>(
    repository: &'r Repository,
    address: &CloneAddress,
    refspecs: &[&str],
    watch: &Watch,
) -> Result<Remote<'r>, CheckoutError> {
    // All but the repository's own server are asked through the gate, as far as that can be: by https.
    let relayed = watch.gate.relayed(address.full()).filter(|_| !watch.gate.is_own(&address.place()));
    let mut remote = repository.remote_anonymous(relayed.as_deref().unwrap_or(address.full()))?;
    let mut options = options(address, watch);
    if relayed.is_none() {
        // Where it would lead away from this server, nobody would look.
        options.follow_redirects(RemoteRedirect::None);
    }
    // Else a reflog would name the address, with its login.
    remote.fetch(refspecs, Some(&mut options), Some("fetch")).map_err(|error| in_context(&error, address, watch))?;
    watch.receive(remote.stats().received_bytes())?;
    Ok(remote)
}

fn options<'w>(address: &CloneAddress, watch: &'w Watch) -> FetchOptions<'w> {
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(address, watch)).download_tags(AutotagOption::None);
    options
}

/// Why a private repository is not fetched, with what to do.
const NO_LOGIN: &str = "the server asks for a login and there is none: `slipway forge set NAME --fetch` gives one for \
                        repositories at GitHub, others are cloned by ssh (docs/operations.md, “Private repositories”)";

const NO_KEY: &str = "the server takes no key of the runner's ssh agent, or SSH_AUTH_SOCK names none (docs/operations.md, “Private \
                      repositories”)";
/// What is to be done about a server by ssh that nobody vouches for.
const UNKNOWN_HOST: &str = "the runner's account does not know this host key: compare it, and add it to ~/.ssh/known_hosts \
                            (ssh-keyscan prints it)";

fn callbacks<'w>(address: &CloneAddress, watch: &'w Watch) -> RemoteCallbacks<'w> {
    let mut callbacks = RemoteCallbacks::new();
    let last_told = Cell::new(Instant::now());
    callbacks.transfer_progress(move |progress| {
        if last_told.get().elapsed() >= PROGRESS_INTERVAL {
            last_told.set(Instant::now());
            let _ = watch.progress.send(format!(
                "received {} of {} objects, {} KiB",
                progress.received_objects(),
                progress.total_objects(),
                progress.received_bytes() / 1024
            ));
        }
        watch.goes_on() && progress.received_bytes() <= watch.may_receive()
    });
    callbacks.sideband_progress(move |_| watch.goes_on());
    // Asked again, the answer before was wrong, and asking for ever helps nobody. A login in the address was the first answer.
    let asked = Cell::new(address.has_web_login());
    callbacks.credentials(move |_, user, allowed| {
        if asked.replace(true) {
            let why = if allowed.contains(CredentialType::SSH_KEY) { NO_KEY } else { "the server refused the login" };
            return Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Net, why));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            return Cred::ssh_key_from_agent(user.unwrap_or("git"));
        }
        Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Net, NO_LOGIN))
    });
    callbacks
}

fn in_context(error: &git2::Error, address: &CloneAddress, watch: &Watch) -> CheckoutError {
    if let Err(over) = watch.check() {
        over
    } else if let Some(refusal) = watch.gate.turned_away() {
        CheckoutError::turned_away(refusal, address)
    } else if error.code() == ErrorCode::User {
        CheckoutError::TooLarge { limit: watch.limits.bytes }
    } else if error.message().contains(NO_SPACE) {
        CheckoutError::DiskFull { cause: error.message().trim().to_owned() }
    } else {
        let cause = match (error.code(), error.class()) {
            (ErrorCode::Certificate, ErrorClass::Ssh) => UNKNOWN_HOST.to_owned(),
            _ => address.cleared(error.message().trim()),
        };
        CheckoutError::Unreachable { address: address.shown().to_owned(), cause }
    }
}

fn in_words(git_ref: &str) -> String {
    if let Some(branch) = git_ref.strip_prefix("refs/heads/") {
        format!("the branch `{branch}`")
    } else if let Some(tag) = git_ref.strip_prefix("refs/tags/") {
        format!("the tag `{tag}`")
    } else {
        format!("`{git_ref}`")
    }
}

/// Without these, libgit2 waits for ever for a server that has gone silent.
fn set_server_timeouts() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let limit = i32::try_from(SILENCE_LIMIT.as_millis()).unwrap_or(i32::MAX);
        #[expect(unsafe_code, reason = "libgit2 has these as global variables only")]
        // SAFETY: both are plain integers that libgit2 reads when it opens a connection. They are written once, and
        // every connection of this process is opened by `Mirror::bring` after this call has returned.
        let set = unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(limit)
                .and_then(|()| git2::opts::set_server_timeout_in_milliseconds(limit))
        };
        if let Err(error) = set {
            tracing::warn!(%error, "git servers that go silent will not be given up on");
        }
    });
}
