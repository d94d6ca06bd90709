//! A pipeline that stops where a test wants it to: each of its commands says its lines, and goes on when its gate opens.

use std::path::PathBuf;

use serde_json::Value;
use slipway_tests::{
    house::{House, LONG, is_over},
    processes::with_text,
    wait::until,
};

/// The lines that a command says before its gate, and in all.
const BEFORE: usize = 200;
const IN_ALL: usize = 250;

/// A command that waits for a gate. They are opened in this order, so that the gate of the first command is the last:
/// whoever passes it finds the others open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The tests of the image.
    Test,
    /// A `RUN` of the Dockerfile.
    Image,
    /// A `pre` step with a container of its own.
    Container,
    /// A plain `pre` step.
    Plain,
}

impl Gate {
    const ALL: [Gate; 4] = [Gate::Test, Gate::Image, Gate::Container, Gate::Plain];

    fn word(self) -> &'static str {
        match self {
            Gate::Test => "test",
            Gate::Image => "image",
            Gate::Container => "container",
            Gate::Plain => "plain",
        }
    }
}

/// How the line begins that says that a step is run once more.
const AGAIN: &str = "this step begins again: ";

/// Says its lines, with a pause in the middle until the gate opens, which is a file in the workspace; then how often each
/// command was begun in this workspace.
const SAY: &str = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $1 >> begun\nseq 1 200 | sed \"s/^/$1 /\"\n\
                   until test -e open-$1; do sleep 0.05; done\nseq 201 250 | sed \"s/^/$1 /\"\n\
                   for command in plain container test; do echo \"begun $command $(grep -c $command begun)\"; done\n";

/// Pushes the pipeline. Its release is healthy at once, or when [`cure`] is called.
pub(crate) async fn push(house: &House, branch: &str, version: &str, healthy: bool) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  pre:\n    \
         - ./say.sh plain\n    - docker run --rm -v \"$PWD\":/w busybox:latest /w/say.sh container\n  test:\n    \
         - docker run --rm -v \"$PWD\":/w {image} /w/say.sh test\n  release:\n    port: 8080\n    \
         health: {{http: /health, interval: 100ms, timeout: 1s, retries: 3, start: 60s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n"
    );
    // The comment makes the command known among the machine's processes, and keeps this run's layers apart from those of
    // other tests, and of an earlier run whose registry had the same port.
    let wait = format!("RUN until test -e /src/open-image; do sleep 0.05; done # {image} {}", house.runner());
    let health = if healthy { "RUN touch /src/www/health\n" } else { "" };
    let dockerfile = format!(
        "FROM busybox:latest\nCOPY . /src\n{wait}\n{health}\
         CMD [\"sh\", \"-c\", \"trap 'exit 0' TERM; httpd -f -p 8080 -h /src/www & wait\"]\n"
    );
    let files = [
        ("captain.yml", captain.as_str()),
        ("Dockerfile", &dockerfile),
        ("say.sh", SAY),
        ("www/index.html", &format!("{version}\n")),
    ];
    house.push(branch, &files).await
}

/// Opens every gate of every checkout but one.
pub(crate) fn open_all_but(house: &House, closed: Option<Gate>) {
    for checkout in house.checkouts() {
        for gate in Gate::ALL.into_iter().filter(|gate| Some(*gate) != closed) {
            // A checkout may be removed meanwhile.
            drop(std::fs::write(checkout.join(format!("open-{}", gate.word())), ""));
        }
    }
}

/// The processes of the Dockerfile's command that waits for its gate.
fn running_image(house: &House) -> Vec<u32> {
    with_text(&format!("# {}", house.image()))
}

/// Opens the gate of an image build that is under way. It has a copy of the workspace, which is reached by the root of its
/// process: by root alone.
pub(crate) fn open_running_image(house: &House) {
    let roots = running_image(house).into_iter().map(|id| PathBuf::from(format!("/proc/{id}/root/src")));
    let mut sources = roots.filter(|source| source.join("say.sh").exists());
    let source = sources.next().expect("a command of the Dockerfile, and root's right to look into its container");
    std::fs::write(source.join("open-image"), "").expect("the gate to open");
}

/// Makes the running containers of releases healthy.
pub(crate) fn cure(house: &House) {
    for container in house.released_containers() {
        // It may be stopped meanwhile.
        let touch = ["exec", &container, "touch", "/src/www/health"];
        drop(std::process::Command::new("docker").args(touch).output());
    }
}

/// Waits until a command has said all that it says before its gate, and everything before is acknowledged.
pub(crate) async fn waits_at(house: &House, number: i64, gate: Gate) {
    let (kind, name) = match gate {
        Gate::Plain => ("pre", "say.sh plain"),
        Gate::Container => ("pre", "say.sh container"),
        Gate::Image => ("build", ""),
        Gate::Test => ("test", ""),
    };
    let step = opened(house, Some(gate), house.step_runs(number, kind, name)).await;
    until(&format!("the lines before the gate {gate:?}"), LONG, async || {
        open_all_but(house, Some(gate));
        let log = house.log(&format!("builds/{number}"), last_attempt(&house.build(number).await), step).await;
        let said = match gate {
            // BuildKit says a command before the files that it works on are copied: one that is killed by then, and its
            // gate opened, would copy the open gate.
            Gate::Image => log.iter().any(|line| line.contains("until test -e")) && !running_image(house).is_empty(),
            _ => log.len() >= BEFORE,
        };
        said.then_some(())
    })
    .await;
}

/// Waits for something, and opens gates meanwhile.
pub(crate) async fn opened<T>(house: &House, closed: Option<Gate>, waiting: impl Future<Output = T>) -> T {
    let opening = async {
        loop {
            open_all_but(house, closed);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = waiting => done,
        () = opening => unreachable!("it opens gates for ever"),
    }
}

/// How often the build was begun.
pub(crate) async fn attempts(house: &House, number: i64) -> usize {
    house.build(number).await["attempts"].as_array().unwrap().len()
}

/// The number of the build's last attempt. One that was killed before it had declared a step is not among them.
fn last_attempt(build: &Value) -> i64 {
    build["attempts"].as_array().unwrap().last().unwrap()["attempt"].as_i64().unwrap()
}

/// The logs of every step of every attempt of a build or release.
pub(crate) async fn logs(house: &House, path: &str) -> Vec<(i64, Value, Vec<String>)> {
    let answer = house.ask(path).await;
    let mut logs = Vec::new();
    if answer.status != 200 {
        return logs;
    }
    for attempt in answer.json()["attempts"].as_array().unwrap() {
        let number = attempt["attempt"].as_i64().unwrap();
        for step in attempt["steps"].as_array().unwrap() {
            let log = house.log(path, number, step["index"].as_i64().unwrap()).await;
            logs.push((number, step.clone(), log));
        }
    }
    logs
}

/// Every step of every attempt is over; of each run of a command the lines are there once and in order: all of them in the
/// last one, and some of them from the beginning on in those that were cut off. A step was run as often as it says.
pub(crate) async fn expect_whole_logs(house: &House, number: i64) {
    let build = house.build(number).await;
    assert!(is_over(&build));
    let last = last_attempt(&build);
    for (attempt, step, log) in logs(house, &format!("builds/{number}")).await {
        let name = step["name"].as_str().unwrap();
        let state = step["state"].as_str().unwrap();
        if attempt == last {
            assert_eq!(state, "succeeded", "{step:#}");
        } else {
            assert!(matches!(state, "succeeded" | "lost"), "attempt {attempt}: {step:#}");
        }
        let Some((_, rest)) = name.split_once("say.sh ") else { continue };
        let word = rest.trim();
        let wanted: Vec<String> = (1..=IN_ALL).map(|line| format!("{word} {line}")).collect();
        let runs: Vec<&[String]> = log.split(|line| line.starts_with(AGAIN)).collect();
        for run in &runs {
            let said: Vec<&String> = run.iter().filter(|line| line.starts_with(&format!("{word} "))).collect();
            assert!(said.iter().zip(&wanted).all(|(said, wanted)| *said == wanted), "{name}: {log:#?}");
            assert!(said.len() <= IN_ALL, "{name}: {log:#?}");
        }
        if state == "succeeded" {
            let last = runs.last().unwrap();
            assert!(last.contains(&wanted[IN_ALL - 1]), "{name}: {log:#?}");
            let counted = (runs.len() > 1).then(|| runs.len().to_string());
            assert_eq!(step["output"]["runs"].as_str().map(str::to_owned), counted, "{step:#}");
            let begun = last.iter().find_map(|line| line.strip_prefix(&format!("begun {word} "))).unwrap();
            assert!(begun.parse::<usize>().unwrap() <= runs.len(), "{name} was begun oftener than it says: {log:#?}");
        }
    }
}
