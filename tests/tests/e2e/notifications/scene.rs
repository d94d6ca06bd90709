//! What these tests say: channels that lead to an inbox, and what came there.

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::{Condition, Coordinator as _, EnvironmentReport, JobResult, ReplicaReport, Trouble};
use slipway_server::{
    notifications::{Address, NewChannel, NotificationState, Rule, Sender, deliver_due, read_news, set_channel},
    secrets::Secret,
    store::{
        alerts::{self, Alert},
        notifications,
    },
};
use slipway_tests::{
    databases::TestDatabase,
    inbox::Inbox,
    pipeline::{Pipeline, built, digest, usual_plan},
};

pub(crate) const MINUTE: i64 = 60_000;

/// A server whose channels lead to an inbox.
pub(crate) struct Scene {
    pub(crate) pipeline: Pipeline,
    pub(crate) inbox: Inbox,
    sender: Sender,
}

impl Scene {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let pipeline = Pipeline::new(database).await;
        let sender = Sender::new(None, "https://slipway.example").unwrap();
        Scene { pipeline, inbox: Inbox::open().await, sender }
    }

    /// Makes a webhook of this name, whose posts come to `/name`.
    pub(crate) async fn channel(&self, name: &str, rule: Rule) {
        let url = Secret::new(self.inbox.url(&format!("/{name}")));
        self.set(name, Address::Webhook { url, secret: None }, rule).await;
    }

    pub(crate) async fn set(&self, name: &str, address: Address, rule: Rule) {
        let new = NewChannel { name: name.to_owned(), address: Some(address), rule };
        let mut tx = self.pipeline.store.write().await.unwrap();
        set_channel(&mut tx, &self.pipeline.sealer, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A push to main that fails with this reason.
    pub(crate) async fn fails(&self, commit: &str, reason: &str) {
        self.pipeline.built(commit, JobResult::Failed { reason: reason.to_owned() }).await;
    }

    /// A push to main that succeeds, and is released nowhere.
    pub(crate) async fn succeeds(&self, commit: &str) {
        self.pipeline.built(commit, built(&digest(commit), ReleasePlan::default())).await;
    }

    /// A push to main that succeeds; its release to dev waits for its rollout.
    pub(crate) async fn is_released(&self, commit: &str) {
        self.pipeline.built(commit, built(&digest(commit), usual_plan())).await;
    }

    /// The runner tells how the replicas of web in dev are; what is well is well again.
    pub(crate) async fn stands(&self, conditions: &[Condition]) {
        let replicas = conditions.iter().zip(1..).map(|(condition, replica)| ReplicaReport {
            app: "web".to_owned(),
            replica,
            container: format!("web-{replica}"),
            address: None,
            condition: *condition,
            trouble: Some(Trouble {
                found: "its container ended with exit code 7".to_owned(),
                done: "started it".to_owned(),
                times: 3,
                over: *condition == Condition::Healthy,
            }),
            lasts: false,
            restarts: 0,
        });
        self.report(replicas.collect()).await;
    }

    /// The runner tells how the only replica of web in dev is, about which it could do nothing.
    pub(crate) async fn is_left_alone(&self, condition: Condition, lasts: bool) {
        let container = "web-1".to_owned();
        let (app, address) = ("web".to_owned(), None);
        let replica =
            ReplicaReport { app, replica: 1, container, address, condition, trouble: None, lasts, restarts: 0 };
        self.report(vec![replica]).await;
    }

    async fn report(&self, replicas: Vec<ReplicaReport>) {
        let live = self.pipeline.live("dev").await.unwrap();
        let report = EnvironmentReport {
            runner: "one".to_owned(),
            environment: live.environment_id.to_string(),
            release: live.id.to_string(),
            replicas,
            breach: None,
        };
        self.pipeline.coordinator.report_environment(report).await.unwrap();
    }

    /// Sees who is to be told, and sends what is due.
    pub(crate) async fn tell(&self) {
        // What ends a trouble is an event, and is read in its turn.
        read_news(&self.pipeline.store).await.unwrap();
        deliver_due(&self.pipeline.store, &self.pipeline.sealer, &self.sender).await.unwrap();
    }

    /// What came so far: the channel and the title of each, in order for each channel.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let posts = self.inbox.posts();
        let text = |post: &slipway_tests::inbox::Post| post.json()["title"].as_str().unwrap().to_owned();
        posts.iter().map(|post| (post.path.trim_start_matches('/').to_owned(), text(post))).collect()
    }

    /// What is wrong now.
    pub(crate) async fn open(&self) -> Vec<Alert> {
        alerts::open(&mut self.pipeline.store.read().await.unwrap().conn(), None, 100).await.unwrap()
    }

    /// Where every message stands, newest first, with the reason.
    pub(crate) async fn states(&self) -> Vec<(NotificationState, Option<String>)> {
        let mut reader = self.pipeline.store.read().await.unwrap();
        let found = notifications::list(&mut reader.conn(), None, 100).await.unwrap();
        found.into_iter().map(|message| (message.state, message.reason)).collect()
    }
}

/// A channel's name and a title, to compare with.
pub(crate) fn pair(channel: &str, title: &str) -> (String, String) {
    (channel.to_owned(), title.to_owned())
}
