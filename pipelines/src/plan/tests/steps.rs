use super::{Action, Plan, StepRun, on_branch, planned, step};
use crate::{
    config::{Mount, MountSource},
    parse::{DEFAULT_ENGINE_IMAGE, DEFAULT_STEP_IMAGE},
};

const SHOP: &str = r#"
defaults: {step_image: "debian:bookworm", timeout: 30m}
web:
  image: shop/web
  env: {WHO: app, APP: "v-${SLIPWAY_BRANCH}"}
  secrets: [A]
  timeout: 20m
  pre:
    - plain
    - {name: own, image: "node:20", run: [npm ci, npm test], env: {WHO: "step ${APP}"}, secrets: [B, A], timeout: 1m, cache: [node_modules, /root/.npm]}
    - {name: image, image: plugins/thing}
    - {name: line, run: docker run -e WHO=line -e NEW=$SLIPWAY_TAG busybox env, env: {WHO: step}, cache: [x]}
  test:
    - {name: engine, run: docker compose up, engine: true}
    - {name: built, image: shop/web, run: check}
"#;

fn environment(run: &StepRun) -> &[(String, String)] {
    match run {
        StepRun::Shell { env, .. } => env,
        StepRun::Container { container, .. } => &container.env,
    }
}

fn run<'p>(plan: &'p Plan, name: &str) -> &'p StepRun {
    let Action::Run { run, .. } = &step(plan, name).action else { unreachable!("{name} runs") };
    run
}

#[test]
fn a_step_goes_over_its_app_and_that_over_the_defaults() {
    let plan = planned(SHOP, &on_branch("main"));
    let told = |name: &str| {
        let step = step(&plan, name);
        let Action::Run { run, secrets, .. } = &step.action else { unreachable!("{name} runs") };
        let who = environment(run).iter().filter(|(name, _)| name == "WHO").map(|(_, value)| value.as_str());
        format!("{} / {} / {:?}", who.collect::<Vec<_>>().join(","), secrets.join(","), step.timeout_ms)
    };
    assert_eq!(told("plain"), "app / A / Some(1200000)");
    assert_eq!(told("own"), "step v-main / A,B / Some(60000)");
    assert_eq!(told("line"), "line / A / Some(1200000)");
    assert_eq!(step(&plan, "push shop/web").timeout_ms, Some(1_200_000));
}

#[test]
fn images_are_the_steps_own_the_apps_or_the_defaults() {
    let image = |text: &str, name: &str| match run(&planned(text, &on_branch("main")), name) {
        StepRun::Shell { image, built, .. } => (image.clone(), built.clone()),
        StepRun::Container { built, container } => (container.image.clone(), built.clone()),
    };
    let plain = |image: &str| (image.to_owned(), None);
    assert_eq!(image(SHOP, "plain"), plain("debian:bookworm"));
    assert_eq!(image(SHOP, "own"), plain("node:20"));
    assert_eq!(image(SHOP, "engine"), plain("debian:bookworm"));
    assert_eq!(image(SHOP, "built"), ("shop/web".to_owned(), Some("web".to_owned())));
    let bare = "a: {image: x/a, pre: [{name: engine, run: docker ps, engine: true}, {name: plain, run: make}]}";
    assert_eq!(image(bare, "engine"), plain(DEFAULT_ENGINE_IMAGE));
    assert_eq!(image(bare, "plain"), plain(DEFAULT_STEP_IMAGE));
    let of_app = "a: {image: x/a, step_image: 'go:1', pre: [{name: plain, run: make}]}";
    assert_eq!(image(of_app, "plain"), plain("go:1"));
}

#[test]
fn caches_are_volumes_at_their_places() {
    let plan = planned(SHOP, &on_branch("main"));
    let cache = |name: &str, target: &str| Mount {
        source: MountSource::Cache { name: name.to_owned() },
        target: target.to_owned(),
        read_only: false,
    };
    let StepRun::Shell { mounts, .. } = run(&plan, "own") else { unreachable!("a shell") };
    assert_eq!(*mounts, [cache("node_modules", "/workspace/node_modules"), cache("/root/.npm", "/root/.npm")]);
    let StepRun::Container { container, .. } = run(&plan, "line") else { unreachable!("a container") };
    assert_eq!(container.mounts, [cache("x", "/workspace/x")]);
}

#[test]
fn an_image_alone_runs_its_own_command_in_the_workspace() {
    let plan = planned(SHOP, &on_branch("main"));
    let StepRun::Container { container, .. } = run(&plan, "image") else { unreachable!("a container") };
    assert_eq!(container.workdir.as_deref(), Some("/workspace"));
    assert_eq!(container.mounts[0].source, MountSource::Workspace { path: ".".to_owned() });
    assert!(container.args.is_empty());
}
