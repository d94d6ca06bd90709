//! The whole way, on the real server: channels by the command line, a delivery that fails, a chat, an incident, a mail.

use serde_json::{Value, json};
use slipway_tests::{
    forge::Push,
    git_server::GitServer,
    inbox::{Inbox, MailServer},
    slipway::{Setup, Slipway},
};

/// What a command says that does what it should.
async fn cli(slipway: &Slipway, arguments: &[&str], input: &str) -> String {
    let done = slipway.command(arguments, input).await;
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_reaches_chat_incident_and_mail() {
    let (inbox, mail) = (Inbox::open().await, MailServer::open().await);
    let setup = Setup::new().with_runner().with("SLIPWAY_MAIL_URL", mail.url());
    let slipway = setup.with("SLIPWAY_MAIL_FROM", "Slipway <slipway@example.com>").start().await;
    let told = cli(&slipway, &["channel", "set", "chat", "--slack"], &inbox.url("/chat")).await;
    assert!(told.contains("chat leads to 127.0.0.1"), "{told}");
    let pager = format!("R012345\n{}", inbox.url("/pager"));
    cli(&slipway, &["channel", "set", "pager", "--pagerduty"], &pager).await;
    cli(&slipway, &["channel", "set", "mail", "--email", "ops@example.com", "--email", "ada@example.com"], "").await;
    cli(&slipway, &["channel", "test", "mail"], "").await;
    assert!(mail.got(1).await[0].contains("tries this channel"));

    let git = GitServer::start().await;
    let repository = git.repository("acme/shop");
    let commit = repository.commit("main", &[("captain.yml", "web: {build: Nowhere, image: web}\n")]);
    let hook = slipway.connect("acme/shop", repository.url()).await;
    Push::to_branch("acme/shop", "main", &commit).delivery().send(&hook).await.expect(202);

    let posts = inbox.got(2).await;
    let of = |path: &str| posts.iter().find(|post| post.path == path).unwrap().json();
    let text = of("/chat")["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with(":red_circle: *<http://127.0.0.1") && text.contains("build 1 of main failed"), "{text}");
    let event = of("/pager");
    assert_eq!((&event["event_action"], &event["routing_key"]), (&json!("trigger"), &json!("R012345")));
    let mail = &mail.got(2).await[1];
    for part in ["RCPT TO:<ops@example.com>", "RCPT TO:<ada@example.com>", "Subject: acme/shop: build 1 of main failed"]
    {
        assert!(mail.contains(part), "{part}: {mail}");
    }

    let alerts = cli(&slipway, &["alert", "list"], "").await;
    let id = alerts.split_whitespace().next().unwrap().to_owned();
    assert!(alerts.contains("acme/shop: build 1 of main failed"), "{alerts}");
    let said = cli(&slipway, &["alert", "acknowledge", &id], "").await;
    assert!(said.starts_with("administrator looks after it"), "{said}");
    let taken = inbox.got(3).await.pop().unwrap().json();
    assert_eq!((&taken["event_action"], &taken["dedup_key"]), (&json!("acknowledge"), &event["dedup_key"]));
    cli(&slipway, &["alert", "close", &id], "").await;
    assert_eq!(cli(&slipway, &["alert", "list"], "").await, "Nothing is wrong.\n");
    let posts = inbox.got(5).await;
    let resolved = posts.iter().rfind(|post| post.path == "/pager").unwrap().json();
    assert_eq!((&resolved["event_action"], &resolved["dedup_key"]), (&json!("resolve"), &event["dedup_key"]));

    // What was given is never given back.
    let listed: Value = slipway.api().get("/api/v1/channels").await.expect(200).json();
    assert!(!listed.to_string().contains("R012345") && !listed.to_string().contains("/chat"), "{listed}");
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let audit = slipway.api().get("/api/v1/audit").await.expect(200).json().to_string();
    assert!(audit.contains("channel.set") && audit.contains("alert.close") && !audit.contains("R012345"), "{audit}");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_in_words() {
    let slipway = Setup::new().start().await;
    let api = slipway.api();
    let refused = async |status, body: Value| api.put("/api/v1/channels/ops", &body).await.expect(status).detail();
    let said = refused(422, json!({"rule": {}})).await;
    assert!(said.contains("say where it leads"), "{said}");
    let said = refused(422, json!({"to": {"kind": "slack", "url": "hooks.slack.com"}})).await;
    assert!(said.contains("must start with https://"), "{said}");
    let said = refused(409, json!({"to": {"kind": "email", "to": ["ops@example.com"]}})).await;
    assert!(said.contains("under [mail]"), "{said}");
    let pager = json!({"kind": "pagerduty", "routing_key": "R1"});
    let said = refused(422, json!({"to": pager, "rule": {"on": ["release-live"]}})).await;
    assert!(said.contains("release-live would open an incident"), "{said}");
    let said = refused(422, json!({"to": {"kind": "slack", "url": "https://a.example"}, "rule": {"on": []}})).await;
    assert!(said.contains("build-failed"), "{said}");

    // A channel that does not answer says so when it is tried, without its address.
    let closed = slipway_tests::ports::free();
    let url = format!("http://127.0.0.1:{closed}/geheim");
    api.put("/api/v1/channels/ops", &json!({"to": {"kind": "slack", "url": url}})).await.expect(200);
    let said = api.post("/api/v1/channels/ops/test", &json!({})).await.expect(409).detail();
    assert!(said.contains("cannot be reached") && !said.contains("geheim"), "{said}");
    api.delete("/api/v1/channels/ops").await.expect(200);
    api.delete("/api/v1/channels/ops").await.expect(404);
}
