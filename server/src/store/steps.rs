//! Steps.

use std::{collections::BTreeMap, str::FromStr};

use slipway_runner::coordinator::StepKind;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, jobs::Job, row, rows};
use crate::{
    ids::{JobId, StepId},
    queue::StepState,
};

/// One step of one attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// The job that it belongs to.
    pub job_id: JobId,
    /// The job's attempt that it belongs to, from 1.
    pub attempt: i64,
    /// Its place in the attempt, from 0.
    pub position: i64,
    /// The app it belongs to, if any.
    pub app: Option<String>,
    /// What it does.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// What people read.
    pub name: String,
    /// The positions of the steps that must succeed first.
    pub needs: JsonText<Vec<u32>>,
    /// Where it stands.
    pub state: StepState,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// The exit code of its command.
    pub exit_code: Option<i64>,
    /// Facts that it left, such as the image's id.
    pub output: JsonText<BTreeMap<String, String>>,
    /// When it began, in unix milliseconds.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// When its log was removed; none while it is kept.
    pub log_removed_at: Option<i64>,
}

/// The steps of the newest attempt; they are sorted by attempt.
#[must_use]
pub fn latest_attempt(mut steps: Vec<Step>) -> Vec<Step> {
    let newest = steps.last().map_or(0, |step| step.attempt);
    steps.retain(|step| step.attempt == newest);
    steps
}

/// A [`StepKind`] as the database keeps it: by the name that it has in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub StepKind);

impl TryFrom<String> for Kind {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_value(serde_json::Value::String(text)).map(Kind)
    }
}

impl Kind {
    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self.0 {
            StepKind::Checkout => "checkout",
            StepKind::Pre => "pre",
            StepKind::Build => "build",
            StepKind::Post => "post",
            StepKind::Test => "test",
            StepKind::Push => "push",
            StepKind::Preflight => "preflight",
            StepKind::Roll => "roll",
            StepKind::Canary => "canary",
            StepKind::Preview => "preview",
            StepKind::Switch => "switch",
            StepKind::Command => "command",
            StepKind::Return => "return",
            StepKind::Cleanup => "cleanup",
        }
    }
}

impl FromStr for Kind {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::try_from(text.to_owned())
    }
}

/// The steps of every attempt of a job, in order.
///
/// # Errors
/// When the database fails.
pub async fn of_job(conn: &mut Conn<'_>, job: &JobId) -> Result<Vec<Step>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                started_at, finished_at, log_removed_at
         FROM step WHERE job_id = $1 ORDER BY attempt, position",
        job
    )?)
}

/// The step with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &StepId) -> Result<Option<Step>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                started_at, finished_at, log_removed_at
         FROM step WHERE id = $1",
        id
    )?)
}

/// The step at this place of this attempt.
///
/// # Errors
/// When the database fails.
pub async fn at(conn: &mut Conn<'_>, job: &JobId, attempt: i64, position: i64) -> Result<Option<Step>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                started_at, finished_at, log_removed_at
         FROM step WHERE job_id = $1 AND attempt = $2 AND position = $3",
        job,
        attempt,
        position
    )?)
}

/// The steps of an attempt, in order.
pub(crate) async fn of_attempt(conn: &mut Conn<'_>, job: &JobId, attempt: i64) -> Result<Vec<Step>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                started_at, finished_at, log_removed_at
         FROM step WHERE job_id = $1 AND attempt = $2 ORDER BY position",
        job,
        attempt
    )?)
}

/// Why a rollout was to return in an attempt before this one, if it was: the reason of the step forward that failed last.
pub(crate) async fn why_earlier_returned(conn: &mut Conn<'_>, job: &Job) -> Result<Option<String>, StoreError> {
    let found: Option<(Option<String>,)> = row!(
        conn,
        "SELECT reason FROM step
         WHERE job_id = $1 AND attempt < $2 AND state = 'failed' AND kind NOT IN ('return', 'cleanup')
         ORDER BY attempt DESC, position DESC LIMIT 1",
        &job.id,
        job.attempt
    )?;
    Ok(found.map(|(reason,)| reason.unwrap_or_default()))
}

/// When the first step of an attempt began.
pub(crate) async fn begun_at(conn: &mut Conn<'_>, job: &JobId, attempt: i64) -> Result<Option<i64>, StoreError> {
    let found: Option<(Option<i64>,)> =
        row!(conn, "SELECT MIN(started_at) FROM step WHERE job_id = $1 AND attempt = $2", job, attempt)?;
    Ok(found.and_then(|(begun,)| begun))
}

/// The steps of an attempt that have not ended.
pub(crate) async fn unfinished(conn: &mut Conn<'_>, job: &JobId, attempt: i64) -> Result<Vec<Step>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                started_at, finished_at, log_removed_at
         FROM step WHERE job_id = $1 AND attempt = $2 AND state IN ('pending', 'running') ORDER BY position",
        job,
        attempt
    )?)
}

/// Inserts a step; false, and nothing is changed, when its place is taken.
pub(crate) async fn insert(tx: &mut Tx, step: &Step) -> Result<bool, StoreError> {
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO step (id, job_id, attempt, position, app, kind, name, needs, state, reason, exit_code, output,
                           finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (job_id, attempt, position) DO NOTHING",
        &step.id,
        &step.job_id,
        step.attempt,
        step.position,
        step.app.as_deref(),
        step.kind.as_str(),
        &step.name,
        JsonText(&step.needs.0),
        step.state,
        step.reason.as_deref(),
        step.exit_code,
        JsonText(&step.output.0),
        step.finished_at
    )?;
    Ok(inserted == 1)
}

/// What a step's end leaves, beside its state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending<'a> {
    pub(crate) reason: Option<&'a str>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) output: Option<&'a BTreeMap<String, String>>,
}

/// Compare and set; the state machine of `crate::queue` is the only caller.
pub(crate) async fn set_state(tx: &mut Tx, step: &Step, to: StepState, ending: Ending<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    let started = (to == StepState::Running).then_some(now);
    let finished = to.is_final().then_some(now);
    let empty = BTreeMap::new();
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE step SET state = $3, reason = $4, exit_code = $5, output = $6,
                started_at = COALESCE(started_at, $7), finished_at = $8
         WHERE id = $1 AND state = $2",
        &step.id,
        step.state,
        to,
        ending.reason,
        ending.exit_code,
        JsonText(ending.output.unwrap_or(&empty)),
        started,
        finished
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "step", which: step.id.to_string() }) }
}
