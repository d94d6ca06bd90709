//! An app that is live in `dev` of a whole house.

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    engine::docker,
    house::{House, LONG},
    images::web_app,
    slipway::Setup,
    wait::until,
};

pub(crate) const DOMAIN: &str = "healing.localhost";

pub(crate) struct Place {
    pub(crate) house: House,
    replicas: u32,
    /// What makes the app end at its start.
    volumes: &'static str,
    intruders: std::sync::Mutex<Vec<String>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        for intruder in self.intruders.lock().unwrap().drain(..) {
            let _ = std::process::Command::new("docker").args(["rm", "-f", &intruder]).output();
        }
    }
}

impl Place {
    /// The web app in so many replicas.
    pub(crate) async fn open(replicas: u32) -> Self {
        Self::with(replicas, "").await
    }

    /// The same, with a volume.
    pub(crate) async fn with(replicas: u32, volumes: &'static str) -> Self {
        Self::furnished(House::open().await, replicas, volumes).await
    }

    /// The web app on a runner in a process of its own.
    pub(crate) async fn remote(replicas: u32) -> Self {
        let house = House::remote(TestDatabase::sqlite(), Setup::new(), async |url: &str| url.to_owned()).await;
        Self::furnished(house, replicas, "").await
    }

    async fn furnished(house: House, replicas: u32, volumes: &'static str) -> Self {
        let place = Place { house, replicas, volumes, intruders: std::sync::Mutex::default() };
        place.push("one").await;
        place.house.live("dev", 1).await;
        place.settled_at(1).await;
        place
    }

    /// Pushes a version.
    pub(crate) async fn push(&self, version: &str) {
        let (image, replicas, volumes) = (self.house.image(), self.replicas, self.volumes);
        let captain = format!(
            "web:\n  build: Dockerfile\n  image: {image}\n  release:\n    port: 8080\n    replicas: {replicas}\n    \
             domain: {DOMAIN}\n    drain: 2s\n{volumes}    \
             health: {{http: /health, interval: 500ms, timeout: 2s, retries: 3, start: 20s}}\n\
             environments: {{dev: {{from: {{branch: main}}}}}}\n"
        );
        let mut files = web_app(version, true);
        if !volumes.is_empty() {
            for (path, text) in &mut files {
                if *path == "Dockerfile" {
                    *text = text.replace("trap 'exit 0'", "test -e /data/crash && exit 7; trap 'exit 0'");
                }
            }
        }
        files.push(("captain.yml", captain));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let number = self.house.push("main", &files).await;
        self.house.build_in(number, "succeeded").await;
    }

    pub(crate) async fn environment(&self) -> Value {
        self.house.ask("environments/dev").await.expect(200).json()
    }

    /// What was found amiss and done, newest first.
    pub(crate) async fn drifts(&self) -> Vec<Value> {
        let drifts = self.house.ask("environments/dev/drifts").await.expect(200).json();
        drifts["items"].as_array().unwrap().clone()
    }

    /// The container of a replica of the first release.
    pub(crate) fn container(&self, replica: u32) -> String {
        self.container_of(1, replica)
    }

    pub(crate) fn container_of(&self, release: i64, replica: u32) -> String {
        let network = self.network();
        let tail = network.rsplit('-').next().unwrap().to_owned();
        format!("slipway-dev-web-r{release}-{replica}-{tail}")
    }

    /// The environment's network.
    pub(crate) fn network(&self) -> String {
        let runner = format!("label=slipway.runner={}", self.house.runner());
        let found = docker(&[
            "network",
            "ls",
            "--format",
            "{{.Name}}",
            "--filter",
            &runner,
            "--filter",
            "label=slipway=release",
        ]);
        found.into_iter().next().expect("the environment's network")
    }

    pub(crate) fn id(&self, name: &str) -> String {
        docker(&["inspect", "-f", "{{.Id}}", name]).remove(0)
    }

    /// The labels of a container, as `docker run` takes them.
    pub(crate) fn labels(&self, name: &str) -> Vec<String> {
        docker(&["inspect", "-f", "{{range $key, $value := .Config.Labels}}{{$key}}={{$value}}\n{{end}}", name])
            .into_iter()
            .filter(|label| label.starts_with("slipway"))
            .collect()
    }

    /// Waits until a container runs and is told to be healthy.
    pub(crate) async fn runs(&self, name: &str) {
        until(&format!("{name} to run"), LONG, async || {
            let environment = self.environment().await;
            let replicas = environment["replicas"].as_array()?;
            let healthy = replicas.iter().any(|it| it["container"] == name && it["condition"] == "healthy");
            (healthy && self.house.released_containers().iter().any(|it| it == name)).then_some(())
        })
        .await;
    }

    /// Waits until it was told that one of these was done about a container, and that it is over.
    pub(crate) async fn is_put_right(&self, what: &str, name: &str, done: &[&str]) {
        until(&format!("{what} to be put right"), LONG, async || {
            let drifts = self.drifts().await;
            let newest = drifts.first()?;
            let told = newest["done"].as_str()?;
            (newest["kind"] == "environment.healed" && done.iter().any(|done| told.starts_with(done))).then_some(())
        })
        .await;
        self.runs(name).await;
    }

    /// Puts a container that nobody asked for in the place of this one, and returns its id.
    pub(crate) async fn take_the_place_of(&self, name: &str, options: &[&str]) -> String {
        let id = until("the name to be taken", LONG, async || {
            // Whoever is faster has the name.
            let _ = std::process::Command::new("docker").args(["rm", "-f", name]).output();
            let mut command = std::process::Command::new("docker");
            let run =
                command.args(["run", "-d", "--name", name]).args(options).args(["busybox:latest", "sleep", "600"]);
            let run = run.output().ok()?;
            run.status.success().then(|| String::from_utf8_lossy(&run.stdout).trim().to_owned())
        })
        .await;
        self.intruders.lock().unwrap().push(id.clone());
        id
    }

    /// Waits until the app answers in this version.
    pub(crate) async fn serves(&self, version: &str) {
        let client = slipway_tests::load::client(false);
        until("the app to serve", LONG, async || {
            let answer = slipway_tests::load::ask(&client, &self.house.caddy.url(), DOMAIN).await;
            answer.is_ok_and(|text| text.contains(version)).then_some(())
        })
        .await;
    }

    /// Waits until exactly the replicas of this release are there, and are healthy.
    pub(crate) async fn settled_at(&self, release: i64) {
        for replica in 1..=self.replicas {
            self.runs(&self.container_of(release, replica)).await;
        }
        until("nothing else to run", LONG, async || {
            (self.house.released_containers().len() == self.replicas as usize).then_some(())
        })
        .await;
    }
}
