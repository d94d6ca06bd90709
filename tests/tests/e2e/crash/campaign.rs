//! The kill campaign: one pipeline after the other, each killed once, at the k-th event that it commits or at a moment
//! that nobody chose; and whatever the moment, it ends as if nothing had happened.
//!
//! A handful of kills in the ordinary suite. `SLIPWAY_KILLS=300` makes a campaign of it, `SLIPWAY_SEED=…` repeats one:
//! CONTRIBUTING.md says how.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    dice::{Dice, seed},
    engine::docker,
    house::{House, LONG, Victim, is_over},
    on_both_databases,
    slipway::Setup,
    wait::until,
};

/// How many lines each command says, over about a second.
const LINES: usize = 30;
/// A pipeline commits about this many events from its push until it is live.
const EVENTS: u64 = 34;
/// A pipeline takes about this long.
const SPAN_MS: u64 = 7_000;

on_both_databases!(killed_at_any_moment, one_of_two_is_killed_at_any_moment);

/// When a pipeline is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// As the event of this number after its push commits.
    Event(u64),
    /// So long after its push.
    After(Duration),
}

/// What a pipeline is to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Live,
    /// Its test fails: nothing is pushed.
    Failed,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Event(number) => write!(f, "at event {number}"),
            Moment::After(time) => write!(f, "after {} ms", time.as_millis()),
        }
    }
}

async fn killed_at_any_moment(database: TestDatabase) {
    campaign(House::on(database).await, &[Victim::Both]).await;
}

/// Server and runner are two processes: one of them is killed, or both.
async fn one_of_two_is_killed_at_any_moment(database: TestDatabase) {
    let house = House::remote(database, Setup::new(), async |url: &str| url.to_owned()).await;
    campaign(house, &[Victim::Both, Victim::Server, Victim::Runner]).await;
}

async fn campaign(mut house: House, victims: &[Victim]) {
    let (kills, seed) = (setting("SLIPWAY_KILLS").unwrap_or(2_u64), seed());
    let mut dice = Dice::new(seed);
    let mut released = 0;
    for kill in 1..=kills {
        // A long campaign visits every event in turn; a short one some of them.
        let moment = match kill % 2 {
            0 => Moment::After(Duration::from_millis(dice.roll(SPAN_MS))),
            _ if kills >= EVENTS => Moment::Event(kill / 2 % EVENTS),
            _ => Moment::Event(dice.roll(EVENTS)),
        };
        let victim = victims[dice.roll(victims.len() as u64) as usize];
        let wanted = if kill % 3 == 2 { Wanted::Failed } else { Wanted::Live };
        tell(&format!("kill {kill} of {kills} (SLIPWAY_SEED={seed}): {victim:?} {moment}, to be {wanted:?}"));
        if wanted == Wanted::Live {
            released += 1;
        }
        one(&mut house, kill, (moment, victim), wanted, released).await;
    }
}

/// One pipeline and one kill.
async fn one(house: &mut House, kill: u64, (moment, victim): (Moment, Victim), wanted: Wanted, released: i64) {
    let before = last_event(house).await;
    let version = format!("version {kill}");
    let branch = if wanted == Wanted::Live { "main" } else { "broken" };
    let number = push(house, branch, &version, wanted).await;
    match moment {
        Moment::Event(wished) => events_go_by(house, before, wished, number, wanted, released).await,
        Moment::After(time) => tokio::time::sleep(time).await,
    }
    house.kill(victim).await;
    house.start_again(victim).await;

    // 1. It comes to its end, in words.
    let build = match wanted {
        Wanted::Live => {
            let build = house.build_in(number, "succeeded").await;
            house.live("dev", released).await;
            assert_eq!(house.visit("dev.localhost").await, format!("{version}\n"));
            assert_eq!(house.pushed("main", &[]).await.as_deref(), build["artifacts"][0]["digest"].as_str());
            build
        }
        Wanted::Failed => {
            let build = house.build_in(number, "failed").await;
            assert_eq!(house.pushed("broken", &[]).await, None, "nothing of a failed build is pushed: {build:#}");
            assert_eq!(build["artifacts"].as_array().unwrap().len(), 0);
            build
        }
    };

    // 2. Every command's lines are there once, and what it did was done as often as it says.
    let ledger = ledger(house, number);
    for word in ["plain", "container", "test"] {
        let begun = expect_whole(house, number, &build, word, wanted).await;
        let done = ledger.get(word).copied().unwrap_or_default();
        assert!((1..=begun).contains(&done), "{word} was done {done} times and says {begun}: {build:#}");
        assert!(begun == 1 || victim != Victim::Server, "a server's death interrupts no step: {build:#}");
    }

    // 3. Nothing is left behind.
    house.is_tidy(usize::from(released > 0)).await;
}

/// Says its lines with a name of this very run in each; before, it leaves a mark in a volume that outlives the build.
const SAY: &str = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nrun=$(cat /proc/sys/kernel/random/uuid)\n\
                   echo \"$(cat number) $1 $run\" >> /ledger/runs\n\
                   for line in $(seq 1 30); do echo \"$1 $run $line\"; sleep 0.03; done\n\
                   test ! -e fail-$1\n";

async fn push(house: &House, branch: &str, version: &str, wanted: Wanted) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  pre:\n    \
         - {{run: ./say.sh plain, cache: [/ledger]}}\n    \
         - docker run --rm -v \"$PWD\":/w -v ~/ledger:/ledger busybox:latest /w/say.sh container\n  test:\n    \
         - docker run --rm -v \"$PWD\":/w -v ~/ledger:/ledger {image} /w/say.sh test\n  release:\n    port: 8080\n    \
         health: {{http: /, interval: 100ms, timeout: 1s, retries: 3, start: 60s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n"
    );
    let dockerfile = format!(
        "FROM busybox:latest\nCOPY www /www\nRUN sleep 0.3 # {image} {}\n\
         CMD [\"sh\", \"-c\", \"trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait\"]\n",
        house.runner()
    );
    let page = format!("{version}\n");
    let mut files = vec![
        ("captain.yml", captain.as_str()),
        ("Dockerfile", &dockerfile),
        ("say.sh", SAY),
        ("number", version),
        ("www/index.html", &page),
    ];
    if wanted == Wanted::Failed {
        files.push(("fail-test", "so that its test fails"));
    }
    house.push(branch, &files).await
}

/// How often each command of this version was begun, as its marks say.
fn ledger(house: &House, number: i64) -> BTreeMap<String, u64> {
    let runner = format!("label=slipway.runner={}", house.runner());
    let volumes = docker(&["volume", "ls", "-q", "--filter", &runner, "--filter", "label=slipway=cache"]);
    let mut counts = BTreeMap::new();
    for volume in volumes {
        let mount = format!("{volume}:/ledger:ro");
        let read =
            ["run", "--rm", "--network=none", "-v", &mount, "busybox:latest", "sh", "-c", "cat /ledger/runs || true"];
        for line in docker(&read) {
            let mut words = line.split(' ');
            if words.next() == Some("version") && words.next() == Some(number.to_string().as_str()) {
                *counts.entry(words.next().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

/// The lines of a command are there in order, all of those of its last run, and no line of one run twice. Answers how
/// often it says that it was begun.
async fn expect_whole(house: &House, number: i64, build: &Value, word: &str, wanted: Wanted) -> u64 {
    let attempts = build["attempts"].as_array().unwrap();
    let mut begun = 0;
    // One that was killed before it had declared a step is not among them.
    let last_attempt = attempts.last().map(|attempt| &attempt["attempt"]);
    for attempt in attempts {
        let at = attempt["attempt"].as_i64().unwrap();
        let steps = attempt["steps"].as_array().unwrap();
        let name = format!("say.sh {word}");
        let Some(step) = steps.iter().find(|step| step["name"].as_str().unwrap().contains(&name)) else { continue };
        if !step["started_at"].is_string() {
            continue;
        }
        begun += step["output"]["runs"].as_str().map_or(1, |runs| runs.parse().unwrap());
        let index = step["index"].as_i64().unwrap();
        let log = house.log(&format!("builds/{number}"), at, index).await;
        let mut said: Vec<(&str, Vec<usize>)> = Vec::new();
        for line in log.iter().filter_map(|line| line.strip_prefix(&format!("{word} "))) {
            let (run, count) = line.split_once(' ').unwrap();
            let count = count.parse().unwrap();
            match said.last_mut().filter(|(known, _)| *known == run) {
                Some((_, lines)) => lines.push(count),
                None => said.push((run, vec![count])),
            }
        }
        for (_, lines) in &said {
            assert_eq!(*lines, (1..=lines.len()).collect::<Vec<_>>(), "{word}, attempt {at}: {log:#?}");
        }
        if Some(&attempt["attempt"]) == last_attempt {
            let (_, last) = said.last().unwrap_or_else(|| panic!("{word} said nothing: {log:#?}"));
            assert_eq!(last.len(), LINES, "{word}, attempt {at}: {log:#?}");
            let state = if wanted == Wanted::Failed && word == "test" { "failed" } else { "succeeded" };
            assert_eq!(step["state"], state, "{step:#}");
        }
    }
    begun
}

/// Waits until so many more events have happened, or the pipeline has come to its end.
async fn events_go_by(house: &House, mut after: i64, wished: u64, number: i64, wanted: Wanted, released: i64) {
    let api = house.slipway.api();
    let mut seen = 0;
    until("more events", LONG, async || {
        let page = api.get(&format!("/api/v1/events?after={after}")).await.expect(200).json();
        seen += page["items"].as_array().unwrap().len() as u64;
        after = page["after"].as_i64().unwrap();
        if seen >= wished {
            return Some(());
        }
        let over = match wanted {
            Wanted::Live => house.release("dev", released).await.is_some_and(|release| release["state"] == "live"),
            Wanted::Failed => is_over(&house.build(number).await),
        };
        over.then_some(())
    })
    .await;
}

async fn last_event(house: &House) -> i64 {
    let api = house.slipway.api();
    let mut after = 0;
    loop {
        let page = api.get(&format!("/api/v1/events?after={after}")).await.expect(200).json();
        let next = page["after"].as_i64().unwrap();
        if next == after {
            return after;
        }
        after = next;
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn setting<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[expect(clippy::print_stderr, reason = "what repeats a failure")]
fn tell(line: &str) {
    eprintln!("{line}");
}
