//! What a runner collects on its disk and on the real engine, and what it never touches.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::json;
use sha2::{Digest, Sha256};
use slipway_runner::{
    AtShutdown, RunnerConfig, RunnerError, RunnerLimits, StorageLimits, engine::Engine, registry::pinned,
};
use slipway_tests::{
    engine::docker,
    images::{build_by_buildkit, forget, publish},
    own_engine::OwnEngine,
    registry::RegistryFixture,
    server_model::ServerModel,
    wait::until_none,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// Removes from the engine what a test made there, also when it failed.
#[derive(Default)]
struct Made {
    volumes: Vec<String>,
    containers: Vec<String>,
    images: Vec<String>,
}

impl Made {
    fn volume(&mut self, labels: &[&str]) -> String {
        let name = format!("slipway-test-{}", ulid::Ulid::generate().to_string().to_lowercase());
        let labels: Vec<String> = labels.iter().map(|label| format!("--label={label}")).collect();
        let mut arguments = vec!["volume", "create"];
        arguments.extend(labels.iter().map(String::as_str));
        arguments.push(&name);
        let _ = docker(&arguments);
        self.volumes.push(name.clone());
        name
    }

    /// An image that the engine knows by its digest alone, as a rollout fetches it.
    async fn image(&mut self, engine: &Engine, registry: &RegistryFixture, name: &str) -> (String, String) {
        let dockerfile = format!("FROM busybox:latest\nLABEL test={name}\n");
        let digest = publish(engine, registry, name, "main", &[("Dockerfile", &dockerfile)]).await;
        let image = registry.image(name);
        forget(engine, &format!("{image}:main")).await;
        let reference = pinned(&image, &digest);
        engine.pull(&reference, None).await.unwrap();
        self.images.push(reference.clone());
        (reference, digest)
    }
}

/// A name that a build gave to an image when it pushed that, as an earlier life of the runner noted it.
fn built(made: &mut Made, data: &Path, name: &str, id: &str, unused: Duration) -> String {
    let _ = docker(&["tag", id, name]);
    made.images.push(name.to_owned());
    let note = json!({"of": "NEW/web", "name": name, "id": id}).to_string();
    let key: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    record(data, "built", &key, &note, unused);
    name.to_owned()
}

impl Drop for Made {
    fn drop(&mut self) {
        let removals: [(&[&str], &[String]); 3] = [
            (&["rm", "-f"], &self.containers),
            (&["volume", "rm", "-f"], &self.volumes),
            (&["rmi", "-f"], &self.images),
        ];
        for (command, names) in removals {
            for name in names {
                // Most of it is gone already.
                let _ = Command::new("docker").args(command).arg(name).output();
            }
        }
    }
}

/// A record as an earlier life of the runner left it.
fn record(data: &Path, kind: &str, name: &str, note: &str, unused: Duration) {
    let folder = data.join("records").join(kind);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, note).unwrap();
    age(&path, unused);
}

fn mirror(data: &Path, repository: &str) -> std::path::PathBuf {
    let path = data.join("mirrors").join(format!("{repository}.git"));
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    path
}

fn config(data: &TempDir, id: &str, storage: StorageLimits) -> RunnerConfig {
    RunnerConfig {
        id: id.to_owned(),
        name: "keeper".to_owned(),
        data_dir: data.path().to_owned(),
        capacity: 1,
        docker_host: None,
        proxy: None,
        at_shutdown: AtShutdown::HandBack,
        labels: std::collections::BTreeMap::new(),
        builds_only: true,
        internal_hosts: Vec::new(),
        step_hosts: Vec::new(),
        limits: RunnerLimits { storage, ..RunnerLimits::default() },
    }
}

fn exist(kind: &str, names: &[&String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| {
            let found = Command::new("docker").args([kind, "inspect", name.as_str()]).output().unwrap();
            found.status.success()
        })
        .map(|name| (*name).clone())
        .collect()
}

/// What a runner finds: of each kind something that is due, beside much that is needed, or not its own.
struct Stock {
    data: TempDir,
    runner: String,
    server: Arc<ServerModel>,
    _made: Made,
    /// What is due: by its kind the name that the runner knows it by.
    due: Vec<(&'static str, String)>,
    folders: Vec<PathBuf>,
    /// What stays.
    volumes: Vec<String>,
    images: Vec<String>,
    mirror: PathBuf,
    // Behind everything that is in it.
    _registry: RegistryFixture,
}

impl Stock {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = Engine::connect(None).await.unwrap();
        let registry = RegistryFixture::open().await;
        let runner = ulid::Ulid::generate().to_string();
        let mine = format!("slipway.runner={runner}");
        let mut made = Made::default();
        // 1. Repositories: one was last built long ago, one just now.
        record(data.path(), "repositories", "OLD", "", LONG);
        record(data.path(), "repositories", "NEW", "", Duration::ZERO);
        let (old_mirror, new_mirror) = (mirror(data.path(), "OLD"), mirror(data.path(), "NEW"));
        let old_cache = made.volume(&["slipway=cache", &mine, "slipway.repository=OLD"]);
        let new_cache = made.volume(&["slipway=cache", &mine, "slipway.repository=NEW"]);
        let anothers = made.volume(&["slipway=cache", "slipway.runner=another", "slipway.repository=OLD"]);
        let of_a_release = made.volume(&["slipway=release", &mine, "slipway.repository=OLD"]);
        let of_a_user = made.volume(&[]);
        // 2. Images: nobody's, one that a release holds, one of a stopped container, and one that was not fetched here.
        let server = ServerModel::new();
        let (unused, unused_digest) = made.image(&engine, &registry, "unused").await;
        let (held, held_digest) = made.image(&engine, &registry, "held").await;
        let (stopped, stopped_digest) = made.image(&engine, &registry, "stopped").await;
        let (foreign, _) = made.image(&engine, &registry, "foreign").await;
        for (reference, digest) in [(&unused, &unused_digest), (&held, &held_digest), (&stopped, &stopped_digest)] {
            record(data.path(), "images", &digest.replace(':', "-"), reference, LONG);
        }
        server.keep_image(&held_digest);
        let container = format!("slipway-test-{}", runner.to_lowercase());
        let _ = docker(&["create", "--name", &container, &stopped, "true"]);
        made.containers.push(container);
        // 3. Images that builds made: one long ago, one just now; of those of long ago one that a container is of, one that a
        //    release holds, and one whose name means another image by now.
        let id = |reference: &str| docker(&["image", "inspect", "--format", "{{.Id}}", reference]).remove(0);
        let of_build = |tag: &str| format!("{}:{tag}", registry.image("built"));
        let (made_old, _) = made.image(&engine, &registry, "made-old").await;
        let old_build = built(&mut made, data.path(), &of_build("old"), &id(&made_old), LONG);
        let new_build = built(&mut made, data.path(), &of_build("new"), &id(&made_old), Duration::ZERO);
        let ran = built(&mut made, data.path(), &of_build("ran"), &id(&stopped), LONG);
        let released = built(&mut made, data.path(), &of_build("released"), &id(&held), LONG);
        let taken = built(&mut made, data.path(), &of_build("taken"), &id(&foreign), LONG);
        let _ = docker(&["tag", &stopped, &taken]);
        // 4. The workspace of a build that failed long ago.
        let job = ulid::Ulid::generate().to_string();
        let workspace = failed(data.path(), &job);
        Stock {
            due: vec![
                ("workspace of a failed build", job),
                ("image of a build", old_build),
                ("mirror", "OLD".to_owned()),
                ("image of a release", unused),
                ("cache volume", old_cache),
            ],
            folders: vec![old_mirror, workspace],
            volumes: vec![new_cache, anothers, of_a_release, of_a_user],
            images: vec![held, stopped, foreign, made_old, new_build, ran, released, taken],
            mirror: new_mirror,
            data,
            runner,
            server,
            _made: made,
            _registry: registry,
        }
    }

    /// What is left of all that is due.
    fn left(&self) -> Vec<String> {
        let named: Vec<&String> = self.due.iter().map(|(_, name)| name).collect();
        let mut left = exist("volume", &named);
        left.extend(exist("image", &named));
        left.extend(self.folders.iter().filter(|path| path.exists()).map(|path| path.display().to_string()));
        left
    }

    fn the_rest_stays(&self) {
        assert_eq!(exist("volume", &self.volumes.iter().collect::<Vec<_>>()), self.volumes);
        assert_eq!(exist("image", &self.images.iter().collect::<Vec<_>>()), self.images);
        assert!(self.mirror.exists());
    }

    /// A runner that looks this often, until the token is cancelled.
    fn kept_by(&self, look: Duration) -> (JoinHandle<Result<(), RunnerError>>, CancellationToken) {
        let shutdown = CancellationToken::new();
        // The machine's engine has much else to measure.
        let storage = StorageLimits { look, caches_bytes: u64::MAX, ..StorageLimits::default() };
        let config = config(&self.data, &self.runner, storage);
        (tokio::spawn(slipway_runner::run(config, self.server.clone(), shutdown.clone())), shutdown)
    }
}

/// What a build left that failed two hours ago; answers with its workspace.
fn failed(data: &Path, job: &str) -> PathBuf {
    let tail = job[job.len() - 10..].to_lowercase();
    let workspace = data.join("workspaces/before").join(format!("slipway-{tail}-1"));
    fs::create_dir_all(&workspace).unwrap();
    fs::write(workspace.join("half-made"), [0; 5_000]).unwrap();
    let kept = json!({
        "lease": {"job": job, "epoch": 1}, "life": "before", "attempt": 1, "repository": "NEW", "plan": null
    });
    fs::create_dir_all(data.join("failed")).unwrap();
    let path = data.join("failed").join(format!("{job}.json"));
    fs::write(&path, kept.to_string()).unwrap();
    age(&path, Duration::from_secs(2 * 60 * 60));
    workspace
}

fn age(path: &Path, unused: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the age of a file is measured by the machine's clock")]
    file.set_modified(SystemTime::now() - unused).unwrap();
}

#[tokio::test]
async fn what_is_not_its_own_or_still_needed_stays() {
    let stock = Stock::new().await;
    let (running, shutdown) = stock.kept_by(Duration::from_millis(100));
    until_none("what is old is collected", PATIENCE, async || stock.left()).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    stock.the_rest_stays();
}

#[tokio::test]
async fn a_dry_run_says_exactly_what_goes_then() {
    let stock = Stock::new().await;
    let there = stock.left();
    let (running, shutdown) = stock.kept_by(LONG);
    let would = stock.server.collect(true, PATIENCE).await;
    assert_eq!(stock.left(), there, "nothing went");
    let counts: Vec<_> = would.iter().map(|stored| (stored.what.as_str(), stored.count)).collect();
    let kinds = ["workspace of a failed build", "image of a build", "mirror", "image of a release", "cache volume"];
    assert_eq!(counts, kinds.into_iter().zip([1, 4, 2, 3, 2]).collect::<Vec<_>>());
    let named: Vec<_> = would
        .iter()
        .flat_map(|stored| stored.going.iter().map(|leaving| (stored.what.as_str(), leaving.name.clone())))
        .collect();
    assert_eq!(named, stock.due);
    assert!(would[..4].iter().all(|stored| stored.going_bytes > 0 && stored.bytes >= stored.going_bytes), "{would:#?}");
    assert_eq!(stock.server.collect(false, PATIENCE).await, would);
    assert_eq!(stock.left(), Vec::<String>::new());
    stock.the_rest_stays();
    let after = stock.server.collect(true, PATIENCE).await;
    assert!(after.iter().all(|stored| stored.going.is_empty() && stored.hindrance.is_none()), "{after:#?}");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

/// On an engine of the test's own: one that is old measures all that it has, and a build cache is nobody's alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_are_kept_within_their_limits() {
    const MIB: u64 = 1_024 * 1_024;
    let engine = OwnEngine::start().await;
    let data = tempfile::tempdir().unwrap();
    let runner = ulid::Ulid::generate().to_string();
    for (repository, days) in [("OLD", 2), ("NEW", 1)] {
        record(data.path(), "repositories", repository, "", Duration::from_secs(days * 24 * 60 * 60));
        let labels = [format!("--label=slipway.runner={runner}"), format!("--label=slipway.repository={repository}")];
        let _ = engine.docker(&["volume", "create", "--label=slipway=cache", &labels[0], &labels[1], repository]);
        let volume = format!("--volume={repository}:/cache");
        let fill = "dd if=/dev/zero of=/cache/filler bs=1M count=3";
        let _ = engine.docker(&["run", "--rm", "--network=none", &volume, "busybox:latest", "sh", "-c", fill]);
    }
    let dockerfile = "FROM busybox:latest\nRUN dd if=/dev/zero of=/filler bs=1M count=4\n";
    build_by_buildkit(&engine.host(), "layers", dockerfile).await;
    let _ = engine.docker(&["rmi", "layers"]);

    let storage =
        StorageLimits { look: LONG, caches_bytes: 4 * MIB, build_cache_bytes: Some(MIB), ..StorageLimits::default() };
    let config = RunnerConfig { docker_host: Some(engine.host()), ..config(&data, &runner, storage) };
    let (server, shutdown) = (ServerModel::new(), CancellationToken::new());
    let running = tokio::spawn(slipway_runner::run(config, server.clone(), shutdown.clone()));
    let would = server.collect(true, PATIENCE).await;
    let [.., volumes, layers] = would.as_slice() else { panic!("{would:#?}") };
    assert_eq!((volumes.what.as_str(), volumes.count), ("cache volume", 2), "{volumes:#?}");
    assert!(volumes.bytes >= 6 * MIB && volumes.going_bytes >= 3 * MIB, "{volumes:#?}");
    let going: Vec<_> = volumes.going.iter().map(|leaving| (leaving.name.as_str(), leaving.reason.as_str())).collect();
    assert_eq!(going, [("OLD", "the least recently used of too many")]);
    assert_eq!((layers.what.as_str(), &layers.hindrance), ("layer of the build cache", &None), "{layers:#?}");
    assert!(layers.bytes >= 4 * MIB && layers.going_bytes == layers.bytes - MIB, "{layers:#?}");
    assert_eq!(engine.docker(&["volume", "ls", "-q"]).len(), 2, "a dry run removes nothing");

    let went = server.collect(false, PATIENCE).await;
    assert_eq!(went[..5], would[..5]);
    assert_eq!(engine.docker(&["volume", "ls", "-q"]), ["NEW"]);
    let after = server.collect(true, PATIENCE).await;
    assert!(after.iter().all(|stored| stored.going.is_empty() && stored.hindrance.is_none()), "{after:#?}");
    assert!(after[5].bytes <= MIB, "{after:#?}");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn on_a_full_disk_everything_unused_goes_and_no_job_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let runner = ulid::Ulid::generate().to_string();
    record(data.path(), "repositories", "NEW", "", Duration::ZERO);
    let mirror = mirror(data.path(), "NEW");
    let server = ServerModel::new();
    server.queue("waits", 60_000, super::runner::some_build(), vec![]);
    let shutdown = CancellationToken::new();
    // No disk has so much room.
    let storage = StorageLimits { look: Duration::from_millis(100), free_bytes: u64::MAX, ..StorageLimits::default() };
    let config = config(&data, &runner, storage);
    let running = tokio::spawn(slipway_runner::run(config, server.clone(), shutdown.clone()));
    until_none("the mirror goes", PATIENCE, async || mirror.exists().then_some(()).into_iter().collect()).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert!(server.record("waits").result.is_none() && server.record("waits").steps.is_empty());
}
