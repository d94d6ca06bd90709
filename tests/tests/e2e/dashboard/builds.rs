//! What the pages of a build and of a repository say of what was built: why, from what, where it is, and how it is found.

use std::collections::BTreeMap;

use reqwest::{Response, header};
use serde_json::json;
use slipway_runner::coordinator::{
    CHANGED, CHANGED_PATHS, StepKind, StepOutcome, StepResult, UNCHANGED_SINCE, WARNING_TEXTS, WARNINGS,
};

use super::scene::{Scene, client, ended};

const SHOP: &str = "/repositories/acme/shop";

fn says(page: &str, facts: &[&str]) {
    for fact in facts {
        assert!(page.contains(fact), "“{fact}” is not in:\n{page}");
    }
}

#[tokio::test]
async fn a_build_says_what_decided_it_and_where_it_is_live() {
    let scene = Scene::new().await;
    scene.ship(1, "The first").await;
    let number = scene.push("main", 2, "The second").await;
    let lease = scene.claim().await;
    let steps = [
        (StepKind::Checkout, "", "checkout"),
        (StepKind::Build, "web", "registry.example.com/shop/web"),
        (StepKind::Build, "worker", "registry.example.com/shop/worker"),
    ];
    scene.declare(&lease, &steps).await;
    let left = |facts: &[(&str, &str)]| StepResult {
        output: facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        ..ended(StepOutcome::Succeeded, None)
    };
    let facts = [
        (CHANGED, "12"),
        (CHANGED_PATHS, r#"["web/basket.js","web/<b>.js"]"#),
        (WARNINGS, "2"),
        (WARNING_TEXTS, r#"["captain.yml:7:5: <needs> says what the order says anyway"]"#),
    ];
    scene.runner_starts(&lease, 0).await;
    scene.runner_ends(&lease, 0, left(&facts)).await;
    scene.runner_starts(&lease, 1).await;
    scene.runner_ends(&lease, 1, left(&[(UNCHANGED_SINCE, "1")])).await;
    scene.runner_starts(&lease, 2).await;

    let build = scene.page(&format!("{SHOP}/builds/{number}")).await;
    says(
        &build,
        &[
            "In the queue",
            "since <a href=\"/repositories/acme/shop/builds/1\">#1</a>",
            "12 files changed",
            "<code>web/&#60;b&#62;.js</code>",
            "and 10 more",
            "from #1",
            "taken over from <a href=\"/repositories/acme/shop/builds/1\">build #1</a>",
            "on the longest way",
        ],
    );
    let plan = scene.page(&format!("{SHOP}/plan")).await;
    says(
        &plan,
        &[
            "<a href=\"/repositories/acme/shop/builds/2\">#2</a>",
            "2 warnings",
            "captain.yml:7:5: &#60;needs&#62; says",
            "The log of the checkout tells the others.",
            "registry.example.com/shop/worker",
            "after the checkout",
        ],
    );
    let before = scene.page(&format!("{SHOP}/plan?build=1")).await;
    says(&before, &["No warnings.", "from branch main", "from staging", "rolling"]);

    scene.fail(&lease, 2, "The image of worker could not be built.").await;
    scene.ship(3, "The third").await;
    let first = scene.page(&format!("{SHOP}/builds/1")).await;
    says(
        &first,
        &[
            "replaced by <a href=\"/repositories/acme/shop/environments/dev/releases/2\">#2</a>",
            "data-copy=\"registry.example.com/shop/web@sha256:",
        ],
    );
    let third = scene.page(&format!("{SHOP}/builds/3")).await;
    says(&third, &["live since <time"]);
}

#[tokio::test]
async fn builds_are_found_by_branch_tag_author_and_status() {
    let scene = Scene::new().await;
    scene.ship(1, "Show the delivery date").await;
    // Builds of many years: every tenth failed, one of a thousand is Jo's.
    scene
        .rewrite(
            "INSERT INTO build (id, repository_id, number, dedup_key, event, git_ref, commit_sha, message, author, state,
                                created_at, pusher)
             WITH RECURSIVE many(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM many WHERE n < 7000)
             SELECT 'B' || n, (SELECT id FROM repository), n, 'key ' || n, 'push',
                    CASE WHEN n = 77 THEN 'refs/tags/v1.0' ELSE 'refs/heads/main' END, '', 'Change ' || n,
                    CASE WHEN n % 1000 = 500 THEN 'Jo <Lindqvist>' ELSE 'Ana Pereira' END,
                    CASE WHEN n = 1500 OR n % 10 = 3 THEN 'failed' ELSE 'succeeded' END, 1, ''
             FROM many",
        )
        .await;
    let jo = scene.page(&format!("{SHOP}?author=Jo+%3CLindqvist%3E&branch=&tag=&status=")).await;
    says(&jo, &["id=\"b6500\"", "id=\"b500\"", "value=\"Jo &#60;Lindqvist&#62;\""]);
    assert!(!jo.contains("id=\"b6501\"") && !jo.contains("rel=\"next\""));
    says(&scene.page(&format!("{SHOP}?tag=v1.0")).await, &["id=\"b77\"", "value=\"v1.0\""]);
    let failed = scene.page(&format!("{SHOP}?status=failed&before=6000")).await;
    says(&failed, &["id=\"b5993\"", "id=\"b5703\"", "?status=failed&#38;before=5703"]);

    // What is rare among many is looked for a stretch at a time, and each costs the same.
    let mut page = scene.page(&format!("{SHOP}?branch=main&author=Jo+%3CLindqvist%3E&status=failed")).await;
    let mut looked = 1;
    while !page.contains("id=\"b1500\"") {
        says(&page, &["None among these builds", "Look further"]);
        let link = page.split('"').find(|part| part.starts_with(SHOP) && part.contains("before=")).unwrap();
        page = scene.page(&link.replace("&#38;", "&")).await;
        looked += 1;
    }
    assert_eq!(looked, 3, "2,000 builds a page");
    let refused = scene.page(&format!("{SHOP}?branch=main&tag=v1.0")).await;
    says(&refused, &["No build is of a branch and of a tag", "value=\"main\"", "value=\"v1.0\""]);
    says(&scene.page(&format!("{SHOP}?status=odd")).await, &["choose a status of the list"]);
}

#[tokio::test]
async fn a_badge_is_for_everybody_or_for_who_has_its_address() {
    let open = Scene::new().await;
    open.ship(1, "Show the delivery date").await;
    let badge = open.get("/badges/acme/shop.svg").await;
    assert_eq!(badge.headers()[header::CONTENT_TYPE], "image/svg+xml");
    assert_eq!(badge.headers()[header::CACHE_CONTROL], "public, max-age=60");
    let tag = badge.headers()[header::ETAG].clone();
    says(&badge.text().await.unwrap(), &["main: succeeded", "<svg"]);
    let again = client().get(open.url("/badges/acme/shop.svg")).header(header::IF_NONE_MATCH, tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    says(&open.page("/badges/acme/shop.svg?branch=fix/none").await, &["fix/none: no build"]);
    says(&open.page(SHOP).await, &["/badges/acme/shop.svg)](", "id=\"badge\""]);

    let closed = Scene::closed().await;
    for name in ["acme/secret", "acme/other"] {
        let connect = client().post(closed.url("/api/v1/repositories")).bearer_auth(closed.token());
        let body = json!({"name": name, "clone_url": format!("https://github.com/{name}.git")});
        assert_eq!(connect.json(&body).send().await.unwrap().status(), 201);
    }
    let ask = async |path: &str| -> Response { client().get(closed.url(path)).send().await.unwrap() };
    assert_eq!(ask("/badges/acme/secret.svg").await.status(), 404);
    assert_eq!(ask(&format!("/badges/acme/secret.svg?token={}", "0".repeat(64))).await.status(), 404);
    let cookie = closed.log_in().await;
    let page = client().get(closed.url("/repositories/acme/secret")).header(header::COOKIE, cookie);
    let page = page.header(header::ACCEPT, "text/html").send().await.unwrap().text().await.unwrap();
    let address = page.split(['(', ')']).find(|part| part.contains("/badges/acme/secret.svg?token=")).unwrap();
    let path = &address[address.find("/badges").unwrap()..];
    let shown = ask(path).await;
    assert_eq!(shown.status(), 200, "{path}");
    says(&shown.text().await.unwrap(), &["main: no build"]);
    assert_eq!(ask(&path.replace("secret.svg", "other.svg")).await.status(), 404, "each repository has its own");
}
