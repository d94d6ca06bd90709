//! What these tests say: environments that ask for something, and people who decide.

use slipway_pipelines::{
    config::{Approvals, Environment, Source},
    plan::ReleasePlan,
};
use slipway_runner::coordinator::{Condition, Coordinator as _, EnvironmentReport, Heartbeat, ReplicaReport};
use slipway_server::{
    environments::{self, Protection, ProtectionError},
    releases::{self, By, DecisionKind, ReleaseError, keep_gates},
    store::{decisions, environments as stored, releases::Release},
};
use slipway_tests::pipeline::{Pipeline, built, digest, usual_plan};

/// `dev` from main, and a `production` from dev that is this.
pub(crate) fn plan(production: Environment) -> ReleasePlan {
    let mut plan = usual_plan();
    plan.environments[1] = production;
    plan
}

/// A production from dev that asks for nothing.
pub(crate) fn production() -> Environment {
    Environment::new("production", Source::Environment { environment: "dev".to_owned() })
}

/// A production that asks for so many people.
pub(crate) fn asking_for(count: u32) -> Environment {
    Environment { approvals: Approvals { count, author: false }, ..production() }
}

/// Pushes a commit that says this of production, and brings it to dev.
pub(crate) async fn live_in_dev(pipeline: &Pipeline, commit: &str, production: Environment) -> Release {
    pipeline.built(commit, built(&digest(commit), plan(production))).await;
    pipeline.roll_out().await;
    well(pipeline, "dev").await;
    pipeline.live("dev").await.unwrap()
}

/// Its runner says that all of what is live in an environment is well.
pub(crate) async fn well(pipeline: &Pipeline, environment: &str) {
    stands(pipeline, environment, Condition::Healthy).await;
}

/// Its runner says that every replica of what is live in an environment is like this.
pub(crate) async fn stands(pipeline: &Pipeline, environment: &str, condition: Condition) {
    let live = pipeline.live(environment).await.unwrap();
    let all = live.content.iter().flat_map(|app| (1..=app.run.replicas).map(move |replica| (&app.app, replica)));
    let replicas = all.map(|(app, replica)| ReplicaReport {
        app: app.clone(),
        replica,
        container: format!("{app}-{replica}"),
        address: None,
        condition,
        trouble: None,
        lasts: false,
        restarts: 0,
    });
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: live.environment_id.to_string(),
        release: live.id.to_string(),
        replicas: replicas.collect(),
        breach: None,
    };
    pipeline.coordinator.report_environment(report).await.unwrap();
}

/// Time passes, at whose end the runner is heard of.
pub(crate) async fn later(pipeline: &Pipeline, ms: i64) {
    pipeline.clock.advance(ms);
    let beat =
        Heartbeat { runner: "one".to_owned(), incarnation: "first life".to_owned(), holding: vec![], waiting: vec![] };
    pipeline.coordinator.heartbeat(beat).await.unwrap();
}

/// Says yes.
pub(crate) async fn approve(pipeline: &Pipeline, number: i64, who: &str) -> Result<Release, ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    let release =
        releases::approve(&mut tx, &pipeline.repository, "production", number, By { actor: who, reason: Some("fine") })
            .await?;
    tx.commit().await.unwrap();
    Ok(release)
}

/// Says no.
pub(crate) async fn reject(pipeline: &Pipeline, number: i64, who: &str) -> Result<Release, ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    let release = releases::reject(
        &mut tx,
        &pipeline.repository,
        "production",
        number,
        By { actor: who, reason: Some("not now") },
    )
    .await?;
    tx.commit().await.unwrap();
    Ok(release)
}

/// Protects production.
pub(crate) async fn protect(pipeline: &Pipeline, protection: &Protection) -> Result<(), ProtectionError> {
    let id = pipeline.environment("production").await.id;
    let mut tx = pipeline.store.write().await.unwrap();
    let environment = stored::lock(&mut tx, &id).await.unwrap();
    environments::protect(&mut tx, &environment, protection, "root", Some("as agreed")).await?;
    tx.commit().await.unwrap();
    Ok(())
}

/// Freezes production.
pub(crate) async fn freeze(pipeline: &Pipeline, until: Option<i64>) {
    let id = pipeline.environment("production").await.id;
    let mut tx = pipeline.store.write().await.unwrap();
    let environment = stored::lock(&mut tx, &id).await.unwrap();
    environments::freeze(&mut tx, &environment, "sale", until, "ana").await.unwrap();
    tx.commit().await.unwrap();
}

/// Lets releases into production again.
pub(crate) async fn unfreeze(pipeline: &Pipeline) {
    let id = pipeline.environment("production").await.id;
    let mut tx = pipeline.store.write().await.unwrap();
    let environment = stored::lock(&mut tx, &id).await.unwrap();
    environments::unfreeze(&mut tx, &environment, None, "ana").await.unwrap();
    tx.commit().await.unwrap();
}

/// The gatekeeper's look; tells when the next is due.
pub(crate) async fn keep(pipeline: &Pipeline) -> Option<i64> {
    keep_gates(&pipeline.store).await.unwrap()
}

/// What was decided of a release of production, by whom.
pub(crate) async fn decided(pipeline: &Pipeline, number: i64) -> Vec<(DecisionKind, String)> {
    let release = pipeline.release("production", number).await;
    let mut reader = pipeline.store.read().await.unwrap();
    let found = decisions::of_release(&mut reader.conn(), &release.id).await.unwrap();
    found.into_iter().map(|decision| (decision.kind, decision.actor)).collect()
}
