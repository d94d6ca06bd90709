//! Whether any of the runners may take a job at all.

use slipway_pipelines::config::TargetKind;
use slipway_runner::coordinator::SIGNATURES_SINCE;

use super::enqueue::known_since;
use crate::{
    ids::{BuildId, ReleaseId},
    runners::{Labels, Presence, Takes, meets},
    store::{self, Conn, StoreError, jobs::Job, runners::Runner},
};

/// Why none of the runners that are there at `now` (unix milliseconds) may take the job; none when one may, or when none
/// is there.
pub(super) async fn nobody_may(conn: &mut Conn<'_>, job: &Job, now: i64) -> Result<Option<String>, StoreError> {
    let all = store::runners::list(conn).await?;
    let present: Vec<&Runner> = all.iter().filter(|runner| Presence::of(runner, now) == Presence::Present).collect();
    if present.is_empty() {
        return Ok(None);
    }
    match (&job.build_id, &job.release_id) {
        (Some(build), _) => nobody_builds(conn, build, &present).await,
        (None, Some(release)) => nobody_rolls_out(conn, release, &all, &present, now).await,
        (None, None) => Ok(None),
    }
}

async fn nobody_builds(
    conn: &mut Conn<'_>,
    build: &BuildId,
    present: &[&Runner],
) -> Result<Option<String>, StoreError> {
    let Some(build) = store::builds::find(conn, build).await? else { return Ok(None) };
    let needed = store::placement::needed_labels(conn, &build.repository_id).await?;
    if present.iter().any(|runner| meets(&runner.labels, &needed)) {
        return Ok(None);
    }
    let labels = listed(&needed);
    Ok(Some(match present.len() {
        1 => format!("waiting for a runner with the labels {labels}; the only runner does not have them"),
        many => format!("waiting for a runner with the labels {labels}; none of the {many} runners has them"),
    }))
}

fn listed(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

async fn nobody_rolls_out(
    conn: &mut Conn<'_>,
    release: &ReleaseId,
    all: &[Runner],
    present: &[&Runner],
    now: i64,
) -> Result<Option<String>, StoreError> {
    let Some(release) = store::releases::find(conn, release).await? else { return Ok(None) };
    let Some(environment) = store::environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let content = release.content();
    let since = known_since(&environment, &release);
    let knows = |runner: &Runner| runner.protocol >= i64::from(since);
    let name = environment.name;
    let needed = match content.target() {
        _ if since >= SIGNATURES_SINCE => "signatures".to_owned(),
        TargetKind::Docker => "versions of secrets".to_owned(),
        target => format!("`target: {}`", target.word()),
    };
    let Some(host) = store::placement::host(conn, &environment.id).await? else {
        let takers: Vec<&&Runner> = present.iter().filter(|runner| runner.takes != Takes::Builds).collect();
        let count = present.len();
        return Ok(match takers.first() {
            None => {
                Some(format!("waiting for a runner that takes rollouts; the {count} that are there take builds only"))
            }
            Some(_) if takers.iter().any(|runner| knows(runner)) => None,
            Some(first) => Some(format!(
                "waiting for a runner that knows {needed}; {}'s Slipway {} is too old for it: update the runner",
                first.name, first.version
            )),
        });
    };
    let remedy = "`slipway environment set` gives it to another";
    Ok(match all.iter().find(|runner| runner.id == host) {
        None => Some(format!("waiting for the runner that hosts {name}, which was revoked; {remedy}")),
        Some(runner) if runner.takes == Takes::Builds => Some(format!(
            "waiting for the runner {}, which hosts {name} and takes builds only now; {remedy}",
            runner.name
        )),
        Some(runner) => match Presence::of(runner, now) {
            Presence::Present if knows(runner) => None,
            Presence::Present => Some(format!(
                "waiting for the runner {}, which hosts {name}: its Slipway {} is too old for {needed}; update the \
                 runner, or {remedy}",
                runner.name, runner.version
            )),
            absent => {
                Some(format!("waiting for the runner {}, which hosts {name} and is {absent}; {remedy}", runner.name))
            }
        },
    })
}
