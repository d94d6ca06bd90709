//! Step containers that outlive their runner, and are taken over by its next life.

use std::{path::PathBuf, time::Duration};

use slipway_runner::{
    AtShutdown,
    coordinator::{LogStream, StepOutcome},
};
use slipway_tests::{
    build_house::{Build, BuildHouse},
    engine,
    wait::until,
};

const LIMIT: Duration = Duration::from_secs(60);

/// A build whose runner is gone.
struct Left {
    house: BuildHouse,
    job: String,
}

impl Left {
    /// Begins a build, and shuts the runner down once each of these was logged.
    async fn after(captain: &str, logged: &[&str]) -> Self {
        let mut house = BuildHouse::new().await;
        house.config.at_shutdown = AtShutdown::Leave;
        let commit = house.commit(&format!("defaults: {{step_image: \"busybox:latest\"}}\n{captain}"), &[]);
        let job = house.queue(&commit);
        for text in logged {
            house.logged(&job, text).await;
        }
        house.stop_runner().await;
        Left { house, job }
    }

    /// The build's checkout.
    fn workspace(&self) -> PathBuf {
        let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found = entries(self.house.workspaces()).flat_map(entries).filter(|path| path.extension().is_none());
        found.next().expect("the checkout stays")
    }

    /// Lets commands go on that wait for a file.
    fn open(&self, name: &str) {
        std::fs::write(self.workspace().join(name), "").unwrap();
    }

    async fn wait_for_file(&self, name: &str) {
        let path = self.workspace().join(name);
        until(name, LIMIT, async || path.exists().then_some(())).await;
    }

    /// The container of the step whose name contains `part`.
    fn container(&self, part: &str) -> String {
        let record = self.house.server.record(&self.job);
        let step =
            record.steps.values().find(|step| step.declaration.name.contains(part)).expect("the step is declared");
        let (runner, step) = (&self.house.config.id, step.declaration.index);
        let filters = [format!("label=slipway.runner={runner}"), format!("label=slipway.step={step}")];
        let found = engine::docker(&["ps", "-aq", "--filter", &filters[0], "--filter", &filters[1]]);
        let [container] = &found[..] else { panic!("one container of {part}: {found:?}") };
        container.clone()
    }

    async fn wait_for_end(&self, part: &str) {
        let container = self.container(part);
        let ended =
            async || (engine::docker(&["inspect", "-f", "{{.State.Running}}", &container]) == ["false"]).then_some(());
        until("the container to end", LIMIT, ended).await;
    }

    /// The runner's next life, until the build has ended and nothing is left of it.
    async fn go_on(mut self, open: &[&str]) -> Build {
        self.house.start_runner();
        for name in open {
            self.open(name);
        }
        let build = self.house.ended(&self.job).await;
        self.house.leaves_nothing().await;
        build
    }
}

fn runs(build: &Build, part: &str) -> Option<String> {
    build.step(part).result.as_ref().expect("it ended").output.get("runs").cloned()
}

/// Writes numbers to both streams, waits for a file, and writes more.
fn talk(name: &str, file: &str) -> String {
    let numbers = |from, to| format!("seq {from} {to}; seq {from} {to} >&2");
    format!(
        "echo run >> {name}-runs; {}; echo {name} waits; until test -e {file}; do sleep 0.05; done; {}; printf end; touch {name}-done",
        numbers(1, 2000),
        numbers(2001, 4000)
    )
}

fn assert_said_once(build: &Build, name: &str) {
    let step = build.step(&format!("{name} waits"));
    let expected: Vec<_> = (1..=4000).map(|number| number.to_string()).collect();
    assert_eq!(step.said_on(LogStream::Err), expected, "{name}: each line once, in order");
    let out = step.said_on(LogStream::Out);
    assert_eq!((out[2000], out[4001]), (&*format!("{name} waits"), "end"), "{name}");
    assert_eq!([&out[..2000], &out[2001..4001]].concat(), expected, "{name}: each line once, in order");
    assert_eq!(out.len(), 4002, "{name}");
    assert_eq!(runs(build, &format!("{name} waits")), None, "{name} ran once");
    assert_eq!(build.step(&format!("cat {name}-runs")).text(), "run\n", "{name} ran once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_and_each_line_is_stored_once() {
    let boxed =
        |name, file| format!("docker run --rm -v \"$PWD\":/app -w /app busybox:latest sh -c '{}'", talk(name, file));
    let app = |name: &str, command: &str, more: &str| {
        format!(
            "{name}:\n  build: Dockerfile\n  image: IMAGE-{name}\n  \
             pre: [{{name: {name} waits, run: {command:?}}}, \"cat {name}-runs\"{more}]\n"
        )
    };
    let captain = [
        app("plain", &format!("echo kept > /outside; {}", talk("plain", "open")), ", \"cat /outside\""),
        app("boxed", &boxed("boxed", "open"), ""),
        app("plain-away", &talk("plain-away", "away"), ""),
        app("boxed-away", &boxed("boxed-away", "away"), ""),
    ];
    let waiting = ["plain waits", "boxed waits", "plain-away waits", "boxed-away waits"];
    let left = Left::after(&captain.concat(), &waiting).await;
    // Two end while nobody looks; one was frozen by the life before.
    left.open("away");
    left.wait_for_file("plain-away-done").await;
    left.wait_for_end("boxed-away waits").await;
    let frozen = left.container("boxed waits");
    assert_eq!(engine::docker(&["pause", &frozen]), [frozen.as_str()]);
    let build = left.go_on(&["open"]).await;
    for name in ["plain", "boxed", "plain-away", "boxed-away"] {
        assert_said_once(&build, name);
    }
    assert_eq!(build.step("cat /outside").text(), "kept\n", "later commands find the container of the ones before");
    assert_eq!(build.artifacts().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_command_ended_while_nobody_looked_is_read() {
    let wait = "until test -e away; do sleep 0.05; done; echo last";
    let captain = format!(
        "plain: {{build: Dockerfile, image: IMAGE, pre: [\"echo plain waits; {wait}; touch plain-done; exit 7\"]}}\n\
         boxed: {{build: Dockerfile, image: IMAGE-boxed, pre: ['docker run --rm -v \"$PWD\":/app -w /app busybox:latest \
         sh -c \"echo boxed waits; {wait}; exit 8\"']}}\n"
    );
    let left = Left::after(&captain, &["plain waits", "boxed waits"]).await;
    left.open("away");
    left.wait_for_file("plain-done").await;
    left.wait_for_end("boxed waits").await;
    let build = left.go_on(&[]).await;
    for (name, code) in [("plain", 7), ("boxed", 8)] {
        let step = build.step(&format!("{name} waits"));
        assert_eq!(step.said_on(LogStream::Out), [&*format!("{name} waits"), "last"]);
        assert_eq!(step.result.as_ref().unwrap().exit_code, Some(code));
        assert_eq!(runs(&build, &format!("{name} waits")), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_was_stopped_runs_again_and_says_so_and_what_was_only_made_is_started() {
    let app = |name: &str| {
        format!(
            "{name}:\n  build: Dockerfile\n  image: IMAGE-{name}\n  pre:\n    \
             - 'docker run --rm -v \"$PWD\":/app -w /app busybox:latest sh -c \"echo {name} waits; until test -e open; do sleep 0.05; done\"'\n"
        )
    };
    let left =
        Left::after(&["gone", "stopped", "made"].map(app).concat(), &["gone waits", "stopped waits", "made waits"])
            .await;
    let [gone, stopped, made] = ["gone", "stopped", "made"].map(|name| left.container(&format!("{name} waits")));
    let labels = "{{range $key, $value := .Config.Labels}}--label\n{{$key}}={{$value}}\n{{end}}";
    let labels = engine::docker(&["inspect", "-f", labels, &made]);
    let name = engine::docker(&["inspect", "-f", "{{slice .Name 1}}", &made]).concat();
    let _ = engine::docker(&["rm", "-f", &gone, &made]);
    let _ = engine::docker(&["kill", &stopped]);
    // As if the life before had got no further with it.
    let mut create = vec!["create", "--name", &name];
    create.extend(labels.iter().map(String::as_str).filter(|label| !label.is_empty()));
    create.extend(["--log-driver", "local", "busybox:latest", "sh", "-c", "echo made waits; echo made before"]);
    let _ = engine::docker(&create);
    let build = left.go_on(&["open"]).await;
    for name in ["gone", "stopped"] {
        let part = format!("{name} waits");
        let again = "this step begins again: its container is gone, or was never made";
        assert_eq!(build.step(&part).text(), format!("{part}\n{again}\n{part}\n"));
        assert_eq!(runs(&build, &part).as_deref(), Some("2"));
    }
    assert_eq!(build.step("made waits").text(), "made waits\nmade before\n");
    assert_eq!(runs(&build, "made waits"), None);
    assert!(build.0.steps.values().all(|step| step.outcome() == Some(StepOutcome::Succeeded)), "{build:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_the_same_as_before() {
    let ask = |file: &str| format!("wget -qO {file} http://db/");
    let captain = format!(
        r#"
web:
  build: Dockerfile
  image: IMAGE
  services:
    db: {{image: "busybox:latest", command: ["sh", "-c", "mkdir /www; hostname > /www/index.html; httpd -f -p 80 -h /www"], health: {{port: 80, http: /}}}}
  pre:
    - "{}; echo waits; until test -e open; do sleep 0.05; done; {} && cmp before after && echo the same"
    - "{} && cmp before later && echo still"
"#,
        ask("before"),
        ask("after"),
        ask("later")
    );
    let build = Left::after(&captain, &["waits"]).await.go_on(&["open"]).await;
    assert_eq!(build.step("waits").said_on(LogStream::Out), ["waits", "the same"]);
    assert_eq!(build.step("cmp before later").text(), "still\n");
}

/// What the engine keeps of a container's output is bounded: who was away while more was written cannot know all of it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "150 MB through the engine and back; with `cargo test --workspace --test e2e adoption::lines -- --ignored`"]
async fn lines_that_the_engine_let_go_of_are_not_passed_over_in_silence() {
    // 150 MB, in lines that are quick to read.
    let flood = "until test -e open; do sleep 0.05; done; yes $(seq 1 2000) | head -c 150000000";
    let boxed = format!("docker run --rm -v \"$PWD\":/app -w /app busybox:latest sh -c 'echo floods; {flood}'");
    let captain = format!("web:\n  build: Dockerfile\n  image: IMAGE\n  pre: [{boxed:?}]\n");
    let left = Left::after(&captain, &["floods"]).await;
    left.open("open");
    left.wait_for_end("floods").await;
    let build = left.go_on(&[]).await;
    let step = build.step("floods");
    let own = step.said_on(LogStream::Slipway);
    let lost = "the runner was away while this step wrote more than the engine keeps: lines may be missing";
    assert!(own.contains(&lost), "{own:?}");
    assert_eq!(runs(&build, "floods"), None, "it ran once");
}
