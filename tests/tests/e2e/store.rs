//! The store on both databases: the schema, deliveries, builds, events and logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use slipway_runner::coordinator::{Coordinator, LogChunk, LogLine, LogStream};
use slipway_server::{
    builds::{self, BuildState, Cancellation, NewBuild},
    clock::SystemClock,
    departures,
    ids::{RepositoryId, TokenId},
    intake::{Received, Verdict},
    secrets::LoginScope,
    store::{
        Db, Store, StoreError,
        access_tokens::{self, NewToken},
        audit, deliveries, disconnection, events,
        events::EventFilter,
        logs, registry_credentials,
        repositories::{self, NewRepository},
        sessions, settings, steps,
    },
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, step},
};
use sqlx::Row;

on_both_databases!(
    a_push_becomes_a_build_with_its_delivery_and_its_events,
    a_delivery_is_stored_once,
    many_deliveries_at_once_are_all_stored_and_numbered_without_gaps,
    a_broken_delivery_takes_no_other_with_it,
    the_same_commit_is_not_built_twice_until_the_branch_has_been_elsewhere,
    a_push_that_is_delivered_after_the_next_one_does_not_take_its_place,
    a_newer_push_takes_the_place_of_older_builds,
    a_deleted_branch_is_no_longer_built,
    lists_page_by_key,
    a_repository_goes_with_all_that_hangs_on_it,
    followers_miss_nothing_and_are_woken,
    a_log_is_stored_once_and_read_from_any_line,
    tokens_sessions_credentials_settings_and_audit,
    opening_again_finds_everything,
);

async fn a_push_becomes_a_build_with_its_delivery_and_its_events(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let received = pipeline.deliver(Verdict::Build(pipeline.push("main", "a"))).await;
    let Received::Stored { delivery, build: Some(1), ignored: None } = received else { panic!("{received:?}") };

    let mut reader = pipeline.store.read().await.unwrap();
    let stored = deliveries::find(&mut reader.conn(), &delivery).await.unwrap().unwrap();
    assert_eq!((stored.state.as_str(), stored.build_number), ("accepted", Some(1)));
    let payload = deliveries::payload(&mut reader.conn(), &delivery).await.unwrap().unwrap();
    assert_eq!(payload, deliveries::Payload::Kept(br#"{"ref":"refs/heads/main"}"#.to_vec()));
    let detail =
        builds::detail(&mut reader.conn(), "acme/shop", 1, pipeline.store.clock().now()).await.unwrap().unwrap();
    assert_eq!(detail.build.state, BuildState::Queued);
    assert_eq!(detail.waits_for.as_deref(), Some("waiting for a free runner"));
    assert_eq!(pipeline.event_kinds("build.").await, ["build.queued"]);
    assert_eq!(pipeline.event_kinds("delivery.").await, ["delivery.stored"]);

    let ignored = pipeline.deliver(Verdict::Ignored { reason: "a ping builds nothing".to_owned() }).await;
    assert!(
        matches!(ignored, Received::Stored { build: None, ignored: Some(reason), .. } if reason == "a ping builds nothing")
    );
}

async fn a_delivery_is_stored_once(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let first = pipeline.deliver_as("42", Verdict::Build(pipeline.push("main", "a"))).await;
    let Received::Stored { delivery, .. } = first else { panic!("{first:?}") };
    let again = pipeline.deliver_as("42", Verdict::Build(pipeline.push("main", "b"))).await;
    assert_eq!(again, Received::Duplicate { delivery });
    let mut reader = pipeline.store.read().await.unwrap();
    assert_eq!(deliveries::list(&mut reader.conn(), deliveries::Which::default(), None, 10).await.unwrap().len(), 1);
    let builds = slipway_server::store::builds::list(&mut reader.conn(), &pipeline.repository.id, None, None, 10).await;
    assert_eq!(builds.unwrap().len(), 1);
}

async fn many_deliveries_at_once_are_all_stored_and_numbered_without_gaps(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let mut asked = Vec::new();
    for number in 0..100 {
        // Every delivery comes twice, as a forge that missed the answer sends it.
        for _ in 0..2 {
            let verdict = Verdict::Build(pipeline.push(&format!("topic-{number}"), "a"));
            asked.push((format!("forge-{number}"), verdict));
        }
    }
    let answers = asked.into_iter().map(async |(forge, verdict)| pipeline.deliver_as(&forge, verdict).await);
    let answers = futures_util::future::join_all(answers).await;
    let numbers: BTreeSet<i64> = answers
        .iter()
        .filter_map(|answer| match answer {
            Received::Stored { build, .. } => *build,
            Received::Duplicate { .. } => None,
        })
        .collect();
    assert_eq!(numbers, (1..=100).collect());
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Received::Duplicate { .. })).count(), 100);
}

async fn a_broken_delivery_takes_no_other_with_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let mut nowhere = pipeline.push("main", "a");
    nowhere.repository = slipway_server::ids::RepositoryId::new();
    let broken = slipway_server::intake::NewDelivery {
        repository: nowhere.repository.clone(),
        forge_id: "1".to_owned(),
        event: "push".to_owned(),
        headers: BTreeMap::default(),
        payload: "{}".into(),
        verdict: Verdict::Build(nowhere),
    };
    let good = Verdict::Build(pipeline.push("main", "b"));
    let (broken, good) = tokio::join!(pipeline.intake.store(broken), pipeline.deliver(good));
    assert!(matches!(broken, Err(StoreError::Missing { what: "repository", .. })), "{broken:?}");
    assert!(matches!(good, Received::Stored { build: Some(1), .. }), "{good:?}");
    assert_eq!(pipeline.event_kinds("build.").await, ["build.queued"]);
}

async fn the_same_commit_is_not_built_twice_until_the_branch_has_been_elsewhere(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let a = pipeline.push("main", "a");
    pipeline.deliver(Verdict::Build(a.clone())).await;
    let again = pipeline.deliver(Verdict::Build(a.clone())).await;
    assert!(matches!(again, Received::Stored { ignored: Some(reason), .. } if reason == "already built as #1"));

    let b = NewBuild { before: Some(a.commit_sha.clone()), ..pipeline.push("main", "b") };
    pipeline.deliver(Verdict::Build(b.clone())).await;
    let late = pipeline.deliver(Verdict::Build(a.clone())).await;
    assert!(matches!(late, Received::Stored { ignored: Some(_), .. }), "a late repetition is no news: {late:?}");

    let forced_back = NewBuild { before: Some(b.commit_sha.clone()), ..a.clone() };
    let back = pipeline.deliver(Verdict::Build(forced_back)).await;
    assert!(matches!(back, Received::Stored { build: Some(3), ignored: None, .. }), "{back:?}");

    let manual = NewBuild { asked_for: true, ..a };
    assert_eq!(pipeline.queue(&manual).await.number, 4);
    assert_eq!(pipeline.queue(&manual).await.number, 5, "a person may ask as often as they like");
}

async fn a_push_that_is_delivered_after_the_next_one_does_not_take_its_place(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let a = pipeline.push("main", "a");
    let after = |commit: &str, earlier: &NewBuild| NewBuild {
        before: Some(earlier.commit_sha.clone()),
        ..pipeline.push("main", commit)
    };
    pipeline.deliver(Verdict::Build(a.clone())).await;
    // The server was down for b, and c and d came before someone had b delivered again.
    let b = after("b", &a);
    let c = after("c", &b);
    pipeline.deliver(Verdict::Build(c.clone())).await;
    pipeline.deliver(Verdict::Build(after("d", &c))).await;
    let late = pipeline.deliver(Verdict::Build(b.clone())).await;
    let why = "the push after this one was delivered first and led to #2";
    assert!(matches!(&late, Received::Stored { build: None, ignored: Some(reason), .. } if reason == why), "{late:?}");
    assert_eq!(pipeline.build(3).await.state, BuildState::Queued, "the newest push is what is built");

    // Forced to where it had never been seen: from the head that is known, so that this is news.
    let forced = NewBuild { before: Some(pipeline.build(3).await.commit_sha), ..b };
    let forced = pipeline.deliver(Verdict::Build(forced)).await;
    assert!(matches!(forced, Received::Stored { build: Some(4), ignored: None, .. }), "{forced:?}");
}

async fn a_newer_push_takes_the_place_of_older_builds(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let running = pipeline.claim().await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    pipeline.queue(&pipeline.push("topic", "c")).await;
    pipeline.queue(&pipeline.push("main", "d")).await;

    assert_eq!(pipeline.build(1).await.state, BuildState::Running, "its runner must stop it first");
    assert_eq!(pipeline.build(1).await.reason.as_deref(), Some("build 2 of a newer push took its place"));
    assert_eq!(pipeline.build(2).await.state, BuildState::Cancelled);
    assert_eq!(pipeline.build(2).await.reason.as_deref(), Some("build 4 of a newer push took its place"));
    assert_eq!(pipeline.build(3).await.state, BuildState::Queued, "another branch");

    // The runner was faster than the wish to cancel: it stays cancelled all the same, and nothing is released.
    pipeline.succeed(&running.key, "sha256:a").await;
    assert_eq!(pipeline.build(1).await.state, BuildState::Cancelled);
    assert!(pipeline.event_kinds("release.").await.is_empty());

    let kept = NewBuild { supersede: false, ..pipeline.push("topic", "e") };
    pipeline.queue(&kept).await;
    assert_eq!(pipeline.build(3).await.state, BuildState::Queued, "superseding was not asked for");
}

async fn a_deleted_branch_is_no_longer_built(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.deliver(Verdict::Build(pipeline.push("topic", "a"))).await;
    pipeline.deliver(Verdict::Build(pipeline.push("main", "b"))).await;
    let gone = pipeline.deliver(Verdict::RefDeleted { git_ref: "refs/heads/topic".to_owned() }).await;
    let Received::Stored { delivery, build: None, ignored: None } = gone else { panic!("{gone:?}") };
    assert_eq!(pipeline.build(1).await.state, BuildState::Cancelled);

    let mut reader = pipeline.store.read().await.unwrap();
    let stored = deliveries::find(&mut reader.conn(), &delivery).await.unwrap().unwrap();
    assert_eq!(stored.reason.as_deref(), Some("refs/heads/topic was deleted; 1 build of it was cancelled"));
    let heads = repositories::heads(&mut reader.conn(), &pipeline.repository.id, None, 10).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.build.number).collect::<Vec<_>>(), [2]);
    drop(reader);

    let mut tx = pipeline.store.write().await.unwrap();
    let over = builds::cancel(&mut tx, &pipeline.build(1).await.id, "again").await.unwrap();
    assert_eq!(over, Cancellation::AlreadyOver(BuildState::Cancelled));
    drop(tx);
    let returned = pipeline.deliver(Verdict::Build(pipeline.push("topic", "a"))).await;
    assert!(matches!(returned, Received::Stored { build: Some(3), ignored: None, .. }), "{returned:?}");
}

async fn a_repository_goes_with_all_that_hangs_on_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "TOKEN", "geheim").await;
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let running = pipeline.claim().await;
    let id = &pipeline.repository.id;
    let mut reader = pipeline.store.read().await.unwrap();
    assert_eq!(disconnection::under_way(&mut reader.conn(), id).await.unwrap(), 1);
    assert_eq!(disconnection::live_in(&mut reader.conn(), id).await.unwrap(), ["dev", "production"]);
    drop(reader);

    let mut tx = pipeline.store.write().await.unwrap();
    departures::leave(&mut tx, &pipeline.repository).await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = pipeline.store.read().await.unwrap();
    assert!(
        repositories::by_name(&mut reader.conn(), "acme/shop").await.unwrap().is_none(),
        "it is out of sight at once"
    );
    assert!(repositories::list(&mut reader.conn(), "", 10).await.unwrap().is_empty());
    drop(reader);
    let mut tx = pipeline.store.write().await.unwrap();
    let anew = NewRepository {
        id: RepositoryId::new(),
        name: "acme/shop".to_owned(),
        clone_url: "https://git.example/acme/shop.git".to_owned(),
        default_branch: "main".to_owned(),
        hook_id: "another".to_owned(),
        hook_secret: Vec::new(),
    };
    let early = repositories::connect(&mut tx, &anew).await;
    assert!(early.is_err_and(|error| error.to_string().contains("still being removed")));
    drop(tx);
    assert!(!departures::remove_departed(&pipeline.store).await.unwrap(), "forges are told first");
    pipeline.clock.advance(5_000);
    assert!(departures::remove_departed(&pipeline.store).await.unwrap());
    let mut tx = pipeline.store.write().await.unwrap();
    repositories::connect(&mut tx, &anew).await.unwrap();
    drop(tx);
    let lost = pipeline.coordinator.start_step(&running.key, 0).await;
    assert!(lost.is_err(), "the runner's lease is nobody's any more");
    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    assert!(repositories::by_name(conn, "acme/shop").await.unwrap().is_none());
    assert_eq!(disconnection::under_way(conn, id).await.unwrap(), 0);
    assert_eq!(disconnection::live_in(conn, id).await.unwrap(), [""; 0]);
    assert!(deliveries::list(conn, deliveries::Which::default(), None, 10).await.unwrap().is_empty());
}

async fn lists_page_by_key(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for number in 0..7 {
        let branch = if number % 2 == 0 { "main" } else { "topic" };
        let new = NewBuild { supersede: false, ..pipeline.push(branch, &number.to_string()) };
        pipeline.deliver(Verdict::Build(new)).await;
    }
    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    let id = &pipeline.repository.id;
    let numbers = |builds: Vec<slipway_server::store::builds::Build>| -> Vec<i64> {
        builds.into_iter().map(|build| build.number).collect()
    };
    let list = slipway_server::store::builds::list;
    assert_eq!(numbers(list(conn, id, None, None, 3).await.unwrap()), [7, 6, 5]);
    assert_eq!(numbers(list(conn, id, None, Some(5), 3).await.unwrap()), [4, 3, 2]);
    assert_eq!(numbers(list(conn, id, Some("refs/heads/topic"), Some(6), 3).await.unwrap()), [4, 2]);
    let heads = repositories::heads(conn, id, None, 10).await.unwrap();
    assert_eq!(
        heads.iter().map(|head| head.git_ref.as_str()).collect::<Vec<_>>(),
        ["refs/heads/main", "refs/heads/topic"]
    );
    let of_it = deliveries::Which { repository: Some(id), state: None };
    let first = deliveries::list(conn, of_it, None, 4).await.unwrap();
    let rest = deliveries::list(conn, deliveries::Which::default(), first.last().map(|delivery| &delivery.id), 10)
        .await
        .unwrap();
    assert_eq!((first.len(), rest.len()), (4, 3));
    assert_eq!(repositories::list(conn, "", 10).await.unwrap().len(), 1);
    assert!(repositories::list(conn, "acme/shop", 10).await.unwrap().is_empty());
}

async fn followers_miss_nothing_and_are_woken(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    let mut reader = pipeline.store.read().await.unwrap();
    let mut last = events::last_id(&mut reader.conn()).await.unwrap();
    drop(reader);
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let pipeline = Arc::clone(&pipeline);
            tokio::spawn(async move { pipeline.emit(&format!("test.{number}")).await })
        })
        .collect();
    let mut bell = pipeline.store.bells().events();
    let mut seen = BTreeSet::new();
    while seen.len() < 20 {
        bell.borrow_and_update();
        let mut reader = pipeline.store.read().await.unwrap();
        let new = events::after(&mut reader.conn(), last, &EventFilter::default(), 3).await.unwrap();
        drop(reader);
        for event in &new {
            assert!(event.id > last, "in order");
            last = event.id;
            assert!(seen.insert(event.kind.clone()), "{} came twice", event.kind);
        }
        if new.is_empty() {
            tokio::time::timeout(std::time::Duration::from_secs(20), bell.changed())
                .await
                .expect("no bell rang")
                .unwrap();
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }

    let build = pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.queue(&pipeline.push("topic", "b")).await;
    let mut reader = pipeline.store.read().await.unwrap();
    let filter = EventFilter { build: Some(build.id.clone()), ..EventFilter::default() };
    let of_build = events::after(&mut reader.conn(), 0, &filter, 100).await.unwrap();
    assert_eq!(of_build.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["build.queued"]);
    assert_eq!(of_build[0].data.get("number"), Some(&1.into()));
    let newest = events::last_id(&mut reader.conn()).await.unwrap();
    let all = events::portion(&mut reader.conn(), 0, &filter, 100).await.unwrap();
    assert_eq!((all.events, all.seen), (of_build, newest), "nobody reads through what others did twice");
    let part = events::portion(&mut reader.conn(), 0, &EventFilter::default(), 2).await.unwrap();
    assert_eq!(part.seen, part.events[1].id, "what is left is still to come");
}

fn chunk(seq: i64, first_line: i64, lines: i64) -> LogChunk {
    let line = |number: i64| LogLine { at: number, stream: LogStream::Out, text: format!("line {number}") };
    LogChunk { seq, first_line, lines: (first_line..first_line + lines).map(line).collect() }
}

async fn a_log_is_stored_once_and_read_from_any_line(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    let step = {
        let mut reader = pipeline.store.read().await.unwrap();
        let job = lease.job.parse().unwrap();
        steps::at(&mut reader.conn(), &job, 1, 0).await.unwrap().unwrap().id
    };
    let bell = pipeline.store.bells().log(&step);
    for seq in 0..40 {
        pipeline.coordinator.append_log(&lease, 0, chunk(seq, 1 + seq * 10, 10)).await.unwrap();
        pipeline.coordinator.append_log(&lease, 0, chunk(seq, 1 + seq * 10, 10)).await.unwrap();
    }
    assert!(bell.has_changed().unwrap());
    let gap = pipeline.coordinator.append_log(&lease, 0, chunk(41, 411, 1)).await.unwrap_err();
    assert!(gap.to_string().contains("goes on with chunk 40 at line 401"), "{gap}");

    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    let all = logs::lines(&pipeline.store, &step, 1, 1_000).await.unwrap();
    assert_eq!(all.len(), 400);
    assert!(all.iter().all(|line| line.line.text == format!("line {}", line.number)));
    let some = logs::lines(&pipeline.store, &step, 215, 20).await.unwrap();
    assert_eq!((some[0].number, some.len(), some[19].number), (215, 20, 234));
    assert!(logs::lines(&pipeline.store, &step, 401, 10).await.unwrap().is_empty());
    assert_eq!(logs::end(conn, &step).await.unwrap().next_line, 401);
}

async fn tokens_sessions_credentials_settings_and_audit(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let token = TokenId::new();
    let mut tx = pipeline.store.write().await.unwrap();
    access_tokens::insert(&mut tx, NewToken::of_administrator(&token, "first", b"hash")).await.unwrap();
    sessions::insert(&mut tx, b"cookie", &token).await.unwrap();
    sessions::insert(&mut tx, b"old cookie", &token).await.unwrap();
    let scope = LoginScope::Named(vec!["shop/*".to_owned()]);
    registry_credentials::set(&mut tx, "registry.example", "ada", b"sealed", &LoginScope::Every).await.unwrap();
    registry_credentials::set(&mut tx, "registry.example", "bob", b"sealed again", &scope).await.unwrap();
    settings::set(&mut tx, "public", &true).await.unwrap();
    for number in 0..3 {
        audit::append(&mut tx, "ada", "token.create", "first", serde_json::json!({ "number": number })).await.unwrap();
    }
    tx.commit().await.unwrap();

    pipeline.clock.advance(1_000);
    let mut tx = pipeline.store.write().await.unwrap();
    sessions::touch(&mut tx, b"cookie").await.unwrap();
    let seen_before = tx.now();
    assert_eq!(sessions::delete_expired(&mut tx, 0, seen_before).await.unwrap(), 1);
    tx.commit().await.unwrap();

    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    assert_eq!(access_tokens::valid_by_hash(conn, b"hash").await.unwrap().unwrap().id, token);
    assert!(access_tokens::valid_by_hash(conn, b"other").await.unwrap().is_none());
    assert_eq!(sessions::by_hash(conn, b"cookie").await.unwrap().unwrap().token.name, "first");
    assert!(sessions::by_hash(conn, b"old cookie").await.unwrap().is_none());
    let credentials = registry_credentials::list(conn).await.unwrap();
    assert_eq!((credentials.len(), credentials[0].username.as_str(), credentials[0].scope()), (1, "bob", scope));
    assert_eq!(settings::get::<bool>(conn, "public").await.unwrap(), Some(true));
    assert_eq!(settings::get::<bool>(conn, "supersede").await.unwrap(), None);
    assert!(matches!(settings::get::<i64>(conn, "public").await, Err(StoreError::Corrupt { .. })));
    let entries = audit::list(conn, audit::Which::default(), None, 2).await.unwrap();
    assert_eq!(entries[0].detail.0["number"], 2);
    assert_eq!(audit::list(conn, audit::Which::default(), Some(&entries[1].id), 10).await.unwrap().len(), 1);
    drop(reader);

    let mut tx = pipeline.store.write().await.unwrap();
    access_tokens::revoke(&mut tx, &token).await.unwrap();
    assert!(matches!(access_tokens::revoke(&mut tx, &token).await, Err(StoreError::Missing { .. })));
    assert!(registry_credentials::remove(&mut tx, "registry.example").await.unwrap());
    sessions::delete(&mut tx, b"cookie").await.unwrap();
    repositories::update(&mut tx, &pipeline.repository.id, "https://elsewhere", "trunk").await.unwrap();
    repositories::set_hook_secret(&mut tx, &pipeline.repository.id, b"new").await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = pipeline.store.read().await.unwrap();
    assert!(access_tokens::valid_by_hash(&mut reader.conn(), b"hash").await.unwrap().is_none());
    assert_eq!(access_tokens::list(&mut reader.conn()).await.unwrap().len(), 1);
    let hook = repositories::by_hook(&mut reader.conn(), "unguessable").await.unwrap().unwrap();
    assert_eq!((hook.repository.default_branch.as_str(), &hook.hook_secret[..]), ("trunk", &b"new"[..]));
    drop(reader);

    let mut tx = pipeline.store.write().await.unwrap();
    let twice = repositories::NewRepository {
        id: slipway_server::ids::RepositoryId::new(),
        name: "acme/shop".to_owned(),
        clone_url: String::new(),
        default_branch: "main".to_owned(),
        hook_id: "other".to_owned(),
        hook_secret: vec![],
    };
    let refused = repositories::connect(&mut tx, &twice).await.unwrap_err();
    assert_eq!(refused.to_string(), "the repository acme/shop is connected already");
}

async fn opening_again_finds_everything(database: TestDatabase) {
    let url = database.url().to_owned();
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.store.close().await;
    let again = Store::open(&url, Arc::new(SystemClock)).await.unwrap();
    let mut reader = again.read().await.unwrap();
    assert!(builds::detail(&mut reader.conn(), "acme/shop", 1, pipeline.store.clock().now()).await.unwrap().is_some());
}

/// Both engines' tables with their columns: name, whether it may be null, and whether it is text, a number or bytes.
#[tokio::test]
async fn both_engines_have_the_same_schema() {
    let sqlite = TestDatabase::sqlite();
    let postgres = TestDatabase::postgres().await;
    let sqlite_store = Store::open(sqlite.url(), Arc::new(SystemClock)).await.unwrap();
    let postgres_store = Store::open(postgres.url(), Arc::new(SystemClock)).await.unwrap();
    let (Db::Sqlite { read, .. }, Db::Postgres(pool)) = (sqlite_store.db(), postgres_store.db()) else {
        panic!("the addresses chose the wrong engines")
    };
    let in_sqlite = sqlx::query(
        "SELECT t.name || ' ' || c.name || ' ' || c.type
                || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN ' required' ELSE '' END
         FROM sqlite_master t, pragma_table_xinfo(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'",
    );
    let in_postgres = sqlx::query(
        "SELECT table_name || ' ' || column_name || ' '
                || CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END
                || CASE is_nullable WHEN 'NO' THEN ' required' ELSE '' END
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    );
    let in_sqlite: BTreeSet<String> = in_sqlite.fetch_all(read).await.unwrap().iter().map(|row| row.get(0)).collect();
    let in_postgres: BTreeSet<String> =
        in_postgres.fetch_all(pool).await.unwrap().iter().map(|row| row.get(0)).collect();
    let differences: Vec<&String> = in_sqlite.symmetric_difference(&in_postgres).collect();
    assert!(differences.is_empty(), "only in one of them: {differences:#?}");
    assert!(in_sqlite.len() > 100, "{in_sqlite:?}");

    let indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%'";
    let in_sqlite: BTreeSet<String> =
        sqlx::query(indexes).fetch_all(read).await.unwrap().iter().map(|row| row.get(0)).collect();
    let indexes = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'
                   AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' OR indexname = 'job_one_per_key'";
    let in_postgres: BTreeSet<String> =
        sqlx::query(indexes).fetch_all(pool).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(in_sqlite, in_postgres);
}

#[tokio::test]
async fn a_wrong_address_is_explained_without_its_password() {
    let unknown = Store::open("mysql://ada:geheim@db/slipway", Arc::new(SystemClock)).await.unwrap_err().to_string();
    assert!(unknown.contains("use sqlite:PATH or postgres://"), "{unknown}");
    assert!(!unknown.contains("geheim"), "{unknown}");
    let unreachable = Store::open("postgres://ada:geheim@127.0.0.1:1/slipway", Arc::new(SystemClock)).await;
    let unreachable = unreachable.unwrap_err().to_string();
    assert!(unreachable.starts_with("cannot open the database postgres://ada:…@127.0.0.1:1/slipway"), "{unreachable}");
}
