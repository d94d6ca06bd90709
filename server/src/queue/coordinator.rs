//! The server's implementation of what a runner is promised.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use slipway_runner::coordinator::{
    ClaimReply, ClaimRequest, CollectionReport, Coordinator, CoordinatorError, EnvironmentReport, Heartbeat, Hello,
    Hosting, HostingQuestion, JobResult, KeptImages, LeaseKey, Lending, LogAnswer, LogChunk, Measurements, Readings,
    Resumption, Signature, SignatureRequest, Steering, SteeringRequest, StepDeclaration, StepResult, Verdict,
};

use tokio_util::sync::CancellationToken;

use super::{
    claim, collect, fence::ReportError, fetching, finish, heartbeat, hosting, kept_images, log, log_questions,
    measurements, readings, register, resume, sign, steering, step_reports,
};
use crate::{
    forge::Forges,
    retention::Limits,
    secrets::{Place, Sealer},
    store::{Store, StoreError},
};

/// Opens what is sealed: the passwords of registries, and secrets.
pub trait CredentialSource: Send + Sync + 'static {
    /// What was sealed for this place.
    ///
    /// # Errors
    /// Why it cannot be opened, in a sentence.
    fn unseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, String>;
}

impl CredentialSource for Sealer {
    fn unseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, String> {
        self.open(place, sealed).map(|opened| opened.reveal().to_owned()).map_err(|error| error.to_string())
    }
}

/// For servers without sealed credentials, such as in tests: opens none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn unseal(&self, _place: Place<'_>, _sealed: &[u8]) -> Result<String, String> {
        Err("this server has no key to open it with".to_owned())
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease holds without a heartbeat.
    pub lease: Duration,
    /// The longest between two looks at the queue when no bell rings: the net under lost wake-ups.
    pub sweep: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing::of_lease(Duration::from_secs(60))
    }
}

impl Timing {
    /// That of leases of this length: they are looked at four times as often as they end.
    #[must_use]
    pub fn of_lease(lease: Duration) -> Self {
        Timing { lease, sweep: lease / 4 }
    }

    /// The lease in milliseconds.
    pub(super) fn lease_ms(self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The server's side of the runner's trait, over the store.
#[derive(Clone)]
pub struct ServerCoordinator {
    pub(super) store: Store,
    pub(super) credentials: Arc<dyn CredentialSource>,
    pub(super) timing: Timing,
    /// How many releases of each environment a rollback offers.
    releases_kept: u32,
    /// Where people find this server; none where nobody said.
    pub(super) public_url: Option<Arc<str>>,
    /// Who is asked for logins of repositories; none where none are lent.
    pub(super) forges: Option<Forges>,
    /// The one runner that it serves, proved by its token; none for those of this process, which are believed.
    pub(super) runner: Option<Arc<str>>,
    /// The life of it that asks; none of one that does not say.
    pub(super) life: Option<Arc<str>>,
    ending: CancellationToken,
    orders: Arc<Mutex<HashMap<String, HashSet<LeaseKey>>>>,
    claims: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

impl std::fmt::Debug for ServerCoordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCoordinator").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl ServerCoordinator {
    /// Coordinates runners over this store.
    #[must_use]
    pub fn new(store: Store, credentials: Arc<dyn CredentialSource>, timing: Timing) -> Self {
        ServerCoordinator {
            store,
            credentials,
            timing,
            releases_kept: Limits::default().releases_keep,
            public_url: None,
            forges: None,
            runner: None,
            life: None,
            ending: CancellationToken::new(),
            orders: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// The same, but so many releases of each environment are offered to be rolled back to.
    #[must_use]
    pub fn keeping_releases(self, releases_kept: u32) -> Self {
        ServerCoordinator { releases_kept, ..self }
    }

    /// The same, but images say that they were built by the server at this address.
    #[must_use]
    pub fn at(self, public_url: &str) -> Self {
        ServerCoordinator { public_url: Some(public_url.trim_end_matches('/').into()), ..self }
    }

    /// The same, which lends runners the logins that forges' credentials give.
    #[must_use]
    pub fn lending(self, forges: Forges) -> Self {
        ServerCoordinator { forges: Some(forges), ..self }
    }

    /// The same, whose waiting claims end with `ending`, so that a server's end waits for none of them.
    #[must_use]
    pub fn ending_with(mut self, ending: CancellationToken) -> Self {
        self.ending = ending;
        self
    }

    /// The same for one runner on another machine. It is who its token says, whatever it claims to be, and reports on
    /// what is leased to it alone. Answers to it may be lost on their way.
    #[must_use]
    pub fn for_runner(&self, id: &str) -> Self {
        ServerCoordinator { runner: Some(id.into()), ..self.clone() }
    }

    /// The same for one life of a runner, which reports on what is leased to that life alone.
    #[must_use]
    pub fn in_life(self, life: Option<&str>) -> Self {
        ServerCoordinator { life: life.map(Into::into), ..self }
    }

    /// Who a runner is that calls itself `claimed`.
    fn proved(&self, claimed: String) -> String {
        self.runner.as_deref().map_or(claimed, str::to_owned)
    }

    /// Begins a claim of a runner: resolves when it is to end early, because the server ends or, for one on another
    /// machine, a newer claim shows that nobody waits for this one's answer any more.
    pub(super) fn begin_claim(&self, runner: &str) -> CancellationToken {
        let claim = self.ending.child_token();
        if self.runner.is_some() {
            let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(earlier) = claims.insert(runner.to_owned(), claim.clone()) {
                earlier.cancel();
            }
        }
        claim
    }

    /// Cancelled when the server ends.
    pub(super) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// What a claim is told that ends early.
    pub(super) fn early_end(&self) -> Result<ClaimReply, ReportError> {
        // A runner that is told so asks the next server, or this one's next life.
        if self.ending.is_cancelled() { Err(StoreError::Closed.into()) } else { Ok(ClaimReply::Idle) }
    }

    /// Forgets which orders an earlier life of a runner was given.
    pub(super) fn forget_orders(&self, runner: &str) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).remove(runner);
    }

    /// Of the orders for a runner's jobs, those that its waiting claims were not given yet. They count as given from
    /// now on; should the answer be lost, the next heartbeat repeats the order.
    pub(super) fn fresh_orders(&self, request: &ClaimRequest, orders: Vec<LeaseKey>) -> Vec<LeaseKey> {
        let mut given = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.entry(request.runner.clone()).or_default();
        given.retain(|lease| request.holding.contains(lease));
        orders.into_iter().filter(|lease| given.insert(lease.clone())).collect()
    }
}

#[async_trait]
impl Coordinator for ServerCoordinator {
    async fn register(&self, mut hello: Hello) -> Result<(), CoordinatorError> {
        hello.runner = self.proved(hello.runner);
        Ok(register::register(self, &hello).await?)
    }

    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        Ok(resume::resume(self, lease).await?)
    }

    async fn claim(&self, mut request: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        request.runner = self.proved(request.runner);
        Ok(claim::claim(self, &request).await?)
    }

    async fn heartbeat(&self, mut beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        beat.runner = self.proved(beat.runner);
        Ok(heartbeat::heartbeat(self, &beat).await?)
    }

    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        Ok(step_reports::declare(self, lease, &steps).await?)
    }

    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        Ok(step_reports::start(self, lease, index).await?)
    }

    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        Ok(log::append(self, lease, index, chunk).await?)
    }

    async fn report_readings(&self, lease: &LeaseKey, index: u32, readings: Readings) -> Result<(), CoordinatorError> {
        Ok(readings::note(self, lease, index, &readings).await?)
    }

    async fn sign(&self, lease: &LeaseKey, index: u32, asked: SignatureRequest) -> Result<Signature, CoordinatorError> {
        Ok(sign::sign(self, lease, index, &asked).await?)
    }

    async fn clone_login(&self, lease: &LeaseKey) -> Result<Lending, CoordinatorError> {
        Ok(fetching::clone_login(self, lease).await?)
    }

    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        Ok(step_reports::finish(self, lease, index, &result).await?)
    }

    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError> {
        Ok(finish::finish(self, lease, &result).await?)
    }

    async fn steering(&self, lease: &LeaseKey, asked: SteeringRequest) -> Result<Steering, CoordinatorError> {
        Ok(steering::steering(self, lease, &asked).await?)
    }

    async fn kept_images(&self, mut question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        question.runner = self.proved(question.runner);
        Ok(kept_images::kept_images(&self.store, question, self.releases_kept).await?)
    }

    async fn collected(&self, mut report: CollectionReport) -> Result<(), CoordinatorError> {
        report.runner = self.proved(report.runner);
        Ok(collect::report(self, &report).await?)
    }

    async fn answer_log(&self, mut answer: LogAnswer) -> Result<(), CoordinatorError> {
        answer.runner = self.proved(answer.runner);
        Ok(log_questions::answer(self, &answer).await?)
    }

    async fn hosting(&self, mut question: HostingQuestion) -> Result<Hosting, CoordinatorError> {
        question.runner = self.proved(question.runner);
        Ok(hosting::hosting(self, &question).await?)
    }

    async fn report_environment(&self, mut report: EnvironmentReport) -> Result<(), CoordinatorError> {
        report.runner = self.proved(report.runner);
        Ok(hosting::report(self, report).await?)
    }

    async fn report_measurements(&self, mut measured: Measurements) -> Result<(), CoordinatorError> {
        measured.runner = self.proved(measured.runner);
        Ok(measurements::take(self, measured).await?)
    }
}
