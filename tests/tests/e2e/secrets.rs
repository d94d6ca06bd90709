//! Secrets: who is given them, and that nobody else sees them.

use serde_json::{Value, json};
use slipway_pipelines::{plan::ReleasePlan, release::ReleaseSettings};
use slipway_runner::coordinator::{Coordinator, HostingQuestion, JobResult, Lease, ReleaseContent, StepResult, Work};
use slipway_server::{
    builds::NewBuild,
    clock::Clock,
    releases::preview,
    retention::{Collected, Limits, Round, collect_now},
    secrets::GivenTo,
    store::{self, Db},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, digest, usual_plan},
    slipway::Slipway,
};
use sqlx::{AssertSqlSafe, Row};

const SECRETS: &str = "/api/v1/repositories/shop/web/secrets";

on_both_databases!(
    a_build_is_given_the_repositorys_secrets_and_a_pull_request_none,
    a_rollout_is_given_what_its_apps_name_and_an_environments_own_comes_first,
    a_release_runs_with_the_values_of_its_making_for_good,
    a_changed_value_can_be_promoted_and_a_forgotten_one_is_used_nowhere,
    an_earlier_value_goes_with_the_last_release_that_runs_with_it,
    a_value_is_kept_sealed_and_opens_nowhere_else,
);

const HOUR: i64 = 60 * 60 * 1_000;

fn given(lease: &Lease) -> Vec<(&str, &str)> {
    lease.secrets.iter().map(|secret| (secret.name.as_str(), secret.value.as_str())).collect()
}

async fn a_build_is_given_the_repositorys_secrets_and_a_pull_request_none(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "NPM_TOKEN", "first").await;
    pipeline.set_secret(None, "NPM_TOKEN", "second").await;
    pipeline.set_secret(None, "AWS_KEY", "a key").await;
    pipeline.set_secret(Some("production"), "NPM_TOKEN", "for releases only").await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    assert_eq!(given(&pipeline.claim().await), [("AWS_KEY", "a key"), ("NPM_TOKEN", "second")]);

    for event in ["pull_request", "something unheard of"] {
        let foreign = NewBuild { event: event.to_owned(), ..pipeline.push(event.split(' ').next().unwrap(), "b") };
        pipeline.queue(&foreign).await;
        assert!(pipeline.claim().await.secrets.is_empty(), "{event}");
    }
}

async fn a_rollout_is_given_what_its_apps_name_and_an_environments_own_comes_first(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "DATABASE_URL", "anywhere").await;
    pipeline.set_secret(None, "NPM_TOKEN", "of builds").await;
    pipeline.set_secret(Some("production"), "DATABASE_URL", "production's").await;
    let mut plan = usual_plan();
    let web =
        ReleaseSettings { secrets: vec!["DATABASE_URL".to_owned(), "UNSET".to_owned()], ..plan.apps["web"].clone() };
    plan.apps.insert("web".to_owned(), web);
    pipeline.built("a", built("sha256:a", plan)).await;
    let lease = pipeline.claim().await;
    assert_eq!(given(&lease), [("DATABASE_URL", "anywhere")], "what is missing is for the runner to tell");
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, JobResult::Live).await.unwrap();

    pipeline.promote("production").await.unwrap();
    assert_eq!(given(&pipeline.claim().await), [("DATABASE_URL", "production's")]);
}

/// The usual plan, with an app that needs the secret `KEY`.
fn with_key() -> ReleasePlan {
    let mut plan = usual_plan();
    let web = ReleaseSettings { secrets: vec!["KEY".to_owned()], ..plan.apps["web"].clone() };
    plan.apps.insert("web".to_owned(), web);
    plan
}

/// What the app of the release that is rolled out finds in `KEY`, and what that of the release before did; makes it live.
async fn rolled_out(pipeline: &Pipeline) -> (String, Option<String>) {
    let lease = pipeline.claim().await;
    let Work::Rollout(work) = &lease.work else { panic!("{:?}", lease.work) };
    let value = |content: &ReleaseContent| {
        let given: Vec<&str> = content.apps[0].secrets(&lease.secrets).map(|secret| secret.value.as_str()).collect();
        given.concat()
    };
    let found = (value(&work.release), work.previous.as_ref().map(value));
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, JobResult::Live).await.unwrap();
    found
}

/// What a container in `dev` finds in `KEY` that is made anew now.
async fn made_anew(pipeline: &Pipeline) -> String {
    let question = HostingQuestion { runner: "one".to_owned(), incarnation: "first life".to_owned() };
    let hosting = pipeline.coordinator.hosting(question).await.unwrap();
    let dev = hosting.environments.iter().find(|environment| environment.environment_name == "dev").unwrap();
    dev.release.apps[0].secrets(&dev.secrets).map(|secret| secret.value.clone()).collect()
}

async fn a_release_runs_with_the_values_of_its_making_for_good(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "KEY", "first").await;
    pipeline.built("a", built("sha256:a", with_key())).await;
    pipeline.set_secret(Some("dev"), "KEY", "second").await;
    assert_eq!(rolled_out(&pipeline).await, ("first".to_owned(), None), "it was made before the change");
    assert_eq!(made_anew(&pipeline).await, "first");

    pipeline.built("b", built("sha256:b", with_key())).await;
    assert_eq!(
        rolled_out(&pipeline).await,
        ("second".to_owned(), Some("first".to_owned())),
        "and the way back is there"
    );
    assert_eq!(made_anew(&pipeline).await, "second");

    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(rolled_out(&pipeline).await, ("first".to_owned(), Some("second".to_owned())));
    assert_eq!(made_anew(&pipeline).await, "first");
}

async fn a_changed_value_can_be_promoted_and_a_forgotten_one_is_used_nowhere(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(Some("production"), "KEY", "first").await;
    pipeline.set_secret(Some("dev"), "KEY", "of dev").await;
    pipeline.built("a", built("sha256:a", with_key())).await;
    rolled_out(&pipeline).await;
    pipeline.promote("production").await.unwrap();
    assert_eq!(rolled_out(&pipeline).await, ("first".to_owned(), None));
    let again = pipeline.promote("production").await.unwrap_err().to_string();
    assert!(again.contains("already runs exactly that"), "{again}");

    pipeline.set_secret(Some("production"), "KEY", "second").await;
    let change = {
        let production = pipeline.environment("production").await;
        let mut reader = pipeline.store.read().await.unwrap();
        let shown = preview(&mut reader.conn(), &pipeline.repository, &production, pipeline.clock.now()).await.unwrap();
        assert_eq!(shown.refused, None);
        shown.change.settings
    };
    let told: Vec<(&str, Option<&str>, Option<&str>)> = change
        .iter()
        .map(|change| (change.setting.as_str(), change.before.as_deref(), change.after.as_deref()))
        .collect();
    assert_eq!(told, [("secret KEY", Some("version 1"), Some("version 3"))]);
    pipeline.promote("production").await.unwrap();
    assert_eq!(rolled_out(&pipeline).await, ("second".to_owned(), Some("first".to_owned())));

    let mut tx = pipeline.store.write().await.unwrap();
    store::secrets::forget_earlier(&mut tx, &pipeline.repository.id, "production", "KEY").await.unwrap();
    tx.commit().await.unwrap();
    pipeline.roll_back("production", Some(1)).await.unwrap();
    assert_eq!(rolled_out(&pipeline).await.0, "second", "the first was given away, and nothing runs with it");
}

async fn an_earlier_value_goes_with_the_last_release_that_runs_with_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for value in ["never released", "first", "second"] {
        pipeline.set_secret(None, "KEY", value).await;
        if value != "never released" {
            pipeline.built(value, built(&digest(value), with_key())).await;
            rolled_out(&pipeline).await;
        }
    }
    let going = async || {
        let round = Round::choose(&pipeline.store, Limits::default(), pipeline.clock.now()).await.unwrap();
        let going = round.going().iter().filter(|going| going.what == "earlier values of secrets");
        (going.map(|going| going.count).sum::<i64>(), round)
    };
    assert_eq!(going().await.0, 0, "a release may be made with it in this moment");
    pipeline.clock.advance(2 * HOUR);
    let (count, round) = going().await;
    assert_eq!(count, 1);
    assert!(matches!(collect_now(&pipeline.store, &round).await.unwrap(), Collected::Done(_)));
    assert_eq!(going().await.0, 0);
    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(rolled_out(&pipeline).await.0, "first", "what a release runs with is still there");
}

async fn a_value_is_kept_sealed_and_opens_nowhere_else(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "NPM_TOKEN", "hunter2").await;
    let select = "SELECT value FROM secret_version WHERE name = 'NPM_TOKEN'";
    let sealed: Vec<u8> = match pipeline.store.db() {
        Db::Sqlite { read, .. } => sqlx::query(select).fetch_one(read).await.unwrap().get(0),
        Db::Postgres(pool) => sqlx::query(select).fetch_one(pool).await.unwrap().get(0),
    };
    assert!(!sealed.windows(7).any(|window| window == b"hunter2"));

    // Whoever can write to the database cannot have it given out under another name.
    for table in ["secret", "secret_version"] {
        let renamed = AssertSqlSafe(format!("UPDATE {table} SET name = 'LOGGED'"));
        match pipeline.store.db() {
            Db::Sqlite { write, .. } => drop(sqlx::query(renamed).execute(write).await.unwrap()),
            Db::Postgres(pool) => drop(sqlx::query(renamed).execute(pool).await.unwrap()),
        }
    }
    pipeline.queue(&pipeline.push("main", "a")).await;
    assert!(pipeline.claim().await.secrets.is_empty());
}

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let slipway = Slipway::start().await;
    slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let api = slipway.api();
    let set = api.put(&format!("{SECRETS}/NPM_TOKEN"), &json!({"value": "hunter2"})).await.expect(200);
    assert_eq!(set.json(), json!({"name": "NPM_TOKEN", "environment": null, "environment_exists": null}));
    let in_production = "/api/v1/repositories/shop/web/environments/production/secrets/NPM_TOKEN";
    let set = api.put(in_production, &json!({"value": "hunter3"})).await.expect(200);
    assert_eq!(set.json()["environment_exists"], false, "no build has defined it yet");

    let listed = api.get(SECRETS).await.expect(200);
    let names: Vec<(Value, Value)> = listed.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| (secret["name"].clone(), secret["environment"].clone()))
        .collect();
    assert_eq!(names, [(json!("NPM_TOKEN"), Value::Null), (json!("NPM_TOKEN"), json!("production"))]);
    let shown = api.get(in_production).await.expect(200);
    let audit = api.get("/api/v1/audit").await.expect(200);
    let events = api.get("/api/v1/events").await;
    for answer in [&listed, &shown, &audit, &events] {
        assert!(!answer.body.contains("hunter"), "{}", answer.body);
    }
    assert_eq!(audit.json()["items"][0]["action"], "secret.set");
    assert_eq!(
        audit.json()["items"][0]["detail"],
        json!({"secret": "NPM_TOKEN", "environment": "production", "forget_earlier": false, "given_to": null})
    );

    api.delete(in_production).await.expect(200);
    assert_eq!(
        api.delete(in_production).await.expect(404).detail(),
        "There is no secret NPM_TOKEN of production of shop/web."
    );
    api.get(&format!("{SECRETS}/NPM_TOKEN")).await.expect(200);
    slipway.anonymous().get(SECRETS).await.expect(401);
}

#[tokio::test]
async fn what_is_no_secret_is_refused_in_words() {
    let slipway = Slipway::start().await;
    slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let api = slipway.api();
    let longest = "\u{1}".repeat(64 * 1024);
    api.put(&format!("{SECRETS}/LONGEST"), &json!({"value": longest})).await.expect(200);
    for (name, value, reason) in [
        (
            "NPM-TOKEN",
            "x",
            "A secret's name is that of an environment variable: letters, digits and “_”, no digit first, at most 64 characters.",
        ),
        ("A", "", "The value is empty; to forget a secret, remove it."),
        (
            "A",
            "abc",
            "The value has 3 bytes; one of fewer than 4 cannot be masked in logs without hiding half of them, and so is no secret: take a longer one.",
        ),
        ("A", "a\0b", "The body holds a NUL character, which no text here may."),
        ("A", &"x".repeat(64 * 1024 + 1), "The value has 65537 bytes; the limit is 65536."),
    ] {
        let refused = api.put(&format!("{SECRETS}/{name}"), &json!({"value": value})).await.expect(422);
        assert_eq!(refused.detail(), reason);
    }
    api.put("/api/v1/repositories/shop/none/secrets/A", &json!({"value": "x"})).await.expect(404);
    // The connection ends with this: the rest of the body is not read.
    api.put(&format!("{SECRETS}/A"), &json!({"value": "x".repeat(1_000_000)})).await.expect(413);
}

fn withheld(lease: &Lease) -> Vec<(&str, &str)> {
    lease.withheld_secrets.iter().map(|secret| (secret.name.as_str(), secret.reason.as_str())).collect()
}

#[tokio::test]
async fn an_instances_secret_is_for_the_repositories_and_builds_that_it_names_and_a_closer_one_goes_before() {
    let pipeline = Pipeline::new(TestDatabase::sqlite()).await;
    let main = GivenTo { branches: vec!["main".to_owned()], ..GivenTo::default() };
    let ours = [pipeline.repository.name.clone()];
    pipeline.set_instance_secret("SHARED", "everybody's", None, None).await;
    pipeline.set_instance_secret("TOKEN", "the instance's", None, None).await;
    pipeline.set_instance_secret("OURS", "of some", Some(&ours), Some(&main)).await;
    pipeline.set_instance_secret("THEIRS", "of others", Some(&["other/*".to_owned()]), None).await;
    pipeline.set_secret(None, "TOKEN", "the repository's").await;
    pipeline.limit_secret("TOKEN", "the repository's", &main).await;

    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    let expected = [("OURS", "of some"), ("SHARED", "everybody's"), ("TOKEN", "the repository's")];
    assert_eq!((given(&lease), withheld(&lease)), (expected.to_vec(), vec![]));

    pipeline.queue(&pipeline.push("topic", "b")).await;
    let lease = pipeline.claim().await;
    assert_eq!(given(&lease), [("SHARED", "everybody's")], "what is withheld is not had from further away");
    let why = "it is for the branches main alone, and this build is of the branch topic";
    assert_eq!(withheld(&lease), [("OURS", why), ("TOKEN", why)]);

    // To set it anew says nothing of whom it is for.
    pipeline.set_secret(None, "TOKEN", "anew").await;
    pipeline.queue(&pipeline.push("topic", "c")).await;
    assert_eq!(withheld(&pipeline.claim().await).len(), 2);
}

#[tokio::test]
async fn a_release_is_given_no_secret_that_is_not_for_the_build_that_made_it() {
    let pipeline = Pipeline::new(TestDatabase::sqlite()).await;
    pipeline.set_secret(None, "KEY", "first").await;
    pipeline.built("a", built("sha256:a", with_key())).await;
    assert_eq!(rolled_out(&pipeline).await.0, "first");
    let tags = GivenTo { events: vec!["tag".to_owned()], ..GivenTo::default() };
    pipeline.limit_secret("KEY", "second", &tags).await;
    assert_eq!(made_anew(&pipeline).await, "", "what is live goes without as well");

    pipeline.built("b", built("sha256:b", with_key())).await;
    let lease = pipeline.claim().await;
    assert_eq!(given(&lease), [], "neither its own value nor, to go back, that of before");
    assert_eq!(withheld(&lease), [("KEY", "it is for the events tag alone, and this build's is push")]);
}

#[tokio::test]
async fn the_command_line_takes_values_from_standard_input_and_files_alone() {
    let slipway = Slipway::start().await;
    slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let run = async |arguments: &[&str], input: &str| {
        let output = slipway.command(arguments, input).await;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.success(), text)
    };
    let set = run(&["secret", "set", "shop/web", "NPM_TOKEN"], "hunter2\n").await;
    assert_eq!(set, (true, "The secret NPM_TOKEN is set for shop/web.\n".to_owned()));
    let file = slipway.data_dir().join("key.pem");
    std::fs::write(&file, "-----BEGIN\nhunter3\n").unwrap();
    let from_file =
        ["secret", "set", "shop/web", "KEY", "--environment", "prod", "--from-file", file.to_str().unwrap()];
    let set = run(&from_file, "").await;
    let expected =
        "The secret KEY is set for prod of shop/web.\nNo build has defined that environment yet; check its name.\n";
    assert_eq!(set, (true, expected.to_owned()));

    let (_, listed) = run(&["secret", "list", "shop/web"], "").await;
    let names: Vec<Vec<&str>> = listed.lines().map(|line| line.split("  ").take(2).collect()).collect();
    assert_eq!(names, [["NPM_TOKEN", "-"], ["KEY", "prod"]]);
    assert!(!listed.contains("hunter"));
    let removed = run(&["secret", "remove", "shop/web", "KEY", "--environment", "prod"], "").await;
    assert_eq!(removed, (true, "The secret KEY of prod of shop/web is forgotten.\n".to_owned()));

    let limits = ["--event", "push", "--branch", "main", "--branch", "release/*"];
    let set = ["secrets", "set", "--instance", "SHARED", "--repository", "shop/*"];
    let set = run(&[&set[..], &limits].concat(), "long").await;
    assert_eq!(set, (true, "The secret SHARED is set for the instance.\n".to_owned()));
    let (_, listed) = run(&["secret", "list", "--instance"], "").await;
    assert!(listed.starts_with("SHARED  shop/*  version 1  "), "{listed}");
    assert!(listed.ends_with("  events push  branches main, release/*\n"), "{listed}");
    let (done, told) = run(&["secret", "set", "--instance", "SHARED"], "long").await;
    assert!(!done && told.contains("It must be said for which repositories it is"), "{told}");
    let pulls = ["secret", "set", "shop/web", "A", "--event", "pull_request"];
    let (done, told) = run(&pulls, "long").await;
    assert!(!done && told.contains("Pull requests may be anybody's, and are given no secret"), "{told}");
    let removed = run(&["secret", "remove", "--instance", "SHARED"], "").await;
    assert_eq!(removed, (true, "The secret SHARED of the instance is forgotten.\n".to_owned()));

    let (done, told) = run(&["secret", "set", "shop/web", "NPM_TOKEN", "hunter2"], "").await;
    assert!(!done && told.contains("unexpected"), "a value never stands on the command line: {told}");
    let (done, told) = run(&["secret", "set", "shop/web", "EMPTY"], "\n").await;
    assert!(!done && told.contains("The value is empty"), "{told}");
    let (done, told) = run(&["secret", "set", "shop", "A"], "x").await;
    assert!(!done && told.contains("owner/name was expected"), "{told}");
}
