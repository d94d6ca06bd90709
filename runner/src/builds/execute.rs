//! A build from its first step to its last.

use super::{
    Workshop,
    carry_out::carry_out,
    checkout_step,
    checkout_step::CheckedOut,
    step::{Bench, Subject},
    unchanged::Earlier,
};
use crate::{
    coordinator::{BuildWork, JobResult},
    engine::labels::Origin,
    images::{BuildKit, ContextLimits},
    job::JobContext,
    reporter::ReportError,
    steps::{BuildNetwork, Grounds, Site, StepError},
};

/// Executes a build. Its containers and its workspace are removed in the background when it ends.
///
/// # Errors
/// When the lease is gone or the server refuses a report; then there is nothing more to report.
pub(crate) async fn execute(
    work: &BuildWork,
    context: &JobContext,
    workshop: &Workshop,
) -> Result<JobResult, ReportError> {
    let origin = Origin {
        runner: context.runner_id.clone(),
        incarnation: context.incarnation.clone(),
        job: context.reporter.lease().key().job.clone(),
        attempt: context.attempt,
        repository: work.repository.clone(),
    };
    let network = BuildNetwork::begin(context.engine.clone(), &origin, workshop.leftovers.clone());
    let folder = Folder { path: workshop.workspaces.join(origin.name()), workshop: workshop.clone() };
    // 1. The commit and its plan.
    let checked_out = checkout_step::run(work, context, workshop, &folder.path).await?;
    let CheckedOut { workspace, plan, .. } = match checked_out {
        Ok(done) => done,
        Err(error) => {
            network.settled().await;
            return Ok(match error {
                StepError::Cancelled => JobResult::Cancelled,
                error => JobResult::Failed { reason: format!("step 0 (checkout) failed: {error}") },
            });
        }
    };
    // 2. The plan's steps. Whatever comes of them, nothing stays behind: the site and the folder are cleared as they go
    //    out of scope.
    let socket_folder = workshop.workspaces.join(format!("{}.engine", origin.name()));
    let site = Site::new(Grounds {
        engine: context.engine.clone(),
        origin,
        workspace,
        limits: workshop.limits,
        registries: context.registries.clone(),
        leftovers: workshop.leftovers.clone(),
        network,
        services: plan.services.clone(),
        socket_folder,
    });
    let builder = BuildKit::new(context.engine.clone(), ContextLimits::default());
    let subject = Subject { repository: work.repository_name.clone(), commit: work.commit.clone() };
    let earlier = Earlier::new(work.known.clone(), &context.registries, &plan);
    let bench = Bench::new(subject, context.secrets.clone(), &site, &builder, &context.cancel).knowing(earlier);
    carry_out(plan, bench, &context.reporter).await
}

/// The build's checkout, removed in the background.
struct Folder {
    path: std::path::PathBuf,
    workshop: Workshop,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.workshop.leftovers.remove_folder(std::mem::take(&mut self.path));
    }
}
