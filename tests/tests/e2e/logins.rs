//! Logging in by an account elsewhere: at an OpenID provider, and at GitHub.

use serde_json::{Value, json};
use slipway_tests::{
    api::{Answer, Api},
    browser::Browser,
    forge::{PullRequest, commit},
    github::GitHub,
    openid::OpenIdProvider,
    slipway::{Setup, Slipway},
};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

/// A server with this configuration.
async fn configured(text: &str) -> (Slipway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slipway.toml");
    std::fs::write(&file, text).unwrap();
    let setup = Setup::new().with("SLIPWAY_CONFIG", &file.display().to_string());
    (setup.with("SLIPWAY_LOGIN_COMPANY_SECRET", "hunter2").start().await, folder)
}

fn company(provider: &OpenIdProvider, more: &str) -> String {
    let issuer = provider.issuer();
    format!("[[login]]\nname = \"Company\"\nkind = \"openid\"\nissuer = \"{issuer}\"\nclient_id = \"slipway\"\n{more}")
}

/// The first cookie that an answer sets, as the browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// A browser that keeps this cookie.
fn keeping(slipway: &Slipway, cookie: &str) -> Api {
    slipway.anonymous().with("cookie", cookie).with("sec-fetch-site", "same-origin")
}

/// Begins a login: where the browser is sent, and what it keeps.
async fn begin(browser: &Api, path: &str) -> (String, String) {
    let sent = browser.get(path).await.expect(303);
    (sent.header("location").to_owned(), cookie(&sent))
}

/// Where the provider sends the browser back to, within the server.
fn within<'a>(slipway: &Slipway, address: &'a str) -> &'a str {
    address.strip_prefix(slipway.url()).expect("back to the server")
}

/// The whole way of somebody who logs in at the company.
async fn log_in(slipway: &Slipway, provider: &OpenIdProvider, subject: &str) -> Answer {
    let (page, kept) = begin(&slipway.anonymous(), "/login/with/company?next=/services").await;
    let back = provider.log_in(&page, subject).await;
    keeping(slipway, &kept).get(within(slipway, &back)).await
}

async fn audited(slipway: &Slipway) -> Vec<String> {
    let log = slipway.api().get("/api/v1/audit").await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |entry: &Value| [&entry["actor"], &entry["action"], &entry["subject"]].map(text).join(" ");
    log["items"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn a_person_of_the_company_logs_in_and_is_what_the_groups_say() {
    let provider = OpenIdProvider::start().await;
    let rules = "create = true\ndomains = [\"example.com\"]\nroles = {ops = \"deployer\", all = \"viewer\"}";
    let (slipway, _folder) = configured(&company(&provider, rules)).await;
    let ana = |groups: Value| json!({"email": "ana@example.com", "email_verified": true, "groups": groups});
    provider.says("f3a1", &ana(json!(["ops"]))).await;

    let browser = Browser::open().await;
    browser.goto(&format!("{}/login?next=/services", slipway.url())).await;
    browser.press("Log in with Company").await;
    browser.type_into("[name=sub]", "f3a1").await;
    browser.press("Authorize").await;
    browser.shows("h1", "Services").await;
    // The provider's own page fetches what is not there.
    let own: Vec<_> = browser.complaints().await.into_iter().filter(|said| said.contains(slipway.url())).collect();
    assert_eq!(own, Vec::<String>::new());
    let shown = slipway.api().get("/api/v1/users").await.expect(200).json();
    let user = &shown["items"][0];
    assert_eq!((&user["name"], &user["grants"][0]["role"]), (&json!("ana"), &json!("deployer")));

    // The same account with another name and another group is the same person, who may do something else.
    provider.says("f3a1", &json!({"email": "a.p@example.com", "email_verified": true, "groups": ["all"]})).await;
    let entered = log_in(&slipway, &provider, "f3a1").await.expect(303);
    assert_eq!(entered.header("location"), "/services");
    let shown = slipway.api().get("/api/v1/users").await.expect(200).json();
    assert_eq!(
        (shown["items"].as_array().unwrap().len(), &shown["items"][0]["grants"][0]["role"]),
        (1, &json!("viewer"))
    );
    assert!(shown["items"][0]["grants"].as_array().unwrap().len() == 1, "{shown}");

    // Another account of the same name is somebody else, and without a group nothing is theirs to do.
    provider.says("b7c2", &ana(json!([]))).await;
    let entered = log_in(&slipway, &provider, "b7c2").await.expect(303);
    assert_eq!(entered.header("location"), "/account");
    let other = keeping(&slipway, &cookie(&entered));
    let account = other.get("/account").await.expect(200).body;
    assert!(account.contains("ana-2") && account.contains("You may do nothing yet"), "{account}");
    other.get("/services").await.expect(403);
    // Who has no password to show, shows who they are by having logged in just now.
    other.get("/account/connect/company").await.expect(303);
    let url = format!("sqlite://{}", slipway.data_dir().join("slipway.db").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let earlier = "UPDATE user_session SET created_at = created_at - 660000";
    sqlx::query(earlier).execute(&mut database).await.unwrap();
    let refused = other.get("/account/connect/company").await.expect(403);
    assert!(refused.detail().contains("more than ten minutes ago"), "{}", refused.detail());

    // Whoever has no verified address of the company stays out.
    provider.says("evil", &json!({"email": "ana@example.com", "email_verified": false, "groups": ["ops"]})).await;
    let refused = log_in(&slipway, &provider, "evil").await.expect(403);
    assert!(refused.detail().contains("no verified address at example.com"), "{}", refused.detail());
    let cleared = refused.header("set-cookie");
    assert!(cleared.starts_with("slipway-login=;") && cleared.contains("Max-Age=0"), "no session: {cleared}");

    slipway.api().put("/api/v1/users/ana/disabled", &json!({})).await.expect(200);
    let refused = log_in(&slipway, &provider, "f3a1").await.expect(403);
    assert_eq!(refused.detail(), "The account ana is disabled; an administrator can enable it.");
    // Neither the account elsewhere nor the name of somebody who was removed makes anybody else.
    let api = slipway.api();
    api.delete("/api/v1/users/ana").await.expect(200);
    let refused = log_in(&slipway, &provider, "f3a1").await.expect(403);
    assert!(refused.detail().contains("belongs to an account here that was removed"), "{}", refused.detail());
    let refused = api.post("/api/v1/users", &json!({"name": "ANA", "role": "viewer"})).await.expect(409);
    assert!(refused.detail().contains("slipway user create NAME --again"), "{}", refused.detail());
    api.post("/api/v1/tokens", &json!({"name": "ana", "role": "viewer"})).await.expect(422);
    assert!(!api.get("/api/v1/users").await.expect(200).body.contains("\"ana\""));
    let back = slipway.command(&["user", "create", "ana", "--role", "viewer", "--again"], "").await;
    assert!(String::from_utf8_lossy(&back.stdout).contains("/welcome/"), "{back:?}");
    api.post("/api/v1/users", &json!({"name": "ana", "role": "viewer", "again": true})).await.expect(404);
    // It stays theirs, and opens the account once they connect it again.
    let refused = log_in(&slipway, &provider, "f3a1").await.expect(409);
    assert!(refused.detail().contains("connects it there again"), "{}", refused.detail());

    let audited = audited(&slipway).await;
    for line in [
        "slipway user.create ana",
        "ana user.connect ana",
        "ana user.groups ana",
        "ana session.open ana",
        "administrator user.remove ana",
        "administrator user.bring-back ana",
        "administrator user.disconnect ana",
    ] {
        assert!(audited.iter().any(|entry| entry == line), "{line}: {audited:?}");
    }
}

#[tokio::test]
async fn a_login_that_somebody_else_began_or_ended_comes_to_nothing() {
    let provider = OpenIdProvider::start().await;
    let (slipway, _folder) = configured(&company(&provider, "create = true")).await;
    let (page, kept) = begin(&slipway.anonymous(), "/login/with/company?next=//evil.example").await;
    let back = provider.log_in(&page, "ana").await;
    let back = within(&slipway, &back);
    let not_begun = "This login was not begun in this browser";

    // An attacker's answer in a browser that began nothing, or something else.
    let elsewhere = slipway.anonymous().get(back).await.expect(400);
    assert!(elsewhere.detail().starts_with(not_begun), "{}", elsewhere.detail());
    let (other_page, other_kept) = begin(&slipway.anonymous(), "/login/with/company").await;
    keeping(&slipway, &other_kept).get(back).await.expect(400);
    let forged = keeping(&slipway, &kept).get("/login/with/company/back?code=x&state=guessed").await.expect(400);
    assert!(forged.detail().starts_with(not_begun), "{}", forged.detail());
    let told = slipway.anonymous().get("/login/with/company/back?error=x&error_description=Call+555").await.expect(400);
    assert!(!told.body.contains("555"), "nobody's words are shown before it is known whose they are: {}", told.body);

    // A token that was asked for with another nonce, as one that was got elsewhere would have.
    let (head, tail) = other_page.split_once("nonce=").unwrap();
    let renonced = format!("{head}nonce=mine{}", tail.find('&').map_or("", |at| &tail[at..]));
    let sent = provider.log_in(&renonced, "ana").await;
    let refused = keeping(&slipway, &other_kept).get(within(&slipway, &sent)).await.expect(403);
    assert!(refused.detail().contains("Invalid nonce"), "{}", refused.detail());

    // The browser that began it ends it, and stays on this server; the same code opens nothing more.
    let browser = keeping(&slipway, &kept);
    let entered = browser.get(back).await.expect(303);
    assert_eq!(entered.header("location"), "/account");
    let replayed = browser.get(back).await.expect(403);
    assert!(replayed.detail().starts_with("Company refused the login"), "{}", replayed.detail());

    let (page, kept) = begin(&slipway.anonymous(), "/login/with/company").await;
    let denied = provider.deny(&page).await;
    assert!(denied.contains("error=access_denied"), "{denied}");
    slipway.anonymous().get("/login/with/nobody").await.expect(404);
    // A page elsewhere may send a browser there again and again: nothing was guessed, and its people still log in.
    for _ in 0..10 {
        keeping(&slipway, &kept).get("/login/with/company/back?state=guessed").await;
    }
    slipway.anonymous().get("/login/with/company").await.expect(303);
}

#[tokio::test]
async fn an_account_elsewhere_opens_ones_own_account_once_it_is_connected() {
    let provider = OpenIdProvider::start().await;
    let (slipway, _folder) = configured(&company(&provider, "")).await;
    let invited =
        slipway.api().post("/api/v1/users", &json!({"name": "ana", "role": "viewer"})).await.expect(201).json();
    let link = invited["link"].as_str().unwrap().strip_prefix(slipway.url()).unwrap().to_owned();
    let password = "three words or four";
    let browser = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let set = browser.submit(&link, &[("password", password), ("again", password)]).await.expect(303);
    let session = cookie(&set);
    let ana = keeping(&slipway, &session);

    // The name alone makes nobody her.
    provider
        .says("x1", &json!({"preferred_username": "ana", "email": "ana@example.com", "email_verified": true}))
        .await;
    let refused = log_in(&slipway, &provider, "x1").await.expect(403);
    assert!(refused.detail().contains("is connected with no account here"), "{}", refused.detail());

    let prove = async |session: &str| {
        let (page, kept) = begin(&keeping(&slipway, session), "/account/connect/company").await;
        let back = provider.log_in(&page, "x1").await;
        let browser = keeping(&slipway, &format!("{session}; {kept}"));
        let asked = browser.get(within(&slipway, &back)).await.expect(200).body;
        assert!(asked.contains("ana@example.com") && asked.contains("<b>ana</b>"), "{asked}");
        let (_, proof) = asked.split_once("name=\"proof\" value=\"").unwrap();
        proof.split('"').next().unwrap().to_owned()
    };
    let proof = prove(&session).await;
    let proof = [("proof", proof.as_str()), ("password", password)];
    log_in(&slipway, &provider, "x1").await.expect(403);
    let connect = "/account/connect/company";
    let lured = slipway.anonymous().with("cookie", &session).with("sec-fetch-site", "cross-site");
    lured.submit(connect, &proof).await.expect(403);
    ana.submit(connect, &[("proof", "guessed"), ("password", password)]).await.expect(400);
    for guess in [&proof[..1], &[proof[0], ("password", "guessed, of course")]] {
        let refused = ana.submit(connect, guess).await.expect(422).body;
        assert!(refused.contains("This is not the password that you have now"), "a browser left open: {refused}");
    }
    ana.submit(connect, &proof).await.expect(303);

    let entered = log_in(&slipway, &provider, "x1").await.expect(303);
    assert_eq!(entered.header("location"), "/services");
    let account = ana.get("/account").await.expect(200).body;
    let (_, form) = account.split_once("/account/identities/").expect("the connected account");
    let disconnect = format!("/account/identities/{}", form.split('"').next().unwrap());
    let refused = ana.submit(&disconnect, &[("password", "guessed, of course")]).await.expect(422).body;
    assert!(refused.contains("This is not the password that you have now"), "{refused}");
    ana.submit(&disconnect, &proof[1..]).await.expect(303);
    log_in(&slipway, &provider, "x1").await.expect(403);
    assert!(audited(&slipway).await.contains(&"ana user.disconnect ana".to_owned()));

    // A new password by an administrator's link ends what somebody else may have connected meanwhile.
    let proof = prove(&session).await;
    ana.submit(connect, &[("proof", &proof), ("password", password)]).await.expect(303);
    log_in(&slipway, &provider, "x1").await.expect(303);
    let renewed = slipway.api().post("/api/v1/users/ana/link", &json!({})).await.expect(201).json();
    let link = within(&slipway, renewed["link"].as_str().unwrap()).to_owned();
    browser.submit(&link, &[("password", "another four words"), ("again", "another four words")]).await.expect(303);
    log_in(&slipway, &provider, "x1").await.expect(403);
}

#[tokio::test]
async fn members_of_an_organisation_log_in_with_github() {
    let github = GitHub::open().await;
    github.register("Iv1", "hunter2");
    let rules =
        "create = true\norganisations = [\"acme\"]\nrole = \"viewer\"\nroles = {\"acme/ops\" = \"administrator\"}";
    let url = github.url();
    let (slipway, _folder) = configured(&format!(
        "[[login]]\nname = \"GitHub\"\nkind = \"github\"\nurl = \"{url}\"\nclient_id = \"Iv1\"\nclient_secret = \"hunter2\"\n{rules}"
    ))
    .await;
    let come = async |id: u64, login: &str, memberships: &[(&str, &str)]| {
        github.log_in(id, login, memberships);
        let (page, kept) = begin(&slipway.anonymous(), "/login/with/github").await;
        let sent = Api::new(url).get(page.strip_prefix(url).expect("GitHub's page")).await.expect(302);
        keeping(&slipway, &kept).get(within(&slipway, sent.header("location"))).await
    };
    let entered = come(1, "ana", &[("acme", "active"), ("acme/ops", "active")]).await.expect(303);
    assert_eq!(entered.header("location"), "/");
    let grants = slipway.api().get("/api/v1/users").await.expect(200).json()["items"][0]["grants"].clone();
    let roles: Vec<_> = grants.as_array().unwrap().iter().map(|grant| grant["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["viewer", "administrator"]);
    let of_groups = grants[1]["id"].as_str().unwrap();
    assert_eq!(grants[1]["of_groups"], "GitHub");
    let kept = slipway.api().delete(&format!("/api/v1/users/ana/grants/{of_groups}")).await.expect(409);
    assert!(kept.detail().contains("of their groups at GitHub"), "{}", kept.detail());

    // Nobody approves what they opened themselves, whoever they are; a colleague may, once it is known what would run.
    let webhook = slipway.connect("acme/shop", "https://git.example/acme/shop.git").await;
    let pull = PullRequest::new("acme/shop", 7, "theirs", "main").by("ana", 1).from_fork();
    pull.delivery("opened", &commit("theirs")).send(&webhook).await.expect(202);
    let approve = "/api/v1/repositories/acme/shop/builds/1/approve";
    let other = come(5, "dora", &[("acme", "active"), ("acme/ops", "active")]).await.expect(303);
    for (entered, why) in [(&entered, "nobody approves a pull request of their own"), (&other, "not known yet")] {
        let person = keeping(&slipway, &cookie(entered));
        let refused = person.post(approve, &json!({"commit": commit("theirs")})).await.expect(409);
        assert!(refused.detail().contains(why), "{}", refused.detail());
    }

    // Who administers by groups alone may do so no more tomorrow: somebody else stays the last.
    let set_password = async |link: &str| {
        let browser = slipway.anonymous().with("sec-fetch-site", "same-origin");
        let words = "several words of one";
        browser.submit(within(&slipway, link), &[("password", words), ("again", words)]).await.expect(303);
    };
    let boss = json!({"name": "boss", "role": "administrator"});
    let boss = slipway.api().post("/api/v1/users", &boss).await.expect(201).json();
    let ana = slipway.api().post("/api/v1/users/ana/link", &json!({})).await.expect(201).json();
    for invited in [boss, ana] {
        set_password(invited["link"].as_str().unwrap()).await;
    }
    let last = slipway.api().delete("/api/v1/users/boss").await.expect(409);
    assert!(last.detail().contains("is the last who administers the whole server"), "{}", last.detail());

    for (id, login, memberships) in [(2, "ben", &[("other", "active")]), (3, "cleo", &[("acme", "pending")])] {
        let refused = come(id, login, memberships).await.expect(403);
        let lacks = format!("{login} belongs to none of acme").to_lowercase();
        assert!(refused.detail().to_lowercase().starts_with(&lacks), "{}", refused.detail());
    }
    // An account is its number: whoever took over the name ana is not her, and ana under another name still is.
    come(1, "anna", &[("acme", "active")]).await.expect(303);
    come(4, "ana", &[("acme", "active")]).await.expect(303);
    let listed = slipway.api().get("/api/v1/users").await.expect(200).json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ana", "ana-2", "boss", "dora"]);
}
