//! A plan carried out on a working tree that belongs to a person: for `slipway build`, `test` and `push`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use slipway_pipelines::plan::Plan;
use tokio_util::sync::CancellationToken;

use crate::{
    builds,
    coordinator::{Coordinator, JobResult, LeaseKey, RegistryCredential, SecretValue},
    engine::{Engine, EngineError, labels::Origin},
    inside::Inside,
    logs::{LogLimits, Masks},
    registry::ImageRights,
    reporter::{ReportError, Reporter},
    steps::{BuildNetwork, Grounds, Leftovers, Relay, Site, StepLimits},
    workspace::Workspace,
};

/// The runner that local builds are labelled with.
pub const LOCAL_RUNNER: &str = "local";

/// How long the removal of what a build made may take at its end.
const CLEAN_LIMIT: Duration = Duration::from_secs(30);

/// A build of a working tree.
#[derive(Debug, Clone)]
pub struct LocalBuild {
    /// The engine that everything runs on.
    pub engine: Engine,
    /// The working tree. Commands may change it, as they may on a person's own shell; nothing in it is removed.
    pub tree: PathBuf,
    /// What caches are kept by, such as the repository's name: builds with the same share theirs.
    pub repository: String,
    /// The repository's name and the commit, for the labels of images.
    pub repository_name: String,
    /// The commit that the tree stands at; empty where there is none.
    pub commit: String,
    /// What is to be done.
    pub plan: Plan,
    /// By app: the names with a tag under which the engine keeps its image. An app without any leaves none.
    pub names: BTreeMap<String, Vec<String>>,
    /// By app: the id of an image that is there already; the plan skips the step that would build it.
    pub built: BTreeMap<String, String>,
    /// Whether images are built without the layers that earlier builds left.
    pub is_fresh: bool,
    /// Logins for registries.
    pub registries: Vec<RegistryCredential>,
    /// The secrets that steps may name.
    pub secrets: Vec<SecretValue>,
    /// The bounds of each step.
    pub limits: StepLimits,
    /// The bounds of each log.
    pub logs: LogLimits,
}

/// Why a local build could not be carried out or told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The tree cannot be opened.
    #[error("the working tree cannot be used: {0}")]
    Tree(String),
    /// There is no place for what the build needs besides the tree.
    #[error("a temporary folder cannot be made: {0}")]
    Folder(String),
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Whoever listens refused a report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Carries out a plan on a working tree, and tells `coordinator` of its steps, their logs and their ends. The first
/// step has no checkout before it: indices are the plan's own.
///
/// Its containers and its network are gone when this returns; the images stay under the names that were asked for.
/// `cancel` stops everything at once, and the result is then [`JobResult::Cancelled`].
///
/// # Errors
/// When the tree cannot be opened or `coordinator` refuses a report. That a step fails is a result.
pub async fn run(
    build: LocalBuild,
    coordinator: Arc<dyn Coordinator>,
    cancel: CancellationToken,
) -> Result<JobResult, LocalError> {
    let LocalBuild {
        engine,
        tree,
        repository,
        repository_name,
        commit,
        plan,
        names,
        built,
        is_fresh,
        registries,
        secrets,
        limits,
        logs,
    } = build;
    // An engine mounts only what it is given a whole path to.
    let tree = tree.canonicalize().map_err(|error| LocalError::Tree(format!("{}: {error}", tree.display())))?;
    let workspace = Workspace::open(tree).map_err(|error| LocalError::Tree(error.to_string()))?;
    let job = ulid::Ulid::generate().to_string();
    let reporter = Reporter::new(coordinator, LeaseKey { job: job.clone(), epoch: 1 })
        .with_log_limits(logs)
        .with_masks(Masks::of(&secrets));
    let origin = Origin { runner: LOCAL_RUNNER.to_owned(), incarnation: job.clone(), job, attempt: 1, repository };
    // What lies in a tree of one's own is nobody's business.
    let limits = StepLimits { disk: None, ..limits };
    let leftovers = Leftovers::default();
    let network = BuildNetwork::begin(engine.clone(), &origin, leftovers.clone(), limits.network, Relay::default());
    let socket_folder = std::env::temp_dir().join(format!("{}.engine", origin.name()));
    // Of nobody else: whoever writes there would be told the secrets.
    let own = tempfile::tempdir().map_err(|error| LocalError::Folder(error.to_string()))?;
    let grounds = Grounds {
        engine,
        caches: origin.repository.clone(),
        is_apart: false,
        origin,
        workspace,
        limits,
        rights: ImageRights::new(&registries, &[]),
        registries,
        leftovers: leftovers.clone(),
        network,
        inside: Inside::in_folder(own.path().to_owned()),
        socket_folder,
    };
    let subject = builds::Subject { repository: repository_name, commit, ..builds::Subject::default() };
    let given = builds::Given { subject, secrets, names, built, is_fresh };
    let site = Site::new(grounds);
    site.plan_services(&plan.services);
    site.plan_images(&plan);
    let result = builds::on_tree(plan, site, given, &reporter, &cancel).await;
    leftovers.settle(CLEAN_LIMIT).await;
    Ok(result?)
}
