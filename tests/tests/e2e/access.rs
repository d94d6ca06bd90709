//! Access: who may look, who may change, and what everyone else is told.

use std::time::Duration;

use serde_json::json;
use slipway_server::{access::Permission, http};
use slipway_tests::{
    api::Api,
    ports,
    slipway::{Setup, Slipway},
};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

const CLONE_URL: &str = "https://git.example/shop/web.git";

/// A session's cookie, as a browser would send it back.
async fn log_in(slipway: &Slipway) -> String {
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let answer = same_origin.submit("/login", &[("token", slipway.token()), ("next", "/shop/web")]).await.expect(303);
    assert_eq!(answer.header("location"), "/shop/web");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

async fn audited(slipway: &Slipway) -> Vec<String> {
    let log = slipway.api().get("/api/v1/audit").await.expect(200).json();
    let entries = log["items"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    entries.map(|entry| [&entry["actor"], &entry["action"], &entry["subject"]].map(text).join(" ")).collect()
}

#[tokio::test]
async fn every_route_wants_a_token() {
    let slipway = Slipway::start().await;
    let (_, permissions) = http::routes().into_parts();
    let mut asked = 0;
    for (verb, path, needs) in permissions.iter() {
        if needs == Permission::Public {
            continue;
        }
        let address = path.replace("{id}", "01K000000000000000000000A0").replace("{*", "{");
        let address: String =
            address.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        let answer = slipway.anonymous().send(verb.method(), &address, None).await;
        let refused = match answer.status {
            401 => !answer.detail().is_empty() && answer.header("www-authenticate").starts_with("Bearer"),
            303 => answer.header("location").starts_with("/login"),
            _ => false,
        };
        assert!(refused, "{verb:?} {path} answered {} {}", answer.status, answer.body);
        asked += 1;
    }
    assert!(asked > 15, "only {asked} routes were walked");
}

#[tokio::test]
async fn what_is_public_is_few() {
    let (_, permissions) = http::routes().into_parts();
    let public: Vec<&str> =
        permissions.iter().filter(|(.., needs)| *needs == Permission::Public).map(|(_, path, _)| path).collect();
    let known = [
        "/healthz",
        "/readyz",
        "/login",
        "/logout",
        // Its link is a secret that is used once.
        "/welcome/{link}",
        // They lead to a provider of the configuration, and back from it.
        "/login/with/{provider}",
        "/login/with/{provider}/back",
        "/webhooks/github/{hook}",
        "/schema/captain.yml.json",
        // Where not everybody may read, it wants a token of its own.
        "/badges/{owner}/{file}",
        "/api/v1/openapi.json",
    ];
    let surprising: Vec<_> =
        public.iter().filter(|path| !known.contains(path) && !path.starts_with("/assets/")).collect();
    assert!(surprising.is_empty(), "{surprising:?}");
}

#[tokio::test]
async fn editors_get_the_schema_of_captain_yml_without_a_token() {
    let slipway = Slipway::start().await;
    let schema = slipway.anonymous().get("/schema/captain.yml.json").await.expect(200);
    assert_eq!(schema.header("content-type"), "application/schema+json");
    assert_eq!(schema.header("cache-control"), "public, max-age=3600");
    assert_eq!(schema.json(), slipway_pipelines::schema::json_schema());
}

#[tokio::test]
async fn programs_get_the_document_of_the_api_without_a_token() {
    let slipway = Slipway::start().await;
    let served = slipway.anonymous().get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(served.header("content-type"), "application/json");
    let document = served.json();
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("Slipway")));
    let printed = slipway.command(&["schema", "--api"], "").await;
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, document, "the command line tells the same, without a server");
}

#[tokio::test]
async fn the_administrators_token_is_shown_once() {
    let mut slipway = Slipway::start().await;
    let token = slipway.token().to_owned();
    slipway.terminate().await;
    slipway.restart().await;
    assert_eq!(slipway.output().matches("slipway_").count(), 1, "{}", slipway.output());
    slipway.api().get("/api/v1/repositories").await.expect(200);

    let database = std::fs::read(slipway.data_dir().join("slipway.db")).unwrap();
    let found = database.windows(token.len()).any(|window| window == token.as_bytes());
    assert!(!found, "the database knows the token's hash alone");
}

#[tokio::test]
async fn a_lost_token_is_replaced_on_the_machine_itself() {
    let slipway = Slipway::start().await;
    let made = slipway.command(&["token", "create", "rescue", "--role", "administrator", "--local"], "").await;
    let token = String::from_utf8(made.stdout).unwrap();
    slipway.anonymous().bearing(token.trim()).get("/api/v1/tokens").await.expect(200);
}

#[tokio::test]
async fn who_only_reads_waits_for_nobody_who_writes() {
    let slipway = Slipway::start().await;
    let database = format!("sqlite://{}", slipway.data_dir().join("slipway.db").display());
    let mut writer = SqliteConnection::connect(&database).await.unwrap();
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    // The first use of a token is to be noted, which has to wait; the server gives a writer half a minute.
    let api = slipway.api();
    let read = tokio::time::timeout(Duration::from_secs(10), api.get("/api/v1/tokens"));
    read.await.expect("an answer although somebody writes").expect(200);
    writer.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn without_a_token_nothing_is_changed_or_seen() {
    let slipway = Slipway::start().await;
    let body = json!({"name": "shop/web", "clone_url": CLONE_URL});
    let refused = slipway.anonymous().post("/api/v1/repositories", &body).await.expect(401);
    assert_eq!(refused.detail(), "This needs a token: send it as `Authorization: Bearer <token>`.");
    let refused = slipway.anonymous().bearing("slipway_guessed").get("/api/v1/repositories").await.expect(401);
    assert_eq!(refused.detail(), "The token is not known, or was revoked; `slipway token create` makes a new one.");
    let refused = slipway.anonymous().with("authorization", "Basic YTpi").get("/api/v1/repositories").await.expect(401);
    assert_eq!(refused.detail(), "The Authorization header is not of the form `Bearer <token>`.");
    assert_eq!(slipway.api().get("/api/v1/repositories").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn reading_can_be_public_and_changing_cannot() {
    let slipway = Setup::new().with("SLIPWAY_PUBLIC_READ", "true").start().await;
    slipway.connect("shop/web", CLONE_URL).await;
    let anonymous = slipway.anonymous();
    let shown = anonymous.get("/api/v1/repositories/shop/web").await.expect(200);
    assert!(!shown.body.contains("hook"), "the hook is no business of readers: {}", shown.body);
    anonymous.get("/api/v1/registries").await.expect(401);
    anonymous.get("/api/v1/audit").await.expect(401);
    anonymous.get("/api/v1/tokens").await.expect(401);
    let body = json!({"name": "shop/api", "clone_url": CLONE_URL});
    anonymous.post("/api/v1/repositories", &body).await.expect(401);
    anonymous.post("/api/v1/repositories/shop/web/environments/dev/promotions", &json!({})).await.expect(401);
}

#[tokio::test]
async fn a_session_is_opened_by_the_token_and_ends_with_the_logout() {
    let slipway = Slipway::start().await;
    let cookie = log_in(&slipway).await;
    let browser = slipway.anonymous().with("cookie", &cookie).with("sec-fetch-site", "same-origin");
    browser.get("/api/v1/repositories").await.expect(200);
    browser.post("/api/v1/repositories", &json!({"name": "shop/web", "clone_url": CLONE_URL})).await.expect(201);

    let out = browser.submit("/logout", &[]).await.expect(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    browser.get("/api/v1/repositories").await.expect(401);
    let audited = audited(&slipway).await;
    for entry in ["session.open", "repository.connect shop/web", "session.close"] {
        assert!(audited.iter().any(|line| line.starts_with(&format!("administrator {entry}"))), "{entry}: {audited:?}");
    }
}

#[tokio::test]
async fn other_sites_cannot_use_a_session() {
    let slipway = Slipway::start().await;
    let cookie = log_in(&slipway).await;
    let body = json!({"name": "shop/web", "clone_url": CLONE_URL});
    let lured = |api: Api| api.with("cookie", &cookie);
    let foreign = [
        lured(slipway.anonymous()).with("sec-fetch-site", "cross-site"),
        lured(slipway.anonymous()).with("sec-fetch-site", "same-site"),
        lured(slipway.anonymous()).with("origin", "https://evil.example"),
        lured(slipway.anonymous()),
    ];
    for browser in foreign {
        let refused = browser.post("/api/v1/repositories", &body).await.expect(403);
        assert!(refused.detail().starts_with("This change did not come from a page of this server."));
    }
    let login = slipway.anonymous().with("sec-fetch-site", "cross-site");
    login.submit("/login", &[("token", slipway.token())]).await.expect(403);
    assert_eq!(slipway.api().get("/api/v1/repositories").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn a_wrong_token_opens_no_session_and_guessing_is_slowed_down() {
    let slipway = Slipway::start().await;
    let browser = slipway.anonymous().with("sec-fetch-site", "same-origin");
    for _ in 0..10 {
        let refused =
            browser.submit("/login", &[("token", "slipway_guess"), ("next", "//evil.example")]).await.expect(303);
        assert_eq!(refused.header("location"), "/login?problem=unknown-token&next=%2F");
        assert_eq!(refused.header("set-cookie"), "");
    }
    let slowed = browser.submit("/login", &[("token", slipway.token())]).await.expect(303);
    assert_eq!(slowed.header("location"), "/login?problem=slow-down&next=%2F");
}

#[tokio::test]
async fn behind_a_trusted_proxy_guessing_slows_down_who_guesses_alone() {
    let slipway = Setup::new().with("SLIPWAY_TRUSTED_PROXIES", "127.0.0.1,::1").start().await;
    let from = |client: &str| {
        let forwarded = slipway.anonymous().with("x-forwarded-for", &format!("127.0.0.1, {client}"));
        forwarded.with("sec-fetch-site", "same-origin")
    };
    let (guesser, other) = (from("203.0.113.7"), from("203.0.113.8"));
    for _ in 0..10 {
        guesser.submit("/login", &[("token", "slipway_guess")]).await.expect(303);
    }
    let slowed = guesser.submit("/login", &[("token", slipway.token())]).await.expect(303);
    assert_eq!(slowed.header("location"), "/login?problem=slow-down&next=%2F");
    let entered = other.submit("/login", &[("token", slipway.token())]).await.expect(303);
    assert_eq!(entered.header("location"), "/");

    // A session tells where it was opened.
    let invited = slipway.api().post("/api/v1/users", &json!({"name": "ana", "role": "viewer"})).await.expect(201);
    let link = invited.json()["link"].as_str().unwrap().strip_prefix(slipway.url()).unwrap().to_owned();
    let words = [("password", "three words or four"), ("again", "three words or four")];
    other.submit(&link, &words).await.expect(303);
    let audit = slipway.api().get("/api/v1/audit?action=session.open").await.expect(200).json();
    assert_eq!(audit["items"][0]["detail"]["address"], "203.0.113.8");
}

#[tokio::test]
async fn behind_https_the_cookie_is_bound_to_the_host() {
    let slipway = Setup::new().with("SLIPWAY_PUBLIC_URL", "https://slipway.example").start().await;
    let cookie = log_in(&slipway).await;
    assert!(cookie.starts_with("__Host-slipway="), "{cookie}");
    let webhook = slipway.connect("shop/web", CLONE_URL).await;
    assert!(webhook.url.starts_with("https://slipway.example/webhooks/github/"), "{}", webhook.url);
}

#[tokio::test]
async fn a_revoked_token_and_its_sessions_are_over() {
    let slipway = Slipway::start().await;
    let refused =
        slipway.api().post("/api/v1/tokens", &json!({"name": "Slipway", "role": "administrator"})).await.expect(422);
    assert!(refused.detail().contains("choose another one"), "{}", refused.detail());
    let made =
        slipway.api().post("/api/v1/tokens", &json!({"name": "ci", "role": "administrator"})).await.expect(201).json();
    let ci = slipway.anonymous().bearing(made["token"].as_str().unwrap());
    ci.post("/api/v1/repositories", &json!({"name": "shop/web", "clone_url": CLONE_URL})).await.expect(201);
    assert!(audited(&slipway).await.contains(&"ci repository.connect shop/web".to_owned()));
    let taken =
        slipway.api().post("/api/v1/tokens", &json!({"name": "CI ", "role": "administrator"})).await.expect(422);
    assert!(taken.detail().contains("another token, has that name"), "{}", taken.detail());
    slipway.api().delete(&format!("/api/v1/tokens/{}", made["id"].as_str().unwrap())).await.expect(200);
    slipway.api().post("/api/v1/tokens", &json!({"name": "ci", "role": "administrator"})).await.expect(201);
    ci.get("/api/v1/repositories").await.expect(401);
    let listed = slipway.api().get("/api/v1/tokens").await.expect(200).body;
    assert!(!listed.contains("slipway_"), "no token is shown twice: {listed}");
}

#[tokio::test]
async fn a_registrys_password_goes_in_and_never_comes_out() {
    let slipway = Slipway::start().await;
    let login = ["registry", "login", "registry.example:5000", "--username", "robot", "--repository", "shop/*"];
    let set = slipway.command(&login, "hunter2\n").await;
    assert_eq!(String::from_utf8_lossy(&set.stdout), "The login for registry.example:5000 is set.\n");
    let shown = slipway.api().get("/api/v1/registries/registry.example:5000").await.expect(200);
    assert_eq!((&shown.json()["username"], &shown.json()["repositories"]), (&json!("robot"), &json!(["shop/*"])));
    let path = "/api/v1/registries/registry.example:5000";
    let silent = slipway.api().put(path, &json!({"username": "robot", "password": "hunter2"})).await.expect(422);
    assert!(silent.detail().contains("It must be said for which repositories it is"), "{}", silent.detail());
    let listed = slipway.api().get("/api/v1/registries").await.expect(200).body;
    for text in [shown.body, listed, slipway.api().get("/api/v1/audit").await.body] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    for file in ["slipway.db", "slipway.db-wal"] {
        let bytes = std::fs::read(slipway.data_dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{file} holds the password");
    }
    slipway.api().delete("/api/v1/registries/registry.example:5000").await.expect(200);
    let gone = slipway.api().get("/api/v1/registries/registry.example:5000").await.expect(404);
    assert_eq!(gone.detail(), "There is no login for the registry registry.example:5000.");
}

#[tokio::test]
async fn odd_requests_are_told_what_is_wrong() {
    let slipway = Slipway::start().await;
    let connect = async |body: &serde_json::Value, status| {
        slipway.api().post("/api/v1/repositories", body).await.expect(status).detail()
    };
    let unknown = connect(&json!({"name": "shop/web", "clone_url": CLONE_URL, "branch": "main"}), 422).await;
    assert!(
        unknown.contains("unknown field `branch`, expected one of `name`, `clone_url`, `default_branch`"),
        "{unknown}"
    );
    let missing = connect(&json!({"name": "shop/web"}), 422).await;
    assert!(missing.contains("missing field `clone_url`"), "{missing}");
    let local = connect(&json!({"name": "shop/web", "clone_url": "file:///etc"}), 422).await;
    assert!(local.contains("file: is not fetched from"), "{local}");
    let token = connect(&json!({"name": "shop/web", "clone_url": "https://me:pw@git.example/a"}), 422).await;
    assert!(token.starts_with("The clone URL holds credentials"), "{token}");
    slipway.connect("shop/web", CLONE_URL).await;
    let again = connect(&json!({"name": "shop/web", "clone_url": CLONE_URL}), 409).await;
    assert_eq!(again, "The repository shop/web is connected already.");

    let api = slipway.api();
    assert_eq!(api.get("/api/v1/repositories/shop/api").await.expect(404).detail(), "There is no repository shop/api.");
    assert_eq!(
        api.get("/api/v1/repositories/shop/web/builds/7").await.expect(404).detail(),
        "There is no build 7 of shop/web."
    );
    assert_eq!(api.get("/api/v1/nonsense").await.expect(404).detail(), "There is nothing at /api/v1/nonsense.");
    let wrong_way = api.delete("/api/v1/repositories").await.expect(405);
    assert_eq!(wrong_way.detail(), "DELETE cannot be done with /api/v1/repositories.");
    let rollback = api.post("/api/v1/repositories/shop/web/environments/dev/rollbacks", &json!({})).await.expect(404);
    assert_eq!(
        rollback.detail(),
        "There is no environment “dev” in shop/web: no build of its default branch has defined any yet."
    );
}

#[tokio::test]
async fn the_server_ends_in_order_and_does_not_share_its_data() {
    let setup = Setup::new();
    let data = setup.data_dir();
    let mut slipway = setup.start().await;
    slipway.anonymous().get("/healthz").await.expect(200);
    slipway.anonymous().get("/readyz").await.expect(200);

    let second = Setup::new().with("SLIPWAY_DATA_DIR", &data.display().to_string()).fail().await;
    let expected = format!("another Slipway already runs on {}", data.display());
    assert!(second.contains(&expected), "{second}");

    let events = slipway.api().with("accept", "text/event-stream");
    let stream = tokio::spawn(async move { events.get("/api/v1/events?after=0").await });
    slipway.connect("shop/web", CLONE_URL).await;
    assert!(slipway.terminate().await.success(), "{}", slipway.output());
    let seen = stream.await.unwrap().expect(200);
    assert!(seen.body.contains("event: repository.connected"), "the stream ended with all it had: {}", seen.body);
}

#[tokio::test]
async fn a_start_that_fails_keeps_nobody_from_the_administrators_token() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new().with("SLIPWAY_LISTEN", &taken.local_addr().unwrap().to_string());
    let said = setup.fail().await;
    assert!(said.contains("Address already in use") && said.contains("set `listen` to another address"), "{said}");

    let mut slipway = setup.with("SLIPWAY_LISTEN", &format!("127.0.0.1:{}", ports::free())).start().await;
    assert!(slipway.token().starts_with("slipway_"));
    slipway.kill().await;
    slipway.restart().await;
    slipway.wait_for_output("Nobody has used the administrator's token yet").await;
    slipway.api().get("/api/v1/repositories").await.expect(200);
}

#[tokio::test]
async fn a_configuration_with_a_slip_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slipway.toml");
    std::fs::write(&file, "public_read = true\n\n[runner]\ncapcity = 2\n").unwrap();
    let said = Setup::new().with("SLIPWAY_CONFIG", &file.display().to_string()).fail().await;
    assert!(said.contains("line 4: unknown key `runner.capcity`; did you mean `capacity`?"), "{said}");
}
