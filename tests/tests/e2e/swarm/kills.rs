//! Runner and server are killed in the middle of a rollout on a Swarm: it goes on, or returns; visitors notice nothing.

use slipway_tests::{house::LONG, images::web_app, load::Load, wait::until};
use tokio::process::Command;

use super::{DOMAIN, Place, REPLICAS, expect_none_lost};

/// How many requests are answered while nobody drives the rollout.
const MEANWHILE: u64 = 40;

impl Place {
    /// The runner is killed while the first new task comes, and both are while two versions serve.
    pub(super) async fn goes_on_after_kills(&mut self) {
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        load.answers(10).await;
        self.push_with(web_app("four", false), "", "3m").await;
        self.comes(10).await;
        self.house.runners[0].kill().await;
        load.answers(MEANWHILE).await;
        self.house.runners[0].start(&self.house.slipway).await;
        self.cured(load.sees("four")).await;
        self.house.runners[0].kill().await;
        self.house.slipway.kill().await;
        load.answers(MEANWHILE).await;
        self.house.slipway.restart().await;
        self.house.runners[0].start(&self.house.slipway).await;
        self.cured(self.house.live("dev", 10)).await;
        load.answers(MEANWHILE).await;
        expect_none_lost("a rollout in three lives", &load.finish().await);
        self.is_alone("four").await;
    }

    /// The runner is killed while a version comes that never becomes healthy.
    pub(super) async fn returns_after_a_kill(&mut self) {
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        load.answers(10).await;
        self.push_with(web_app("sick again", false), "", "10s").await;
        self.comes(11).await;
        self.house.runners[0].kill().await;
        load.answers(MEANWHILE).await;
        self.house.runners[0].start(&self.house.slipway).await;
        let reason = self.failed(11).await;
        assert!(reason.contains("did not become healthy within 10 s"), "{reason}");
        expect_none_lost("a return in two lives", &load.finish().await);
        self.is_alone("four").await;
    }

    /// Waits until a task of a release runs.
    async fn comes(&self, release: i64) {
        let of_release = format!("-r{release}.");
        until(&format!("a task of release {release}"), LONG, async || {
            self.swarm.tasks().iter().any(|task| task.contains(&of_release)).then_some(())
        })
        .await;
    }

    /// Nothing but this version is left.
    async fn is_alone(&self, version: &str) {
        assert_eq!(self.settled().await, self.both());
        assert!(self.house.visit(DOMAIN).await.contains(version));
        assert_eq!(self.swarm.services().len(), 1, "{:?}", self.swarm.services());
        assert_eq!(self.swarm.tasks().len(), REPLICAS, "{:?}", self.swarm.tasks());
    }

    /// Waits for something while every task is made healthy, also those that are started meanwhile.
    async fn cured<T>(&self, waiting: impl Future<Output = T>) -> T {
        let cure = until("what cured tasks bring about", LONG, async || {
            for engine in [&self.swarm.manager, &self.swarm.worker] {
                let docker = format!("docker -H {}", engine.host());
                // One may be gone meanwhile.
                let each = format!(
                    "for it in $({docker} ps -q -f label=slipway.app=web); do {docker} exec $it touch /www/health; done"
                );
                let _ = Command::new("sh").args(["-c", &each]).output().await;
            }
            None::<T>
        });
        tokio::select! {
            done = waiting => done,
            never = cure => never,
        }
    }
}
