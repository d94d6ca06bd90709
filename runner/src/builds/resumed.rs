//! What an earlier life of the runner came to in a build.

use std::path::Path;

use slipway_pipelines::plan::{Action, Plan, PlannedStep};

use super::{
    checkout_step::{CheckedOut, committed},
    step::Bench,
};
use crate::{
    coordinator::{
        ATTACHED, Artifact, BuildWork, COMMIT, INPUT_KEY, JobResult, KnownImage, KnownStep, MATERIALS, PLATFORM,
        RECIPE, StepOutcome, StepResult, UNCHANGED_SINCE,
    },
    job::JobContext,
    journal::Page,
    steps::StepError,
    workspace::Workspace,
};

/// What the log of a step says that is run once more.
pub(super) const RESTARTED: &str = "the runner or its engine was restarted";

/// Something that an earlier life had made is not there any more: the build cannot go on from where it was.
#[derive(Debug)]
pub(super) struct Gone(String);

impl Gone {
    pub(super) fn new(why: &str) -> Self {
        Gone(why.to_owned())
    }

    /// The job is given back, and begins again as a new attempt.
    pub(super) fn begins_again(self, context: &JobContext) -> JobResult {
        tracing::warn!(job = %context.reporter.lease().key().job, "{}: the build begins again", self.0);
        JobResult::Cancelled
    }
}

/// What a checkout left that has ended, and where its files are. The inner error is the step's.
pub(super) fn checked_out(
    work: &BuildWork,
    result: &StepResult,
    page: &Page,
    folder: &Path,
) -> Result<Result<(Workspace, CheckedOut), StepError>, Gone> {
    match result.outcome {
        StepOutcome::Succeeded => {}
        StepOutcome::Cancelled => return Ok(Err(StepError::Cancelled)),
        StepOutcome::Failed | StepOutcome::Skipped => {
            return Ok(Err(StepError::Other(result.reason.clone().unwrap_or_default())));
        }
    }
    let workspace = Workspace::open(folder.to_owned()).map_err(|error| Gone(error.to_string()))?;
    let plan = page.entry().plan.clone().ok_or_else(|| Gone("the journal has no plan".to_owned()))?;
    // Where the server did not know the commit when it handed out the job, the step has told it.
    let found = result.output.get(COMMIT).filter(|_| work.commit.is_empty());
    let commit = found.unwrap_or(&work.commit).clone();
    Ok(Ok((workspace, CheckedOut { plan, commit, committed: committed(&result.output), taken: None })))
}

/// Takes up the images and artifacts of the steps that have succeeded.
pub(super) async fn take_up(bench: &Bench<'_>, plan: &Plan, known: &[KnownStep]) -> Result<(), Gone> {
    let results = known.iter().filter_map(|step| Some((step.index, step.result.as_ref()?)));
    for (index, result) in results.filter(|(_, result)| result.outcome == StepOutcome::Succeeded) {
        let Some(step) = plan.steps.iter().find(|step| step.index == index) else { continue };
        let fact = |name: &str| {
            let found = result.output.get(name).cloned();
            found.ok_or_else(|| Gone(format!("step {index} left no {name}")))
        };
        match &step.action {
            Action::Run { .. } => {}
            Action::Build { image, .. } if result.output.contains_key(UNCHANGED_SINCE) => {
                let known = taken(step, image, fact)?;
                let again = bench.take_again(step, &known).await;
                again.map_err(|error| Gone(format!("the image of {} cannot be taken up: {error}", step.app)))?;
            }
            Action::Build { .. } => {
                let id = fact("image_id")?;
                let adopted = bench.adopt(plan, &step.app, &id).await;
                adopted.map_err(|error| Gone(format!("the image of {} cannot be taken up: {error}", step.app)))?;
                let materials = result.output.get(MATERIALS).and_then(|text| serde_json::from_str(text).ok());
                bench.made().materials.insert(step.app.clone(), materials.unwrap_or_default());
            }
            Action::Push { .. } => bench.pushed(index, artifact(step, fact)?),
        }
    }
    Ok(())
}

/// What a step has noted that took over the image of an earlier build.
fn taken(step: &PlannedStep, image: &str, fact: impl Fn(&str) -> Result<String, Gone>) -> Result<KnownImage, Gone> {
    let number = |name: &str| {
        let text = fact(name)?;
        text.parse().map_err(|_| Gone(format!("step {} left the {name} {text}", step.index)))
    };
    Ok(KnownImage {
        app: step.app.clone(),
        image: image.to_owned(),
        digest: fact("digest")?,
        size: number("size")?,
        key: fact(INPUT_KEY).ok(),
        recipe: fact(RECIPE).ok(),
        build: number(UNCHANGED_SINCE)?,
        attached: fact(ATTACHED).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        platform: fact(PLATFORM).ok(),
    })
}

/// What a push has noted in its facts.
fn artifact(step: &PlannedStep, fact: impl Fn(&str) -> Result<String, Gone>) -> Result<Artifact, Gone> {
    let size = fact("size")?;
    let attached = fact(ATTACHED).ok().and_then(|text| serde_json::from_str(&text).ok());
    Ok(Artifact {
        attached: attached.unwrap_or_default(),
        platform: fact(PLATFORM).ok(),
        app: step.app.clone(),
        image: fact("image")?,
        digest: fact("digest")?,
        tags: fact("tags")?.split_whitespace().map(str::to_owned).collect(),
        size: size.parse().map_err(|_| Gone(format!("step {} left the size {size}", step.index)))?,
    })
}
