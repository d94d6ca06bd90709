//! A house whose only app is changed again and again, in every way that may not lose a request.

use serde_json::json;

use crate::{house::House, images::web_app};

/// The host name of the app.
pub const DOMAIN: &str = "changing.localhost";

/// A way in which the app changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new version, some containers at a time.
    Rolling,
    /// A new version, tried with shares of the traffic.
    Canary,
    /// What was live before.
    Rollback,
    /// A new version, all of it at once.
    BlueGreen,
}

impl Change {
    /// Every one of them.
    pub const ALL: [Change; 4] = [Change::Rolling, Change::Canary, Change::Rollback, Change::BlueGreen];

    fn strategy(self) -> &'static str {
        match self {
            Change::Rolling | Change::Rollback => "rolling",
            Change::Canary => "{canary: [20%, 60%], bake: 1s}",
            Change::BlueGreen => "blue-green",
        }
    }
}

/// The house.
pub struct ChangingHouse {
    /// It.
    pub house: House,
    /// The files of a version, without captain.yml.
    version: fn(&str) -> Vec<(&'static str, String)>,
    replicas: u32,
    versions: u32,
    /// The number of the release that is live.
    live: i64,
}

impl ChangingHouse {
    /// A house whose first version is live.
    pub async fn open(replicas: u32) -> Self {
        Self::with(House::open().await, replicas, |version| web_app(version, true)).await
    }

    /// The same with another app.
    pub async fn with(house: House, replicas: u32, version: fn(&str) -> Vec<(&'static str, String)>) -> Self {
        let mut changing = ChangingHouse { house, version, replicas, versions: 0, live: 0 };
        changing.change(Change::Rolling).await;
        changing
    }

    /// Changes it, and returns once that is live.
    pub async fn change(&mut self, change: Change) {
        match change {
            Change::Rollback => {
                let path = format!("/api/v1/repositories/{}/environments/dev/rollbacks", self.house.webhook.repository);
                self.house.slipway.api().post(&path, &json!({})).await.expect(202);
            }
            Change::Rolling | Change::Canary | Change::BlueGreen => self.push(change).await,
        }
        self.live += 1;
        self.house.live("dev", self.live).await;
    }

    async fn push(&mut self, change: Change) {
        self.versions += 1;
        let captain = format!(
            "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    replicas: {}\n    domain: {DOMAIN}\n    \
             drain: 5s\n    health: {{http: /health, interval: 500ms, timeout: 5s, retries: 20, start: 30s}}\n\
             environments:\n  dev: {{from: {{branch: main}}, strategy: {}}}\n",
            self.house.image(),
            self.replicas,
            change.strategy()
        );
        let mut files = (self.version)(&format!("v{}", self.versions));
        files.push(("captain.yml", captain));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let number = self.house.push("main", &files).await;
        self.house.build_in(number, "succeeded").await;
    }
}
