//! Deployments: one for each release, told what becomes of it, and made once whoever is killed when.

use serde_json::json;
use slipway_pipelines::{
    config::{Approvals, Environment, Source},
    release::ReleaseSettings,
};
use slipway_server::{
    forge::{Asked, Credential, ReportState, Statuses},
    releases::{self, By},
    secrets::Secret,
};
use slipway_tests::{
    databases::TestDatabase,
    github::{AppKey, Next},
    on_both_databases,
    pipeline::{built, digest, usual_plan},
};

use super::scene::{MINUTE, Scene};

on_both_databases!(
    a_release_is_a_deployment_until_another_takes_its_place,
    a_deployment_is_made_once_whoever_is_killed_when,
    what_waits_and_what_fails_is_told,
    an_app_needs_a_permission_of_its_own,
);

async fn a_release_is_a_deployment_until_another_takes_its_place(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let mut plan = usual_plan();
    let reached = ReleaseSettings { domain: Some("dev.example".to_owned()), ..ReleaseSettings::default() };
    plan.environments[0].apps = vec![("web".to_owned(), reached)];
    let build = scene.pipeline.built("a", built(&digest("a"), plan)).await;
    scene.tell().await;
    let (lease, _) = scene.pipeline.claim_rollout().await;
    scene.tell().await;
    scene.live(&lease).await;
    scene.tell().await;
    let made = scene.github.deployments();
    assert_eq!(made.len(), 1);
    let release = scene.pipeline.live("dev").await.unwrap();
    let first = &made[0];
    assert_eq!((&first.sha, &*first.environment), (&build.commit_sha, "dev"));
    assert_eq!(first.body["payload"], json!({"slipway": {"release": release.id.to_string()}}));
    assert_eq!((&first.body["auto_merge"], &first.body["required_contexts"]), (&json!(false), &json!([])));
    assert_eq!(first.body["production_environment"], json!(false));
    assert_eq!(first.states(), ["queued", "in_progress", "success"]);
    let status = first.statuses.last().unwrap();
    let page = "https://slipway.example/repositories/acme/shop/environments/dev/releases/1";
    assert_eq!((&status["log_url"], &status["environment_url"]), (&json!(page), &json!("http://dev.example:8080")));

    scene.pipeline.live_in_dev("b").await;
    scene.tell().await;
    let made = scene.github.deployments();
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].states().last(), Some(&"inactive".to_owned()));
    assert_eq!(made[1].states(), ["success"], "what was over before it was told is told once");
    scene.pipeline.roll_back("dev", None).await.unwrap();
    scene.pipeline.roll_out().await;
    scene.tell().await;
    let made = scene.github.deployments();
    assert_eq!(made.len(), 3, "a way back is a release of its own, though of the same commit");
    assert_eq!((&made[2].sha, made[2].states()), (&build.commit_sha, vec!["success".to_owned()]));
}

async fn a_deployment_is_made_once_whoever_is_killed_when(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.ask(Asked { statuses: Statuses::None, ..Asked::default() }).await;
    scene.pipeline.built("a", built(&digest("a"), usual_plan())).await;
    // Looked for, made, given a status: killed behind each of them, before anything of it was noted.
    for lost in [1, 2, 2] {
        let before = scene.github.calls().len();
        for _ in 1..lost {
            scene.github.next(Next::Answer);
        }
        scene.github.next(Next::Lose);
        tokio::select! {
            () = scene.tell() => panic!("nobody answered"),
            _ = scene.github.called(before + lost) => {}
        }
        scene.pipeline.clock.advance(2 * MINUTE);
    }
    scene.tell().await;
    let made = scene.github.deployments();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0].states().last(), Some(&"queued".to_owned()));
    scene.pipeline.announce("one", "first life", &[]).await;
    scene.pipeline.roll_out().await;
    scene.tell().await;
    let made = scene.github.deployments();
    assert_eq!((made.len(), made[0].states().last().unwrap().as_str()), (1, "success"));
}

async fn what_waits_and_what_fails_is_told(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let mut plan = usual_plan();
    let from = Source::Environment { environment: "dev".to_owned() };
    let approvals = Approvals { count: 1, author: false };
    plan.environments[1] = Environment { approvals, ..Environment::new("production", from) };
    scene.pipeline.built("a", built(&digest("a"), plan.clone())).await;
    scene.pipeline.roll_out().await;
    scene.pipeline.promote("production").await.unwrap();
    scene.tell().await;
    let of = |environment: &str| {
        let made = scene.github.deployments();
        made.into_iter().rfind(|deployment| deployment.environment == environment).unwrap()
    };
    let production = of("production");
    assert_eq!(production.states(), ["pending"]);
    let description = production.statuses[0]["description"].as_str().unwrap();
    assert!(description.starts_with("#1 ") && description.contains("1 more approval"), "{description}");
    assert_eq!(production.body["production_environment"], json!(true));
    reject(&scene, 1).await;
    scene.tell().await;
    assert_eq!(of("production").states().last(), Some(&"inactive".to_owned()));

    // What GitHub never heard of need not be taken back.
    let before = scene.github.deployments().len();
    scene.ask(Asked { deployments: false, ..Asked::default() }).await;
    let unheard = scene.pipeline.promote("production").await.unwrap();
    scene.tell().await;
    scene.ask(Asked::default()).await;
    reject(&scene, unheard.number).await;
    scene.tell().await;
    assert_eq!(scene.release_stands(&unheard).await, [(ReportState::Sent, None)]);
    assert_eq!(scene.github.deployments().len(), before);

    scene.pipeline.built("b", built(&digest("b"), plan)).await;
    scene.pipeline.fail_rollout("web did not become healthy").await;
    scene.tell().await;
    let failed = of("dev");
    assert_eq!(failed.states(), ["failure"]);
    assert_eq!(failed.statuses[0]["description"], json!("#2 web did not become healthy"));
}

/// Somebody does not want a release to production.
async fn reject(scene: &Scene, number: i64) {
    let mut tx = scene.pipeline.store.write().await.unwrap();
    releases::reject(&mut tx, &scene.pipeline.repository, "production", number, By::name("bo")).await.unwrap();
    tx.commit().await.unwrap();
}

async fn an_app_needs_a_permission_of_its_own(database: TestDatabase) {
    let scene = Scene::unknown(database).await;
    let key = AppKey::new(true);
    scene.github.install("Iv23liTest", &key, "acme/shop", json!({"statuses": "write"}));
    scene.set(Credential::App { id: "Iv23liTest".to_owned(), key: Secret::new(&*key.pem) }, &["acme/*"]).await;
    let build = scene.pipeline.built("a", built(&digest("a"), usual_plan())).await;
    scene.tell().await;
    assert_eq!(scene.stands(&build).await, [(ReportState::Sent, None)], "what it may is told all the same");
    let release = scene.pipeline.release("dev", 1).await;
    let (state, reason) = scene.release_stands(&release).await.remove(0);
    assert_eq!(state, ReportState::Waiting);
    assert!(reason.unwrap().contains("permissions requested are not granted"));
    scene.github.install("Iv23liTest", &key, "acme/shop", json!({"statuses": "write", "deployments": "write"}));
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    assert_eq!(scene.github.deployments()[0].states(), ["queued"]);
}
