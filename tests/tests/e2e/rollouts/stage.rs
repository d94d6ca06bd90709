//! A whole place to release to: registry, engine, proxy, and one environment of the test's own.

use std::{collections::BTreeMap, sync::Arc};

use slipway_pipelines::config::Strategy;
use slipway_pipelines::release::{HealthCheck, Probe, ReleaseSettings, RunSpec};
use slipway_runner::{
    coordinator::{JobResult, ReleaseContent, ReleasedApp, RolloutWork, SecretValue},
    engine::Engine,
    job::JobContext,
    proxy::{Proxy, Route},
    rollouts,
    targets::docker::{DockerTarget, EnvironmentNames, Instance, Placement},
};
use slipway_tests::{
    caddy::CaddyFixture,
    environments::EnvironmentGuard,
    images,
    load::{ask, client},
    recorder::Recorder,
    registry::RegistryFixture,
};
use tokio_util::sync::CancellationToken;

pub(crate) const DOMAIN: &str = "shop.test";

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) registry: RegistryFixture,
    pub(crate) caddy: CaddyFixture,
    pub(crate) guard: EnvironmentGuard,
    pub(crate) live: Option<ReleaseContent>,
    pub(crate) secrets: Vec<SecretValue>,
    pub(crate) strategy: Strategy,
    digests: BTreeMap<String, String>,
    number: i64,
}

/// What a job is given, with the parts that a test may put others in the place of.
pub(crate) struct Means {
    pub(crate) engine: Engine,
    pub(crate) proxy: Arc<dyn Proxy>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) cancel: CancellationToken,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(RegistryFixture::open().await).await
    }

    pub(crate) async fn with(registry: RegistryFixture) -> Self {
        Stage {
            engine: Engine::connect(None).await.unwrap(),
            registry,
            caddy: CaddyFixture::launch().await,
            guard: EnvironmentGuard::new(),
            live: None,
            secrets: Vec::new(),
            strategy: Strategy::default(),
            digests: BTreeMap::new(),
            number: 0,
        }
    }

    /// Builds and pushes a version of the web app, with `/health` or without.
    pub(crate) async fn publish(&mut self, version: &str, healthy: bool) {
        let files = images::web_app(version, healthy);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.publish_files(version, &files).await;
    }

    /// Builds and pushes a version that is healthy and answers every visitor with status 500.
    pub(crate) async fn publish_failing(&mut self, version: &str) {
        let files = images::failing_app(version);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.publish_files(version, &files).await;
    }

    /// Builds and pushes a version that answers its health check once, and every visitor with status 500.
    pub(crate) async fn publish_silent(&mut self, version: &str) {
        let files = images::silent_app(version);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.publish_files(version, &files).await;
    }

    /// Builds and pushes a version that is healthy and takes its time to answer a visitor.
    pub(crate) async fn publish_slow(&mut self, version: &str) {
        let files = images::slow_app(version);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.publish_files(version, &files).await;
    }

    pub(crate) async fn publish_files(&mut self, version: &str, files: &[(&str, &str)]) {
        let digest = images::publish(&self.engine, &self.registry, "shop/web", version, files).await;
        let image = self.registry.image("shop/web");
        self.guard.forget(format!("{image}:{version}"));
        self.guard.forget(format!("{image}@{digest}"));
        self.digests.insert(version.to_owned(), digest);
    }

    /// The reference under which the engine knows a version.
    pub(crate) fn reference(&self, version: &str) -> String {
        format!("{}@{}", self.registry.image("shop/web"), self.digests[version])
    }

    /// The web app in a version: routed, two replicas, asked for `/health`.
    pub(crate) fn web(&self, version: &str) -> ReleasedApp {
        self.app("web", version, Some(DOMAIN), 2)
    }

    pub(crate) fn app(&self, name: &str, version: &str, domain: Option<&str>, replicas: u32) -> ReleasedApp {
        let health = HealthCheck {
            interval_ms: 200,
            timeout_ms: 1_000,
            start_ms: 3_000,
            ..HealthCheck::with_defaults(Probe::Http { path: "/health".to_owned() })
        };
        let settings = ReleaseSettings {
            port: Some(8080),
            replicas: Some(replicas),
            health: Some(health.into()),
            domain: domain.map(str::to_owned),
            drain_ms: Some(5_000),
            ..ReleaseSettings::default()
        };
        ReleasedApp {
            app: name.to_owned(),
            image: self.registry.image("shop/web"),
            digest: self.digests[version].clone(),
            run: RunSpec::resolve(&[&settings]),
            build: None,
            secret_versions: BTreeMap::new(),
        }
    }

    /// The next release with these apps.
    pub(crate) fn work(&mut self, apps: Vec<ReleasedApp>) -> RolloutWork {
        self.number += 1;
        let release = format!("{}-{}", self.guard.id(), self.number);
        RolloutWork {
            environment: self.guard.id().to_owned(),
            environment_name: "dev".to_owned(),
            repository_name: "acme/shop".to_owned(),
            release: ReleaseContent { release, number: self.number, apps },
            previous: self.live.clone(),
            strategy: self.strategy.clone(),
            restore: false,
            runs_commands: true,
            signed_by: None,
            failed: None,
        }
    }

    pub(crate) fn means(&self) -> Means {
        Means {
            engine: self.engine.clone(),
            proxy: Arc::new(self.caddy.client()),
            recorder: Recorder::new(),
            cancel: CancellationToken::new(),
        }
    }

    pub(crate) fn context(&self, means: &Means) -> JobContext {
        JobContext {
            engine: means.engine.clone(),
            reporter: means.recorder.reporter(),
            registries: self.registry.credentials(),
            withheld_registries: Vec::new(),
            withheld_secrets: Vec::new(),
            secrets: self.secrets.clone(),
            proxy: Some(means.proxy.clone()),
            runner_id: "runner-of-tests".to_owned(),
            incarnation: "1".to_owned(),
            attempt: 1,
            steps: Vec::new(),
            cancel: means.cancel.clone(),
        }
    }

    /// Rolls a new release out; what went live is the release before for the next one.
    pub(crate) async fn release(&mut self, apps: Vec<ReleasedApp>) -> (JobResult, Arc<Recorder>) {
        let work = self.work(apps);
        let means = self.means();
        let result = rollouts::execute(&work, &self.context(&means)).await;
        if result == JobResult::Live {
            self.live = Some(work.release);
        }
        (result, means.recorder)
    }

    /// The same, and it must go live.
    pub(crate) async fn go_live(&mut self, apps: Vec<ReleasedApp>) -> Arc<Recorder> {
        let (result, recorder) = self.release(apps).await;
        assert_eq!(result, JobResult::Live, "{}", recorder.transcript());
        recorder
    }

    pub(crate) async fn ask(&self, domain: &str) -> Result<String, String> {
        ask(&client(false), &self.caddy.url(), domain).await
    }

    pub(crate) async fn instances(&self) -> Vec<Instance> {
        self.target().instances().await.unwrap()
    }

    pub(crate) fn target(&self) -> DockerTarget {
        let placement = Placement {
            runner: "runner-of-tests".to_owned(),
            environment: self.guard.id().to_owned(),
            names: self.names(),
        };
        DockerTarget::new(self.engine.clone(), placement, vec![], self.secrets.clone())
    }

    pub(crate) fn names(&self) -> EnvironmentNames {
        EnvironmentNames::new(self.guard.id(), "dev")
    }

    pub(crate) async fn route(&self, app: &str) -> Option<Route> {
        self.caddy.client().route(&self.names().route(app)).await.unwrap()
    }

    /// Exactly the live release: its containers and no other, all running; its routes to exactly them, nothing draining.
    pub(crate) async fn assert_settled(&self, context: &str) {
        let live = self.live.as_ref();
        let mut wanted: Vec<(String, u32)> = Vec::new();
        for app in live.into_iter().flat_map(|live| &live.apps) {
            wanted.extend((1..=app.run.replicas).map(|replica| (app.app.clone(), replica)));
        }
        wanted.sort();
        let instances = self.instances().await;
        let found: Vec<(String, u32)> = instances.iter().map(|it| (it.app.clone(), it.replica)).collect();
        assert_eq!(found, wanted, "{context}: {instances:#?}");
        for instance in &instances {
            assert!(instance.is_running(), "{context}: {instance:?}");
            assert_eq!(Some(&instance.release), live.map(|live| &live.release), "{context}");
        }
        for app in live.into_iter().flat_map(|live| &live.apps) {
            let own = instances.iter().filter(|it| it.app == app.app).filter_map(|it| it.upstream.clone());
            let wanted = app.run.domain.as_ref().map(|domain| {
                let mut upstreams: Vec<String> = own.collect();
                upstreams.sort();
                (vec![domain.clone()], upstreams)
            });
            let route = self.route(&app.app).await.filter(Route::serves);
            let route = route.map(|mut route| {
                route.upstreams.sort();
                (route.hosts, route.upstreams)
            });
            assert_eq!(route, wanted, "{context}: the route of {}", app.app);
        }
    }
}
