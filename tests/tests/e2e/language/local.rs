//! A plan on a person's own working tree.

use std::{collections::BTreeMap, time::Duration};

use slipway_pipelines::{
    config::Event,
    detect::RepositoryFacts,
    parse,
    plan::{Goal, Plan, Reference, Refs, Scope, Situation, Tree, Trigger, plan},
};
use slipway_runner::{
    StepLimits,
    coordinator::{JobResult, StepOutcome},
    engine::Engine,
    local::{LocalBuild, run},
    logs::LogLimits,
};
use slipway_tests::{engine, recorder::Recorder};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct Desk {
    tree: TempDir,
    image: String,
}

impl Desk {
    fn new() -> Self {
        let image = format!("slipway-test/{}", ulid::Ulid::generate().to_string().to_lowercase());
        let tree = TempDir::new().unwrap();
        std::fs::write(tree.path().join("Dockerfile"), "FROM busybox:latest\nCOPY . /app\n").unwrap();
        std::fs::write(tree.path().join("mine"), "not committed").unwrap();
        Desk { tree, image }
    }

    fn plan(&self, captain: &str) -> Plan {
        let facts = RepositoryFacts { repository: "ada/desk" };
        let config = parse::parse("captain.yml", &captain.replace("IMAGE", &self.image), &facts).unwrap().config;
        let trigger = Trigger {
            repository: "ada/desk".to_owned(),
            number: 1,
            event: Event::Manual,
            reference: Reference::Branch("main".to_owned()),
            commit: "0123456789012345678901234567890123456789".to_owned(),
            default_branch: "main".to_owned(),
            changed: None,
            author: String::new(),
            message: String::new(),
            pull_request: None,
        };
        let scope = Scope { goal: Goal::Test, app: None };
        plan(&config, &Situation { trigger, refs: Refs::default(), tree: Tree::default(), scope }).unwrap()
    }

    async fn build(&self, captain: &str) -> LocalBuild {
        LocalBuild {
            engine: Engine::connect(None).await.unwrap(),
            tree: self.tree.path().to_owned(),
            repository: self.image.clone(),
            repository_name: "ada/desk".to_owned(),
            commit: String::new(),
            plan: self.plan(captain),
            names: BTreeMap::from([("web".to_owned(), vec![self.name("latest"), self.name("work")])]),
            built: BTreeMap::new(),
            is_fresh: false,
            registries: Vec::new(),
            secrets: Vec::new(),
            limits: StepLimits::default(),
            logs: LogLimits::default(),
        }
    }

    fn name(&self, tag: &str) -> String {
        format!("{}:{tag}", self.image)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for tag in ["latest", "work"] {
            let _ = std::process::Command::new("docker").args(["rmi", &self.name(tag)]).output();
        }
    }
}

fn left_of(repository: &str) -> Vec<String> {
    let filter = format!("label=slipway.repository={repository}");
    let mut left = engine::docker(&["ps", "-aq", "--filter", &filter]);
    left.extend(engine::docker(&["network", "ls", "-q", "--filter", &filter]));
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_tree_is_built_and_tested_where_it_is_and_the_images_stay_under_their_names() {
    let desk = Desk::new();
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  image: IMAGE
  pre: [echo made here > made]
  test: [docker run --rm IMAGE sh -c 'cat /app/mine /app/made']
"#;
    let recorder = Recorder::new();
    let result = run(desk.build(captain).await, recorder.clone(), CancellationToken::new()).await.unwrap();
    assert!(matches!(result, JobResult::Built { .. }), "{result:?}\n{}", recorder.transcript());
    assert_eq!(recorder.step("docker run").text(), "not committedmade here\n");
    assert_eq!(std::fs::read_to_string(desk.tree.path().join("mine")).unwrap(), "not committed");
    assert_eq!(std::fs::read_to_string(desk.tree.path().join("made")).unwrap(), "made here\n");
    let ids = engine::docker(&["inspect", "-f", "{{.Id}}", &desk.name("latest"), &desk.name("work")]);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(left_of(&desk.image), [] as [String; 0]);
    let kept = engine::docker(&["inspect", "-f", "{{.RepoTags}}", &ids[0]]).join("");
    assert!(!kept.contains("slipway-") || kept.matches("slipway-").count() == 2, "no other name stays: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_stops_at_once_and_leaves_the_tree_alone() {
    let desk = Desk::new();
    let captain =
        "defaults: {step_image: \"busybox:latest\"}\nweb: {image: IMAGE, pre: [\"touch began; sleep 600\"]}\n";
    let (recorder, cancel) = (Recorder::new(), CancellationToken::new());
    let began = desk.tree.path().join("began");
    let build = desk.build(captain).await;
    let going = tokio::spawn(run(build, recorder.clone(), cancel.clone()));
    slipway_tests::wait::until("the command runs", Duration::from_secs(30), async || began.exists().then_some(()))
        .await;
    cancel.cancel();
    assert_eq!(going.await.unwrap().unwrap(), JobResult::Cancelled);
    let outcomes: Vec<_> = recorder.steps().into_iter().map(|step| step.result.unwrap().outcome).collect();
    assert_eq!(outcomes, [StepOutcome::Cancelled, StepOutcome::Cancelled]);
    assert!(desk.tree.path().join("mine").exists());
    assert_eq!(left_of(&desk.image), [] as [String; 0]);
}
