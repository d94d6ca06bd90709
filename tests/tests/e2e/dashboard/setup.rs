//! From an empty server to a first green build by the pages alone, and what a runner and a delivery can be asked there.

use slipway_runner::coordinator::StepKind;
use slipway_tests::{
    browser::Browser,
    forge::{Delivery, Push, Webhook, commit},
};

use super::scene::Scene;

/// What a field of the page holds for somebody who copies it.
async fn copied(browser: &Browser, selector: &str) -> String {
    let script = format!("return document.querySelector('{selector}').textContent");
    browser.eval(&script).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_is_led_from_connecting_a_repository_to_its_first_green_build() {
    let scene = Scene::new().await;
    let browser = Browser::open().await;
    browser.goto(&scene.url("/login?next=/connect")).await;
    browser.type_into("#token", &format!("{}\u{e007}", scene.token())).await;
    browser.shows("h1", "Connect a repository").await;
    browser.type_into("#name", "acme/mailer").await;
    browser.type_into("#clone_url", "https://github.com/acme/mailer.git").await;
    browser.press("Connect").await;
    browser.shows("h1", "Set up acme/mailer").await;
    browser.shows("#hook", "GitHub cannot reach 127.0.0.1").await;
    let webhook = Webhook {
        repository: "acme/mailer".to_owned(),
        url: copied(&browser, "#hook-url").await,
        secret: copied(&browser, "#hook-secret").await,
    };

    // The page waits; it says why a delivery was refused, and what a test delivery met.
    browser.press("It is added").await;
    browser.shows("#ping", "Nothing has come yet").await;
    assert!(!browser.client().source().await.unwrap().contains(&webhook.secret), "it is shown once");
    let wrong = Webhook { secret: "another".to_owned(), ..webhook.clone() };
    Delivery::ping("acme/mailer").send(&wrong).await.expect(401);
    browser.shows("#ping [role=alert]", "its signature does not hold").await;
    browser.press("Send a test delivery").await;
    browser.shows("#ping [role=status]", "The test delivery arrived").await;
    browser.shows("#ping .deliveries", "ping: the hook works").await;

    // Whoever comes back later finds it as it stands, and sees the build to its end.
    browser.goto(&scene.url("/repositories/acme/mailer")).await;
    browser.press("the setup").await;
    browser.shows("#captain-yml", "image: acme/mailer").await;
    Push::to_branch("acme/mailer", "main", &commit("first")).delivery().send(&webhook).await.expect(202);
    browser.shows("#first-build", "queued").await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Checkout, "", "main")]).await;
    scene.run(&lease, 0, &["# checked out main"]).await;
    scene.succeed(&lease).await;
    browser.shows("h1", "acme/mailer builds").await;
    browser.press("build 1").await;
    browser.shows("h1", "#1").await;
    scene.stop().await;
}

#[tokio::test]
async fn a_drained_runner_gets_no_job_until_it_is_let_again() {
    let scene = Scene::new().await;
    let cookie = scene.log_in().await;
    let runner = scene.page_of("/runners", &cookie).await;
    let address =
        runner.split('"').find(|part| part.ends_with("/drain")).unwrap().trim_end_matches("/drain").to_owned();
    assert_eq!(scene.post(&format!("{address}/drain"), "", Some(&cookie)).await.status(), 303);
    let number = scene.push("main", 1, "Wait").await;
    scene.finds_no_job().await;
    let build = scene.page(&format!("/repositories/acme/shop/builds/{number}")).await;
    assert!(build.contains("embedded takes nothing new, as administrator said"), "{build}");
    assert!(scene.page("/runners").await.contains("drained"));
    assert_eq!(scene.post(&format!("{address}/undrain"), "", Some(&cookie)).await.status(), 303);
    scene.claim().await;

    // Another one is admitted with a token that is shown once.
    let admitted = scene.post("/runners", "name=build-2&labels=disk=fast,arch=arm64", Some(&cookie)).await;
    assert_eq!(admitted.status(), 201);
    assert!(admitted.text().await.unwrap().contains("slipway_runner_"));
    let wrong = scene.post("/runners", "name=build-3&labels=fast", Some(&cookie)).await;
    assert_eq!(wrong.status(), 422);
    let page = wrong.text().await.unwrap();
    assert!(page.contains("A label is written KEY=VALUE") && page.contains("value=\"build-3\""), "{page}");
    assert!(scene.page("/runners").await.contains("disk=fast"));
    scene.stop().await;
}
