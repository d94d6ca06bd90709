//! Server and runner are two processes, and one of them is killed in each phase, one pipeline after the other. Without
//! the server everything goes on; without the runner only what its death itself cut off is run again.

use slipway_tests::{
    databases::TestDatabase,
    house::{House, Victim},
    slipway::Setup,
};

use super::{
    gates::{Gate, logs, open_all_but, open_running_image},
    phases::{Phase, ends_well, get_to, keeps},
};

const ALL: [Phase; 7] = [
    Phase::Checkout,
    Phase::Command(Gate::Plain),
    Phase::Command(Gate::Container),
    Phase::Command(Gate::Image),
    Phase::Command(Gate::Test),
    Phase::Push,
    Phase::Rollout,
];
const SOME: [Phase; 3] = [Phase::Command(Gate::Plain), Phase::Push, Phase::Rollout];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server() {
    is_killed_in(TestDatabase::sqlite(), Victim::Server, &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_on_postgres() {
    is_killed_in(TestDatabase::postgres().await, Victim::Server, &SOME).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runner() {
    is_killed_in(TestDatabase::sqlite(), Victim::Runner, &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runner_on_postgres() {
    is_killed_in(TestDatabase::postgres().await, Victim::Runner, &SOME).await;
}

#[expect(clippy::print_stdout, reason = "the harness shows it where the test fails")]
async fn is_killed_in(database: TestDatabase, victim: Victim, phases: &[Phase]) {
    let mut house = House::remote(database, Setup::new(), async |url: &str| url.to_owned()).await;
    for (round, phase) in (1..).zip(phases) {
        println!("round {round}: {victim:?} is killed in {phase:?}");
        one(&mut house, round, victim, *phase).await;
    }
}

/// One pipeline, killed in one phase; the round's number is that of its release, too.
async fn one(house: &mut House, round: i64, victim: Victim, phase: Phase) {
    let version = format!("version {round}");
    let number = get_to(house, phase, &version).await;
    let paths = [format!("builds/{number}"), format!("environments/dev/releases/{round}")];
    let before = [logs(house, &paths[0]).await, logs(house, &paths[1]).await];
    house.kill(victim).await;
    // A command comes to its end while nobody is told.
    open_all_but(house, None);
    if (victim, phase) == (Victim::Server, Phase::Command(Gate::Image)) {
        open_running_image(house);
    }
    house.git_server.go_on();
    house.registry.go_on();
    house.start_again(victim).await;
    let again = match victim {
        Victim::Server => Some([].as_slice()),
        Victim::Both | Victim::Runner => phase.run_again(),
    };
    ends_well(house, &version, (number, round), again).await;
    for (path, before) in paths.iter().zip(&before) {
        keeps(before, &logs(house, path).await);
    }
}
