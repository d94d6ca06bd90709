//! The demo, as a newcomer starts it: it observes its own story, and leaves nothing behind.

mod registry;

use std::{process::Stdio, time::Duration};

use slipway_tests::{engine::docker, slipway::Setup, wait::until};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

const LONG: Duration = Duration::from_secs(240);

fn demo(setup: &Setup, arguments: &[&str]) -> Command {
    demo_at("127.0.0.1:0", setup, arguments)
}

fn demo_at(listen: &str, setup: &Setup, arguments: &[&str]) -> Command {
    let mut command = setup.command();
    command.args(["demo", "--listen", listen, "--folder"]).arg(setup.data_dir()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The registry's address, by which everything of one demo on the engine is told from other tests' things.
fn registry_of(output: &str) -> &str {
    let line = output.lines().find_map(|line| line.trim().strip_prefix("registry ")).expect("the registry's address");
    line.trim()
}

/// Waits until no process works below a demo's folder: its parts must end with it.
async fn parts_are_gone(setup: &Setup) {
    let folder = setup.data_dir().display().to_string();
    until("the demo's parts to end", Duration::from_secs(10), async || {
        let listed = Command::new("pgrep").args(["-af", &folder]).output().await.unwrap();
        listed.stdout.is_empty().then_some(())
    })
    .await;
}

/// Whether anything on the engine names an image of this registry.
fn left_of(registry: &str) -> Vec<String> {
    let mut names = docker(&["ps", "-a", "--format", "{{.Image}}"]);
    names.extend(docker(&["images", "--format", "{{.Repository}}"]));
    names.retain(|name| name.starts_with(registry));
    names
}

/// A demo that runs and is listened to.
struct Play {
    running: Child,
    lines: Lines<BufReader<ChildStdout>>,
    told: String,
}

impl Play {
    fn start(command: &mut Command) -> Self {
        let mut running = command.stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(running.stdout.take().unwrap()).lines();
        Play { running, lines, told: String::new() }
    }

    /// Listens until a line says this.
    async fn until(&mut self, text: &str) {
        let heard = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.told.push_str(&line);
                self.told.push('\n');
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        let heard = timeout(LONG, heard).await;
        assert!(heard.expect("to hear it in time"), "it never said {text}:\n{}", self.told);
    }

    /// Asks it to end as a service manager does, waits until it did, and tells what it has said.
    async fn ask_to_end(mut self) -> String {
        let pid = self.running.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let rest = async { while self.lines.next_line().await.unwrap().is_some() {} };
        timeout(LONG, rest).await.expect("an end in time");
        self.running.wait().await.unwrap();
        self.told
    }

    /// Ends it as `kill -9` does.
    async fn kill(mut self) {
        self.running.kill().await.unwrap();
    }
}

#[tokio::test]
async fn the_whole_story_is_observed_and_nothing_is_left() {
    let setup = Setup::new();
    let running = demo(&setup, &["--once"]).spawn().unwrap().wait_with_output();
    let output = timeout(LONG, running).await.expect("an end in time").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for chapter in [
        "Push 1: the first version goes to dev",
        "Push 2: a new version takes over while a visitor keeps asking",
        "Push 3: a version whose health check fails is taken back",
        "Promotion: production gets what is live in dev (version 2)",
        "Rollback: production returns to the release before",
        "Another branch: built, tested, tagged and pushed, not released",
        "Summary",
    ] {
        assert!(told.contains(chapter), "{chapter} is not told:\n{told}");
    }
    assert!(!told.contains('\x1b'), "no colours in a pipe");
    assert_eq!(left_of(registry_of(&told)), Vec::<String>::new());
    parts_are_gone(&setup).await;
}

#[tokio::test]
async fn a_demo_that_is_asked_to_end_cleans_up() {
    let setup = Setup::new();
    let mut play = Play::start(&mut demo(&setup, &[]));
    // In the middle of the story: the first release is live.
    play.until("dev.shop.localhost answers").await;
    let told = play.ask_to_end().await;
    assert_eq!(left_of(registry_of(&told)), Vec::<String>::new());
    parts_are_gone(&setup).await;
}
