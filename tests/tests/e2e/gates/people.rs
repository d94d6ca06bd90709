//! Approvals, rejections, and what the server asks for beyond captain.yml.

use slipway_pipelines::{
    config::{Environment, Source, Strategy},
    plan::{CommitLine, ReleasePlan},
};
use slipway_runner::coordinator::{Coordinator as _, StepResult};
use slipway_server::{
    builds::NewBuild,
    environments::{Protection, Written},
    releases::{DecisionKind, ReleaseState, preview},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, usual_plan},
};

use super::scene::{approve, asking_for, decided, live_in_dev, plan, production, protect, reject};

/// More than are read at a time, and than are listed.
const MANY: usize = 230;

on_both_databases!(
    a_release_waits_for_people,
    a_release_that_is_rejected_is_not_rolled_out,
    a_newer_release_takes_the_place_of_one_that_is_held,
    a_commit_cannot_weaken_what_the_server_asks_for,
    a_commit_cannot_turn_a_canary_into_another_strategy,
    a_build_of_a_branch_that_is_not_let_in_goes_no_further,
    no_commit_changes_where_releases_come_from_or_how_long_they_bake,
    whoever_wrote_what_comes_along_is_an_author_of_it,
    whoever_pushed_is_an_author_too_and_nobody_is_too_far_down_to_count,
    a_release_that_waits_for_its_rollout_is_held_when_more_is_asked_for,
);

async fn a_release_waits_for_people(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", asking_for(2)).await;
    let held = pipeline.promote("production").await.unwrap();
    assert_eq!((held.state, held.reason.as_deref()), (ReleaseState::Held, Some("waiting for 2 more approvals")));
    assert!(pipeline.try_claim().await.is_none(), "it has no job");
    assert_eq!(pipeline.promote("production").await.unwrap().id, held.id, "asking again asks for the same");

    let own = approve(&pipeline, 1, "ada").await.unwrap_err().to_string();
    assert_eq!(own, "“ada” wrote the commit or asked for the release: production wants the approval of somebody else");
    let once = approve(&pipeline, 1, "bo").await.unwrap();
    assert_eq!(once.reason.as_deref(), Some("waiting for 1 more approval (approved by bo)"));
    assert_eq!(approve(&pipeline, 1, "Bo").await.unwrap().state, ReleaseState::Held, "twice is once");
    assert_eq!(approve(&pipeline, 1, "cy").await.unwrap().state, ReleaseState::Queued);
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);

    let by = |kind, who: &str| (kind, who.to_owned());
    let expected = [
        by(DecisionKind::Promoted, "ada"),
        by(DecisionKind::Held, "slipway"),
        by(DecisionKind::Approved, "bo"),
        by(DecisionKind::Approved, "cy"),
        by(DecisionKind::Admitted, "slipway"),
    ];
    assert_eq!(decided(&pipeline, 1).await, expected);
    let late = approve(&pipeline, 1, "di").await.unwrap_err().to_string();
    assert_eq!(late, "release 1 of production is not held (live): there is nothing to approve or to reject");
    assert_eq!(
        approve(&pipeline, 1, "cy").await.unwrap().state,
        ReleaseState::Live,
        "whose answer was lost asks again"
    );
}

async fn a_release_that_is_rejected_is_not_rolled_out(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", asking_for(2)).await;
    pipeline.promote("production").await.unwrap();
    approve(&pipeline, 1, "bo").await.unwrap();
    let rejected = reject(&pipeline, 1, "bo").await.unwrap();
    assert_eq!(rejected.state, ReleaseState::Rejected, "people may change their mind");
    assert_eq!(rejected.reason.as_deref(), Some("rejected by bo: not now"));
    assert_eq!(reject(&pipeline, 1, "bo").await.unwrap().id, rejected.id);
    assert!(reject(&pipeline, 1, "cy").await.is_err() && approve(&pipeline, 1, "cy").await.is_err());
    let kinds: Vec<_> = decided(&pipeline, 1).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        [DecisionKind::Promoted, DecisionKind::Held, DecisionKind::Approved, DecisionKind::Rejected],
        "both are kept"
    );

    let second = pipeline.promote("production").await.unwrap();
    assert_eq!((second.number, second.state), (2, ReleaseState::Held), "what was said of the first is not said of it");
    assert_eq!(second.reason.as_deref(), Some("waiting for 2 more approvals"));
}

async fn a_newer_release_takes_the_place_of_one_that_is_held(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", asking_for(1)).await;
    pipeline.promote("production").await.unwrap();
    live_in_dev(&pipeline, "b", asking_for(1)).await;
    pipeline.promote("production").await.unwrap();
    let first = pipeline.release("production", 1).await;
    assert_eq!(first.state, ReleaseState::Superseded);
    assert_eq!(first.reason.as_deref(), Some("release 2 took its place"));
    approve(&pipeline, 2, "bo").await.unwrap();
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:b");
}

async fn a_commit_cannot_weaken_what_the_server_asks_for(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    let nonsense = Protection { approvals: 2, approvers: vec!["bo".to_owned()], ..Protection::default() };
    protect(&pipeline, &nonsense).await.unwrap_err();
    let wanted = Protection { approvals: 1, approvers: vec!["Bo".to_owned()], ..Protection::default() };
    protect(&pipeline, &wanted).await.unwrap();

    // Out of captain.yml, and in again, asking for nobody.
    let without = ReleasePlan { environments: vec![usual_plan().environments.remove(0)], ..usual_plan() };
    pipeline.built("b", built("sha256:b", without)).await;
    pipeline.roll_out().await;
    assert!(pipeline.environment("production").await.removed_at.is_some());
    live_in_dev(&pipeline, "c", production()).await;

    let held = pipeline.promote("production").await.unwrap();
    assert_eq!(held.reason.as_deref(), Some("waiting for 1 more approval of Bo"));
    let refused = approve(&pipeline, 1, "cy").await.unwrap_err().to_string();
    assert_eq!(refused, "“production” asks for the approval of Bo");
    assert_eq!(approve(&pipeline, 1, "bo").await.unwrap().state, ReleaseState::Queued);
    assert_eq!(pipeline.event_kinds("environment.protected").await.len(), 1);
}

async fn a_commit_cannot_turn_a_canary_into_another_strategy(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    let earlier = pipeline.promote("production").await.unwrap();
    let canary: Strategy = "canary: [20%], bake: 1m, max_errors: 1%".parse().unwrap();
    let wanted = Protection { strategy: Some(Written(canary.clone())), ..Protection::default() };
    protect(&pipeline, &wanted).await.unwrap();
    assert_eq!(pipeline.environment("production").await.protection.0, wanted, "it is kept as it was said");

    // What was made before it was asked for does not slip through.
    assert!(pipeline.try_claim().await.is_none());
    let refused = pipeline.release("production", earlier.number).await;
    let why = format!("production asks for the strategy {canary}, and this was made for rolling");
    assert_eq!((refused.state, refused.reason), (ReleaseState::Rejected, Some(why)));
    pipeline.promote("production").await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, canary);

    // A way back is no trial.
    live_in_dev(&pipeline, "b", production()).await;
    pipeline.promote("production").await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, canary);
    pipeline.roll_back("production", None).await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, Strategy::default());
}

async fn a_build_of_a_branch_that_is_not_let_in_goes_no_further(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    let branches = vec!["release/*".to_owned()];
    protect(&pipeline, &Protection { branches: branches.clone(), ..Protection::default() }).await.unwrap();
    let refused = pipeline.promote("production").await.unwrap_err().to_string();
    assert_eq!(refused, "production lets in builds of release/* alone, and this is of branch main");

    // A commit that has production fed by main itself comes no further, and its build says so.
    let fed = Environment::new("production", Source::Branch { branch: "main".to_owned() });
    let build = pipeline.built("b", built("sha256:b", plan(fed))).await;
    let expected =
        "nothing is released to production: production lets in builds of release/* alone, and this is of branch main";
    assert_eq!(build.reason.as_deref(), Some(expected));
}

async fn whoever_wrote_what_comes_along_is_an_author_of_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", asking_for(1)).await;
    pipeline.promote("production").await.unwrap();
    approve(&pipeline, 1, "zoe").await.unwrap();
    pipeline.roll_out().await;

    // Bo's build never leaves dev; Ada's follows it, and brings a commit of Cy's that was never built by itself.
    pipeline.queue(&NewBuild { author: "Bo".to_owned(), ..pipeline.push("main", "b") }).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, built("sha256:b", plan(asking_for(1)))).await.unwrap();
    pipeline.roll_out().await;
    let line = CommitLine { name: "d".repeat(40), subject: "a small change".to_owned(), author: "Cy".to_owned() };
    let brought = ReleasePlan { commits: vec![line], ..plan(asking_for(1)) };
    pipeline.built("c", built("sha256:c", brought)).await;
    pipeline.roll_out().await;
    let shown = {
        let target = pipeline.environment("production").await;
        let mut reader = pipeline.store.read().await.unwrap();
        preview(&mut reader.conn(), &pipeline.repository, &target, pipeline.store.clock().now()).await.unwrap()
    };
    let commits: Vec<_> =
        shown.change.commits.iter().map(|it| (it.build, it.message.as_str(), it.author.as_str())).collect();
    assert_eq!(commits, [(3, "change c", "Ada"), (3, "a small change", "Cy"), (2, "change b", "Bo")]);

    pipeline.promote("production").await.unwrap();
    for author in ["ada", "bo", "cy"] {
        let refused = approve(&pipeline, 2, author).await.unwrap_err().to_string();
        assert!(refused.contains("wants the approval of somebody else"), "{refused}");
    }
    assert_eq!(approve(&pipeline, 2, "zoe").await.unwrap().state, ReleaseState::Queued);
}

async fn whoever_pushed_is_an_author_too_and_nobody_is_too_far_down_to_count(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", asking_for(1)).await;
    pipeline.promote("production").await.unwrap();
    approve(&pipeline, 1, "zoe").await.unwrap();
    pipeline.roll_out().await;

    // What Cy wrote and Dee pushed is cut off by the next push, and so are more builds than are listed.
    let first = NewBuild { author: "Cy".to_owned(), pusher: "dee".to_owned(), ..pipeline.push("main", "b") };
    let builds = (0..MANY).map(|number| NewBuild { commit_sha: format!("{number:040}"), ..pipeline.push("main", "c") });
    for new in std::iter::once(first).chain(builds) {
        pipeline.queue(&new).await;
    }
    let line = |number: usize, author: &str| CommitLine {
        name: format!("{number:040x}"),
        subject: "one of many".to_owned(),
        author: author.to_owned(),
    };
    let commits = (1_000_000..1_000_200).map(|number| line(number, "Ada")).chain([line(7, "Eve")]).collect();
    let brought = ReleasePlan { commits, more_authors: vec!["Flo".to_owned()], ..plan(asking_for(1)) };
    pipeline.built("d", built("sha256:d", brought)).await;
    pipeline.roll_out().await;
    pipeline.promote("production").await.unwrap();
    for author in ["cy", "Dee", "eve", "flo"] {
        let refused = approve(&pipeline, 2, author).await.unwrap_err().to_string();
        assert!(refused.contains("wants the approval of somebody else"), "{refused}");
    }
    assert_eq!(approve(&pipeline, 2, "zoe").await.unwrap().state, ReleaseState::Queued);
}

async fn no_commit_changes_where_releases_come_from_or_how_long_they_bake(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    let asked = r#"{"from": "dev", "bake": "5m", "window": "Mon-Sun 00:00-24:00 Europe/Madrid"}"#;
    protect(&pipeline, &serde_json::from_str(asked).unwrap()).await.unwrap();
    let fed = Environment::new("production", Source::Branch { branch: "main".to_owned() });
    let build = pipeline.built("b", built("sha256:b", plan(fed))).await;
    let expected = "nothing is released to production: production takes its releases from dev alone, and this comes from \
                    branch main";
    assert_eq!(build.reason.as_deref(), Some(expected));
    pipeline.roll_out().await;
    live_in_dev(&pipeline, "c", production()).await;
    let held = pipeline.promote("production").await.unwrap().reason.unwrap_or_default();
    assert!(held.starts_with("dev #3 must have been live there for 5 min"), "{held}");
}

async fn a_release_that_waits_for_its_rollout_is_held_when_more_is_asked_for(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    assert_eq!(pipeline.promote("production").await.unwrap().state, ReleaseState::Queued);
    protect(&pipeline, &Protection { approvals: 1, ..Protection::default() }).await.unwrap();
    assert!(pipeline.try_claim().await.is_none(), "it has not begun, and must not");
    let held = pipeline.release("production", 1).await;
    assert_eq!((held.state, held.reason.as_deref()), (ReleaseState::Held, Some("waiting for 1 more approval")));
    approve(&pipeline, 1, "bo").await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);
}
