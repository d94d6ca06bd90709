//! What these tests say: a server that reports to a stand-in of GitHub, and the test in the runner's place.

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::{Coordinator as _, JobResult, Lease, LeaseKey, StepResult};
use slipway_server::{
    forge::{Asked, Credential, Forges, NewCredential, ReportState, read_reports, report_due, set_credential},
    secrets::{LoginScope, Secret},
    store::{builds::Build, forge_reports, releases::Release},
};
use slipway_tests::{
    databases::TestDatabase,
    github::GitHub,
    pipeline::{Pipeline, built, digest},
};

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The context of builds that a push led to.
pub(crate) const PUSH: &str = "slipway/push";

/// A server with `acme/shop`, and a GitHub.
pub(crate) struct Scene {
    pub(crate) pipeline: Pipeline,
    pub(crate) github: GitHub,
    pub(crate) forges: Forges,
}

impl Scene {
    /// Without any credential.
    pub(crate) async fn unknown(database: TestDatabase) -> Self {
        let pipeline = Pipeline::new(database).await;
        let forges =
            Forges::new("https://slipway.example", &["127.0.0.1:8080".to_owned()], pipeline.clock.clone()).unwrap();
        Scene { pipeline, github: GitHub::open().await, forges }
    }

    /// With a token that GitHub admits.
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let scene = Self::unknown(database).await;
        scene.github.admit("ghp_good");
        scene.set_token("ghp_good").await;
        scene
    }

    pub(crate) async fn set_token(&self, token: &str) {
        self.set(Credential::Token(Secret::new(token)), &["acme/*"]).await;
    }

    pub(crate) async fn set(&self, credential: Credential, patterns: &[&str]) {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let scope = LoginScope::asked(Some(patterns), false).unwrap();
        let new = NewCredential {
            name: "github".to_owned(),
            credential,
            api: self.github.url().to_owned(),
            scope,
            fetches: None,
        };
        let mut tx = self.pipeline.store.write().await.unwrap();
        set_credential(&mut tx, &self.pipeline.sealer, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn ask(&self, asked: Asked) {
        let mut tx = self.pipeline.store.write().await.unwrap();
        forge_reports::ask(&mut tx, &self.pipeline.repository.id, asked).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Queues a build of a push to main.
    pub(crate) async fn push(&self, commit: &str) -> Build {
        self.pipeline.queue(&self.pipeline.push("main", commit)).await
    }

    /// Ends a leased build well; it is released nowhere.
    pub(crate) async fn succeed(&self, lease: &Lease, commit: &str) {
        self.pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
        let result = built(&digest(commit), ReleasePlan::default());
        self.pipeline.coordinator.finish_job(&lease.key, result).await.unwrap();
    }

    /// Ends a leased build badly.
    pub(crate) async fn fail(&self, lease: &Lease, reason: &str) {
        let result = JobResult::Failed { reason: reason.to_owned() };
        self.pipeline.coordinator.finish_job(&lease.key, result).await.unwrap();
    }

    /// Sees what GitHub is to show, and sends what is due.
    pub(crate) async fn tell(&self) {
        read_reports(&self.pipeline.store).await.unwrap();
        report_due(&self.pipeline.store, &self.pipeline.sealer, &self.forges).await.unwrap();
    }

    /// The states of a commit that GitHub was told of, with their descriptions, in order.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        self.github.statuses().into_iter().map(|shown| (shown.state, shown.description)).collect()
    }

    /// Where what GitHub is shown of a build stands, with the reason.
    pub(crate) async fn stands(&self, build: &Build) -> Vec<(ReportState, Option<String>)> {
        let mut reader = self.pipeline.store.read().await.unwrap();
        let found = forge_reports::of_build(&mut reader.conn(), &build.id).await.unwrap();
        found.into_iter().map(|report| (report.state, report.reason)).collect()
    }

    /// The same of a release.
    pub(crate) async fn release_stands(&self, release: &Release) -> Vec<(ReportState, Option<String>)> {
        let mut reader = self.pipeline.store.read().await.unwrap();
        let found = forge_reports::of_release(&mut reader.conn(), &release.id).await.unwrap();
        found.into_iter().map(|report| (report.state, report.reason)).collect()
    }

    /// Ends a leased rollout well.
    pub(crate) async fn live(&self, lease: &LeaseKey) {
        self.pipeline.run_step(lease, 0, StepResult::succeeded()).await;
        self.pipeline.coordinator.finish_job(lease, JobResult::Live).await.unwrap();
    }
}

/// A state and a description, to compare with.
pub(crate) fn pair(state: &str, description: &str) -> (String, String) {
    (state.to_owned(), description.to_owned())
}
