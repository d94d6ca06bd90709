//! The first step of every build: the commit's files, and the plan that they ask for.

use std::{collections::BTreeMap, path::Path};

use slipway_pipelines::{
    config::Event,
    plan::{Plan, Reference, Scope, Situation, Trigger, plan},
    skip,
};
use tokio::sync::mpsc;

use super::{
    Workshop, configuration, configuration::Read, declare, preparation::Preparation, resumed::RESTARTED,
    takeover::TakenOver,
};
use crate::{
    checkout::{Aim, Checkout, CheckoutError, CheckoutRequest, Contents, Described, Lines, Since},
    coordinator::{
        AUTHOR, BuildWork, CHANGED, CHANGED_PATHS, COMMIT, COMMITTED, CloneLogin, LogStream, MESSAGE, StepResult, TIP,
        WARNING_TEXTS, WARNINGS,
    },
    job::JobContext,
    journal::Page,
    reporter::{ReportError, StepLog},
    steps::StepError,
    workspace::Workspace,
};

/// Why a pull request's steps do not run whose newest commit wants it so.
const UNWANTED: &str = "the message of its newest commit asks not to be built (such as [skip ci])";

/// How much of a commit's author and message the server is told, in characters.
const AUTHOR_CHARS: usize = 200;
const MESSAGE_CHARS: usize = 2_000;
/// How much of the warnings, and of the paths that changed.
const LIST_CHARS: usize = 3_000;

/// A commit that is on disk, and what to do with it.
pub(super) struct CheckedOut {
    pub(super) plan: Plan,
    /// The commit that people know: of a pull request the tip of its branch.
    pub(super) commit: String,
    /// When it was made, in unix seconds; none where nobody told.
    pub(super) committed: Option<i64>,
    /// What an attempt that failed has done of it already.
    pub(super) taken: Option<TakenOver>,
}

/// What was found besides the plan.
pub(super) struct Findings {
    /// What is legal in captain.yml and surely not meant, each with its place as far as it has one.
    warnings: Vec<String>,
    /// The paths that changed, where a condition asked for them and they are known.
    changed: Option<Vec<String>>,
}

/// The first of some texts as JSON, as many as may be kept.
fn first_of(texts: &[String]) -> String {
    let mut left = LIST_CHARS;
    let mut fits = |text: &&String| {
        let rest = left.checked_sub(serde_json::json!(text).to_string().chars().count() + 1);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    serde_json::json!(texts.iter().take_while(&mut fits).collect::<Vec<_>>()).to_string()
}

/// What is worth keeping of the step. The server learns from it what it did not know when it queued the build.
pub(super) fn facts(work: &BuildWork, checkout: &Checkout, found: &Findings) -> StepResult {
    let mut result =
        StepResult::succeeded().with(COMMIT, &checkout.written).with(COMMITTED, checkout.commit.committed.to_string());
    result = result.with(WARNINGS, found.warnings.len().to_string());
    if !found.warnings.is_empty() {
        result = result.with(WARNING_TEXTS, first_of(&found.warnings));
    }
    if let Some(changed) = &found.changed {
        result = result.with(CHANGED, changed.len().to_string()).with(CHANGED_PATHS, first_of(changed));
    }
    if let Some(tip) = &checkout.tip {
        result = result.with(TIP, tip);
    }
    if !work.commit.is_empty() {
        return result;
    }
    let first = |text: &str, chars: usize| text.chars().take(chars).collect::<String>();
    result
        .with(AUTHOR, first(&checkout.commit.author, AUTHOR_CHARS))
        .with(MESSAGE, first(&checkout.commit.message, MESSAGE_CHARS))
}

/// When the commit was made, as a checkout's facts tell.
pub(super) fn committed(facts: &BTreeMap<String, String>) -> Option<i64> {
    facts.get(COMMITTED)?.parse().ok()
}

/// Runs the checkout into `tree`, hands that to what was prepared, and ends its step. The inner error is the step's,
/// already reported.
pub(super) async fn run(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
    preparation: &Preparation<'_>,
    page: &mut Page,
) -> Result<Result<CheckedOut, StepError>, ReportError> {
    context.reporter.declare(vec![declare::checkout()]).await?;
    let log = context.reporter.start(declare::CHECKOUT).await?;
    if log.is_resumed() {
        log.begin_again(RESTARTED).await;
    }
    let desk = Desk { work, context, workshop, log: &log, login: None };
    let checking_out = async {
        let login = desk.borrow_login().await?;
        let desk = Desk { login: login.as_ref(), ..desk };
        let (mut done, facts) = desk.begin(preparation.tree()).await?;
        done.plan = page.settle(done.plan).await;
        preparation.meet(&done.plan).await?;
        Ok::<_, StepError>((done, facts))
    };
    match checking_out.await {
        Ok((done, facts)) => {
            // Declared before this step ends, so that nobody ever sees a build that looks finished in between.
            let taken = done.taken.as_ref().map_or(&[][..], |taken| &taken.steps);
            context.reporter.declare(declare::steps(&done.plan, &[declare::CHECKOUT], taken)).await?;
            log.finish(facts).await?;
            Ok(Ok(done))
        }
        Err(error) => {
            for line in error.to_string().lines() {
                log.line(LogStream::Slipway, line).await;
            }
            log.finish(error.result()).await?;
            Ok(Err(error))
        }
    }
}

async fn check_out(desk: Desk<'_>, into: &Path) -> Result<(CheckedOut, StepResult), StepError> {
    let Desk { work, log, .. } = desk;
    let reference = reference(work)?;
    match work.commit.as_str() {
        "" => log.say(format!("fetching {}", work.git_ref)).await,
        commit => log.say(format!("fetching {} at {commit}", work.git_ref)).await,
    }
    let checkout = desk.fetch(into).await?;
    log.say(if checkout.from_mirror { "the commit was fetched before" } else { "fetched" }).await;
    log.say(format!("{} {}", short(&checkout.commit.name), checkout.commit.subject())).await;
    if let (Some(pull), Some(base)) = (&work.pull_request, &checkout.merged_into) {
        log.say(format!("merged into {} at {} as {}", pull.base, short(base), short(&checkout.written))).await;
    }
    // Read before anything else can reach the files.
    let workspace = Workspace::open(into.to_owned())?;
    let (mut plan, found) = desk.read_plan(reference, &workspace, &checkout).await?;
    let brought = desk.lines(&checkout).await?;
    plan.release.commits = brought.commits;
    plan.release.more_authors = brought.more_authors;
    let facts = facts(work, &checkout, &found);
    let Described { name: commit, committed, .. } = checkout.commit;
    Ok((CheckedOut { plan, commit, committed: Some(committed), taken: None }, facts))
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// What the parts of a checkout work with.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) work: &'a BuildWork,
    pub(super) context: &'a JobContext,
    pub(super) workshop: &'a Workshop,
    pub(super) log: &'a StepLog,
    /// What the repository is fetched with; none where it is fetched without, or nobody has asked for it yet.
    pub(super) login: Option<&'a CloneLogin>,
}

impl Desk<'_> {
    /// What an attempt that failed left, where the build is to go on from one and can; or else a checkout.
    async fn begin(self, into: &Path) -> Result<(CheckedOut, StepResult), StepError> {
        let note = match self.take_over(into).await {
            Ok(Some(taken)) => return Ok(taken),
            Ok(None) => None,
            Err(why) => Some(format!("{why}: everything runs again")),
        };
        if let Some(note) = &note {
            self.log.say(note).await;
        }
        let (done, facts) = check_out(self, into).await?;
        Ok((done, StepResult { reason: note, ..facts }))
    }

    pub(super) async fn fetch(self, into: &Path) -> Result<Checkout, StepError> {
        self.brought(self.request(), into).await
    }

    pub(super) async fn brought(self, request: CheckoutRequest, into: &Path) -> Result<Checkout, StepError> {
        let (progress, told) = mpsc::unbounded_channel();
        self.telling(self.workshop.mirrors.checkout(request, into, &self.context.cancel, progress), told).await
    }

    pub(super) fn request(self) -> CheckoutRequest {
        CheckoutRequest {
            repository: self.work.repository.clone(),
            clone_url: self.work.clone_url.clone(),
            login: self.login.cloned(),
            git_ref: self.work.git_ref.clone(),
            aim: aim(self.work),
        }
    }

    /// Does something with the mirror, and writes to the log how it goes.
    async fn telling<T>(
        self,
        doing: impl Future<Output = Result<T, CheckoutError>>,
        mut told: mpsc::UnboundedReceiver<String>,
    ) -> Result<T, StepError> {
        let telling = async {
            while let Some(line) = told.recv().await {
                self.log.say(line).await;
            }
        };
        let (done, ()) = tokio::join!(doing, telling);
        done.map_err(|error| match error {
            CheckoutError::Cancelled => StepError::Cancelled,
            other => StepError::Other(other.to_string()),
        })
    }

    /// What caused the build. What it changed is not known yet.
    pub(super) fn trigger(self, reference: Reference, checkout: &Checkout) -> Trigger {
        let work = self.work;
        let told = |by_server: &str, by_commit: &str| {
            if by_server.is_empty() { by_commit.to_owned() } else { by_server.to_owned() }
        };
        Trigger {
            repository: work.repository_name.clone(),
            number: work.number,
            event: Event::named(&work.event).unwrap_or(Event::Push),
            reference,
            commit: checkout.commit.name.clone(),
            default_branch: work.default_branch.clone(),
            changed: None,
            author: told(&work.author, &checkout.commit.author),
            message: told(&work.message, &checkout.commit.message),
            pull_request: work.pull_request.clone(),
        }
    }

    pub(super) async fn read_plan(
        self,
        reference: Reference,
        workspace: &Workspace,
        checkout: &Checkout,
    ) -> Result<(Plan, Findings), StepError> {
        let work = self.work;
        let mut trigger = self.trigger(reference, checkout);
        let is_unwanted = work.pull_request.is_some() && skip::asks_to_skip(&checkout.commit.message);
        let (of, name, asked) = (workspace.clone(), work.repository_name.clone(), trigger.clone());
        let read = tokio::task::spawn_blocking(move || {
            let read = configuration::read(&of, &name)?;
            let tree = configuration::tree(&of, &read.config, &asked);
            Ok::<_, configuration::ConfigurationError>((read, tree))
        });
        let (Read { config, warnings }, mut tree) = read
            .await
            .map_err(|_| StepError::Other("captain.yml could not be read: an internal error".to_owned()))?
            .map_err(|error| StepError::Other(error.to_string()))?;
        for warning in warnings.iter().flat_map(|warnings| &warnings.0) {
            self.log.say(warning.to_string()).await;
        }
        if warnings.is_none() {
            let apps: Vec<_> = config.apps.iter().map(|app| app.name.as_str()).collect();
            let apps = apps.join(", ");
            self.log.say(format!("no {} in this commit; its Dockerfiles are: {apps}", configuration::FILE)).await;
        }
        if configuration::asks_for_paths(&config) {
            let contents = self.contents(checkout).await?;
            tree.files = contents.files;
            trigger.changed = self.changed(contents.changed).await;
        }
        let changed = trigger.changed.clone();
        let refs = checkout.refs.clone();
        let mut plan = plan(&config, &Situation { trigger, refs, tree, scope: Scope::default() })
            .map_err(|error| StepError::Other(error.to_string()))?;
        if is_unwanted {
            // The payload of a pull request does not tell what its commits say, so that it is known only now.
            self.log.say(UNWANTED).await;
            plan.steps.iter_mut().for_each(|step| step.skipped = Some(UNWANTED.to_owned()));
        }
        for warning in &plan.warnings {
            self.log.say(format!("warning: {warning}")).await;
        }
        self.log.say(format!("{} steps follow", plan.steps.len())).await;
        let of_file = warnings.iter().flat_map(|warnings| &warnings.0).map(ToString::to_string);
        let warnings = of_file.chain(plan.warnings.iter().cloned()).collect();
        Ok((plan, Findings { warnings, changed }))
    }

    pub(super) async fn contents(self, checkout: &Checkout) -> Result<Contents, StepError> {
        let since = Since {
            before: checkout.merged_into.clone().or_else(|| self.work.before.clone()),
            default_branch: self.work.default_branch.clone(),
        };
        let (progress, told) = mpsc::unbounded_channel();
        let (commit, cancel) = (checkout.written.clone(), &self.context.cancel);
        let looking = self.workshop.mirrors.contents(self.request(), commit, since, cancel, progress);
        self.telling(looking, told).await
    }

    /// The commits that the build brings. Nobody fails for want of them.
    async fn lines(self, checkout: &Checkout) -> Result<Lines, StepError> {
        if self.work.pull_request.is_some() {
            return Ok(Lines::default());
        }
        self.commits(checkout).await
    }

    /// The same of a pull request, too, whose target has the others.
    pub(super) async fn commits(self, checkout: &Checkout) -> Result<Lines, StepError> {
        let (progress, told) = mpsc::unbounded_channel();
        let before = checkout.merged_into.clone().or_else(|| self.work.before.clone());
        let commit = checkout.commit.name.clone();
        let looking = self.workshop.mirrors.lines(self.request(), commit, before, &self.context.cancel, progress);
        match self.telling(looking, told).await {
            Err(StepError::Cancelled) => Err(StepError::Cancelled),
            Err(error) => {
                self.log.say(format!("the commits since the last build cannot be told: {error}")).await;
                Ok(Lines::default())
            }
            found => found,
        }
    }

    async fn changed(self, changed: Result<Vec<String>, String>) -> Option<Vec<String>> {
        match changed {
            Ok(changed) => {
                self.log.say(format!("{} files changed", changed.len())).await;
                Some(changed)
            }
            Err(why) => {
                let so = "every pattern of paths counts as met";
                self.log.say(format!("it is not known which files changed, because {why}: {so}")).await;
                None
            }
        }
    }
}

/// What the forge said is taken as it was signed; what a person named must be where they said.
fn aim(work: &BuildWork) -> Aim {
    let commit = work.commit.clone();
    match Event::named(&work.event) {
        _ if work.pull_request.is_some() => Aim::Merge(commit),
        _ if commit.is_empty() => Aim::Head,
        Some(Event::Manual) => Aim::On(commit),
        _ => Aim::Commit(commit),
    }
}

/// Conditions of a pull request are about the branch that it is to be merged into.
pub(super) fn reference(work: &BuildWork) -> Result<Reference, StepError> {
    let git_ref = work.git_ref.as_str();
    if let Some(pull) = &work.pull_request {
        Ok(Reference::Branch(pull.base.clone()))
    } else if let Some(branch) = git_ref.strip_prefix("refs/heads/") {
        Ok(Reference::Branch(branch.to_owned()))
    } else if let Some(tag) = git_ref.strip_prefix("refs/tags/") {
        Ok(Reference::Tag(tag.to_owned()))
    } else {
        Err(StepError::Other(format!("`{git_ref}` is neither a branch nor a tag")))
    }
}
