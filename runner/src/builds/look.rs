//! What a build would run, for whoever is to allow it: its checkout and its plan, of which nothing is run.

use std::path::{Path, PathBuf};

use slipway_pipelines::plan::{Plan, Preview, Reference, Scope, Situation, Trigger, plan};

use super::{
    Workshop,
    checkout_step::{Desk, facts, reference},
    configuration, declare,
    execute::without_checkout,
    resumed::{Gone, RESTARTED},
};
use crate::{
    checkout::{Aim, Checkout, CheckoutRequest},
    coordinator::{BuildWork, JobResult, LogStream, Look, StepResult},
    engine::labels::Origin,
    job::JobContext,
    reporter::ReportError,
    steps::StepError,
    workspace::Workspace,
};

/// The most paths that are told.
const MOST_PATHS: usize = 300;

/// Checks the build's commit out, beside what it is merged into, and tells what would run of it. No container is made and no
/// image fetched; the folders are gone afterwards.
///
/// # Errors
/// When the lease is gone, or the server refuses a report.
pub(super) async fn look(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
) -> Result<JobResult, ReportError> {
    if context.ended(declare::CHECKOUT).is_some() {
        return Ok(Gone::new("what an earlier life found was not told").begins_again(context));
    }
    context.reporter.declare(vec![declare::checkout()]).await?;
    let log = context.reporter.start(declare::CHECKOUT).await?;
    if log.is_resumed() {
        log.begin_again(RESTARTED).await;
    }
    let folders = Folders::of(context, work, workshop);
    folders.clear().await;
    let desk = Desk { work, context, workshop, log: &log, login: None };
    let looking = async {
        let login = desk.borrow_login().await?;
        Desk { login: login.as_ref(), ..desk }.look(&folders).await
    };
    let looked = looking.await;
    folders.leave();
    match looked {
        Ok((look, facts)) => {
            log.say("nothing of it runs before it is approved").await;
            log.finish(facts).await?;
            Ok(JobResult::Looked { look: Box::new(look) })
        }
        Err(error) => {
            for line in error.to_string().lines() {
                log.line(LogStream::Slipway, line).await;
            }
            log.finish(error.result()).await?;
            Ok(without_checkout(&error))
        }
    }
}

/// Where the two trees lie while they are looked at.
struct Folders<'a> {
    merged: PathBuf,
    base: PathBuf,
    workshop: &'a Workshop,
}

impl<'a> Folders<'a> {
    fn of(context: &JobContext, work: &BuildWork, workshop: &'a Workshop) -> Self {
        let origin = Origin {
            runner: context.runner_id.clone(),
            incarnation: context.incarnation.clone(),
            job: context.reporter.lease().key().job.clone(),
            attempt: context.attempt,
            repository: work.repository.clone(),
        };
        let [merged, _] = workshop.folders(&origin);
        let mut base = merged.clone().into_os_string();
        base.push(".base");
        Folders { merged, base: base.into(), workshop }
    }

    /// What an earlier life of the runner left of them goes.
    async fn clear(&self) {
        for folder in [&self.merged, &self.base] {
            self.workshop.leftovers.remove_now(folder).await;
        }
    }

    fn leave(self) {
        self.workshop.leftovers.remove_folder(self.merged);
        self.workshop.leftovers.remove_folder(self.base);
    }
}

impl Desk<'_> {
    async fn look(self, folders: &Folders<'_>) -> Result<(Look, StepResult), StepError> {
        let reference = reference(self.work)?;
        self.log.say(format!("fetching {} at {}", self.work.git_ref, self.work.commit)).await;
        let checkout = self.fetch(&folders.merged).await?;
        let workspace = Workspace::open(folders.merged.clone())?;
        let changed = self.contents(&checkout).await?.changed.ok();
        let (plan, found) = self.read_plan(reference.clone(), &workspace, &checkout).await?;
        let other = self.other_plan(reference, &checkout, changed.as_deref(), &folders.base).await;
        let (other, not_compared) = match other {
            Ok(other) => (Some(other), None),
            Err(StepError::Cancelled) => return Err(StepError::Cancelled),
            Err(error) => {
                self.log.say(format!("not compared with the target branch: {error}")).await;
                (None, Some(error.to_string().chars().take(1_000).collect()))
            }
        };
        let brought = self.commits(&checkout).await?;
        let look = Look {
            merge: checkout.written.clone(),
            base: checkout.merged_into.clone(),
            commits: brought.commits,
            more_authors: brought.more_authors,
            changed_count: changed.as_ref().map_or(0, Vec::len),
            changed: changed.map(|paths| paths.into_iter().take(MOST_PATHS).collect()),
            preview: Preview::of(&plan, other.as_ref()),
            not_compared,
        };
        Ok((look, facts(self.work, &checkout, &found)))
    }

    /// What the target branch itself would run for the same cause.
    async fn other_plan(
        self,
        reference: Reference,
        checkout: &Checkout,
        changed: Option<&[String]>,
        into: &Path,
    ) -> Result<Plan, StepError> {
        let unknown = || StepError::Other("it is not known what it is merged into".to_owned());
        let base = checkout.merged_into.clone().ok_or_else(unknown)?;
        let branch = self.work.pull_request.as_ref().map(|pull| pull.base.clone()).ok_or_else(unknown)?;
        let request =
            CheckoutRequest { git_ref: format!("refs/heads/{branch}"), aim: Aim::Commit(base), ..self.request() };
        self.brought(request, into).await?;
        let workspace = Workspace::open(into.to_owned())?;
        let trigger = Trigger { changed: changed.map(<[String]>::to_vec), ..self.trigger(reference, checkout) };
        let (refs, name) = (checkout.refs.clone(), self.work.repository_name.clone());
        let planned = tokio::task::spawn_blocking(move || {
            let config = configuration::read(&workspace, &name).map_err(|error| error.to_string())?.config;
            let tree = configuration::tree(&workspace, &config, &trigger);
            let situation = Situation { trigger, refs, tree, scope: Scope::default() };
            plan(&config, &situation).map_err(|error| error.to_string())
        });
        let planned = planned.await.map_err(|_| StepError::Other("an internal error".to_owned()))?;
        planned.map_err(StepError::Other)
    }
}
