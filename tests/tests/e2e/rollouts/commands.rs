//! Commands before and after a release, in containers of the app's new image.

use slipway_pipelines::release::{ReleaseCommands, Volume};
use slipway_runner::{
    coordinator::{JobResult, ReleasedApp, SecretValue, StepKind, StepOutcome},
    engine::labels::{KIND, KIND_COMMAND, filter},
    rollouts,
    targets::docker::ENVIRONMENT,
};

use super::{
    reason,
    stage::{DOMAIN, Stage},
};

/// What a shell is to run.
pub(super) fn shell(script: &str) -> ReleaseCommands {
    let words = ["sh", "-c", script].map(str::to_owned).to_vec();
    ReleaseCommands { run: vec![words], ..ReleaseCommands::default() }
}

/// The web app with a volume in which its commands note that they were run.
fn noting(app: ReleasedApp) -> ReleasedApp {
    let mut app = app;
    app.run.volumes = vec![Volume { name: "notes".to_owned(), path: "/notes".to_owned() }];
    app
}

/// The containers of commands that are there.
async fn commands(stage: &Stage) -> usize {
    let filters = filter(&[(KIND, KIND_COMMAND), (ENVIRONMENT, stage.guard.id())]);
    let options =
        bollard::query_parameters::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    stage.engine.list_containers(Some(options)).await.unwrap().len()
}

async fn with_v1_live() -> Stage {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("v2", true).await;
    let v1 = stage.web("v1");
    stage.go_live(vec![v1]).await;
    stage
}

#[tokio::test]
async fn commands_run_in_the_new_image_before_it_serves_and_once_it_does() {
    let mut stage = with_v1_live().await;
    stage.secrets = vec![SecretValue { name: "TOKEN".to_owned(), version: None, value: "hunter2hunter2".to_owned() }];
    let mut v2 = stage.web("v2");
    v2.run.env.insert("GREETING".to_owned(), "hello".to_owned());
    v2.run.secrets = vec!["TOKEN".to_owned()];
    let asks = "wget -qO- http://web:8080/";
    v2.run.before = shell(&format!("echo $GREETING $TOKEN | wc -c; cat /www/index.html; echo and; {asks}"));
    v2.run.after = shell(&format!("echo now; {asks}"));
    let recorder = stage.go_live(vec![v2.clone()]).await;
    let kinds: Vec<StepKind> = recorder.steps().iter().map(|step| step.declaration.kind).collect();
    use StepKind::{Cleanup, Command, Preflight, Roll};
    assert_eq!(kinds, [Preflight, Command, Roll, Command, Cleanup]);
    assert_eq!(
        recorder.step("web: before sh -c").text(),
        "21\nv2\nand\nv1\n",
        "the new image, while the old one serves"
    );
    assert_eq!(recorder.step("web: after").text(), "now\nv2\n");
    assert_eq!(commands(&stage).await, 2, "they are kept until the next release");
    stage.assert_settled("with commands").await;

    // On the way back none is run.
    let work = slipway_runner::coordinator::RolloutWork { runs_commands: false, ..stage.work(vec![v2]) };
    let means = stage.means();
    assert_eq!(rollouts::execute(&work, &stage.context(&means)).await, JobResult::Live);
    assert!(means.recorder.steps().iter().all(|step| step.declaration.kind != Command));
    assert_eq!(commands(&stage).await, 0);
}

#[tokio::test]
async fn a_command_that_fails_before_leaves_everything_as_it_was() {
    let mut stage = with_v1_live().await;
    let before = stage.instances().await;
    let mut v2 = stage.web("v2");
    v2.run.before = shell("echo no such table >&2; exit 3");
    let (result, recorder) = stage.release(vec![v2.clone()]).await;
    let reason_given = reason(result);
    assert!(
        reason_given.starts_with("web: `sh -c echo no such table") && reason_given.ends_with("ended with exit code 3")
    );
    assert_eq!(recorder.step("before").text(), "no such table\n");
    let skipped = |step: &slipway_tests::recorder::RecordedStep| step.result.as_ref().unwrap().outcome;
    assert_eq!(skipped(&recorder.step("replicas")), StepOutcome::Skipped);
    assert!(recorder.steps().iter().all(|step| step.declaration.kind != StepKind::Return), "there is nothing to undo");
    assert_eq!(stage.instances().await, before, "nothing was touched");

    v2.run.before = ReleaseCommands { timeout_ms: 300, ..shell("echo begun; sleep 600") };
    let (result, _) = stage.release(vec![v2]).await;
    assert!(reason(result).ends_with("took longer than 0.3 s"));
    assert_eq!(stage.instances().await, before);
}

#[tokio::test]
async fn a_command_that_fails_after_returns_the_release() {
    let mut stage = with_v1_live().await;
    let mut v2 = stage.web("v2");
    v2.run.after = shell("exit 4");
    let (result, recorder) = stage.release(vec![v2]).await;
    assert!(reason(result).ends_with("ended with exit code 4"));
    assert!(recorder.steps().iter().any(|step| step.declaration.kind == StepKind::Return), "{}", recorder.transcript());
    stage.assert_settled("after the return").await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
}

/// A rollout is cut off at one point after the other, and run again as another attempt: each command is run once.
#[tokio::test]
async fn a_command_is_run_once_wherever_its_rollout_is_cut_off() {
    let mut stage = with_v1_live().await;
    let mut web = noting(stage.app("web", "v1", Some(DOMAIN), 1));
    web.run.before = shell("echo before >> /notes/runs");
    web.run.after = shell("echo after >> /notes/runs");
    let mut releases = 0;
    for point in (0..).step_by(4) {
        let work = stage.work(vec![web.clone()]);
        let through = super::crash::run_with(&stage, &work, &slipway_tests::fuse::Fuse::after(point)).await;
        let is_last = through.is_some();
        if !is_last {
            let means = stage.means();
            let result = rollouts::execute(&work, &stage.context(&means)).await;
            assert_eq!(result, JobResult::Live, "cut off at {point}: {}", means.recorder.transcript());
        }
        stage.live = Some(work.release);
        releases += 1;
        stage.assert_settled(&format!("cut off at point {point}")).await;
        if is_last {
            break;
        }
    }
    assert!(releases > 5, "only {releases} points were there to cut off at");
    web.run.before = shell("sort /notes/runs | uniq -c");
    let recorder = stage.go_live(vec![web]).await;
    let log = recorder.step("before").text();
    let counts: Vec<&str> = log.split_whitespace().collect();
    let count = releases.to_string();
    assert_eq!(counts, [count.as_str(), "after", count.as_str(), "before"]);
}
