//! The steps of a job as its page lists them, with the ends of the logs that matter now.

use std::collections::{BTreeMap, HashMap};

use slipway_runner::coordinator::{LAYERS, LAYERS_CACHED, StepKind, TAKEN_OVER, UNCHANGED_SINCE, WARNINGS};
use slipway_web::{
    links,
    logs::{LogRows, LogWriter, TAIL_LINES},
    steps::{Reused, StepList, StepRow},
    time::Took,
};

use crate::{
    http::{errors::Problem, stream::Cursor},
    logs::groups,
    queue::StepState,
    store::{
        Store, StoreError,
        jobs::Job,
        logs::{self, NumberedLine},
        steps::{self, Step},
    },
};

/// The lines before the first that is shown which are read for the colours that they leave behind.
const PRIMING_LINES: i64 = 200;

/// The steps of one attempt of a job.
pub(super) struct JobSteps {
    /// As the page lists them.
    pub(super) list: StepList,
    /// Where the page's stream goes on.
    pub(super) cursor: Cursor,
    /// The first step that failed.
    pub(super) failed: Option<Step>,
    /// What happened to earlier attempts.
    pub(super) notice: Option<String>,
    /// The attempts that have steps, oldest first.
    pub(super) attempts: Vec<i64>,
    /// The one of them whose steps these are.
    pub(super) shown: Option<i64>,
    /// Whether something besides the checkout succeeded that another attempt could take over.
    pub(super) is_worth_taking_over: bool,
    /// What the checkout left, of a build.
    pub(super) found: BTreeMap<String, String>,
    /// The builds that made images which this one took over, by app.
    pub(super) reused: BTreeMap<String, i64>,
}

/// The page that lists steps.
#[derive(Clone, Copy)]
pub(super) struct Listed<'a> {
    /// Its address.
    pub(super) page: &'a str,
    /// The repository's name.
    pub(super) repository: &'a str,
}

/// Reads the steps of an attempt of a job, of the newest that has any unless one is asked for; `event` is the event
/// that the page which lists them was read at. No call for whoever holds a connection.
pub(super) async fn of_job(
    store: &Store,
    job: Option<&Job>,
    attempt: Option<i64>,
    listed: Listed<'_>,
    event: i64,
    now: i64,
) -> Result<JobSteps, Problem> {
    let mut cursor = Cursor::at(event);
    let (mut steps, counts) = match job {
        Some(job) => {
            let mut reader = store.read().await?;
            let conn = &mut reader.conn();
            (steps::of_job(conn, &job.id).await?, logs::counts(conn, &job.id).await?)
        }
        None => (Vec::new(), HashMap::new()),
    };
    let mut attempts: Vec<i64> = steps.iter().map(|step| step.attempt).collect();
    attempts.dedup();
    let shown = attempt.or_else(|| attempts.last().copied());
    steps.retain(|step| Some(step.attempt) == shown);
    if attempt.is_some() && steps.is_empty() {
        return Err(Problem::not_found("There is no such attempt, or it never came to its first step.".to_owned()));
    }
    let is_success = |step: &Step| step.state == StepState::Succeeded && step.kind.0 != StepKind::Checkout;
    let is_worth_taking_over = steps.iter().any(is_success);
    let failed = steps.iter().find(|step| step.state == StepState::Failed).cloned();
    let found = steps.iter().find(|step| step.kind.0 == StepKind::Checkout).map(|step| step.output.0.clone());
    let places: HashMap<i64, usize> = steps.iter().enumerate().map(|(at, step)| (step.position, at)).collect();
    let mut reused = BTreeMap::new();
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let address = links::step(listed.page, u32::try_from(step.position).unwrap_or(0));
        // One that was taken over has its log where it ran.
        let ran_in = step.output.0.get(TAKEN_OVER).and_then(|attempt| attempt.parse().ok()).unwrap_or(step.attempt);
        let lines = counts.get(&(ran_in, step.position)).copied().unwrap_or(0);
        if let (Some(app), Some(number)) = (&step.app, made_by(&step)) {
            reused.insert(app.clone(), number);
        }
        let is_told = step.state == StepState::Running || failed.as_ref().is_some_and(|failed| failed.id == step.id);
        let tail = match if is_told { Some(tail(store, &step, &address, lines).await) } else { None } {
            // The page does not wait for an archive that does not answer; the log's own page says so.
            None | Some(Err(StoreError::Archive { .. })) => None,
            Some(found) => Some(found?),
        };
        if step.state == StepState::Running {
            let last = tail.as_ref().and_then(LogRows::last).unwrap_or(0);
            cursor = cursor.with_step(step.attempt, step.position, last + 1);
        }
        let needs = step.needs.0.iter().filter_map(|need| places.get(&i64::from(*need)).copied()).collect();
        let drawn =
            StepRow { needs, lines, tail: tail.filter(|tail| !tail.is_empty()), ..row(step, address, listed, now) };
        rows.push(drawn);
    }
    Ok(JobSteps {
        list: StepList::new(rows, now),
        cursor,
        failed,
        notice: job.and_then(notice),
        attempts,
        shown,
        is_worth_taking_over,
        found: found.unwrap_or_default(),
        reused,
    })
}

/// A step's name within its page and its stream.
pub(in crate::http) fn key(step: &Step) -> String {
    format!("{}-{}", step.attempt, step.position)
}

/// When a step began, where its log's clock starts.
pub(in crate::http) fn began(step: &Step) -> i64 {
    step.started_at.or(step.finished_at).unwrap_or(0)
}

/// A writer that has seen the lines before `from`, so that colours which were switched on there hold.
pub(in crate::http) async fn primed(
    store: &Store,
    step: &Step,
    from: i64,
    mut writer: LogWriter,
) -> Result<LogWriter, StoreError> {
    let start = (from - PRIMING_LINES).max(1);
    let before = logs::lines(store, &step.id, start, usize::try_from(from - start).unwrap_or(0)).await?;
    for line in before {
        writer.pass_over(&line.line.text);
    }
    Ok(writer)
}

/// Rows of lines.
pub(in crate::http) fn draw(writer: &mut LogWriter, lines: &[NumberedLine]) -> LogRows {
    writer.rows(
        lines.iter().map(|line| (line.number, line.line.at, groups::stream(line.line.stream), line.line.text.as_str())),
    )
}

async fn tail(store: &Store, step: &Step, address: &str, lines: i64) -> Result<LogRows, StoreError> {
    let from = (lines - TAIL_LINES + 1).max(1);
    let writer = LogWriter::for_step(&key(step), address, began(step));
    let mut writer = primed(store, step, from, writer).await?;
    let found = logs::lines(store, &step.id, from, usize::try_from(TAIL_LINES).unwrap_or(0)).await?;
    Ok(draw(&mut writer, &found))
}

/// The build whose image a step took over.
fn made_by(step: &Step) -> Option<i64> {
    step.output.0.get(UNCHANGED_SINCE)?.parse().ok()
}

/// Where the result of a step came from that did not run.
fn reused(step: &Step, repository: &str) -> Option<Reused> {
    if let Some(number) = made_by(step) {
        return Some(Reused::Build { number, address: links::build(repository, number) });
    }
    let attempt = step.output.0.get(TAKEN_OVER)?.parse().ok()?;
    Some(Reused::Attempt { number: attempt })
}

/// How much of an image build was in the cache.
fn cached(step: &Step) -> Option<(u32, u32)> {
    let count = |name: &str| step.output.0.get(name)?.parse::<u32>().ok();
    count(LAYERS_CACHED).zip(count(LAYERS)).filter(|(_, all)| *all > 0)
}

fn row(step: Step, address: String, listed: Listed<'_>, now: i64) -> StepRow {
    StepRow {
        reused: reused(&step, listed.repository),
        cached: cached(&step),
        key: key(&step),
        kind: step.kind.as_str().to_owned(),
        state: step.state.into(),
        took: Took { from: step.started_at, to: step.finished_at, now },
        reason: step.reason.or_else(|| warnings(&step.output)),
        app: step.app,
        name: step.name,
        exit_code: step.exit_code,
        address,
        lines: 0,
        tail: None,
        needs: Vec::new(),
    }
}

/// What the checkout step found in captain.yml that is legal and surely not meant; its log tells it in full.
fn warnings(output: &BTreeMap<String, String>) -> Option<String> {
    match output.get(WARNINGS)?.parse().ok()? {
        0 => None,
        1 => Some("1 warning about captain.yml: see its log.".to_owned()),
        many @ 2_u32.. => Some(format!("{many} warnings about captain.yml: see its log.")),
    }
}

fn notice(job: &Job) -> Option<String> {
    let why = job.attempt_reason.as_deref().unwrap_or("the one before was lost");
    (job.attempt > 1).then(|| format!("Attempt {}: {why}", job.attempt))
}
