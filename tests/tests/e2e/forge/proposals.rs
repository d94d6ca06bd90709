//! What a merge would release, said at the pull request before anybody merges.

use slipway_pipelines::{
    config::{Environment, Source},
    plan::{PullRequest, ReleasePlan},
};
use slipway_runner::coordinator::{Coordinator as _, INPUT_KEY, JobResult, StepDeclaration, StepKind, StepResult};
use slipway_server::{
    builds::NewBuild,
    releases::{Proposed, ProposedApp, proposed_by},
    store::builds::Build,
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{artifact, digest, step, usual_plan},
};

use super::scene::{Scene, pair};

on_both_databases!(a_pull_request_says_what_its_merge_releases, what_would_release_nothing_says_so);

/// Builds what is queued next; the image of web is made of what the key stands for.
async fn build(scene: &Scene, key: &str, pushed: bool, release_plan: ReleasePlan) {
    let lease = scene.pipeline.claim().await;
    let image = StepDeclaration { kind: StepKind::Build, ..step(0) };
    scene.pipeline.coordinator.declare_steps(&lease.key, vec![image]).await.unwrap();
    scene.pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
    let made = StepResult::succeeded().with(INPUT_KEY, key);
    scene.pipeline.coordinator.finish_step(&lease.key, 0, made).await.unwrap();
    let artifacts = if pushed { vec![artifact("web", &digest(key))] } else { Vec::new() };
    scene.pipeline.coordinator.finish_job(&lease.key, JobResult::Built { artifacts, release_plan }).await.unwrap();
}

/// Builds the merge of a pull request into a branch.
async fn propose(scene: &Scene, commit: &str, base: &str, key: &str, plan: ReleasePlan) -> Build {
    let pull = PullRequest { number: 7, head: "topic".to_owned(), base: base.to_owned() };
    let new = NewBuild {
        event: "pull_request".to_owned(),
        git_ref: "refs/pull/7/merge".to_owned(),
        pull_request: Some(pull),
        ..scene.pipeline.push("topic", commit)
    };
    let number = scene.pipeline.queue(&new).await.number;
    build(scene, key, false, plan).await;
    scene.pipeline.build(number).await
}

async fn proposed(scene: &Scene, build: &Build) -> Option<Vec<Proposed>> {
    let mut reader = scene.pipeline.store.read().await.unwrap();
    proposed_by(&mut reader.conn(), &scene.pipeline.repository, build).await.unwrap()
}

/// The usual plan, with a staging that takes what is live in dev by itself.
fn plan() -> ReleasePlan {
    let mut plan = usual_plan();
    let from = Source::Environment { environment: "dev".to_owned() };
    plan.environments.push(Environment { auto: true, bake_ms: 300_000, ..Environment::new("staging", from) });
    plan
}

async fn a_pull_request_says_what_its_merge_releases(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let pushed = scene.push("a").await;
    build(&scene, "one", true, plan()).await;
    scene.pipeline.roll_out().await;
    assert_eq!(proposed(&scene, &scene.pipeline.build(pushed.number).await).await, None, "it is no pull request's");

    let pull = propose(&scene, "b", "main", "two", plan()).await;
    let web = |changes| vec![ProposedApp { app: "web".to_owned(), changes }];
    let found = proposed(&scene, &pull).await.unwrap();
    let names: Vec<(&str, Option<&str>)> =
        found.iter().map(|one| (one.environment.as_str(), one.after.as_deref())).collect();
    assert_eq!(names, [("dev", None), ("staging", Some("dev"))], "production waits for a person");
    assert_eq!((&found[0].apps, &found[1].apps), (&web(Some(true)), &web(Some(true))));
    assert_eq!(found[1].asks, ["5:00 min in dev"]);
    scene.tell().await;
    let shown = scene.github.shown(&pull.commit_sha, "slipway/release").unwrap();
    let said = "#2 dev: web changes; then staging by itself after 5:00 min in dev";
    assert_eq!((shown.state, shown.description), pair("success", said));

    let same = propose(&scene, "c", "main", "one", plan()).await;
    let found = proposed(&scene, &same).await.unwrap();
    assert_eq!((&found[0].apps, &found[1].apps), (&web(Some(false)), &web(Some(true))), "staging has none of it yet");
}

async fn what_would_release_nothing_says_so(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let pull = propose(&scene, "a", "main", "one", ReleasePlan::default()).await;
    assert_eq!(proposed(&scene, &pull).await, Some(vec![]));
    let elsewhere = propose(&scene, "b", "release/1", "one", plan()).await;
    assert_eq!(proposed(&scene, &elsewhere).await, Some(vec![]), "no environment takes that branch");
    scene.tell().await;
    let shown = scene.github.shown(&elsewhere.commit_sha, "slipway/release (release/1)").unwrap();
    assert_eq!(shown.description, "#2 a merge releases nothing");
}
