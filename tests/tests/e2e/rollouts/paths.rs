//! Apps that share a host name, each with a path of it.

use slipway_runner::proxy::Proxy as _;
use slipway_tests::{
    images,
    load::{Load, ask, client},
};

use super::{
    proxy::{App, route},
    reason,
    stage::{DOMAIN, Stage},
};

/// Builds and pushes a version that answers under `/api/` alone.
async fn publish_api(stage: &mut Stage, version: &str) {
    let files = images::web_app(version, true).map_dockerfile("COPY index.html /www/", "COPY index.html /www/api/");
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    stage.publish_files(version, &files).await;
}

trait MapDockerfile {
    fn map_dockerfile(self, from: &str, to: &str) -> Self;
}

impl MapDockerfile for Vec<(&'static str, String)> {
    fn map_dockerfile(mut self, from: &str, to: &str) -> Self {
        for (_, text) in self.iter_mut().filter(|(path, _)| *path == "Dockerfile") {
            *text = text.replace(from, to);
        }
        self
    }
}

#[tokio::test]
async fn two_apps_of_one_domain_take_over_one_after_the_other_and_no_request_meets_the_wrong_one() {
    let mut stage = Stage::open().await;
    stage.publish("web1", true).await;
    stage.publish("web2", true).await;
    publish_api(&mut stage, "api1").await;
    publish_api(&mut stage, "api2").await;
    let api = format!("{DOMAIN}/api");
    let apps = |stage: &Stage, number: u32| {
        vec![
            stage.app("api", &format!("api{number}"), Some(&api), 1),
            stage.app("web", &format!("web{number}"), Some(DOMAIN), 2),
        ]
    };
    let first = apps(&stage, 1);
    stage.go_live(first).await;
    let mut site = Load::start(&stage.caddy.url(), DOMAIN);
    let mut under = Load::start(&format!("{}/api/", stage.caddy.url()), DOMAIN);
    site.answers(50).await;
    under.answers(50).await;
    let second = apps(&stage, 2);
    stage.go_live(second).await;
    site.answers(50).await;
    under.answers(50).await;

    let (site, under) = (site.finish().await, under.finish().await);
    assert!(site.failed.is_empty() && under.failed.is_empty(), "{:?} {:?}", site.failed, under.failed);
    assert_eq!(site.good.keys().collect::<Vec<_>>(), ["web1", "web2"]);
    assert_eq!(under.good.keys().collect::<Vec<_>>(), ["api1", "api2"]);
    stage.assert_settled("the second release").await;

    // Nobody else gets the path, also not in other letters.
    let theirs = App::start("theirs").await;
    let taken = "other.test/api";
    stage.caddy.client().put("slipway-other-web", &route(taken, &theirs)).await.unwrap();
    let third = vec![stage.app("web", "web2", Some("other.test/API"), 1)];
    let (result, _) = stage.release(third).await;
    let reason = reason(result);
    assert!(
        reason.starts_with("web: the domain other.test/API is already served by web in dev of acme/shop"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_longest_path_gets_the_request_as_it_came_whatever_came_first() {
    let stage = slipway_tests::caddy::CaddyFixture::launch().await;
    let proxy = stage.client();
    let (root, api, deep) = (App::start("root").await, App::start("api").await, App::start("deep").await);
    for (id, site, app) in [
        ("slipway-a-deep", "shop.test/api/v2", &deep),
        ("slipway-a-root", DOMAIN, &root),
        ("slipway-a-api", "shop.test/api", &api),
    ] {
        proxy.put(id, &route(site, app)).await.unwrap();
        assert_eq!(proxy.route(id).await.unwrap(), Some(route(site, app)));
    }
    let client = client(false);
    for (path, expected) in [
        ("/", "root got 0 bytes at /"),
        ("/apis", "root got 0 bytes at /apis"),
        ("/api", "api got 0 bytes at /api"),
        ("/api/v1?a=b", "api got 0 bytes at /api/v1?a=b"),
        ("/api/v2/x%20y", "deep got 0 bytes at /api/v2/x%20y"),
    ] {
        let url = format!("{}{path}", stage.url());
        let answer = ask(&client, &url, DOMAIN).await.unwrap();
        assert!(answer.starts_with(expected), "{path}: {answer}");
    }
    proxy.remove("slipway-a-deep").await.unwrap();
    let answer = ask(&client, &format!("{}/api/v2/x", stage.url()), DOMAIN).await.unwrap();
    assert!(answer.starts_with("api got 0 bytes at /api/v2/x"), "{answer}");
}
