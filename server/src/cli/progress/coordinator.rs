//! What the runner tells, turned into what is shown.

use std::{collections::VecDeque, time::Instant};

use async_trait::async_trait;
use slipway_runner::coordinator::{
    ClaimReply, ClaimRequest, Coordinator, CoordinatorError, Heartbeat, Hello, JobResult, KeptImages, LeaseKey,
    LogChunk, Resumption, StepDeclaration, StepResult, Verdict,
};

use super::{Progress, Shown, TAIL, colours};

/// One build that has its lease for ever: there is nobody else to give it to.
#[async_trait]
impl Coordinator for Progress {
    async fn register(&self, _: Hello) -> Result<(), CoordinatorError> {
        Ok(())
    }

    /// A build of a person's tree ends with its process.
    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        Err(CoordinatorError::LeaseLost { job: lease.job.clone() })
    }

    async fn claim(&self, _: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        Ok(ClaimReply::Idle)
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        Ok(beat.holding.into_iter().map(|lease| (lease, Verdict::GoOn)).collect())
    }

    async fn declare_steps(&self, _: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        let mut shown = self.steps();
        for step in steps {
            if let Some(reason) = &step.skipped {
                self.face.skipped(&step, reason);
            }
            let new = Shown { declaration: step, started: None, tail: VecDeque::new(), result: None };
            shown.entry(new.declaration.index).or_insert(new);
        }
        self.count(&shown);
        Ok(())
    }

    async fn start_step(&self, _: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        if let Some(step) = self.steps().get_mut(&index) {
            step.started = Some(Instant::now());
            self.face.started(&step.declaration);
        }
        Ok(())
    }

    async fn append_log(&self, _: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        if let Some(step) = self.steps().get_mut(&index) {
            for line in &chunk.lines {
                self.face.said(&step.declaration, line);
                if step.tail.len() == TAIL {
                    step.tail.pop_front();
                }
                step.tail.push_back(colours::plain(&line.text));
            }
        }
        Ok(())
    }

    async fn finish_step(&self, _: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        let mut shown = self.steps();
        if let Some(step) = shown.get_mut(&index) {
            let took = step.started.map(|at| at.elapsed()).unwrap_or_default();
            self.face.ended(&step.declaration, &result, took);
            step.result = Some(result);
        }
        self.count(&shown);
        Ok(())
    }

    async fn finish_job(&self, _: &LeaseKey, _: JobResult) -> Result<(), CoordinatorError> {
        Ok(())
    }

    /// No server, no releases; but nothing is collected after a build of a working tree either.
    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        Ok(question.digests)
    }
}

impl Progress {
    fn count(&self, shown: &std::collections::BTreeMap<u32, Shown>) {
        let ended = shown.values().filter(|step| step.result.is_some() || step.declaration.skipped.is_some()).count();
        self.face.counted(ended, shown.len());
    }
}
