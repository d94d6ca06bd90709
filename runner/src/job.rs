//! What a job of either kind is given to work with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    coordinator::{KnownStep, RegistryCredential, SecretValue, StepResult, WithheldSecret},
    engine::Engine,
    proxy::Proxy,
    reporter::Reporter,
};

/// The means of one leased job.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The engine to work on.
    pub engine: Engine,
    /// Where steps, logs and ends are reported.
    pub reporter: Reporter,
    /// Credentials for the registries that the job may meet.
    pub registries: Vec<RegistryCredential>,
    /// The hosts of registries whose login is not for the job.
    pub withheld_registries: Vec<String>,
    /// The secrets that the job may use.
    pub secrets: Vec<SecretValue>,
    /// The secrets that are not for the job.
    pub withheld_secrets: Vec<WithheldSecret>,
    /// What routes requests to the containers of releases; none on a runner without a proxy.
    pub proxy: Option<Arc<dyn Proxy>>,
    /// The runner's id, for labels.
    pub runner_id: String,
    /// The life of the runner that began the job, for the labels of what dies with a build.
    pub incarnation: String,
    /// Which attempt of the job this is, from 1.
    pub attempt: u32,
    /// How far an earlier life of the runner came; empty for a job that begins.
    pub steps: Vec<KnownStep>,
    /// Cancelled when the job must stop: on request, because the lease was lost, or because the runner shuts down.
    pub cancel: CancellationToken,
}

impl JobContext {
    /// How a step ended in an earlier life of the runner, if it did.
    #[must_use]
    pub fn ended(&self, index: u32) -> Option<&StepResult> {
        self.steps.iter().find(|step| step.index == index)?.result.as_ref()
    }
}
