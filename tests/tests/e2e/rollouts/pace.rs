//! How many containers run, and how many serve, while a rolling release goes at its pace.

use slipway_pipelines::config::{Pace, Quota, Strategy};
use slipway_tests::{engine_events::Census, load::Load, recorder::Recorder};

use super::stage::{DOMAIN, Stage};

const REPLICAS: u32 = 4;

/// How many containers the traffic was led to, each time that this was changed.
fn serving(recorder: &Recorder) -> Vec<usize> {
    let log = recorder.step("web").text();
    let led = log.lines().filter_map(|line| line.split_once("now leads to "));
    led.map(|(_, upstreams)| upstreams.split(", ").count()).collect()
}

#[tokio::test]
async fn no_more_run_and_no_fewer_serve_than_the_pace_allows() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let web = stage.app("web", "v1", Some(DOMAIN), REPLICAS);
    stage.go_live(vec![web.clone()]).await;
    let replicas = REPLICAS as usize;
    let mut census = Census::of(stage.guard.id(), replicas);
    let load = Load::gentle(&stage.caddy.url(), DOMAIN);
    let count = Quota::Count;
    for (surge, unavailable, more, fewer) in
        [(count(2), count(0), 2, 0), (count(0), count(2), 0, 2), (Quota::Percent(25), Quota::Percent(49), 1, 1)]
    {
        stage.strategy = Strategy::Rolling(Pace { surge, unavailable });
        let recorder = stage.go_live(vec![web.clone()]).await;
        let (fewest, most) = census.replaced(replicas).await;
        let told = recorder.transcript();
        assert_eq!(most, replicas + more, "surge {surge:?}, unavailable {unavailable:?}: {told}");
        assert!(fewest >= replicas - fewer, "surge {surge:?}, unavailable {unavailable:?}: {fewest} ran: {told}");
        let serving = serving(&recorder);
        assert!(serving.len() > 1, "{told}");
        assert!(serving.iter().all(|&serving| serving >= replicas - fewer), "{serving:?} served: {told}");
        assert!(serving.iter().all(|&serving| serving <= replicas), "{serving:?} served: {told}");
        stage.assert_settled("rolled").await;
    }
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
}
