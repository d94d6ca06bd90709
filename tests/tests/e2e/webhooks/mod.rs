//! Webhooks: what becomes of good deliveries, and what bad ones are told.

mod timing;

use std::time::Duration;

use serde_json::{Value, json};
use slipway_tests::{
    api::Answer,
    forge::{Delivery, Push, Webhook, commit, sign},
    slipway::{Setup, Slipway},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const REPOSITORY: &str = "shop/web";
const UNKNOWN: &str = "No webhook with this address and signature is known: check its URL and its secret at the forge.";

async fn server() -> (Slipway, Webhook) {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    (slipway, webhook)
}

/// The same webhook under an address that leads to none.
fn nowhere(webhook: &Webhook) -> Webhook {
    let (hooks, id) = webhook.url.rsplit_once('/').unwrap();
    Webhook { url: format!("{hooks}/{}", "x".repeat(id.len())), ..webhook.clone() }
}

fn push(commit_word: &str) -> Delivery {
    Push::to_branch(REPOSITORY, "main", &commit(commit_word)).delivery()
}

/// The delivery as the API shows it.
async fn stored(slipway: &Slipway, answer: &Answer) -> Value {
    let id = answer.json()["delivery"].as_str().unwrap().to_owned();
    slipway.api().get(&format!("/api/v1/deliveries/{id}")).await.expect(200).json()
}

async fn build(slipway: &Slipway, number: i64) -> Value {
    slipway.api().get(&format!("/api/v1/repositories/{REPOSITORY}/builds/{number}")).await.expect(200).json()
}

async fn count_of(slipway: &Slipway, list: &str) -> usize {
    slipway.api().get(list).await.expect(200).json()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_push_becomes_a_build() {
    let (slipway, webhook) = server().await;
    let answer = push("one").send(&webhook).await.expect(202);
    assert_eq!(answer.json()["build"], 1);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(slipway.url()), "the address of the delivery is whole: {url}");

    let delivery = stored(&slipway, &answer).await;
    assert_eq!(
        (&delivery["state"], &delivery["build"], &delivery["event"]),
        (&json!("accepted"), &json!(1), &json!("push"))
    );
    let headers: Vec<&String> = delivery["headers"].as_object().unwrap().keys().collect();
    let kept = ["Accept", "Content-Length", "Content-Type", "User-Agent", "X-GitHub-Delivery", "X-GitHub-Event"];
    assert_eq!(headers, kept, "and not the signature");
    let build = build(&slipway, 1).await;
    assert_eq!(build["state"], "queued");
    assert_eq!((&build["ref"], &build["event"]), (&json!("refs/heads/main"), &json!("push")));
    assert_eq!(build["commit"], commit("one"));
    assert_eq!((&build["message"], &build["author"]), (&json!("Say hello"), &json!("Ada Lovelace")));
}

#[tokio::test]
async fn a_form_is_read_as_well() {
    let (slipway, webhook) = server().await;
    let answer = push("one").as_form().send(&webhook).await.expect(202);
    assert_eq!(build(&slipway, answer.json()["build"].as_i64().unwrap()).await["commit"], commit("one"));
}

#[tokio::test]
async fn a_tag_is_built_at_its_commit() {
    let (slipway, webhook) = server().await;
    let tag = Push::of_annotated_tag(REPOSITORY, "v1.0.0", &commit("the tag itself"), &commit("one"));
    tag.delivery().send(&webhook).await.expect(202);
    let build = build(&slipway, 1).await;
    assert_eq!((&build["ref"], &build["event"]), (&json!("refs/tags/v1.0.0"), &json!("tag")));
    assert_eq!(build["commit"], commit("one"), "the commit, not the tag's own object");
}

#[tokio::test]
async fn a_redelivery_is_not_built_again() {
    let (slipway, webhook) = server().await;
    let delivery = push("one");
    let first = delivery.send(&webhook).await.expect(202).json();
    let second = delivery.send(&webhook).await.expect(200).json();
    assert_eq!((&second["delivery"], &second["duplicate"]), (&first["delivery"], &json!(true)));

    let same_commit = push("one").send(&webhook).await.expect(202);
    assert_eq!(same_commit.json()["ignored"], "already built as #1");
    assert_eq!(count_of(&slipway, "/api/v1/repositories/shop/web/builds").await, 1);
    assert_eq!(count_of(&slipway, "/api/v1/deliveries").await, 2);
}

#[tokio::test]
async fn a_stored_delivery_is_dealt_with_once_more_and_undoes_nothing_newer() {
    let (slipway, webhook) = server().await;
    let first = push("one").send(&webhook).await.expect(202).json();
    let again = async |delivery: &Value, build_again: bool| {
        let address = format!("/api/v1/deliveries/{}/redeliver", delivery["delivery"].as_str().unwrap());
        slipway.api().post(&address, &json!({"build_again": build_again})).await.expect(201).json()
    };
    let told = again(&first, false).await;
    assert_eq!((&told["state"], &told["reason"]), (&json!("ignored"), &json!("already built as #1")));
    assert_eq!(told["again_of"], first["delivery"]);
    let refused = again(&first, true).await;
    assert_eq!(refused["reason"], "already built as #1, and not again: it is under way");

    // What failed for another reason is built again, under a number of its own.
    slipway.api().post("/api/v1/repositories/shop/web/builds/1/cancel", &json!({})).await.expect(200);
    let said =
        slipway.command(&["delivery", "redeliver", first["delivery"].as_str().unwrap(), "--build-again"], "").await;
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("accepted  build 2  its commit, which was built as #1, is built again"), "{said}");

    // The word of before is not heard once there is a newer one.
    let second = Push::to_branch(REPOSITORY, "main", &commit("two")).after(&commit("one")).delivery();
    let second = second.send(&webhook).await.expect(202).json();
    let late = again(&first, true).await;
    assert_eq!(late["reason"], "refs/heads/main was pushed after it was delivered, and led to #3");
    let gone =
        Push::deletes_branch(REPOSITORY, "main", &commit("two")).delivery().send(&webhook).await.expect(202).json();
    assert_eq!(again(&second, true).await["reason"], "refs/heads/main was deleted after it was delivered");
    Push::to_branch(REPOSITORY, "main", &commit("three")).delivery().send(&webhook).await.expect(202);
    let ended = again(&gone, false).await;
    assert_eq!(ended["reason"], "refs/heads/main was pushed after it was delivered, and led to #4");
    assert_eq!(build(&slipway, 4).await["state"], "queued");

    // Neither is it once the newer one's commit asked not to be built, nor by way of a delivery that was dealt with again.
    let skipped =
        Push::to_branch(REPOSITORY, "main", &commit("four")).after(&commit("three")).saying("Comma [skip ci]");
    skipped.delivery().send(&webhook).await.expect(202);
    assert_eq!(again(&gone, false).await["reason"], "refs/heads/main was pushed after it was delivered, and led to #4");
    let accepted = slipway.api().get("/api/v1/deliveries?state=accepted").await.expect(200).json();
    let third = &accepted["items"][0];
    let address = format!("/api/v1/deliveries/{}/redeliver", third["id"].as_str().unwrap());
    let overtaken = slipway.api().post(&address, &json!({"build_again": true})).await.expect(201).json();
    assert_eq!(overtaken["reason"], "refs/heads/main was pushed after it was delivered");
    let address = format!("/api/v1/deliveries/{}/redeliver", overtaken["id"].as_str().unwrap());
    let refused = slipway.api().post(&address, &json!({"build_again": true})).await.expect(409);
    assert_eq!(
        refused.detail(),
        format!("This delivery is one that was dealt with once more: redeliver {}.", third["id"].as_str().unwrap())
    );

    let listed = async |query: &str| count_of(&slipway, &format!("/api/v1/deliveries?{query}")).await;
    assert_eq!(listed("repository=shop/web&state=accepted").await, 5, "four that were sent, and one build again");
    assert_eq!((listed("state=ignored").await, listed("repository=shop/web").await), (8, 13));
    slipway.api().get("/api/v1/deliveries?repository=no/body").await.expect(404);
    let audit = slipway.api().get("/api/v1/audit?action=delivery.redeliver").await.expect(200).json();
    assert_eq!(audit["items"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn a_newer_push_takes_the_place_of_an_older_one() {
    let (slipway, webhook) = server().await;
    push("one").send(&webhook).await.expect(202);
    let forced = Push::to_branch(REPOSITORY, "main", &commit("two")).after(&commit("one")).forced();
    forced.delivery().send(&webhook).await.expect(202);
    assert_eq!(build(&slipway, 1).await["state"], "cancelled");
    assert_eq!(build(&slipway, 2).await["state"], "queued");
}

#[tokio::test]
async fn a_waiting_build_is_cancelled_at_once_and_only_once() {
    let (slipway, webhook) = server().await;
    push("one").send(&webhook).await.expect(202);
    let cancel = "/api/v1/repositories/shop/web/builds/1/cancel";
    slipway.anonymous().post(cancel, &json!({})).await.expect(401);
    slipway.api().post(cancel, &json!({})).await.expect(200);
    let build = build(&slipway, 1).await;
    assert_eq!((&build["state"], &build["reason"]), (&json!("cancelled"), &json!("cancelled by administrator")));
    let again = slipway.api().post(cancel, &json!({})).await.expect(409);
    assert_eq!(again.detail(), "Build 1 is over already: it was cancelled.");
}

#[tokio::test]
async fn a_repository_s_limit_is_set_and_a_waiting_build_says_why() {
    let (slipway, webhook) = server().await;
    let limits = "/api/v1/repositories/shop/web/limits";
    let set = async |at_once| slipway.api().put(limits, &json!({"builds_at_once": at_once})).await;
    assert_eq!(set(json!(2)).await.expect(200).json()["builds_at_once"], 2);
    assert!(set(json!(0)).await.expect(422).detail().contains("at least 1"));
    assert_eq!(set(json!(null)).await.expect(200).json()["builds_at_once"], json!(null));
    push("one").send(&webhook).await.expect(202);
    assert_eq!(build(&slipway, 1).await["waits_for"], "waiting for a runner: none has announced itself yet");
    let retried = slipway.api().post("/api/v1/repositories/shop/web/builds/1/retry", &json!({})).await.expect(409);
    assert_eq!(retried.detail(), "Build 1 cannot be tried again: it is under way.");
}

#[tokio::test]
async fn a_commit_is_built_again_on_request_while_it_is_its_branchs_newest() {
    let (slipway, webhook) = server().await;
    push("one").send(&webhook).await.expect(202);
    let address = |number: i64, what: &str| format!("/api/v1/repositories/shop/web/builds/{number}/{what}");
    let (again, nothing) = (address(1, "again"), json!({}));
    slipway.anonymous().post(&again, &nothing).await.expect(401);
    let early = slipway.api().post(&again, &nothing).await.expect(409);
    assert_eq!(early.detail(), "Build 1 cannot be built again: it is under way.");

    slipway.api().post(&address(1, "cancel"), &nothing).await.expect(200);
    let queued = slipway.api().post(&again, &nothing).await.expect(201).json();
    assert_eq!(
        (&queued["number"], &queued["event"], &queued["state"]),
        (&json!(2), &json!("push"), &json!("queued")),
        "the trigger of the first one, so that the same conditions hold"
    );
    assert_eq!(queued["commit"], build(&slipway, 1).await["commit"]);
    let twice = slipway.api().post(&again, &nothing).await.expect(409);
    assert_eq!(twice.detail(), "Build 1 cannot be built again: build 2 of main is under way.");

    push("two").send(&webhook).await.expect(202);
    let late = slipway.api().post(&address(2, "again"), &nothing).await.expect(409);
    assert_eq!(late.detail(), "Build 2 cannot be built again: main has moved on to another commit.");
}

#[tokio::test]
async fn older_builds_go_on_where_superseding_is_off() {
    let slipway = Setup::new().with("SLIPWAY_SUPERSEDE", "false").start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    push("one").send(&webhook).await.expect(202);
    push("two").send(&webhook).await.expect(202);
    assert_eq!(build(&slipway, 1).await["state"], "queued");
}

#[tokio::test]
async fn a_deleted_branch_is_not_built_further() {
    let (slipway, webhook) = server().await;
    push("one").send(&webhook).await.expect(202);
    let answer = Push::deletes_branch(REPOSITORY, "main", &commit("one")).delivery().send(&webhook).await.expect(202);
    assert_eq!(stored(&slipway, &answer).await["reason"], "refs/heads/main was deleted; 1 build of it was cancelled");
    assert_eq!(build(&slipway, 1).await["state"], "cancelled");
}

#[tokio::test]
async fn other_events_are_answered_and_listed_as_ignored() {
    let (slipway, webhook) = server().await;
    let ping = Delivery::ping(REPOSITORY).send(&webhook).await.expect(202);
    assert_eq!(ping.json()["ignored"], "ping: the hook works");
    let issues = Delivery::issue_opened(REPOSITORY).send(&webhook).await.expect(202);
    assert_eq!(issues.json()["ignored"], "the event issues starts nothing; pushes, tags and pull requests do");
    let unheard = Delivery::new("unheard_of", &json!({"something": 1})).send(&webhook).await.expect(202);
    assert_eq!(unheard.json()["ignored"], "the event unheard_of starts nothing; pushes, tags and pull requests do");

    let delivery = stored(&slipway, &issues).await;
    assert_eq!((&delivery["state"], &delivery["event"]), (&json!("ignored"), &json!("issues")));
    assert_eq!(delivery["reason"], issues.json()["ignored"]);
    assert_eq!(count_of(&slipway, "/api/v1/repositories/shop/web/builds").await, 0);
}

#[tokio::test]
async fn without_the_right_signature_nothing_is_told_or_stored() {
    let (slipway, webhook) = server().await;
    let mut unsigned = push("one");
    unsigned.signature = Some(String::new());
    let mut signed_with_another = push("one");
    signed_with_another.signature = Some(sign("another secret", &signed_with_another.body));
    let mut changed = push("one");
    changed.signature = Some(sign(&webhook.secret, &changed.body));
    changed.body.push(b' ');
    let mut malformed = push("one");
    malformed.signature = Some("sha256=no".to_owned());
    let nowhere = nowhere(&webhook);

    let mut answers = Vec::new();
    for delivery in [&unsigned, &signed_with_another, &changed, &malformed] {
        answers.push(delivery.send(&webhook).await.expect(401));
    }
    answers.push(push("one").send(&nowhere).await.expect(401));
    for answer in &answers {
        assert_eq!(answer.detail(), UNKNOWN);
        assert_eq!(answer.body, answers[0].body, "an unknown hook and a bad signature look the same");
    }
    assert_eq!(count_of(&slipway, "/api/v1/deliveries").await, 0);
}

#[tokio::test]
async fn an_unknown_hook_is_told_no_more_than_a_known_one() {
    let (_slipway, webhook) = server().await;
    let nowhere = nowhere(&webhook);
    let mut as_text = push("one");
    as_text.content_type = "text/plain".to_owned();
    as_text.signature = Some("sha256=no".to_owned());
    let (known, unknown) = (as_text.send(&webhook).await, as_text.send(&nowhere).await);
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert_eq!(known.status, 415);
}

#[tokio::test]
async fn bodies_that_cannot_be_used_are_told_why() {
    let (slipway, webhook) = server().await;
    let spoiled = async |spoil: fn(&mut Delivery), status| {
        let mut delivery = push("one");
        spoil(&mut delivery);
        delivery.send(&webhook).await.expect(status).detail()
    };
    let truncated = spoiled(|delivery| delivery.body.truncate(100), 422).await;
    assert_eq!(truncated, "The body is truncated: it ends within the JSON, at line 1, column 100.");
    let not_json = spoiled(|delivery| delivery.body = b"ref=refs/heads/main".to_vec(), 422).await;
    assert_eq!(not_json, "The body cannot be read as JSON of the push event: expected value at line 1 column 1.");
    let no_ref =
        spoiled(|delivery| delivery.body = br#"{"repository": {"full_name": "shop/web"}}"#.to_vec(), 422).await;
    assert_eq!(no_ref, "The push payload has no `ref`.");
    let empty = spoiled(|delivery| delivery.body = b"{}".to_vec(), 422).await;
    assert_eq!(empty, "The push payload has no `repository.full_name`.");
    let wrong_type = spoiled(|delivery| delivery.content_type = "text/xml".to_owned(), 415).await;
    assert!(wrong_type.starts_with("Set the webhook's content type to application/json"), "{wrong_type}");
    let no_event = spoiled(|delivery| delivery.event.clear(), 422).await;
    assert_eq!(no_event, "The header X-GitHub-Event is missing; GitHub always sends it.");
    let no_id = spoiled(|delivery| delivery.id.clear(), 422).await;
    assert_eq!(no_id, "The header X-GitHub-Delivery is missing; GitHub always sends it.");
    assert_eq!(count_of(&slipway, "/api/v1/deliveries").await, 0);
}

#[tokio::test]
async fn a_body_about_another_repository_is_refused() {
    let (slipway, webhook) = server().await;
    let refused = Push::to_branch("evil/web", "main", &commit("one")).delivery().send(&webhook).await.expect(422);
    assert_eq!(refused.detail(), "The payload is about evil/web, but this hook belongs to shop/web.");
    let ping = Delivery::ping("evil/web").send(&webhook).await.expect(422);
    assert_eq!(ping.detail(), refused.detail());
    assert_eq!(count_of(&slipway, "/api/v1/deliveries").await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let slipway = Setup::new().with("SLIPWAY_MAX_DELIVERY_BYTES", "20000").start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    let large = Push::to_branch(REPOSITORY, "main", &commit("one")).saying(&"long ".repeat(4_000)).delivery();
    let refused = large.send(&webhook).await.expect(413);
    assert_eq!(refused.detail(), "The delivery is larger than 20000 bytes, the most that is taken.");

    let answer = send_endlessly(&webhook).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "a body without an announced length: {answer}");
    assert_eq!(count_of(&slipway, "/api/v1/deliveries").await, 0);
    push("one").send(&webhook).await.expect(202);
}

/// Sends a chunked body that does not end, until the server answers.
async fn send_endlessly(webhook: &Webhook) -> String {
    let (authority, path) = webhook.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (mut read, mut write) = TcpStream::connect(authority).await.unwrap().into_split();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    // The writer ends when the server closes the connection, or with the test.
    let writing = tokio::spawn(async move { while write.write_all(chunk.as_bytes()).await.is_ok() {} });
    let mut answer = vec![0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(10), read.read(&mut answer)).await.unwrap().unwrap();
    writing.abort();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn an_accepted_delivery_survives_kill_minus_nine() {
    let (mut slipway, webhook) = server().await;
    let answer = push("one").send(&webhook).await.expect(202);
    slipway.kill().await;
    slipway.restart().await;
    assert_eq!(stored(&slipway, &answer).await["build"], 1);
    assert_eq!(build(&slipway, 1).await["state"], "queued");
}
