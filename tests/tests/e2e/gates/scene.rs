//! What these tests say: environments that ask for something, and people who decide.

use slipway_pipelines::{
    config::{Approvals, Environment, Source},
    plan::ReleasePlan,
};
use slipway_server::{
    environments::{self, Protection, ProtectionError},
    releases::{self, DecisionKind, ReleaseError, keep_gates},
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
    pipeline.live("dev").await.unwrap()
}

/// Says yes.
pub(crate) async fn approve(pipeline: &Pipeline, number: i64, who: &str) -> Result<Release, ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    let release = releases::approve(&mut tx, &pipeline.repository, "production", number, who, Some("fine")).await?;
    tx.commit().await.unwrap();
    Ok(release)
}

/// Says no.
pub(crate) async fn reject(pipeline: &Pipeline, number: i64, who: &str) -> Result<Release, ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    let release = releases::reject(&mut tx, &pipeline.repository, "production", number, who, Some("not now")).await?;
    tx.commit().await.unwrap();
    Ok(release)
}

/// Protects production.
pub(crate) async fn protect(pipeline: &Pipeline, protection: &Protection) -> Result<(), ProtectionError> {
    let id = pipeline.environment("production").await.id;
    let mut tx = pipeline.store.write().await.unwrap();
    let environment = stored::lock(&mut tx, &id).await.unwrap();
    environments::protect(&mut tx, &environment, protection, "root").await?;
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
