//! A build from its first step to its last.

use std::{convert::Infallible, future::pending};

use super::{
    BrokenOff, Workshop,
    carry_out::carry_out,
    checkout_step::{self, CheckedOut},
    declare,
    look::look,
    preparation::{self, Preparation},
    provenance::Account,
    remembered::Remembered,
    resumed::{self, Gone},
    sign::Signer,
    step::Bench,
    subject::Subject,
    takeover::was_cut_off,
    unchanged::Earlier,
};
use crate::{
    coordinator::{BuildSource, BuildTask, BuildWork, JobResult},
    engine::labels::Origin,
    images::{BuildKit, ContextLimits},
    job::JobContext,
    journal::Page,
    registry::ImageRights,
    steps::{BuildNetwork, Grounds, Leftovers, Site, StepError},
};

/// Executes a build, or goes on with one that an earlier life of the runner began. Its containers and its workspace are
/// removed in the background when it ends.
///
/// # Errors
/// When the lease is gone or the server refuses a report; then there is nothing more to report. When the engine went away,
/// nothing is removed.
pub(crate) async fn execute(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
    page: &mut Page,
) -> Result<JobResult, BrokenOff> {
    if work.task == BuildTask::Look {
        return Ok(Box::pin(look(work, context, workshop)).await?);
    }
    let origin = Origin {
        runner: context.runner_id.clone(),
        incarnation: context.incarnation.clone(),
        job: context.reporter.lease().key().job.clone(),
        attempt: context.attempt,
        repository: work.repository.clone(),
    };
    let reach = workshop.limits.network;
    let network =
        BuildNetwork::begin(context.engine.clone(), &origin, workshop.leftovers.clone(), reach, workshop.relay.clone());
    let [path, socket_folder] = workshop.folders(&origin);
    let mut folder = Folder { path: Some(path.clone()), workshop: workshop.clone() };
    // 1. Where it is built: an empty folder, or what an earlier life has checked out there.
    let ground = match context.ended(declare::CHECKOUT) {
        None if was_cut_off(&context.steps) => Err(Gone::new("taking over from an earlier attempt was cut off")),
        None => {
            let made = preparation::folder(&path, &context.engine, &origin, &workshop.leftovers).await;
            Ok(made.map(|workspace| (workspace, None)))
        }
        Some(result) => resumed::checked_out(work, result, page, &path)
            .map(|found| found.map(|(workspace, checked_out)| (workspace, Some(checked_out)))),
    };
    let ground = match ground {
        Ok(ground) => ground,
        Err(gone) => {
            let (leftovers, engine) = (workshop.leftovers.clone(), context.engine.clone());
            workshop.leftovers.spawn(async move {
                if let Err(error) = leftovers.remove_build(&engine, &origin).await {
                    tracing::warn!(%error, "a build left something on the engine; the next start removes it");
                }
            });
            return Ok(gone.begins_again(context));
        }
    };
    let (workspace, checked_out) = match ground {
        Ok(ground) => ground,
        Err(error) => {
            network.settled().await;
            return Ok(without_checkout(&error));
        }
    };
    // 2. Whatever comes of the build, nothing stays behind: the site and the folder are cleared as they go out of scope.
    let site = Site::new(Grounds {
        engine: context.engine.clone(),
        caches: work.caches(),
        is_apart: work.source == BuildSource::Fork,
        origin: origin.clone(),
        workspace,
        limits: workshop.limits,
        rights: ImageRights::new(&context.registries, &context.withheld_registries),
        registries: context.registries.clone(),
        leftovers: workshop.leftovers.clone(),
        network,
        inside: workshop.inside.clone(),
        socket_folder,
    });
    let result = match checked_out {
        Some(checked_out) => {
            site.plan_services(&checked_out.plan.services);
            site.plan_images(&checked_out.plan);
            steps(work, context, workshop, &origin, &site, checked_out).await
        }
        None => {
            let preparation =
                Preparation::of(&site, Remembered::like(work, &workshop.mirrors), work.earlier.is_none()).await;
            let building = async {
                match checkout_step::run(work, context, workshop, &preparation, page).await? {
                    Ok(checked_out) => steps(work, context, workshop, &origin, &site, checked_out).await,
                    Err(error) => {
                        site.settled().await;
                        Ok(without_checkout(&error))
                    }
                }
            };
            Box::pin(preparation.beside(building)).await
        }
    };
    // 3. What another attempt can go on from, if somebody wants one.
    if matches!(result, Ok(JobResult::Failed { .. })) && workshop.kept.keep(page.entry()).await {
        site.leave_images();
        folder.stay();
        workshop.kept.shed(&context.engine);
    }
    result
}

/// How a build ends whose checkout did not succeed.
pub(super) fn without_checkout(error: &StepError) -> JobResult {
    match error {
        StepError::Cancelled => JobResult::Cancelled,
        error => JobResult::Failed { reason: format!("step 0 (checkout) failed: {error}") },
    }
}

/// Carries out the steps of a plan whose commit is checked out.
async fn steps(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
    origin: &Origin,
    site: &Site,
    checked_out: CheckedOut,
) -> Result<JobResult, BrokenOff> {
    let CheckedOut { plan, commit, committed, taken } = checked_out;
    let builder = BuildKit::new(context.engine.clone(), ContextLimits::default(), site.limits().network);
    let subject = Subject::of(work, commit, committed);
    let earlier = Earlier::new(work.known.clone(), &context.registries, &plan, &subject.commit);
    let bench = Bench::new(subject, context.secrets.clone(), site, &builder, &context.cancel)
        .withholding(&context.withheld_secrets)
        .knowing(earlier)
        .accounting(Account::of(work), &plan)
        .signing(Signer::of(work, &context.reporter))
        .noting(workshop.built.clone(), &work.repository);
    let known = taken.as_ref().map_or(&context.steps, |taken| &taken.steps).clone();
    if let Err(gone) = resumed::take_up(&bench, &plan, &known).await {
        return Ok(gone.begins_again(context));
    }
    // What it went on from is not needed any more; an earlier life may have been ended before that was gone.
    let left = taken.map_or_else(|| workshop.kept.take(&origin.job), |taken| Some(taken.left));
    if let Some(left) = left.filter(|left| left.entry().attempt != context.attempt) {
        workshop.kept.discard(left, &context.engine);
    }
    tokio::select! {
        result = carry_out(plan, bench, &known, &context.reporter) => result,
        never = kill_when_stopped(context, &workshop.leftovers, origin) => match never {},
    }
}

/// Kills the build's containers all at once when it is to stop. Its steps then end one by one, each with its report.
async fn kill_when_stopped(context: &JobContext, leftovers: &Leftovers, origin: &Origin) -> Infallible {
    context.cancel.cancelled().await;
    leftovers.kill_containers(&context.engine, origin).await;
    pending().await
}

/// The build's checkout, removed in the background.
struct Folder {
    /// None when it stays.
    path: Option<std::path::PathBuf>,
    workshop: Workshop,
}

impl Folder {
    fn stay(&mut self) {
        self.path = None;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        self.workshop.leftovers.remove_folder(preparation::tree_of(&path));
        self.workshop.leftovers.remove_folder(path);
    }
}
