//! What a build begins with is made while its commit is fetched, as the last build of the ref began.

use std::{fs, path::PathBuf, time::Duration};

use slipway_runner::{
    coordinator::{LogStream, StepOutcome},
    engine::Engine,
};
use slipway_tests::{
    build_house::{Build, BuildHouse},
    databases::TestDatabase,
    engine::{docker, running},
    house::House,
    images::{forget, publish},
    on_both_databases,
    wait::until,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Docker names a container's host by the beginning of its id.
const TELL: &str =
    "defaults: {step_image: 'IMAGE-steps'}\nweb: {build: Dockerfile, image: IMAGE, pre: [hostname, ls]}\n";

/// A house with an image for steps of its own, in which a build of main has succeeded.
struct Scene {
    house: BuildHouse,
    image: String,
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["rmi", "-f", &self.image]).output());
    }
}

impl Scene {
    /// With an image that has this shell; none for busybox's own.
    async fn with(shell: Option<&str>) -> Self {
        let mut house = BuildHouse::new().await;
        let image = house.image("web-steps");
        let folder = tempfile::tempdir().unwrap();
        let mut dockerfile = format!("FROM busybox:latest\nLABEL slipway.test={image}\n");
        if let Some(shell) = shell {
            fs::write(folder.path().join("sh"), shell).unwrap();
            dockerfile
                .push_str("COPY sh /bin/slipway-test\nRUN chmod +x /bin/slipway-test && ln -sf slipway-test /bin/sh\n");
        }
        fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let _ = docker(&["build", "--quiet", "--tag", &image, &folder.path().display().to_string()]);
        let commit = house.commit(TELL, &[("one", "1")]);
        let first = house.build(&commit).await;
        house.leaves_nothing().await;
        assert_eq!(first.artifacts().len(), 1);
        Scene { house, image }
    }

    /// Queues the build of one more commit and waits for the container that is prepared for it, while the git server gives
    /// nothing out. Answers with the job and the container's id.
    async fn prepared(&mut self, captain: &str, files: &[(&str, &str)]) -> (String, String) {
        let commit = self.house.commit(captain, files);
        self.house.git.hold();
        let job = self.house.queue(&commit);
        let runner = self.house.config.id.clone();
        until("a container before the commit", LIMIT, async || (!running(&runner).is_empty()).then_some(())).await;
        let [container] = &running(&runner)[..] else { panic!("one container") };
        let id = docker(&["inspect", "--format", "{{.Id}}", container]).concat();
        (job, id)
    }

    async fn ended(&self, job: &str) -> Build {
        self.house.git.go_on();
        let build = self.house.ended(job).await;
        self.house.leaves_nothing().await;
        build
    }
}

fn said(build: &Build, step: &str) -> String {
    build.step(step).text()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_container_waits_for_its_commit_with_an_empty_workspace_and_runs_its_commands() {
    let mut scene = Scene::with(None).await;
    let (job, container) = scene.prepared(TELL, &[("two", "2")]).await;
    assert_eq!(docker(&["exec", &container, "ls", "-A", "/workspace"]), [] as [&str; 0]);
    let build = scene.ended(&job).await;
    assert_eq!(
        said(&build, "hostname").trim(),
        &container[..12],
        "its commands run in the container that was prepared"
    );
    assert_eq!(said(&build, "ls"), "Dockerfile\ncaptain.yml\none\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_container_of_an_app_with_services_finds_them_once_they_are_there() {
    let mut scene = Scene::with(None).await;
    let serves = "[sh, -c, 'mkdir /www; echo data > /www/index.html; httpd -f -p 80 -h /www']";
    let services = format!("services: {{db: {{image: IMAGE-steps, command: {serves}, health: {{port: 80}}}}}}");
    let captain = TELL.replace("hostname, ls]", &format!("hostname, 'wget -qO- http://db/'], {services}"));
    let commit = scene.house.commit(&captain, &[]);
    assert_eq!(scene.house.build(&commit).await.artifacts().len(), 1);
    scene.house.leaves_nothing().await;
    let (job, container) = scene.prepared(&captain, &[("two", "2")]).await;
    let build = scene.ended(&job).await;
    let host = build.step("hostname").said_on(LogStream::Out).concat();
    assert_eq!(host, &container[..12], "its commands run in the container that was prepared");
    assert_eq!(build.step("wget").said_on(LogStream::Out), ["data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_of_services_and_of_docker_run_lines_are_fetched_beside_the_commit() {
    let mut house = BuildHouse::new().await;
    let images = ["runs", "serves"].map(|name| house.image(name));
    let engine = Engine::connect(None).await.unwrap();
    let _gone = Gone(images.to_vec());
    for name in ["runs", "serves"] {
        let dockerfile = format!("FROM busybox:latest\nLABEL of={name}\n");
        publish(&engine, &house.registry, name, "latest", &[("Dockerfile", &dockerfile)]).await;
    }
    let [runs, serves] = &images;
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: IMAGE\n  pre: ['docker run --rm {runs} true']\n  \
         services: {{db: {{image: '{serves}', command: [sleep, '600']}}}}\n"
    );
    let commit = house.commit(&captain, &[]);
    assert_eq!(house.build(&commit).await.artifacts().len(), 1);
    house.leaves_nothing().await;
    for image in &images {
        forget(&engine, image).await;
    }
    let commit = house.commit(&captain, &[("two", "2")]);
    house.git.hold();
    let job = house.queue(&commit);
    until("the images before the commit", LIMIT, async || {
        for image in &images {
            engine.inspect_image(image).await.ok()?;
        }
        Some(())
    })
    .await;
    house.git.go_on();
    assert_eq!(house.ended(&job).await.artifacts().len(), 1);
    house.leaves_nothing().await;
}

/// Images that go from the engine at the end.
struct Gone(Vec<String>);

impl Drop for Gone {
    fn drop(&mut self) {
        for image in &self.0 {
            drop(std::process::Command::new("docker").args(["rmi", "-f", image]).output());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_does_not_ask_for_is_gone_before_the_first_step() {
    let mut scene = Scene::with(None).await;
    // The same commands in the same image; but what they would share, they share with another app's.
    let captain =
        TELL.replace("web:", "shop:").replace("hostname, ls", "hostname, 'until test -e open; do sleep 0.05; done'");
    let (job, container) = scene.prepared(&captain, &[]).await;
    scene.house.git.go_on();
    let said = |record: &slipway_tests::server_model::JobRecord| {
        record.steps.get(&1).filter(|step| step.result.is_some()).map(|step| step.text())
    };
    let record = scene.house.server.wait_for(&job, LIMIT, |record| said(record).is_some()).await;
    assert_ne!(said(&record).unwrap().trim(), &container[..12]);
    let there = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("id={container}")]);
    assert_eq!(there, [] as [&str; 0], "no step has begun beside it");
    fs::write(workspace(&scene.house).join("open"), "").unwrap();
    let build = scene.ended(&job).await;
    assert_eq!(build.artifacts().len(), 1);
}

/// Where the only build is.
fn workspace(house: &BuildHouse) -> PathBuf {
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = entries(house.workspaces()).flat_map(entries).filter(|path| path.extension().is_none());
    found.next().expect("a checkout")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_does_before_the_commit_is_there_changes_neither_the_plan_nor_a_file_of_it() {
    // A shell that leaves a configuration and links where the commit's files will be, and goes on as the real one.
    let shell = "#!/bin/busybox sh\ncd /workspace\nif ! busybox test -e captain.yml; then\n\
                 echo 'evil: {build: Dockerfile, image: evil, pre: [\"cat /proc/1/environ\"]}' > captain.yml\n\
                 busybox ln -s /etc folder; busybox ln -s /etc/passwd one; busybox touch left\nfi\n\
                 exec /bin/busybox sh \"$@\"\n";
    let mut scene = Scene::with(Some(shell)).await;
    let captain = TELL.replace(", ls]", ", ls, cat one]");
    let (job, container) = scene.prepared(&captain, &[]).await;
    until("what it leaves", LIMIT, async || {
        docker(&["exec", &container, "ls", "/workspace"]).contains(&"left".to_owned()).then_some(())
    })
    .await;
    let build = scene.ended(&job).await;
    assert_eq!(said(&build, "hostname").trim(), &container[..12]);
    assert_eq!(said(&build, "ls"), "Dockerfile\ncaptain.yml\nfolder\nleft\none\n");
    assert_eq!(said(&build, "cat one"), "1\n");
    let names: Vec<_> = build.0.steps.values().map(|step| step.declaration.name.as_str()).collect();
    assert!(names.contains(&"cat one") && !names.iter().any(|name| name.contains("environ")), "{names:?}");
    assert!(build.0.steps.values().all(|step| step.outcome() == Some(StepOutcome::Succeeded)), "{build:#?}");
}

on_both_databases!(killed_while_a_container_is_prepared);

async fn killed_while_a_container_is_prepared(database: TestDatabase) {
    let mut house = House::on(database).await;
    let captain = format!(
        "defaults: {{step_image: 'busybox:latest'}}\nweb: {{build: Dockerfile, image: {}, pre: [cat text, hostname]}}\n",
        house.image()
    );
    let files = |text: &'static str| {
        [
            ("captain.yml", captain.clone()),
            ("Dockerfile", "FROM busybox:latest\nCOPY text /\n".to_owned()),
            ("text", text.to_owned()),
        ]
    };
    let push = async |house: &House, text| {
        let files = files(text);
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        house.push("main", &files).await
    };
    let first = push(&house, "one").await;
    house.build_in(first, "succeeded").await;
    house.is_tidy(0).await;
    house.git_server.hold();
    let second = push(&house, "two").await;
    let prepared = until("a container before the commit", LIMIT, async || house.step_containers().pop()).await;
    let id = docker(&["inspect", "--format", "{{.Id}}", &prepared]).concat();
    house.slipway.kill().await;
    house.git_server.go_on();
    house.slipway.restart().await;
    let build = house.build_in(second, "succeeded").await;
    let attempts = build["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "it goes on under the same lease: {build:#}");
    let step = |name: &str| {
        let steps = attempts[0]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap()["index"].as_i64().unwrap()
    };
    let path = format!("builds/{second}");
    assert_eq!(house.log(&path, 1, step("cat text")).await, ["two"], "it ran where the commit is");
    let host = house.log(&path, 1, step("hostname")).await.concat();
    assert!(!id.starts_with(&host), "what the life before had prepared is gone with its folder: {host}");
    house.is_tidy(0).await;
}
