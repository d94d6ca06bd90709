//! The proxy itself: what it does with requests while it changes, and with what clients say of themselves.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
};
use slipway_runner::proxy::{Canary, Proxy, Route};
use slipway_tests::{
    caddy::CaddyFixture,
    http_line::StrictClient,
    load::{Load, ask, client},
    wait::until,
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    reason,
    stage::{DOMAIN, Stage},
};

/// How often the route changes under load.
const CHANGES: usize = 200;

/// An app that answers with its name, what it was sent, and what it was told of its client.
pub(super) struct App {
    address: String,
    _serving: JoinSet<()>,
}

impl App {
    pub(super) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(name);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        App { address, _serving: serving }
    }
}

async fn answer(State(name): State<&'static str>, uri: Uri, headers: HeaderMap, body: Bytes) -> String {
    let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host"];
    let told = told.map(|name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-"));
    format!("{name} got {} bytes at {uri} for {}", body.len(), told.join(" "))
}

pub(super) fn route(host: &str, app: &App) -> Route {
    Route {
        owner: "web in dev of acme/shop".to_owned(),
        hosts: vec![host.to_owned()],
        upstreams: vec![app.address.clone()],
        draining: vec![],
        canary: None,
        counted: false,
    }
}

#[tokio::test]
async fn hundreds_of_changes_lose_no_request_of_any_client() {
    let caddy = CaddyFixture::launch().await;
    let proxy = caddy.client();
    let (one, two) = (App::start("one").await, App::start("two").await);
    proxy.put("slipway-a-web", &route(DOMAIN, &one)).await.unwrap();
    let mut load = Load::with_posts(&caddy.url(), DOMAIN);
    for change in 0..CHANGES {
        let app = if change % 2 == 0 { &two } else { &one };
        proxy.put("slipway-a-web", &route(DOMAIN, app)).await.unwrap();
        // Others come and go meanwhile.
        match change % 10 {
            0 => proxy.put("slipway-b-web", &route("other.test", &one)).await.unwrap(),
            5 => proxy.remove("slipway-b-web").await.unwrap(),
            _ => {}
        }
    }
    load.answers(20).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    for expected in ["one got 0 bytes", "one got 20000 bytes", "two got 0 bytes", "two got 20000 bytes"] {
        assert!(answers.good.keys().any(|text| text.starts_with(expected)), "{expected}: {:?}", answers.good);
    }
}

#[tokio::test]
async fn a_divided_route_gives_each_its_share_counts_it_and_loses_no_request() {
    let caddy = CaddyFixture::launch().await;
    let proxy = caddy.client();
    let (stable, canary) = (App::start("stable").await, App::start("canary").await);
    let divided = |share: u8| Route {
        canary: Some(Canary { share, upstreams: vec![canary.address.clone()] }),
        ..route(DOMAIN, &stable)
    };
    proxy.put("slipway-a-web", &route(DOMAIN, &stable)).await.unwrap();
    let mut load = Load::with_posts(&caddy.url(), DOMAIN);
    load.answers(20).await;
    proxy.put("slipway-a-web", &divided(25)).await.unwrap();
    let before = proxy.traffic("slipway-a-web").await.unwrap();
    load.answers(400).await;
    let counted = proxy.traffic("slipway-a-web").await.unwrap().since(&before);
    let all = counted.stable.requests + counted.canary.requests;
    assert!(all >= 390, "{counted:?}");
    let share = counted.canary.requests * 100 / all;
    assert!((20..=30).contains(&share), "{share} % of {all}");
    assert_eq!((counted.stable.errors, counted.canary.errors), (0, 0));
    assert!(counted.canary.slowest_twentieth_ms().is_some());

    for change in 0..CHANGES / 2 {
        proxy.put("slipway-a-web", &divided(if change % 2 == 0 { 10 } else { 60 })).await.unwrap();
        // The lanes of others come and go meanwhile.
        match change % 10 {
            0 => proxy.put("slipway-b-web", &Route { hosts: vec!["b.test".to_owned()], ..divided(50) }).await.unwrap(),
            5 => proxy.remove("slipway-b-web").await.unwrap(),
            _ => {}
        }
    }
    proxy.put("slipway-a-web", &route(DOMAIN, &canary)).await.unwrap();
    load.answers(100).await;
    proxy.close_lanes("slipway-a-web").await.unwrap();
    load.answers(100).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    assert_eq!(caddy.servers().await, ["slipway"], "nothing of the lanes is left");
}

#[tokio::test]
async fn the_app_behind_a_divided_route_is_told_its_clients_address() {
    let caddy = CaddyFixture::launch().await;
    let app = App::start("app").await;
    let canary = Some(Canary { share: 50, upstreams: vec![app.address.clone()] });
    caddy.client().put("slipway-a-web", &Route { canary, ..route(DOMAIN, &app) }).await.unwrap();
    for _ in 0..2 {
        let told = ask(&client(false), &caddy.url(), DOMAIN).await.unwrap();
        assert_eq!(told, "app got 0 bytes at / for 127.0.0.1 http shop.test shop.test");
    }
}

#[tokio::test]
async fn an_app_is_told_its_clients_address_and_no_client_can_tell_another() {
    let caddy = CaddyFixture::launch().await;
    let app = App::start("app").await;
    caddy.client().put("slipway-a-web", &route(DOMAIN, &app)).await.unwrap();
    let request = client(false)
        .get(caddy.url())
        .header("Host", DOMAIN)
        .header("X-Forwarded-For", "192.0.2.66")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "forged.test");
    let told = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(told, "app got 0 bytes at / for 127.0.0.1 http shop.test shop.test");
}

#[tokio::test]
async fn a_proxy_that_lost_its_routes_has_them_again_after_the_next_change() {
    let mut caddy = CaddyFixture::launch().await;
    let proxy = caddy.client();
    let app = App::start("app").await;
    let asked = async |caddy: &CaddyFixture, host: &str| ask(&client(false), &caddy.url(), host).await;
    proxy.put("slipway-a-web", &route(DOMAIN, &app)).await.unwrap();
    assert!(asked(&caddy, DOMAIN).await.is_ok());
    let unknown = asked(&caddy, "nobody.test").await.unwrap_err();
    assert_eq!(unknown, "404 Not Found No app is released under this host name.\n");

    caddy.stop_switch();
    let sorry = asked(&caddy, DOMAIN).await.unwrap_err();
    assert_eq!(sorry, "503 Service Unavailable The releases cannot be reached at the moment.\n");
    caddy.start().await;
    proxy.put("slipway-a-web", &route(DOMAIN, &app)).await.unwrap();
    assert!(asked(&caddy, DOMAIN).await.is_ok());

    caddy.stop();
    caddy.start().await;
    proxy.put("slipway-a-web", &route(DOMAIN, &app)).await.unwrap();
    assert!(asked(&caddy, DOMAIN).await.is_ok());
}

#[tokio::test]
async fn a_second_caddy_takes_over_from_one_that_served_alone() {
    let caddy = CaddyFixture::launch().await;
    let (old, new) = (App::start("old").await, App::start("new").await);
    let mut alone = caddy.config();
    alone.switch = None;
    let alone = slipway_runner::proxy::Caddy::new(alone);
    alone.put("slipway-a-web", &route(DOMAIN, &old)).await.unwrap();
    answers(&caddy, "old got").await;
    caddy.client().put("slipway-a-web", &route(DOMAIN, &new)).await.unwrap();
    answers(&caddy, "new got").await;
    caddy.client().remove("slipway-a-web").await.unwrap();
    answers(&caddy, "404 No app").await;
    alone.put("slipway-a-web", &route(DOMAIN, &old)).await.unwrap();
    answers(&caddy, "old got").await;
}

/// Waits until visitors get this: for a moment, a Caddy's earlier server takes connections beside the next one.
async fn answers(caddy: &CaddyFixture, expected: &str) {
    let mut visitor = StrictClient::new(&caddy.url(), DOMAIN, vec![], false);
    until(expected, Duration::from_secs(10), async || {
        let answer = visitor.ask().await.unwrap_or_else(|failure| failure);
        answer.starts_with(expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_domain_that_another_environment_serves_is_refused_before_anything_is_touched() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let theirs = App::start("theirs").await;
    stage.caddy.client().put("slipway-other-web", &route(DOMAIN, &theirs)).await.unwrap();
    let web = stage.app("web", "v1", Some("Shop.test"), 1);
    let (result, _) = stage.release(vec![web]).await;
    assert_eq!(
        reason(result),
        "web: the domain Shop.test is already served by web in dev of acme/shop; give web in dev of acme/shop a domain \
         or a path of its own"
    );
    assert!(stage.instances().await.is_empty());
    let twice = vec![stage.app("api", "v1", Some("a.test"), 1), stage.app("web", "v1", Some("a.test"), 1)];
    let (result, _) = stage.release(twice).await;
    assert_eq!(reason(result), "web: the domain a.test is api's already; give web a domain or a path of its own");
}

#[tokio::test]
async fn many_that_come_to_an_empty_proxy_at_once_are_all_served() {
    let caddy = CaddyFixture::launch().await;
    let app = App::start("app").await;
    // As several runners and environments do, of which none knows of the others.
    let mut coming = JoinSet::new();
    for number in 0..12 {
        let (proxy, route) = (caddy.client(), route(&format!("app{number}.test"), &app));
        coming.spawn(async move {
            proxy.prepare().await?;
            proxy.put(&format!("slipway-{number}-web"), &route).await
        });
    }
    while let Some(came) = coming.join_next().await {
        came.unwrap().unwrap();
    }
    let client = client(false);
    for number in 0..12 {
        let answer = ask(&client, &caddy.url(), &format!("app{number}.test")).await.unwrap();
        assert!(answer.starts_with("app got"), "{number}: {answer}");
    }
    let unknown = ask(&client, &caddy.url(), "nobody.test").await.unwrap_err();
    assert!(unknown.starts_with("404"), "the last route is still the last: {unknown}");
    assert_eq!(caddy.client().claims().await.unwrap().len(), 12);
}

#[tokio::test]
async fn one_caddy_alone_serves_as_well_and_the_log_says_what_that_means() {
    let mut stage = Stage::open().await;
    stage.caddy = CaddyFixture::launch_without_switch().await;
    stage.publish("v1", true).await;
    let web = stage.web("v1");
    let recorder = stage.go_live(vec![web]).await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
    let log = recorder.step("Check").text();
    assert!(log.contains("one Caddy alone") && log.contains("proxy.switch_admin"), "{log}");
}
