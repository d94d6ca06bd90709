//! Every route with every role, on a running server: who is let through is what docs/SECURITY.md says.

use std::{collections::BTreeMap, fs};

use reqwest::{Client, Method};
use serde_json::json;
use slipway_tests::{
    api::{Api, http_client},
    forge::{Push, commit},
    slipway::Slipway,
};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

/// A row of the table.
#[derive(Debug, Clone)]
struct Route {
    method: Method,
    path: String,
    needs: String,
    of: String,
}

/// The table as the document has it.
fn table() -> Vec<Route> {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SECURITY.md")).unwrap();
    let rows = document.split("| route | needs | of |").nth(1).unwrap().lines().skip(2);
    let rows = rows.take_while(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (method, path) = cells[1].trim_matches('`').split_once(' ').unwrap();
        Route {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            needs: cells[2].to_owned(),
            of: cells[3].to_owned(),
        }
    })
    .collect()
}

/// Somebody who asks.
#[derive(Debug)]
struct Asker {
    who: String,
    token: Option<String>,
    /// The cookie of their session, where they have an account.
    cookie: Option<String>,
    /// What they may do in the server, in `shop/web`, in its `production`, in `tools/cli`: 0 for nothing, 1 to 4 for the roles.
    roles: [u8; 4],
    is_runner: bool,
    /// Their token is one of their own, of somebody with an account.
    is_personal: bool,
    /// Their token does not hold.
    is_refused: bool,
}

/// Where a request leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Shop,
    Tools,
}

/// What became of a request, as far as the layer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    LetThrough,
    Unknown,
    Forbidden,
    NotThere,
}

/// What the table says of it.
fn expected(route: &Route, asker: &Asker, place: Place) -> Outcome {
    let is_known = asker.token.is_some() || asker.cookie.is_some();
    let least = match route.needs.as_str() {
        "read" => 1,
        "develop" => 2,
        "deploy" => 3,
        "administer" => 4,
        "a runner's token" if asker.is_runner => return Outcome::LetThrough,
        "a runner's token" if is_known && !asker.is_refused => return Outcome::Forbidden,
        _ => 5,
    };
    if !is_known || asker.is_refused {
        return Outcome::Unknown;
    }
    if asker.is_runner {
        return Outcome::Forbidden;
    }
    if route.of == "one's own account" {
        let sees_to_tokens = asker.is_personal && route.path.starts_with("/api/v1/account/tokens");
        return if asker.cookie.is_some() || sees_to_tokens { Outcome::LetThrough } else { Outcome::Forbidden };
    }
    let [server, shop, production, tools] = asker.roles;
    let held = match (route.of.as_str(), place) {
        ("the server", _) => server,
        ("anything", _) => *asker.roles.iter().max().unwrap(),
        ("the environment", Place::Shop) => production,
        (_, Place::Shop) => shop,
        (_, Place::Tools) => tools,
    };
    match held {
        held if held >= least => Outcome::LetThrough,
        0 if route.of != "the server" => Outcome::NotThere,
        _ => Outcome::Forbidden,
    }
}

/// Ids of what an address names by its id alone.
struct Ids {
    delivery: String,
    alert: String,
    step: String,
}

struct Walk {
    slipway: Slipway,
    client: Client,
    ids: BTreeMap<&'static str, Ids>,
}

impl Walk {
    /// A server with two repositories, and in each a delivery, a build, a step and an alert.
    async fn new() -> Self {
        let slipway = Slipway::start().await;
        let mut ids = BTreeMap::new();
        for name in ["shop/web", "tools/cli"] {
            let webhook = slipway.connect(name, &format!("https://git.example/{name}.git")).await;
            Push::to_branch(name, "main", &commit(name)).delivery().send(&webhook).await.expect(202);
        }
        let url = format!("sqlite://{}", slipway.data_dir().join("slipway.db").display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        for (number, name) in ["shop/web", "tools/cli"].into_iter().enumerate() {
            let found = "SELECT d.id, j.id AS job, r.id AS repository FROM delivery d JOIN repository r ON r.id = d.repository_id
                         JOIN job j ON j.build_id = d.build_id WHERE r.name = $1";
            let found = sqlx::query(found).bind(name).fetch_one(&mut database).await.unwrap();
            let (delivery, job, repository): (String, String, String) = (found.get(0), found.get(1), found.get(2));
            let (alert, step) =
                (format!("01K0000000000000000000A{number:03}"), format!("01K0000000000000000000S{number:03}"));
            let message = json!({
                "occasion": "build-failed", "repository": name, "at": 1, "page": "/", "reason": null, "trouble": null,
                "about": {"build": {"number": 1, "reference": "main", "commit": "c", "summary": "s", "author": "a"}},
            });
            let alert_row = format!(
                "INSERT INTO alert (id, subject, repository_id, message, number, times, opened_at, last_at)
                 VALUES ('{alert}', 'build {number}', '{repository}', '{message}', 1, 1, 1, 1)"
            );
            let step_row = format!(
                "INSERT INTO step (id, job_id, attempt, position, kind, name, needs, state)
                 VALUES ('{step}', '{job}', 1, 1, 'test', 'test', '[]', 'succeeded')"
            );
            for row in [alert_row, step_row] {
                sqlx::query(AssertSqlSafe(row)).execute(&mut database).await.unwrap();
            }
            ids.insert(name, Ids { delivery, alert, step });
        }
        Walk { slipway, client: http_client(), ids }
    }

    async fn token(&self, name: &str, role: &str, repository: Option<&str>, environment: Option<&str>) -> String {
        let body = json!({"name": name, "role": role, "repository": repository, "environment": environment});
        let made = self.slipway.api().post("/api/v1/tokens", &body).await.expect(201).json();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Everybody who asks.
    async fn askers(&self) -> Vec<Asker> {
        let mut askers = vec![Asker {
            who: "nobody".into(),
            token: None,
            cookie: None,
            roles: [0; 4],
            is_runner: false,
            is_personal: false,
            is_refused: false,
        }];
        let add = |askers: &mut Vec<Asker>, who: String, token: String, roles: [u8; 4]| {
            askers.push(Asker {
                who,
                token: Some(token),
                cookie: None,
                roles,
                is_runner: false,
                is_personal: false,
                is_refused: false,
            });
        };
        for (number, role) in (1..).zip(["viewer", "developer", "deployer", "administrator"]) {
            let who = format!("{role} of all");
            let token = self.token(&who, role, None, None).await;
            add(&mut askers, who, token, [number; 4]);
            let who = format!("{role} of shop");
            let token = self.token(&who, role, Some("shop/*"), None).await;
            add(&mut askers, who, token, [0, number, number, 0]);
            let who = format!("{role} of production");
            let token = self.token(&who, role, Some("shop/web"), Some("production")).await;
            add(&mut askers, who, token, [0, 1, number, 0]);
        }
        let elsewhere = self.token("deployer of staging", "deployer", Some("shop/web"), Some("staging")).await;
        add(&mut askers, "deployer of staging".into(), elsewhere, [0, 1, 1, 0]);
        let runner = self.slipway.api().post("/api/v1/runners", &json!({"name": "r"})).await.expect(201).json();
        let token = runner["token"].as_str().map(str::to_owned);
        askers.push(Asker {
            who: "runner".into(),
            token,
            cookie: None,
            roles: [0; 4],
            is_runner: true,
            is_personal: false,
            is_refused: false,
        });
        let expired = self.token("expired", "administrator", None, None).await;
        let url = format!("sqlite://{}", self.slipway.data_dir().join("slipway.db").display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let ended = "UPDATE access_token SET expires_at = 1 WHERE name = 'expired'";
        sqlx::query(ended).execute(&mut database).await.unwrap();
        askers.push(Asker {
            who: "expired".into(),
            token: Some(expired),
            cookie: None,
            roles: [0; 4],
            is_runner: false,
            is_personal: false,
            is_refused: true,
        });
        let cookie = Some(join(&self.slipway, "bo", "deployer", Some("shop/*")).await);
        let bo =
            self.slipway.anonymous().with("cookie", cookie.as_ref().unwrap()).with("sec-fetch-site", "same-origin");
        let laptop = own_token(&bo, &[("name", "laptop"), ("role", "developer")]).await;
        askers.push(Asker {
            who: "bo via laptop".into(),
            token: Some(laptop),
            cookie: None,
            roles: [0, 2, 2, 0],
            is_runner: false,
            is_personal: true,
            is_refused: false,
        });
        let roles = [0, 3, 3, 0];
        askers.push(Asker {
            who: "bo".into(),
            token: None,
            cookie,
            roles,
            is_runner: false,
            is_personal: false,
            is_refused: false,
        });
        let cookie = Some(join(&self.slipway, "gone", "administrator", None).await);
        join(&self.slipway, "boss", "administrator", None).await;
        self.slipway.api().put("/api/v1/users/gone/disabled", &json!({})).await.expect(200);
        let roles = [4; 4];
        askers.push(Asker {
            who: "gone".into(),
            token: None,
            cookie,
            roles,
            is_runner: false,
            is_personal: false,
            is_refused: true,
        });
        askers
    }

    /// An address of the route in a place. What it names besides is not there, so that nothing is changed.
    fn address(&self, route: &Route, place: Place) -> String {
        let (owner, name) = if place == Place::Shop { ("shop", "web") } else { ("tools", "cli") };
        let ids = &self.ids[format!("{owner}/{name}").as_str()];
        let id = match route.of.as_str() {
            "the delivery's repository" => ids.delivery.as_str(),
            "the alert's repository" => ids.alert.as_str(),
            _ => "01K000000000000000000000A0",
        };
        let is_of_repository = route.path.contains("{owner}/{name}");
        let part = |part: &str| match part {
            "{owner}" => owner.to_owned(),
            "{name}" if is_of_repository => name.to_owned(),
            "{environment}" => "production".to_owned(),
            "{id}" => id.to_owned(),
            "{step}" => ids.step.clone(),
            "{number}" | "{index}" | "{position}" | "{attempt}" | "{part}" => "9".to_owned(),
            part if part.starts_with('{') => "none".to_owned(),
            part => part.to_owned(),
        };
        route.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// Sends a request that nothing but the layer understands, and tells what the layer made of it.
    async fn outcome(&self, route: &Route, asker: &Asker, place: Place) -> (Outcome, String) {
        let address = self.address(route, place);
        let mut request = self.client.request(route.method.clone(), format!("{}{address}", self.slipway.url()));
        if let Some(cookie) = &asker.cookie {
            request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin");
        }
        if let Some(token) = &asker.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if route.method != Method::GET {
            request = request.header("content-type", "text/plain").body("nothing");
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        // A stream that begins goes on for ever.
        if status < 300 {
            return (Outcome::LetThrough, format!("{address} answered {status}"));
        }
        let to_login = answer.headers().get("location").is_some_and(|to| to.as_bytes().starts_with(b"/login"));
        let said = answer.text().await.unwrap();
        let is_missing =
            |what: &str| said.contains(&format!("there is no {what}")) || said.contains(&format!("here is no {what}"));
        let outcome = match status {
            401 => Outcome::Unknown,
            303 if to_login => Outcome::Unknown,
            403 => Outcome::Forbidden,
            404 if ["repository", "delivery", "alert", "such step"].iter().any(|what| is_missing(what)) => {
                Outcome::NotThere
            }
            _ => Outcome::LetThrough,
        };
        (outcome, format!("{address} answered {status} {said}"))
    }
}

/// Has somebody invited, who sets a password; the answer is the cookie of their session.
async fn join(slipway: &Slipway, name: &str, role: &str, repository: Option<&str>) -> String {
    let body = json!({"name": name, "role": role, "repository": repository});
    let invited = slipway.api().post("/api/v1/users", &body).await.expect(201).json();
    let link = invited["link"].as_str().unwrap();
    let path = &link[link.find("/welcome/").unwrap()..];
    assert!(slipway.anonymous().get(path).await.expect(200).body.contains(name), "the page greets them");
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let weak = same_origin.submit(path, &[("password", "password1234"), ("again", "password1234")]).await;
    assert!(weak.expect(422).body.contains("tried first"), "a common password is refused");
    let set = same_origin.submit(path, &[("password", PASSWORD), ("again", PASSWORD)]).await.expect(303);
    same_origin.submit(path, &[("password", PASSWORD), ("again", PASSWORD)]).await.expect(404);
    set.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// The token that somebody makes for themselves on the page of their account.
async fn own_token(browser: &Api, asked: &[(&str, &str)]) -> String {
    let asked = [asked, &[("password", PASSWORD)]].concat();
    let shown = browser.submit("/account/tokens", &asked).await.expect(201).body;
    format!("slipway_{}", shown.split("slipway_").nth(1).unwrap().split('"').next().unwrap())
}

const PASSWORD: &str = "four blue boats tonight";

#[tokio::test]
async fn people_log_in_change_their_password_and_are_let_go() {
    let walk = Walk::new().await;
    let (slipway, api) = (&walk.slipway, walk.slipway.api());
    join(slipway, "Ana", "developer", Some("shop/*")).await;
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let log_in = async |name: &str, password: &str| {
        let answer = same_origin.submit("/login", &[("name", name), ("password", password)]).await.expect(303);
        let cookie = answer.headers.get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        (answer.header("location").to_owned(), cookie)
    };
    assert_eq!(log_in("ana", "another password").await, ("/login?problem=unknown-name&next=%2F".to_owned(), None));
    assert_eq!(log_in("nobody", PASSWORD).await, ("/login?problem=unknown-name&next=%2F".to_owned(), None));
    let (to, cookie) = log_in("ANA", PASSWORD).await;
    assert_eq!(to, "/", "names are the same however they are written");
    let cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    let ana = same_origin.clone().with("cookie", &cookie);
    let home = ana.get("/").await.expect(200).body;
    assert!(home.contains("shop/web") && !home.contains("tools/cli") && home.contains("href=\"/account\""), "{home}");
    assert!(!home.contains("/settings"), "what they cannot open is not in the navigation");
    let promote = "/repositories/shop/web/environments/production/promote";
    let refused = ana.submit(promote, &[("release", "1")]).await.expect(403);
    assert_eq!(
        refused.detail(),
        "Ana has the role developer in production of shop/web; this needs the role deployer there."
    );
    ana.get("/settings/users").await.expect(403);
    ana.get("/repositories/tools/cli").await.expect(404);

    // Two sessions: a new password ends the other one.
    assert_eq!(ana.get("/account").await.expect(200).body.matches("this one").count(), 1);
    let new = "five green boats tomorrow";
    let change = |old: &str| vec![("old", old.to_owned()), ("password", new.to_owned()), ("again", new.to_owned())];
    let submit = async |fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ana.submit("/account/password", &fields).await
    };
    assert!(
        submit(change("wrong, certainly"))
            .await
            .expect(422)
            .body
            .contains("This is not the password that you have now.")
    );
    assert!(submit(change(PASSWORD)).await.expect(200).body.contains("your other sessions have ended"));
    assert!(!ana.get("/account").await.expect(200).body.contains("End it"));
    assert_eq!(log_in("ana", PASSWORD).await.1, None);

    // Nobody is called as somebody else, nor as a token; the last administrator stays.
    for name in ["ANA", "administrator", "slipway", "a,b", "a/b"] {
        api.post("/api/v1/users", &json!({"name": name, "role": "viewer"})).await.expect(422);
    }
    api.post("/api/v1/tokens", &json!({"name": "ana", "role": "administrator"})).await.expect(422);
    join(slipway, "boss", "administrator", None).await;
    let last = api.delete("/api/v1/users/boss").await.expect(409);
    assert!(last.detail().contains("is the last who administers the whole server"), "{}", last.detail());
    api.put("/api/v1/users/boss/disabled", &json!({})).await.expect(409);
    let users = api.get("/api/v1/users").await.expect(200).json();
    let grant = users["items"][1]["grants"][0]["id"].as_str().unwrap().to_owned();
    api.delete(&format!("/api/v1/users/boss/grants/{grant}")).await.expect(409);

    // What is granted and taken back counts from the next request on, and so does the end of an account.
    api.post("/api/v1/users/ana/grants", &json!({"role": "viewer"})).await.expect(200);
    ana.get("/repositories/tools/cli").await.expect(200);
    api.put("/api/v1/users/ana/disabled", &json!({})).await.expect(200);
    assert!(ana.get("/").await.expect(303).header("location").starts_with("/login"));
    assert_eq!(log_in("ana", new).await.1, None);
    api.delete("/api/v1/users/ana").await.expect(200);
    let log = api.get("/api/v1/audit?limit=200").await.expect(200).json().to_string();
    for action in ["user.invite", "user.password", "user.grant", "user.disable", "user.remove", "session.open"] {
        assert!(log.contains(action), "{action}");
    }
    assert!(!log.contains("boats"), "no password is in it");

    // Not even the server's own database lets the log be edited.
    let url = format!("sqlite://{}", slipway.data_dir().join("slipway.db").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    for edit in ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"] {
        let refused = sqlx::query(edit).execute(&mut database).await.unwrap_err().to_string();
        assert!(refused.contains("the audit log cannot be edited"), "{refused}");
    }
}

#[tokio::test]
async fn a_token_of_ones_own_is_never_more_than_its_owner() {
    let walk = Walk::new().await;
    let (slipway, api) = (&walk.slipway, walk.slipway.api());
    let cookie = join(slipway, "ana", "deployer", Some("shop/*")).await;
    let ana = slipway.anonymous().with("cookie", &cookie).with("sec-fetch-site", "same-origin");
    let too_much = [("name", "laptop"), ("role", "administrator"), ("password", PASSWORD)];
    let too_much = ana.submit("/account/tokens", &too_much).await.expect(422);
    assert!(too_much.body.contains("The most that ana may anywhere is deployer"), "{}", too_much.body);
    // A browser that was left open makes none.
    let asked = [("name", "laptop"), ("role", "deployer"), ("days", "30")];
    let unproved = ana.submit("/account/tokens", &asked).await.expect(422);
    assert!(unproved.body.contains("This is not the password that you have now"), "{}", unproved.body);
    ana.post("/api/v1/account/tokens", &json!({"name": "laptop", "role": "viewer"})).await.expect(403);
    let token = own_token(&ana, &asked).await;
    let laptop = slipway.anonymous().bearing(&token);

    // Within what its owner may, it does as she does; the account itself it does not change, and opens no session.
    laptop.get("/api/v1/repositories/tools/cli").await.expect(404);
    let cancel = "/api/v1/repositories/shop/web/builds/1/cancel";
    laptop.post(cancel, &json!({})).await.expect(200);
    let audit = api.get("/api/v1/audit?action=build.cancel").await.expect(200).json();
    assert_eq!(audit["items"][0]["actor"], "ana via laptop");
    for of in ["actor=ana&action=build.cancel", "actor=ana%20via%20laptop", "actor=ana"] {
        let found = api.get(&format!("/api/v1/audit?{of}")).await.expect(200);
        assert!(found.body.contains("build.cancel"), "{of}: {}", found.body);
    }
    laptop.get("/account").await.expect(403);
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let entered = same_origin.submit("/login", &[("token", &token)]).await.expect(303);
    assert_eq!(entered.header("location"), "/login?problem=own-token&next=%2F");
    api.post("/api/v1/users", &json!({"name": "ana via laptop", "role": "viewer"})).await.expect(422);

    // What it makes is no more than it is, no longer, and makes nothing itself.
    let own = "/api/v1/account/tokens";
    laptop.post(own, &json!({"name": "more", "role": "administrator"})).await.expect(403);
    laptop.post(own, &json!({"name": "longer", "role": "viewer", "expires_in_days": 367})).await.expect(422);
    let made = slipway.command(&["token", "create", "ci", "--role", "viewer", "--mine", "--token", &token], "").await;
    let ci = slipway.anonymous().bearing(String::from_utf8(made.stdout).unwrap().trim());
    ci.post(own, &json!({"name": "child", "role": "viewer"})).await.expect(403);
    let listed = laptop.get(own).await.expect(200).json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["expires_at"]), (2, &items[1]["expires_at"]), "{listed}");
    assert!(!listed.to_string().contains("slipway_"), "no value is shown twice");
    let shown = slipway.command(&["token", "list", "--mine", "--token", &token], "").await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("laptop  deployer") && shown.contains("ci      viewer"), "{shown}");
    let silent = slipway.command(&["token", "create", "robot"], "").await;
    let said = String::from_utf8_lossy(&silent.stderr).into_owned();
    assert!(said.contains("--role <viewer|developer|deployer|administrator>"), "{said}");

    // It sees to itself and what it made; an administrator's lets nobody else in.
    let of_ci = ci.get(own).await.expect(200).json();
    assert_eq!(of_ci["items"].as_array().unwrap().len(), 1, "{of_ci}");
    ci.delete(&format!("{own}/{}", items[0]["id"].as_str().unwrap())).await.expect(404);
    let boss = join(slipway, "boss", "administrator", None).await;
    let boss = slipway.anonymous().with("cookie", &boss).with("sec-fetch-site", "same-origin");
    let robot = own_token(&boss, &[("name", "robot"), ("role", "administrator")]).await;
    let robot = slipway.anonymous().bearing(&robot);
    robot.get("/api/v1/users").await.expect(200);
    robot.post("/api/v1/users", &json!({"name": "mole", "role": "administrator"})).await.expect(403);
    let refused = robot.post("/api/v1/tokens", &json!({"name": "mole", "role": "administrator"})).await.expect(403);
    assert!(refused.detail().contains("nobody makes or revokes tokens of the server"), "{}", refused.detail());

    // What its owner loses, it loses: a role, the account for a while, and the account.
    let users = api.get("/api/v1/users").await.expect(200).json();
    let grant = users["items"][0]["grants"][0]["id"].as_str().unwrap().to_owned();
    api.post("/api/v1/users/ana/grants", &json!({"role": "viewer", "repository": "shop/*"})).await.expect(200);
    api.delete(&format!("/api/v1/users/ana/grants/{grant}")).await.expect(200);
    let refused = laptop.post(cancel, &json!({})).await.expect(403);
    assert_eq!(refused.detail(), "ana has the role viewer in shop/web; this needs the role developer there.");
    api.put("/api/v1/users/ana/disabled", &json!({})).await.expect(200);
    assert!(laptop.get(own).await.expect(401).detail().contains("may do nothing here any more"));
    api.delete("/api/v1/users/ana/disabled").await.expect(200);
    ci.get("/api/v1/repositories/shop/web").await.expect(200);

    // An administrator sees whose it is, and revokes it with what it made; who is removed has none.
    let all = api.get("/api/v1/tokens").await.expect(200).json();
    let found = all["items"].as_array().unwrap().iter().find(|token| token["name"] == "laptop").unwrap().clone();
    assert_eq!(found["user"], "ana");
    let page = api.with("accept", "text/html").get("/settings/tokens").await.expect(200).body;
    assert!(page.contains("ana’s own"), "{page}");
    let api = walk.slipway.api();
    api.delete(&format!("/api/v1/tokens/{}", found["id"].as_str().unwrap())).await.expect(200);
    let audit = api.get("/api/v1/audit?action=token.revoke").await.expect(200).json();
    assert_eq!(audit["items"][0]["detail"], json!({"name": "laptop", "user": "ana"}));
    laptop.get(own).await.expect(401);
    ci.get(own).await.expect(401);
    let entered = same_origin.submit("/login", &[("name", "ana"), ("password", PASSWORD)]).await.expect(303);
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    let ana = same_origin.with("cookie", &cookie);
    let again = own_token(&ana, &[("name", "laptop"), ("role", "viewer")]).await;
    let again = slipway.anonymous().bearing(&again);
    again.get(own).await.expect(200);
    api.delete("/api/v1/users/ana").await.expect(200);
    again.get(own).await.expect(401);
}

#[tokio::test]
async fn the_machine_s_own_shell_lets_an_administrator_in() {
    let slipway = Slipway::start().await;
    let made = slipway.command(&["user", "create", "ana", "--role", "administrator", "--local"], "").await;
    let link = String::from_utf8(made.stdout).unwrap();
    let path = &link.trim()[link.find("/welcome/").unwrap()..];
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let set = same_origin.submit(path, &[("password", PASSWORD), ("again", PASSWORD)]).await.expect(303);
    let cookie = set.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(same_origin.with("cookie", &cookie).get("/settings/users").await.expect(200).body.contains("ana"));
}

#[tokio::test]
async fn every_route_lets_through_whom_the_document_says() {
    let walk = Walk::new().await;
    let (askers, table) = (walk.askers().await, table());
    let (mut asked, mut wrong) = (0, Vec::new());
    for route in table.iter().filter(|route| route.needs != "nothing") {
        for asker in &askers {
            for place in [Place::Shop, Place::Tools] {
                let expected = expected(route, asker, place);
                let lets_go = route.method == Method::DELETE && route.path == "/api/v1/repositories/{owner}/{name}";
                if (lets_go || route.path == "/api/v1/gc") && expected == Outcome::LetThrough {
                    continue;
                }
                let (outcome, said) = walk.outcome(route, asker, place).await;
                asked += 1;
                if outcome != expected {
                    wrong.push(format!(
                        "{} {}: {expected:?} was expected, {outcome:?} came: {said}",
                        asker.who, route.method
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {:#?}", wrong.len(), &wrong[..wrong.len().min(30)]);
    assert!(asked > 3_000, "only {asked} requests were sent");
}

#[tokio::test]
async fn who_sees_one_repository_is_shown_that_one_alone() {
    let walk = Walk::new().await;
    let token = walk.token("ana", "developer", Some("shop/*"), None).await;
    let ana = walk.slipway.anonymous().bearing(&token);
    for path in ["/api/v1/repositories?limit=1", "/api/v1/overview?limit=1"] {
        let list = ana.get(path).await.expect(200).json();
        assert!(list["items"].as_array().unwrap().len() == 1 && list["next"].is_null(), "{path}: {list}");
        assert!(!list.to_string().contains("tools/cli"), "{path}: {list}");
    }
    for path in ["/", "/jump", "/jump?q=cli"] {
        let answer = ana.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", walk.slipway.output());
        let page = answer.body;
        assert!(!page.contains("tools/cli") && !page.contains("/deliveries") && !page.contains("/settings"), "{path}");
    }
    let home = ana.get("/").await.expect(200).body;
    assert!(home.contains("shop/web") && home.contains("1 alert"), "its own alert is counted: {home}");
    // What is hidden and what is not there look the same.
    let told = async |path: &str| {
        let answer = ana.get(path).await.expect(404);
        answer.body.replace("tools/cli", "REPOSITORY").replace("shop/nothing", "REPOSITORY")
    };
    let [hidden, missing] =
        [told("/api/v1/repositories/tools/cli").await, told("/api/v1/repositories/shop/nothing").await];
    assert_eq!(hidden, missing);
    let refused = ana.put("/api/v1/repositories/shop/web", &json!({})).await.expect(403);
    assert_eq!(refused.detail(), "ana has the role developer in shop/web; this needs the role administrator there.");
    // The page offers what its reader may do.
    let page = ana.get("/repositories/shop/web").await.expect(200).body;
    assert!(page.contains("/repositories/shop/web/builds\""), "to build: {page}");
    assert!(!page.contains("/webhooks/"), "the webhook's address is for administrators: {page}");
}
