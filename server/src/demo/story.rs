//! The story that the demo tells, and the checks that it really happened.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    DemoError,
    client::{Attempt, Build, Client, Connected, Image, Release},
    sample::{Push, Sample},
    terminal::{Terminal, seconds},
    visitor::{Seen, Visitor, ask},
};

/// How long a build or a rollout of the demo may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the demo looks again when no event tells it to.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) const DEV: &str = "dev.shop.localhost";
pub(super) const PRODUCTION: &str = "shop.localhost";

/// Everything that the story is told with.
pub(super) struct Story<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) client: &'a Client,
    /// For requests to what was released.
    pub(super) http: &'a reqwest::Client,
    /// Where Caddy serves, such as `http://127.0.0.1:8081`.
    pub(super) site: &'a str,
    pub(super) hook: Connected,
    pub(super) sample: Sample,
    /// Lines for the end: what was done, how long it took, what came of it.
    pub(super) summary: Vec<String>,
}

impl Story<'_> {
    /// Tells it from the first push to the last.
    pub(super) async fn tell(&mut self) -> Result<(), DemoError> {
        let first = self.first_push().await?;
        self.promote(&first, "version 1").await?;
        let second = self.second_push().await?;
        self.sick_push(&second).await?;
        self.promote(&second, "version 2").await?;
        self.roll_back(&first).await?;
        self.branch_push().await
    }

    async fn first_push(&mut self) -> Result<Release, DemoError> {
        self.terminal.chapter("Push 1: the first version goes to dev");
        let push = self.sample.push("main", "main", "Open the shop")?;
        let build = self.built(&push).await?;
        let release = self.released("dev", 0).await?;
        expect_state("the first release", "live", &release)?;
        same_digest("the release in dev", &release, &build)?;
        self.answer(DEV, "version 1, on dev").await?;
        Ok(release)
    }

    async fn second_push(&mut self) -> Result<Release, DemoError> {
        self.terminal.chapter("Push 2: a new version takes over while a visitor keeps asking");
        self.sample.change("VERSION", Some("2\n"));
        let push = self.sample.push("main", "main", "Sell more")?;
        let visitor = self.visitor(DEV);
        let build = self.built(&push).await?;
        let release = self.released("dev", 1).await?;
        let seen = visitor.leave().await;
        expect_state("the second release", "live", &release)?;
        same_digest("the release in dev", &release, &build)?;
        self.visited(&seen, &["version 1, on dev", "version 2, on dev"])?;
        self.answer(DEV, "version 2, on dev").await?;
        Ok(release)
    }

    async fn sick_push(&mut self, serving: &Release) -> Result<(), DemoError> {
        self.terminal.chapter("Push 3: a version whose health check fails is taken back");
        self.sample.change("VERSION", Some("3\n"));
        let health = self.sample.change("www/health", None);
        let push = self.sample.push("main", "main", "Break the health check")?;
        let visitor = self.visitor(DEV);
        self.built(&push).await?;
        let release = self.released("dev", serving.number).await?;
        let seen = visitor.leave().await;
        expect_state("the sick release", "failed", &release)?;
        let reason = release.reason.as_deref().unwrap_or_default();
        if !reason.contains("/health") {
            return Err(not_observed("a reason that names the health check", reason));
        }
        self.terminal.done(&format!("the reason is told: {reason}"), None);
        self.visited(&seen, &["version 2, on dev"])?;
        self.answer(DEV, "version 2, on dev").await?;
        self.sample.change("www/health", health.as_deref());
        Ok(())
    }

    async fn promote(&mut self, from: &Release, version: &str) -> Result<(), DemoError> {
        self.terminal.chapter(&format!("Promotion: production gets what is live in dev ({version})"));
        let before = self.client.newest_release("production").await?.map_or(0, |release| release.number);
        self.client.change("production", "promotions").await?;
        let release = self.released("production", before).await?;
        expect_state("the promotion", "live", &release)?;
        same_apps("production's release", &release, from)?;
        self.terminal.done("production runs the very digests that dev runs", None);
        self.answer(PRODUCTION, &format!("{version}, on production")).await
    }

    async fn roll_back(&mut self, to: &Release) -> Result<(), DemoError> {
        self.terminal.chapter("Rollback: production returns to the release before");
        let before = self.client.newest_release("production").await?.map_or(0, |release| release.number);
        let visitor = self.visitor(PRODUCTION);
        self.client.change("production", "rollbacks").await?;
        let release = self.released("production", before).await?;
        let seen = visitor.leave().await;
        expect_state("the rollback", "live", &release)?;
        same_apps("the rollback", &release, to)?;
        self.visited(&seen, &["version 1, on production", "version 2, on production"])?;
        self.answer(PRODUCTION, "version 1, on production").await
    }

    async fn branch_push(&mut self) -> Result<(), DemoError> {
        self.terminal.chapter("Another branch: built, tested, tagged and pushed, not released");
        self.sample.change("VERSION", Some("4\n"));
        let push = self.sample.push("feature/blue", "main", "Paint it blue")?;
        let environments = ["dev", "production"];
        let mut before = Vec::new();
        for environment in environments {
            before.push(self.client.newest_release(environment).await?.map(|release| release.number));
        }
        let build = self.built(&push).await?;
        let tags: Vec<&str> = build.artifacts.iter().flat_map(|artifact| &artifact.tags).map(String::as_str).collect();
        if !tags.contains(&"feature.blue") || tags.contains(&"latest") {
            return Err(not_observed("the tag feature.blue and not latest", &tags.join(", ")));
        }
        for (environment, before) in environments.into_iter().zip(before) {
            // Releases are made in the transaction that ends the build, so that none can still come.
            if self.client.newest_release(environment).await?.map(|release| release.number) != before {
                return Err(not_observed("no release of another branch", &format!("one in {environment}")));
            }
        }
        self.terminal.done("no environment was touched", None);
        Ok(())
    }

    /// Sends the push's delivery and follows its build to the good end.
    async fn built(&mut self, push: &Push) -> Result<Build, DemoError> {
        let started = Instant::now();
        let status = self.client.deliver(&self.hook, push).await?;
        if status != 202 {
            return Err(not_observed("the delivery answered with 202", &status.to_string()));
        }
        self.terminal.done(
            &format!("delivery stored, commit {} on {}", short(&push.after), push.git_ref),
            Some(started.elapsed()),
        );
        let build = self
            .followed(
                "a build",
                async || self.client.build_of(&push.after).await,
                |build| (&build.state, &build.attempts),
            )
            .await?;
        if build.state != "succeeded" {
            return Err(not_observed("a build that succeeds", &told_state(&build.state, build.reason.as_deref())));
        }
        self.remember(&format!("build {}", build.number), started.elapsed(), &build.attempts);
        for artifact in &build.artifacts {
            let line = format!("{}@{}  tags {}", artifact.image, artifact.digest, artifact.tags.join(", "));
            self.terminal.fact(&line);
            self.summary.push(format!("  {line}"));
        }
        Ok(build)
    }

    /// Follows the release after number `after` of an environment to its end, good or bad.
    async fn released(&mut self, environment: &str, after: i64) -> Result<Release, DemoError> {
        let started = Instant::now();
        let newest =
            async || Ok(self.client.newest_release(environment).await?.filter(|release| release.number > after));
        let release = self.followed("a release", newest, |release| (&release.state, &release.attempts)).await?;
        let title = format!("release {} of {environment}: {}", release.number, release.state);
        self.remember(&title, started.elapsed(), &release.attempts);
        Ok(release)
    }

    /// Looks again at every event, tells each step once, and returns what it looked at when that has ended.
    async fn followed<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<Option<T>, DemoError>,
        progress: impl Fn(&T) -> (&str, &[Attempt]),
    ) -> Result<T, DemoError> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = self.client.events().await?;
        let mut told = BTreeSet::new();
        loop {
            if let Some(thing) = look().await? {
                let (state, attempts) = progress(&thing);
                self.tell_steps(attempts, &mut told);
                if !matches!(state, "queued" | "running" | "rolling") {
                    return Ok(thing);
                }
            }
            let event = timeout_at(deadline, async {
                tokio::select! { _ = events.next() => {}, () = sleep(LOOK_AGAIN) => {} }
            });
            if event.await.is_err() {
                return Err(not_observed(&format!("{what} that ends"), &format!("none in {}", seconds(PATIENCE))));
            }
        }
    }

    fn tell_steps(&self, attempts: &[Attempt], told: &mut BTreeSet<(i64, i64, bool)>) {
        for attempt in attempts {
            for step in &attempt.steps {
                let ended = !matches!(step.state.as_str(), "pending" | "running");
                if step.state == "pending" || !told.insert((attempt.attempt, step.index, ended)) {
                    continue;
                }
                let name = format!("{}: {}", step.kind, step.name);
                match step.state.as_str() {
                    "running" => self.terminal.running(&name),
                    "succeeded" => self.terminal.done(&name, step.took()),
                    state => self
                        .terminal
                        .failed(&format!("{name}  {}", told_state(state, step.reason.as_deref())), step.took()),
                }
            }
        }
    }

    fn visitor(&self, host: &str) -> Visitor {
        Visitor::arrive(self.http, self.site, host)
    }

    /// Checks that no request failed and that the texts expected, and no others, were served.
    fn visited(&mut self, seen: &Seen, expected: &[&str]) -> Result<(), DemoError> {
        let total: u64 = seen.answers.values().sum();
        if let Some(failure) = seen.failures.first() {
            let found = format!("{} of {} failed, first: {failure}", seen.failures.len(), total);
            return Err(not_observed("no request to fail", &found));
        }
        for text in expected {
            if !seen.answers.keys().any(|answer| answer.contains(text)) {
                return Err(not_observed(&format!("“{text}” served"), &format!("{:?}", seen.answers)));
            }
        }
        if let Some(stranger) = seen.answers.keys().find(|answer| !expected.iter().any(|text| answer.contains(text))) {
            return Err(not_observed(&format!("only {expected:?}"), stranger));
        }
        let line = format!("the visitor asked {total} times, no request failed");
        self.terminal.done(&line, None);
        self.summary.push(format!("  {line}"));
        Ok(())
    }

    /// Asks the released app once and prints what it says.
    async fn answer(&self, host: &str, expected: &str) -> Result<(), DemoError> {
        let text = ask(self.http, self.site, host).await.map_err(|failure| not_observed("an answer", &failure))?;
        if !text.contains(expected) {
            return Err(not_observed(&format!("“{expected}”"), &text));
        }
        self.terminal.done(&format!("http://{host} answers: {}", text.trim()), None);
        Ok(())
    }

    fn remember(&mut self, title: &str, took: Duration, attempts: &[Attempt]) {
        self.summary.push(format!("{title}  {}", seconds(took)));
        let Some(last) = attempts.last() else { return };
        for step in &last.steps {
            let took = step.took().map(seconds).unwrap_or_default();
            self.summary.push(format!("  {:>8}  {}: {}", took, step.kind, step.name));
        }
    }
}

fn expect_state(what: &str, state: &str, release: &Release) -> Result<(), DemoError> {
    if release.state == state {
        return Ok(());
    }
    Err(not_observed(&format!("{what} to be {state}"), &told_state(&release.state, release.reason.as_deref())))
}

fn same_digest(what: &str, release: &Release, build: &Build) -> Result<(), DemoError> {
    same_digests(what, &digests(&release.apps), &digests(&build.artifacts))
}

fn same_apps(what: &str, release: &Release, other: &Release) -> Result<(), DemoError> {
    same_digests(what, &digests(&release.apps), &digests(&other.apps))
}

fn same_digests(what: &str, found: &[&str], expected: &[&str]) -> Result<(), DemoError> {
    if found == expected && !found.is_empty() {
        return Ok(());
    }
    Err(not_observed(&format!("{what} to hold {expected:?}"), &format!("{found:?}")))
}

fn digests(apps: &[Image]) -> Vec<&str> {
    apps.iter().map(|app| app.digest.as_str()).collect()
}

fn told_state(state: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"))
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

fn not_observed(expected: &str, found: &str) -> DemoError {
    DemoError::NotObserved { expected: expected.to_owned(), found: found.to_owned() }
}
