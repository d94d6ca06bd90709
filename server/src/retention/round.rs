//! One round: what goes is chosen first and can be looked at; then just that is removed, portion by portion.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    choice::{BuildFacts, Held, build_goes, releases_that_stay},
    limits::{Limits, older_than},
    logs::remove_logs,
    turn::Turn,
};
use crate::{
    access::session,
    http::KEPT_MS,
    ids::{BuildId, ReleaseId, RepositoryId},
    store::{
        self, Conn, Store, StoreError, answers, grown, log_questions, measurements,
        repositories::Repository,
        retention::{self as stored, Amount},
        secrets, sessions,
    },
};

/// The most builds and releases that one round removes; the next one goes on.
const MOST_IN_A_ROUND: usize = 5_000;
/// How many rows are looked at with one statement.
const LOOKED_AT: i64 = 500;
/// How many rows go with one commit: a few milliseconds' work, since webhooks wait for it on SQLite.
const PORTION: i64 = 200;

/// How long an earlier value of a secret stays although nothing runs with it: a release may be made just now.
const EARLIER_VALUE_MS: i64 = 60 * 60 * 1_000;

/// Commits portion after portion until one removes nothing.
macro_rules! portions {
    ($store:expr, $turn:expr, |$tx:ident| $remove:expr) => {
        while $turn
            .step(async {
                let mut $tx = $store.write().await?;
                let removed = $remove.await?;
                $tx.commit().await?;
                Ok::<_, StoreError>(removed)
            })
            .await?
            > 0
        {}
    };
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Going {
    /// What it is: `release`, `build`, `earlier values of secrets`, `logs`, `payloads`, `deliveries`, `pull requests`,
    /// `tokens`, `events`, `audit entries`, `measurements`, `answers`, `sessions`.
    pub what: &'static str,
    /// Its name, such as `acme/shop #12`; empty where it is many at once.
    pub name: String,
    /// How many there are of it.
    pub count: i64,
    /// What it takes in the database, in bytes: logs, payloads and texts.
    pub bytes: i64,
    /// Why it goes.
    pub reason: String,
}

/// What goes in one round, chosen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    limits: Limits,
    now: i64,
    releases: Vec<ReleaseId>,
    builds: Vec<BuildId>,
    secret_versions: Vec<(RepositoryId, i64)>,
    going: Vec<Going>,
}

impl Round {
    /// Chooses what goes by these limits at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn choose(store: &Store, limits: Limits, now: i64) -> Result<Round, StoreError> {
        let mut round = Round {
            limits,
            now,
            releases: Vec::new(),
            builds: Vec::new(),
            secret_versions: Vec::new(),
            going: Vec::new(),
        };
        let mut after = String::new();
        loop {
            // A connection is given back between the repositories: there are only a few.
            let mut reader = store.read().await?;
            let page = store::repositories::list(&mut reader.conn(), &after, 1).await?;
            let Some(repository) = page.into_iter().next() else { break };
            after.clone_from(&repository.name);
            match round.choose_of(&mut reader.conn(), &repository).await {
                Err(error) if error.is_unreadable() => {
                    tracing::error!(%error, repository = repository.name, "nothing of a repository is collected");
                }
                chosen => chosen?,
            }
        }
        round.count_the_rest(&mut store.read().await?.conn()).await?;
        Ok(round)
    }

    /// What goes, in the order in which it is removed.
    #[must_use]
    pub fn going(&self) -> &[Going] {
        &self.going
    }

    async fn choose_of(&mut self, conn: &mut Conn<'_>, repository: &Repository) -> Result<(), StoreError> {
        let mut releases = stored::releases(conn, &repository.id).await?;
        self.choose_secrets(conn, repository).await?;
        // A release goes before what it was made from.
        releases.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        let stay = releases_that_stay(&releases, &self.limits, self.now);
        let held = Held::by(releases.iter().filter(|release| stay.contains(&release.id)));
        for release in releases.iter().filter(|release| !stay.contains(&release.id)) {
            if self.releases.len() >= MOST_IN_A_ROUND {
                // What its releases hold is not free yet.
                return Ok(());
            }
            let logs = stored::logs_of_release(conn, &release.id).await?;
            let environment = store::environments::find(conn, &release.environment).await?;
            let environment = environment.map_or_else(String::new, |environment| environment.name);
            self.going.push(Going {
                what: "release",
                name: format!("{} {environment} #{}", repository.name, release.number),
                count: 1,
                bytes: logs.bytes,
                reason: format!(
                    "{} for more than {} days, and none of the newest {} that a rollback offers",
                    release.state, self.limits.releases_days, self.limits.releases_keep
                ),
            });
            self.releases.push(release.id.clone());
        }
        self.choose_builds(conn, repository, &held).await
    }

    async fn choose_secrets(&mut self, conn: &mut Conn<'_>, repository: &Repository) -> Result<(), StoreError> {
        let unheld = secrets::unheld(conn, &repository.id, self.now - EARLIER_VALUE_MS).await?;
        if !unheld.is_empty() {
            self.going.push(Going {
                what: "earlier values of secrets",
                name: repository.name.clone(),
                count: i64::try_from(unheld.len()).unwrap_or(i64::MAX),
                bytes: 0,
                reason: "no release that is kept runs with them".to_owned(),
            });
        }
        self.secret_versions.extend(unheld.into_iter().map(|version| (repository.id.clone(), version)));
        Ok(())
    }

    async fn choose_builds(
        &mut self,
        conn: &mut Conn<'_>,
        repository: &Repository,
        held: &Held,
    ) -> Result<(), StoreError> {
        let Some(before) = older_than(self.limits.builds_days, self.now) else { return Ok(()) };
        let mut after = 0;
        loop {
            let count = i64::from(self.limits.builds_keep);
            let page = stored::builds(conn, &repository.id, after, count, LOOKED_AT).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            for build in page.iter().filter(|build| build_goes(build, held, &self.limits, self.now)) {
                if self.builds.len() >= MOST_IN_A_ROUND {
                    return Ok(());
                }
                let logs = stored::logs_of_build(conn, &build.id).await?;
                self.going.push(self.going_build(repository, build, logs));
                self.builds.push(build.id.clone());
            }
            // What follows is younger. One alone that seems to be may bear the time of a clock that was wrong.
            if page.iter().all(|build| build.created_at >= before) {
                return Ok(());
            }
        }
    }

    fn going_build(&self, repository: &Repository, build: &BuildFacts, logs: Amount) -> Going {
        let days = self.limits.builds_days;
        let reason = match build.ref_deleted_at {
            Some(_) => format!("older than {days} days, and its branch or tag was deleted"),
            None => format!("older than {days} days, and none of the newest {} of its ref", self.limits.builds_keep),
        };
        let name = format!("{} #{}", repository.name, build.number);
        Going { what: "build", name, count: 1, bytes: logs.bytes, reason }
    }

    /// The rest is not told one by one. What goes with a release or a build counts once more here.
    async fn count_the_rest(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        let Limits { logs_days, payloads_days, deliveries_days, events_days, audit_days, .. } = self.limits;
        if let Some(before) = older_than(logs_days, self.now) {
            let amount = stored::old_logs(conn, before).await?;
            self.count("logs", amount, format!("of steps that ended more than {logs_days} days ago"));
        }
        if let Some(before) = older_than(payloads_days, self.now) {
            let amount = stored::old_payloads(conn, before).await?;
            self.count("payloads", amount, format!("of deliveries older than {payloads_days} days"));
        }
        if let Some(before) = older_than(deliveries_days, self.now) {
            let amount = stored::old_deliveries(conn, before).await?;
            self.count("deliveries", amount, format!("older than {deliveries_days} days"));
            let amount = stored::old_pull_requests(conn, before).await?;
            self.count("pull requests", amount, format!("closed more than {deliveries_days} days ago"));
            let amount = stored::old_tokens(conn, before).await?;
            self.count("tokens", amount, format!("revoked more than {deliveries_days} days ago"));
        }
        if let Some(before) = older_than(events_days, self.now) {
            let amount = grown::old_events(conn, before, self.now).await?;
            self.count("events", amount, format!("older than {events_days} days"));
        }
        if let Some(before) = older_than(audit_days, self.now) {
            let amount = grown::old_audit_entries(conn, before, self.now).await?;
            self.count("audit entries", amount, format!("older than {audit_days} days"));
        }
        for (span_ms, before, reason) in self.limits.measurements(self.now) {
            let amount = measurements::old(conn, span_ms, before).await?;
            self.count("measurements", amount, reason);
        }
        let answers = Amount { count: answers::old(conn, self.now - KEPT_MS).await?, ..Amount::default() };
        self.count("answers", answers, "to requests of more than a day ago".to_owned());
        let (created, seen) = (self.now - session::ABSOLUTE_MS, self.now - session::IDLE_MS);
        let amount = stored::old_sessions(conn, created, seen).await?;
        self.count("sessions", amount, "ended".to_owned());
        Ok(())
    }

    fn count(&mut self, what: &'static str, amount: Amount, reason: String) {
        if amount.count > 0 {
            let Amount { count, bytes } = amount;
            self.going.push(Going { what, name: String::new(), count, bytes, reason });
        }
    }

    /// Removes what was chosen. Ended in the middle, it leaves what is still whole; the next round goes on.
    ///
    /// # Errors
    /// When the database fails, or the archive of logs does; then all else was removed.
    pub(super) async fn collect(&self, store: &Store, turn: &mut Turn) -> Result<(), StoreError> {
        let with_logs = self.collect_with_logs(store, turn).await;
        self.collect_the_rest(store, turn).await?;
        with_logs
    }

    /// What has logs, and logs alone.
    async fn collect_with_logs(&self, store: &Store, turn: &mut Turn) -> Result<(), StoreError> {
        for release in &self.releases {
            let steps = stored::steps_of_release(&mut store.read().await?.conn(), release).await?;
            remove_logs(store, turn, &steps).await?;
            turn.step(async {
                let mut tx = store.write().await?;
                stored::remove_release(&mut tx, release).await?;
                tx.commit().await
            })
            .await?;
        }
        for build in &self.builds {
            let steps = stored::steps_of_build(&mut store.read().await?.conn(), build).await?;
            remove_logs(store, turn, &steps).await?;
            turn.step(async {
                let mut tx = store.write().await?;
                stored::remove_build(&mut tx, build).await?;
                tx.commit().await
            })
            .await?;
        }
        if let Some(before) = older_than(self.limits.logs_days, self.now) {
            loop {
                let steps = stored::steps_with_old_logs(&mut store.read().await?.conn(), before, LOOKED_AT).await?;
                if steps.is_empty() {
                    break;
                }
                remove_logs(store, turn, &steps).await?;
            }
        }
        Ok(())
    }

    async fn collect_the_rest(&self, store: &Store, turn: &mut Turn) -> Result<(), StoreError> {
        for (repository, version) in &self.secret_versions {
            turn.step(async {
                let mut tx = store.write().await?;
                secrets::remove_version(&mut tx, repository, *version).await?;
                tx.commit().await
            })
            .await?;
        }
        let Limits { payloads_days, deliveries_days, events_days, audit_days, .. } = self.limits;
        if let Some(before) = older_than(payloads_days, self.now) {
            portions!(store, turn, |tx| stored::remove_payloads(&mut tx, before, PORTION));
        }
        if let Some(before) = older_than(deliveries_days, self.now) {
            portions!(store, turn, |tx| stored::remove_deliveries(&mut tx, before, PORTION));
            turn.step(async {
                let mut tx = store.write().await?;
                stored::remove_pull_requests(&mut tx, before).await?;
                stored::remove_tokens(&mut tx, before).await?;
                tx.commit().await
            })
            .await?;
        }
        if let Some(before) = older_than(events_days, self.now) {
            portions!(store, turn, |tx| grown::remove_events(&mut tx, before, self.now, PORTION));
        }
        if let Some(before) = older_than(audit_days, self.now) {
            portions!(store, turn, |tx| grown::remove_audit_entries(&mut tx, before, self.now, PORTION));
        }
        for (span_ms, before, _) in self.limits.measurements(self.now) {
            portions!(store, turn, |tx| measurements::remove(&mut tx, span_ms, before, PORTION));
        }
        turn.step(async {
            let mut tx = store.write().await?;
            let (created, seen) = (self.now - session::ABSOLUTE_MS, self.now - session::IDLE_MS);
            answers::forget(&mut tx, self.now - KEPT_MS).await?;
            log_questions::forget(&mut tx, self.now - log_questions::STALE_MS).await?;
            sessions::delete_expired(&mut tx, created, seen).await?;
            tx.commit().await
        })
        .await
    }
}
