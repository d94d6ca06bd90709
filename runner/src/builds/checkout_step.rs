//! The first step of every build: the commit's files, and the plan that they ask for.

use std::path::Path;

use slipway_pipelines::{
    config::Event,
    plan::{Plan, Reference, Refs, Scope, Situation, Trigger, plan},
};
use tokio::sync::mpsc;

use super::{Workshop, configuration, configuration::Read, declare, resumed::RESTARTED};
use crate::{
    checkout::{Checkout, CheckoutError, CheckoutRequest, Contents, Since},
    coordinator::{BuildWork, LogStream, StepResult, WARNINGS},
    job::JobContext,
    journal::Page,
    reporter::{ReportError, StepLog},
    steps::StepError,
    workspace::Workspace,
};

/// A commit on disk, and what to do with it.
pub(super) struct CheckedOut {
    pub(super) workspace: Workspace,
    pub(super) plan: Plan,
    /// How much of its captain.yml is surely not meant.
    warnings: usize,
}

impl CheckedOut {
    /// What an earlier life checked out, and told of.
    pub(super) fn again(workspace: Workspace, plan: Plan) -> Self {
        CheckedOut { workspace, plan, warnings: 0 }
    }
}

/// Runs the checkout and ends its step. The inner error is the step's, already reported.
pub(super) async fn run(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
    into: &Path,
    page: &mut Page,
) -> Result<Result<CheckedOut, StepError>, ReportError> {
    context.reporter.declare(vec![declare::checkout()]).await?;
    let log = context.reporter.start(declare::CHECKOUT).await?;
    if log.is_resumed() {
        log.begin_again(RESTARTED).await;
        // Complete or not: nobody knows what was done with it.
        workshop.leftovers.remove_now(into).await;
    }
    let done = check_out(work, context, workshop, into, &log).await;
    match done {
        Ok(mut done) => {
            done.plan = page.settle(done.plan).await;
            // Declared before this step ends, so that nobody ever sees a build that looks finished in between.
            context.reporter.declare(declare::steps(&done.plan, &[declare::CHECKOUT])).await?;
            let warnings = done.warnings.to_string();
            log.finish(StepResult::succeeded().with("commit", &work.commit).with(WARNINGS, warnings)).await?;
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

async fn check_out(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
    into: &Path,
    log: &StepLog,
) -> Result<CheckedOut, StepError> {
    let reference = reference(&work.git_ref)?;
    log.say(format!("fetching {} at {}", work.git_ref, work.commit)).await;
    let desk = Desk { work, context, workshop, log };
    let checkout = desk.fetch(into).await?;
    log.say(if checkout.from_mirror { "the commit was fetched before" } else { "fetched" }).await;
    log.say(format!("{} {}", &work.commit[..work.commit.len().min(12)], checkout.subject)).await;
    let workspace = Workspace::open(into.to_owned())?;
    if matches!(workspace.mountable(".gitmodules"), Ok(Some(_))) {
        log.say("this commit has submodules: they are not fetched, their folders stay empty").await;
    }
    let (plan, warnings) = desk.read_plan(reference, &workspace, checkout.refs).await?;
    Ok(CheckedOut { workspace, plan, warnings })
}

/// What the parts of a checkout work with.
#[derive(Clone, Copy)]
struct Desk<'a> {
    work: &'a BuildWork,
    context: &'a JobContext,
    workshop: &'a Workshop,
    log: &'a StepLog,
}

impl Desk<'_> {
    async fn fetch(self, into: &Path) -> Result<Checkout, StepError> {
        let (progress, told) = mpsc::unbounded_channel();
        self.telling(self.workshop.mirrors.checkout(self.request(), into, &self.context.cancel, progress), told).await
    }

    fn request(self) -> CheckoutRequest {
        CheckoutRequest {
            repository: self.work.repository.clone(),
            clone_url: self.work.clone_url.clone(),
            git_ref: self.work.git_ref.clone(),
            commit: self.work.commit.clone(),
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

    async fn read_plan(
        self,
        reference: Reference,
        workspace: &Workspace,
        refs: Refs,
    ) -> Result<(Plan, usize), StepError> {
        let work = self.work;
        let mut trigger = Trigger {
            repository: work.repository_name.clone(),
            number: work.number,
            event: Event::named(&work.event).unwrap_or(Event::Push),
            reference,
            commit: work.commit.clone(),
            default_branch: work.default_branch.clone(),
            changed: None,
            author: work.author.clone(),
            message: work.message.clone(),
        };
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
            let contents = self.contents().await?;
            tree.files = contents.files;
            trigger.changed = self.changed(contents.changed).await;
        }
        let plan = plan(&config, &Situation { trigger, refs, tree, scope: Scope::default() })
            .map_err(|error| StepError::Other(error.to_string()))?;
        for warning in &plan.warnings {
            self.log.say(format!("warning: {warning}")).await;
        }
        self.log.say(format!("{} steps follow", plan.steps.len())).await;
        let count = plan.warnings.len() + warnings.map_or(0, |warnings| warnings.0.len());
        Ok((plan, count))
    }

    async fn contents(self) -> Result<Contents, StepError> {
        let since = Since { before: self.work.before.clone(), default_branch: self.work.default_branch.clone() };
        let (progress, told) = mpsc::unbounded_channel();
        let looking = self.workshop.mirrors.contents(self.request(), since, &self.context.cancel, progress);
        self.telling(looking, told).await
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

fn reference(git_ref: &str) -> Result<Reference, StepError> {
    if let Some(branch) = git_ref.strip_prefix("refs/heads/") {
        Ok(Reference::Branch(branch.to_owned()))
    } else if let Some(tag) = git_ref.strip_prefix("refs/tags/") {
        Ok(Reference::Tag(tag.to_owned()))
    } else {
        Err(StepError::Other(format!("`{git_ref}` is neither a branch nor a tag")))
    }
}
