//! The home page of a company with more services than fit onto it.

use super::scene::Scene;

#[tokio::test]
async fn every_repository_is_found_however_many_there_are() {
    let scene = Scene::new().await;
    scene.ship(1, "Show the delivery date").await;
    scene.promote("staging").await;
    let home = scene.page("/").await;
    assert!(
        !home.contains("class=\"matrix\"") && home.contains("Show the delivery date"),
        "one is shown whole: {home}"
    );

    for number in 1..=60 {
        scene.connect(&format!("acme/service-{number:02}")).await;
    }
    let home = scene.page("/").await;
    assert!(home.len() < 100_000, "{} bytes", home.len());
    assert!(home.contains("class=\"matrix\"") && home.contains("<wbr>service-50<"), "{home}");
    assert!(!home.contains("<wbr>service-51<") && !home.contains("<wbr>shop<"));
    assert!(home.contains("href=\"/?after=acme%2Fservice-50\""), "{home}");
    let next = scene.page("/?after=acme%2Fservice-50").await;
    for text in ["<wbr>service-51<", "<wbr>shop<", ">dev</th>", "<b>#1</b>", "href=\"/\">First<", "queued"] {
        assert!(next.contains(text), "{text} in {next}");
    }
    assert!(!next.contains("rel=\"next\""));
    let behind = scene.page("/?after=zzz").await;
    assert!(behind.contains("No repository comes behind these."), "{behind}");
}
