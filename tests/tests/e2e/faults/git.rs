//! A git server that is away, or slow.

use slipway_tests::house::House;

#[tokio::test]
async fn a_git_server_that_is_away_is_named_and_the_next_push_builds() {
    let mut house = House::open().await;
    let commit = house.git.commit("main", &files(&captain(&house), "one"));
    house.git_server.stop();
    let number = house.announce("main", &commit).await;
    let build = house.build_in(number, "failed").await;
    let reason = build["reason"].as_str().unwrap();
    assert!(reason.contains("cannot fetch from git://127.0.0.1:"), "{reason}");
    house.is_tidy(0).await;
    house.git_server.resume().await;
    let number = house.push("main", &files(&captain(&house), "two")).await;
    house.build_in(number, "succeeded").await;
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_slow_git_server_is_waited_for() {
    let house = House::open().await;
    house.git_server.hold();
    let number = house.push("main", &files(&captain(&house), "one")).await;
    house.step_runs(number, "checkout", "").await;
    house.git_server.go_on();
    house.build_in(number, "succeeded").await;
    house.is_tidy(0).await;
}

fn captain(house: &House) -> String {
    format!("web:\n  build: Dockerfile\n  image: {}\n", house.image())
}

fn files<'a>(captain: &'a str, version: &'a str) -> [(&'a str, &'a str); 3] {
    [("captain.yml", captain), ("Dockerfile", "FROM busybox:latest\nCOPY version /\n"), ("version", version)]
}
