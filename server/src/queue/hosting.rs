//! What a runner is told of the environments that it hosts, and what it tells of them.

use std::collections::BTreeMap;

use slipway_pipelines::config::Strategy;
use slipway_runner::coordinator::{
    Condition, EnvironmentReport, HostedEnvironment, Hosting, HostingQuestion, RegistryCredential, ReplicaReport,
    Trouble,
};

use super::{ServerCoordinator, fence::ReportError, work};
use crate::{
    events::NewEvent,
    ids::EnvironmentId,
    releases::{self, ReleaseState},
    secrets::repository as secrets,
    store::{
        self, Conn, JsonText, StoreError, Tx,
        environments::Environment,
        releases::Release,
        runners::Runner,
        standing::{Hosted, Standing},
    },
};

/// The most replicas that are told of an environment.
const MOST_REPLICAS: usize = 10_000;
/// What was found where nothing is known but that it is not well.
const NOT_WELL: &str = "it is not well, and nothing could be done about it";
/// The longest text of what was found or done, in characters.
const TEXT_LIMIT: usize = 500;

/// What the runner's environments are to run. A life that is over hosts nothing any more.
pub(super) async fn hosting(server: &ServerCoordinator, question: &HostingQuestion) -> Result<Hosting, ReportError> {
    let mut reader = server.store.read().await?;
    let conn = &mut reader.conn();
    let mut hosting =
        Hosting { lease_ms: u64::try_from(server.timing.lease_ms()).unwrap_or(u64::MAX), ..Hosting::default() };
    let runner = store::runners::find(conn, &question.runner).await?;
    let is_asking = |runner: &Runner| runner.revoked_at.is_none() && runner.incarnation == question.incarnation;
    let Some(runner) = runner.filter(is_asking) else { return Ok(hosting) };
    let mut logins: BTreeMap<String, Vec<RegistryCredential>> = BTreeMap::new();
    for hosted in store::standing::hosted(conn, &question.runner).await? {
        let (repository, environment) = (hosted.repository_name.clone(), hosted.name.clone());
        let described = match describe(conn, server, hosted).await {
            // What runs there goes on; the others are looked after.
            Err(error) if error.is_unreadable() => {
                tracing::error!(%error, repository, environment, "an environment cannot be looked after");
                continue;
            }
            described => described?,
        };
        // One that is too old would make containers of its own of what it does not know.
        let known = described.filter(|it| i64::from(it.release.known_since()) <= runner.protocol);
        let Some(mut environment) = known else { continue };
        let repository = environment.repository_name.as_str();
        if !logins.contains_key(repository) {
            let given = work::logins(conn, server, Some(repository)).await?.given;
            logins.insert(repository.to_owned(), given);
        }
        environment.registries = logins.get(repository).cloned().unwrap_or_default();
        hosting.environments.push(environment);
    }
    Ok(hosting)
}

async fn describe(
    conn: &mut Conn<'_>,
    server: &ServerCoordinator,
    hosted: Hosted,
) -> Result<Option<HostedEnvironment>, StoreError> {
    let Some(live) = store::releases::live(conn, &hosted.id).await? else { return Ok(None) };
    let release = live.content();
    let source = server.credentials.as_ref();
    let receiver = secrets::Receiver {
        repository: &hosted.repository_id,
        environment: &hosted.name,
        build: &live.build_id,
        apps: &release.apps,
        former: &[],
    };
    let secrets = secrets::of_apps(conn, source, &receiver).await?.values;
    let now = server.store.clock().now();
    let bake = releases::bakes_for(conn, &hosted.repository_id, &hosted.name, &live, now).await?;
    let alone = runs_alone(conn, &live).await?;
    let known = store::standing::find(conn, &hosted.id).await?.map(|standing| standing.replicas.0);
    Ok(Some(HostedEnvironment {
        environment: hosted.id.to_string(),
        environment_name: hosted.name,
        repository_name: hosted.repository_name,
        release,
        alone,
        secrets,
        registries: Vec::new(),
        known: known.unwrap_or_default(),
        bake,
    }))
}

/// Whether no other version may run beside what is live: by its own strategy, or by that of the newest release, which may stand
/// in for what could not be returned to.
async fn runs_alone(conn: &mut Conn<'_>, live: &Release) -> Result<bool, StoreError> {
    let is_recreate = |release: &Release| matches!(release.strategy.0, Strategy::Recreate);
    let newest = store::releases::list(conn, &live.environment_id, None, 1).await?.pop();
    let stands_in = newest.is_some_and(|newest| newest.state == ReleaseState::Failed && is_recreate(&newest));
    Ok(is_recreate(live) || stands_in)
}

/// Stores how an environment's replicas stand, with an event for everything that was found amiss and for its end. What comes
/// of a runner that does not host it, or of a release that is not live, is of the past, and dropped.
pub(super) async fn report(server: &ServerCoordinator, report: EnvironmentReport) -> Result<(), ReportError> {
    if report.replicas.len() > MOST_REPLICAS {
        return Err(ReportError::Refused(format!("a report names at most {MOST_REPLICAS} replicas")));
    }
    let Ok(id) = report.environment.parse::<EnvironmentId>() else { return Ok(()) };
    let mut tx = server.store.write().await?;
    let Some(environment) = store::environments::find(&mut tx.conn(), &id).await? else { return Ok(()) };
    if !may_tell(&mut tx, server, &report, &environment).await? {
        return Ok(());
    }
    let Some(live) = store::releases::live(&mut tx.conn(), &id).await? else { return Ok(()) };
    if live.id.as_str() != report.release {
        return Ok(());
    }
    let before = store::standing::find(&mut tx.conn(), &id).await?.map(|standing| standing.replicas.0);
    let before = before.unwrap_or_default();
    let mut replicas: Vec<ReplicaReport> = report.replicas.into_iter().map(bounded).collect();
    for replica in replicas.iter_mut().filter(|replica| replica.condition != Condition::Healthy) {
        // A keeper that begins anew does not know how long it has been so.
        let known = before.iter().find(|it| (&it.app, it.replica) == (&replica.app, replica.replica));
        replica.lasts |= known.is_some_and(|known| known.lasts);
    }
    for replica in &replicas {
        let known = before.iter().find(|it| (&it.app, it.replica) == (&replica.app, replica.replica));
        for kind in news(known, replica) {
            let trouble = replica.trouble.as_ref();
            tx.emit(
                NewEvent::new(kind)
                    .repository(&environment.repository_id)
                    .environment(&id)
                    .release(&live.id)
                    .with("app", &replica.app)
                    .with("replica", replica.replica)
                    .with("found", trouble.map_or(NOT_WELL, |trouble| &trouble.found))
                    .with("done", trouble.map(|trouble| &trouble.done))
                    .with("times", trouble.map(|trouble| trouble.times)),
            );
        }
    }
    let replicas: Vec<ReplicaReport> = replicas.into_iter().map(settled).collect();
    if before.iter().map(|it| it.condition).ne(replicas.iter().map(|it| it.condition)) {
        // Whoever looks at the environment sees it change.
        tx.emit(NewEvent::new("environment.stands").repository(&environment.repository_id).environment(&id));
        // What waits elsewhere for word that it is well here may be let in.
        tx.ring_gates();
    }
    if let Some(found) = &report.breach {
        let found: String = found.chars().take(TEXT_LIMIT).collect();
        releases::breached(&mut tx, &id, &live, &found).await?;
    }
    let at = tx.now();
    let standing = Standing {
        environment_id: id,
        release_id: live.id,
        runner_id: report.runner,
        replicas: JsonText(replicas),
        at,
    };
    store::standing::put(&mut tx, &standing).await?;
    Ok(tx.commit().await?)
}

/// Whether the runner hosts the environment, and the life of it that tells is the present one.
async fn may_tell(
    tx: &mut Tx,
    server: &ServerCoordinator,
    report: &EnvironmentReport,
    environment: &Environment,
) -> Result<bool, StoreError> {
    let host = store::placement::host(&mut tx.conn(), &environment.id).await?;
    let runner = store::runners::find(&mut tx.conn(), &report.runner).await?;
    let of_life =
        |runner: &store::runners::Runner| server.life.as_deref().is_none_or(|life| life == runner.incarnation);
    Ok(host.as_deref() == Some(&report.runner) && runner.as_ref().is_some_and(of_life))
}

fn bounded(mut replica: ReplicaReport) -> ReplicaReport {
    if let Some(trouble) = &mut replica.trouble {
        for text in [&mut trouble.found, &mut trouble.done] {
            *text = text.chars().take(TEXT_LIMIT).collect();
        }
    }
    replica
}

/// What is over has been told, and is kept as an event.
fn settled(mut replica: ReplicaReport) -> ReplicaReport {
    replica.trouble = replica.trouble.filter(|trouble| !trouble.over);
    replica
}

/// What a report tells of a replica that is not known yet, as kinds of events. What comes again and again is told at its 1st,
/// 2nd, 4th, … time.
fn news(before: Option<&ReplicaReport>, now: &ReplicaReport) -> Vec<&'static str> {
    let mut news = Vec::new();
    let was_loop = before.is_some_and(|before| before.condition == Condition::CrashLoop);
    if now.condition == Condition::CrashLoop && !was_loop {
        news.push("environment.crash_loop");
    } else if let Some(trouble) = &now.trouble
        && is_news(before.and_then(|before| before.trouble.as_ref()), trouble)
    {
        news.push("environment.drifted");
    }
    let was_unwell = before.is_some_and(ReplicaReport::stays_unwell);
    if now.stays_unwell() && !was_unwell {
        news.push("environment.unwell");
    }
    // What nobody could do anything about ends by itself.
    let ended = was_unwell && now.condition == Condition::Healthy;
    if now.trouble.as_ref().map_or(ended, |trouble| trouble.over) {
        news.push("environment.healed");
    }
    news
}

fn is_news(known: Option<&Trouble>, trouble: &Trouble) -> bool {
    let Some(known) = known else { return true };
    (&known.found, &known.done) != (&trouble.found, &trouble.done) || passes_a_power(known.times, trouble.times)
}

fn passes_a_power(before: u32, now: u32) -> bool {
    before.checked_ilog2() < now.checked_ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(condition: Condition, times: u32, over: bool) -> ReplicaReport {
        let trouble = Trouble { found: "it ended".to_owned(), done: "started it".to_owned(), times, over };
        ReplicaReport {
            app: "web".to_owned(),
            replica: 1,
            container: "web-1".to_owned(),
            address: None,
            condition,
            trouble: Some(trouble),
            lasts: false,
            restarts: 0,
        }
    }

    #[test]
    fn what_lasts_is_told_once_also_where_nothing_could_be_done() {
        let starting = ReplicaReport { trouble: None, ..replica(Condition::Starting, 0, false) };
        let lasting = ReplicaReport { lasts: true, ..starting.clone() };
        assert_eq!(news(Some(&starting), &lasting), ["environment.unwell"]);
        assert!(news(Some(&lasting), &lasting).is_empty());
        let well = ReplicaReport { condition: Condition::Healthy, ..starting.clone() };
        assert_eq!(news(Some(&lasting), &well), ["environment.healed"]);
        assert!(news(Some(&starting), &well).is_empty());
        let once = ReplicaReport { lasts: true, ..replica(Condition::Sick, 1, false) };
        assert_eq!(news(Some(&replica(Condition::Sick, 1, false)), &once), ["environment.unwell"]);
    }

    #[test]
    fn what_is_new_is_told_once() {
        let first = replica(Condition::Starting, 1, false);
        assert_eq!(news(None, &first), ["environment.drifted"]);
        assert!(news(Some(&first), &first).is_empty());
        let over = replica(Condition::Healthy, 1, true);
        assert_eq!(news(Some(&first), &over), ["environment.healed"]);
        assert_eq!(news(None, &over), ["environment.drifted", "environment.healed"], "nobody heard of its beginning");
        let in_loop = replica(Condition::CrashLoop, 3, false);
        assert_eq!(news(Some(&first), &in_loop), ["environment.crash_loop", "environment.unwell"]);
        let in_vain = replica(Condition::Sick, 3, false);
        assert_eq!(news(Some(&replica(Condition::Sick, 2, false)), &in_vain), ["environment.unwell"]);
        assert!(news(Some(&in_vain), &in_vain).is_empty());
        assert!(
            news(Some(&replica(Condition::CrashLoop, 5, false)), &replica(Condition::CrashLoop, 6, false)).is_empty()
        );
        assert_eq!(news(Some(&in_loop), &replica(Condition::CrashLoop, 4, false)), ["environment.drifted"]);
    }
}
