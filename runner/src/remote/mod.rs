//! The server on another machine: the trait over HTTP/1.1 and JSON.
//!
//! Every call may be repeated, so a call that is not answered is given up early and made again, at the next of the
//! servers where there are several. What is to be repeated for how long is the caller's to say.

mod address;
mod answer;
mod call;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;

pub use address::{AddressError, ServerAddress};
pub use call::LIFE_HEADER;
use call::{Call, Line};

use crate::coordinator::{
    ClaimReply, ClaimRequest, CollectionReport, Coordinator, CoordinatorError, EnvironmentReport, Heartbeat, Hello,
    Hosting, HostingQuestion, JobResult, KeptImages, LeaseKey, Lending, LogAnswer, LogChunk, Measurements, Readings,
    Resumption, Signature, SignatureRequest, Steering, SteeringRequest, StepDeclaration, StepResult, Verdict,
};

/// How long a server may take to answer a report.
const REPORT: Duration = Duration::from_secs(20);
/// How long it may take to answer a heartbeat: an unanswered one is repeated well before a lease ends.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How much longer than asked for a claim may be kept waiting.
const CLAIM: Duration = Duration::from_secs(10);

/// The servers of one installation, reached by HTTP with a runner's token.
#[derive(Debug)]
pub struct RemoteCoordinator {
    line: Line,
}

impl RemoteCoordinator {
    /// Reaches these servers, which share one database, the first of them first.
    ///
    /// # Errors
    /// When the process cannot make connections at all.
    pub fn new(servers: Vec<ServerAddress>, token: &str) -> Result<Self, AddressError> {
        Ok(RemoteCoordinator { line: Line::new(servers, token)? })
    }

    async fn report(&self, call: Call<'_>) -> Result<(), CoordinatorError> {
        // The answer has nothing in it that is needed, or a later version put something there.
        let _: serde::de::IgnoredAny = self.line.make(call).await?;
        Ok(())
    }
}

/// Where the reports of a lease go.
fn of_lease(lease: &LeaseKey, rest: &str) -> String {
    format!("jobs/{}/{}/{rest}", lease.job, lease.epoch)
}

#[async_trait]
impl Coordinator for RemoteCoordinator {
    async fn register(&self, hello: Hello) -> Result<(), CoordinatorError> {
        self.line.live(&hello.incarnation);
        self.report(Call::new(Method::POST, "register", REPORT).with(&hello)?).await?;
        tracing::info!(server = %self.line.server(), runner = %hello.name, "the server has taken this runner in");
        Ok(())
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        let limit = Duration::from_millis(request.wait_ms).saturating_add(CLAIM);
        self.line.make(Call::new(Method::POST, "claim", limit).with(&request)?).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        self.line.make(Call::new(Method::POST, "heartbeat", HEARTBEAT).with(&beat)?).await
    }

    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        let path = of_lease(lease, "resume");
        self.line.make(Call::new(Method::POST, &path, REPORT).under(lease)).await
    }

    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, "steps");
        self.report(Call::new(Method::PUT, &path, REPORT).under(lease).with(&steps)?).await
    }

    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, &format!("steps/{index}/start"));
        self.report(Call::new(Method::PUT, &path, REPORT).under(lease)).await
    }

    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, &format!("steps/{index}/log/{}", chunk.seq));
        self.report(Call::new(Method::PUT, &path, REPORT).under(lease).with_packed(&chunk)?).await
    }

    async fn report_readings(&self, lease: &LeaseKey, index: u32, readings: Readings) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, &format!("steps/{index}/readings"));
        self.report(Call::new(Method::PUT, &path, HEARTBEAT).under(lease).with(&readings)?).await
    }

    async fn sign(&self, lease: &LeaseKey, index: u32, asked: SignatureRequest) -> Result<Signature, CoordinatorError> {
        let path = of_lease(lease, &format!("steps/{index}/signature"));
        self.line.make(Call::new(Method::POST, &path, REPORT).under(lease).with(&asked)?).await
    }

    async fn clone_login(&self, lease: &LeaseKey) -> Result<Lending, CoordinatorError> {
        self.line.make(Call::new(Method::POST, &of_lease(lease, "login"), REPORT).under(lease)).await
    }

    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, &format!("steps/{index}/result"));
        self.report(Call::new(Method::PUT, &path, REPORT).under(lease).with(&result)?).await
    }

    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError> {
        let path = of_lease(lease, "result");
        self.report(Call::new(Method::PUT, &path, REPORT).under(lease).with(&result)?).await
    }

    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        self.line.make(Call::new(Method::POST, "kept-images", REPORT).with(&question)?).await
    }

    async fn collected(&self, report: CollectionReport) -> Result<(), CoordinatorError> {
        self.report(Call::new(Method::POST, "collected", REPORT).with_packed(&report)?).await
    }

    async fn answer_log(&self, answer: LogAnswer) -> Result<(), CoordinatorError> {
        self.report(Call::new(Method::POST, "container-log", HEARTBEAT).with_packed(&answer)?).await
    }

    async fn steering(&self, lease: &LeaseKey, asked: SteeringRequest) -> Result<Steering, CoordinatorError> {
        let patience = Duration::from_millis(asked.wait_ms) + CLAIM;
        self.line.make(Call::new(Method::POST, &of_lease(lease, "steering"), patience).under(lease).with(&asked)?).await
    }

    async fn hosting(&self, question: HostingQuestion) -> Result<Hosting, CoordinatorError> {
        self.line.make(Call::new(Method::POST, "hosting", HEARTBEAT).with(&question)?).await
    }

    async fn report_environment(&self, report: EnvironmentReport) -> Result<(), CoordinatorError> {
        self.report(Call::new(Method::POST, "environment", HEARTBEAT).with_packed(&report)?).await
    }

    async fn report_measurements(&self, measured: Measurements) -> Result<(), CoordinatorError> {
        self.report(Call::new(Method::POST, "measurements", HEARTBEAT).with_packed(&measured)?).await
    }
}
