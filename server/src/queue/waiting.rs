//! Why a job waits, in words.

use super::{JobKind, JobState, Timing, limits, placement::nobody_may, takeover};
use crate::{
    runners::Presence,
    store::{self, Conn, StoreError, jobs::Job, runners::Runner},
};

/// The most builds that a sentence names.
const NAMED: usize = 5;

/// Why a job waits at `now` (unix milliseconds); none when it does not. What forbids it to be taken comes first, then
/// whether there is anyone to take it, then who comes before it.
///
/// # Errors
/// When the database fails.
pub async fn waits_for(conn: &mut Conn<'_>, job: &Job, now: i64) -> Result<Option<String>, StoreError> {
    match job.state {
        JobState::Queued => {}
        JobState::Leased => return store::jobs::hindrance(conn, &job.id).await,
        JobState::Held => return Ok(Some("waiting for an approval: nothing of it has run".to_owned())),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => return Ok(None),
    }
    if let Some(reason) = forbidden(conn, job).await? {
        return Ok(Some(reason));
    }
    let runners = store::runners::list(conn).await?;
    if let Some(reason) = nobody(&runners, now) {
        return Ok(Some(reason));
    }
    if let Some(reason) = all_drained(&runners, now) {
        return Ok(Some(reason));
    }
    if let Some(reason) = nobody_may(conn, job, now).await? {
        return Ok(Some(reason));
    }
    if let Some(reason) = hindered(&runners, now) {
        return Ok(Some(reason));
    }
    if let Some(reason) = takeover::waits(conn, job, &runners, now).await? {
        return Ok(Some(reason));
    }
    before_it(conn, job).await.map(Some)
}

/// What forbids the job to be taken: a rollout of its environment, or the limit of its repository.
async fn forbidden(conn: &mut Conn<'_>, job: &Job) -> Result<Option<String>, StoreError> {
    if let Some(key) = &job.concurrency_key
        && let Some(holder) = store::jobs::leased_under(conn, key).await?
        && let Some(release) = &holder.release_id
        && let Some((number, environment)) = store::releases::named(conn, release).await?
    {
        return Ok(Some(format!("waiting for release {number} of {environment}")));
    }
    if job.kind != JobKind::Build {
        return Ok(None);
    }
    let running = store::builds::leased(conn, &job.repository_id).await?;
    let limit = limits::of_repository(conn, &job.repository_id).await?;
    if i64::try_from(running.len()).unwrap_or(i64::MAX) < limit {
        return Ok(None);
    }
    let builds = match limit {
        1 => "1 build".to_owned(),
        many => format!("{many} builds"),
    };
    Ok(Some(format!("waiting for the repository's limit of {builds} at once: {}", under_way(&running))))
}

/// Builds that run, by number.
fn under_way(numbers: &[i64]) -> String {
    let named: Vec<String> = numbers.iter().take(NAMED).map(|number| format!("#{number}")).collect();
    match (named.as_slice(), numbers.len().saturating_sub(NAMED)) {
        ([one], 0) => format!("{one} is running"),
        ([most @ .., last], 0) => format!("{} and {last} are running", most.join(", ")),
        (some, more) => format!("{} and {more} more are running", some.join(", ")),
    }
}

/// Where no runner is online: since when.
fn nobody(runners: &[Runner], now: i64) -> Option<String> {
    // One that was heard of later than now was so before the clock was set back.
    let silent = |runner: &Runner| (now - runner.last_seen_at).abs();
    let Some(last) = runners.iter().filter(|runner| !runner.incarnation.is_empty()).min_by_key(|runner| silent(runner))
    else {
        return Some("waiting for a runner: none has announced itself yet".to_owned());
    };
    let silent = silent(last);
    (silent > Timing::default().lease_ms())
        .then(|| format!("waiting for a runner: none is online; {} was last heard of {} ago", last.name, span(silent)))
}

/// Where everyone who is there was told to take nothing: who told the first of them.
fn all_drained(runners: &[Runner], now: i64) -> Option<String> {
    let there = |runner: &&Runner| matches!(Presence::of(runner, now), Presence::Present | Presence::Drained);
    let mut there = runners.iter().filter(there);
    let first = there.next()?;
    let by = first.drained_by.as_deref()?;
    let is_all = there.all(|runner| runner.drained_by.is_some());
    is_all.then(|| format!("waiting for a runner: {} takes nothing new, as {by} said", first.name))
}

/// Where everyone who is there is kept from taking work: what hinders the first of them.
fn hindered(runners: &[Runner], now: i64) -> Option<String> {
    let mut present = runners.iter().filter(|runner| Presence::of(runner, now) == Presence::Present);
    let first = present.next()?;
    let hindrance = first.hindrance.as_deref()?;
    let others = present.try_fold(0, |count, runner| runner.hindrance.is_some().then_some(count + 1))?;
    let others = match others {
        0 => String::new(),
        1 => "; another one takes none either".to_owned(),
        many => format!("; {many} others take none either"),
    };
    Some(format!("waiting for the runner {}, which takes no job: {hindrance}{others}", first.name))
}

/// A span of at least a minute, coarsely.
fn span(ms: i64) -> String {
    match ms / 60_000 {
        minutes @ ..60 => format!("{minutes} min"),
        minutes @ 60..1_440 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1_440),
    }
}

/// What will be taken before the job, or may be.
async fn before_it(conn: &mut Conn<'_>, job: &Job) -> Result<String, StoreError> {
    let ahead = store::jobs::ahead_of(conn, &job.id).await?;
    let others = store::jobs::others_waiting(conn, &job.repository_id).await?;
    let (one, many) = match job.kind {
        JobKind::Build => ("build", "builds"),
        JobKind::Rollout => ("rollout", "rollouts"),
    };
    let mut words = "waiting for a free runner".to_owned();
    match ahead {
        0 => {}
        1 => words += &format!("; 1 {one} of this repository is ahead"),
        ahead => words += &format!("; {ahead} {many} of this repository are ahead"),
    }
    match others {
        0 => {}
        1 => words += "; 1 other repository takes turns with it",
        others => words += &format!("; {others} other repositories take turns with it"),
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{runners::Takes, store::JsonText};

    #[test]
    fn what_runs_is_named() {
        assert_eq!(under_way(&[4]), "#4 is running");
        assert_eq!(under_way(&[4, 5, 9]), "#4, #5 and #9 are running");
        assert_eq!(under_way(&[1, 2, 3, 4, 5, 6, 7]), "#1, #2, #3, #4, #5 and 2 more are running");
    }

    #[test]
    fn silence_is_told_with_its_length() {
        let runner = |name: &str, last_seen_at| Runner {
            id: name.to_owned(),
            name: name.to_owned(),
            incarnation: "one".to_owned(),
            capacity: 2,
            version: "0.1.0".to_owned(),
            last_seen_at,
            labels: JsonText::default(),
            takes: Takes::Everything,
            draining_at: None,
            drained_by: None,
            drained_at: None,
            revoked_at: None,
            hindrance: None,
            silent_at: None,
            disk_full_at: None,
            protocol: 0,
        };
        assert_eq!(nobody(&[runner("a", 0), runner("b", 3_590_000)], 3_600_000), None, "b is online");
        let hours = nobody(&[runner("a", 0)], 7_300_000);
        assert_eq!(hours.as_deref(), Some("waiting for a runner: none is online; a was last heard of 2 h ago"));
        let minutes = nobody(&[runner("a", 0), runner("b", 60_000)], 180_000);
        let expected = "waiting for a runner: none is online; b was last heard of 2 min ago";
        assert_eq!(minutes.as_deref(), Some(expected));
    }
}
