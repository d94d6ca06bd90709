//! Going on from an attempt that failed: its workspace is taken as its steps left it, and what succeeded there does not run
//! again. What cannot be had any more is said, and then everything runs again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use slipway_pipelines::plan::{Action, Plan, PlannedStep};

use super::{
    checkout_step::{CheckedOut, Desk, committed},
    declare,
    unchanged::used,
};
use crate::{
    coordinator::{
        COMMIT, EarlierAttempt, EarlierStep, KnownStep, LogPosition, StepOutcome, StepResult, TAKEN_OVER,
        UNCHANGED_SINCE,
    },
    engine::{Engine, EngineError},
    inventory,
    kept::Taking,
    registry::pinned,
};

/// What an attempt goes on with.
#[derive(Debug)]
pub(super) struct TakenOver {
    /// The steps that do not run again.
    pub(super) steps: Vec<KnownStep>,
    /// What the failed attempt left; it goes once it is not needed any more.
    pub(super) left: Taking,
}

/// Whether an earlier life of the runner was ended between telling the server of steps that it took over and the end of its
/// checkout: what was done with the workspace, nobody knows.
pub(super) fn was_cut_off(steps: &[KnownStep]) -> bool {
    let is_taken = |result: &StepResult| result.output.contains_key(TAKEN_OVER);
    steps.iter().any(|step| step.result.as_ref().is_some_and(is_taken))
}

impl Desk<'_> {
    /// Takes over from the attempt that the build is to go on from: moves its workspace to `into`, where a commit would be
    /// written, and finds out what need not run again. None where everything is to run.
    ///
    /// # Errors
    /// Why that cannot be done, in words. Then nothing was taken, and what the attempt left is removed.
    pub(super) async fn take_over(self, into: &Path) -> Result<Option<(CheckedOut, StepResult)>, String> {
        let kept = &self.workshop.kept;
        let left = kept.take(&self.context.reporter.lease().key().job);
        let (earlier, left) = match (&self.work.earlier, left) {
            (Some(earlier), Some(left)) => (earlier, left),
            (Some(earlier), None) => {
                return Err(format!("this runner does not have what attempt {} left", earlier.attempt));
            }
            (None, left) => {
                if let Some(left) = left {
                    kept.discard(left, &self.context.engine);
                }
                return Ok(None);
            }
        };
        match self.go_on(earlier, &left, into).await {
            Ok((plan, steps)) => {
                let facts = checkout_facts(earlier);
                let commit = match self.work.commit.as_str() {
                    "" => facts.get(COMMIT).cloned().unwrap_or_default(),
                    known => known.to_owned(),
                };
                let committed = committed(&facts);
                let taken = Some(TakenOver { steps, left });
                let facts = StepResult { output: facts, ..StepResult::succeeded() };
                Ok(Some((CheckedOut { plan, commit, committed, taken }, facts)))
            }
            Err(why) => {
                kept.discard(left, &self.context.engine);
                self.workshop.leftovers.remove_now(into).await;
                Err(why)
            }
        }
    }

    async fn go_on(
        self,
        earlier: &EarlierAttempt,
        left: &Taking,
        into: &Path,
    ) -> Result<(Plan, Vec<KnownStep>), String> {
        let attempt = earlier.attempt;
        let (Some(origin), Some(plan)) = (left.origin(), left.entry().plan.clone()) else {
            return Err(format!("attempt {attempt} came to no plan"));
        };
        if origin.attempt != attempt {
            return Err(format!("this runner has what attempt {} left, and not attempt {attempt}", origin.attempt));
        }
        let taken = taken(earlier, &plan, &self.context.engine).await.map_err(|error| error.to_string())?;
        if taken.is_empty() {
            return Err(format!("nothing that succeeded in attempt {attempt} can be taken over"));
        }
        let [folder, _] = self.workshop.folders(&origin);
        let moved = tokio::fs::rename(&folder, into).await;
        moved.map_err(|error| format!("the workspace of attempt {attempt} cannot be had: {error}"))?;
        self.log.say(format!("going on from attempt {attempt}, in its workspace as its steps left it")).await;
        self.log.say("what they left outside of the workspace and the caches is gone").await;
        for step in plan.steps.iter().filter(|step| taken.contains_key(&step.index)) {
            self.log.say(format!("not run again: step {} ({})", step.index, step.name)).await;
        }
        let known = |(index, result)| KnownStep {
            index,
            started: false,
            run_ms: 0,
            result: Some(result),
            log: LogPosition::default(),
        };
        Ok((plan, taken.into_iter().map(known).collect()))
    }
}

/// What the earlier checkout told of the commit.
fn checkout_facts(earlier: &EarlierAttempt) -> BTreeMap<String, String> {
    let checkout = earlier.steps.iter().find(|step| step.index == declare::CHECKOUT);
    checkout.map(|step| step.result.output.clone()).unwrap_or_default()
}

/// The steps that need not run again, with what they left.
async fn taken(
    earlier: &EarlierAttempt,
    plan: &Plan,
    engine: &Engine,
) -> Result<BTreeMap<u32, StepResult>, EngineError> {
    let mut succeeded = BTreeMap::new();
    for EarlierStep { index, result } in &earlier.steps {
        let Some(step) = plan.steps.iter().find(|step| step.index == *index) else { continue };
        if result.outcome == StepOutcome::Succeeded && has_image(plan, step, result, engine).await? {
            succeeded.insert(*index, result.clone());
        }
    }
    let chosen = choose(plan, &succeeded.keys().copied().collect());
    succeeded.retain(|index, _| chosen.contains(index));
    Ok(succeeded)
}

/// Whether the engine still has the image that a step made, where it did and something in the build needs it there.
async fn has_image(plan: &Plan, step: &PlannedStep, result: &StepResult, engine: &Engine) -> Result<bool, EngineError> {
    let Action::Build { image, .. } = &step.action else { return Ok(true) };
    let output = &result.output;
    let name = match (output.get("image_id"), output.get("digest")) {
        (Some(id), _) => id.clone(),
        (None, Some(_)) if output.contains_key(UNCHANGED_SINCE) && !used(plan).contains(&step.app) => return Ok(true),
        (None, Some(digest)) => pinned(image, digest),
        (None, None) => return Ok(false),
    };
    Ok(inventory::find(engine, &name).await?.is_some())
}

/// Which of the steps that succeeded need not run again: those whose effects are all in the workspace and in images, and
/// that need nothing that runs again.
///
/// What a step did to services or through an engine of its own ended with the build. A push runs again: it finds in the
/// registry what is there already.
fn choose(plan: &Plan, succeeded: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut chosen = BTreeSet::new();
    // What need not be waited for: what was chosen, and what the plan leaves out.
    let mut settled = BTreeSet::from([declare::CHECKOUT]);
    for step in &plan.steps {
        if !step.needs.iter().all(|need| settled.contains(need)) {
            continue;
        }
        if step.skipped.is_some() {
            settled.insert(step.index);
        } else if succeeded.contains(&step.index) && lasts(step) {
            settled.insert(step.index);
            chosen.insert(step.index);
        }
    }
    chosen
}

fn lasts(step: &PlannedStep) -> bool {
    match &step.action {
        Action::Run { services, engine, .. } => services.is_empty() && !engine,
        Action::Build { .. } => true,
        Action::Push { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::plan::{Phase, ReleasePlan, StepRun};

    use super::*;

    fn command(services: &[&str], engine: bool) -> Action {
        let (line, image) = ("make".to_owned(), "busybox".to_owned());
        let run = StepRun::Shell { image, built: None, line, strict: false, env: vec![], mounts: vec![] };
        let services = services.iter().map(|&name| name.to_owned()).collect();
        Action::Run { phase: Phase::Pre, run, secrets: vec![], services, engine }
    }

    fn plan(steps: &[(&[u32], Action)]) -> Plan {
        let step = |(index, (needs, action)): (u32, &(&[u32], Action))| PlannedStep {
            index,
            app: "web".to_owned(),
            name: format!("step {index}"),
            needs: needs.to_vec(),
            reason: None,
            skipped: None,
            timeout_ms: None,
            action: action.clone(),
        };
        let steps = (1..).zip(steps).map(step).collect();
        Plan { steps, services: vec![], warnings: vec![], release: ReleasePlan::default() }
    }

    fn chosen(plan: &Plan, succeeded: &[u32]) -> Vec<u32> {
        choose(plan, &succeeded.iter().copied().collect()).into_iter().collect()
    }

    #[test]
    fn what_succeeded_is_taken_over_and_nothing_that_needs_what_runs_again() {
        let plain = || command(&[], false);
        let plan = plan(&[(&[], plain()), (&[1], plain()), (&[2], plain()), (&[1], plain()), (&[3, 4], plain())]);
        assert_eq!(chosen(&plan, &[1, 2, 4]), [1, 2, 4]);
        assert_eq!(chosen(&plan, &[2, 4]), [] as [u32; 0], "the first step runs again, and all need it");
        assert_eq!(chosen(&plan, &[]), [] as [u32; 0]);
    }

    #[test]
    fn what_the_plan_leaves_out_is_in_nobodys_way() {
        let plain = || command(&[], false);
        let mut plan = plan(&[(&[], plain()), (&[1], plain()), (&[2], plain())]);
        plan.steps[1].skipped = Some("only on tags".to_owned());
        assert_eq!(chosen(&plan, &[1, 3]), [1, 3]);
        assert_eq!(chosen(&plan, &[3]), [] as [u32; 0], "it passes on what it waits for");
    }

    #[test]
    fn effects_that_ended_with_the_build_are_made_again() {
        let push = Action::Push { image: "shop/web".to_owned(), tags: vec!["main".to_owned()], attest: vec![] };
        let plan = plan(&[
            (&[], command(&["db"], false)),
            (&[1], command(&[], false)),
            (&[], command(&[], true)),
            (&[], command(&[], false)),
            (&[4], push),
        ]);
        assert_eq!(chosen(&plan, &[1, 2, 3, 4, 5]), [4]);
    }
}
