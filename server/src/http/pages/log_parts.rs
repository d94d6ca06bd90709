//! What the viewer of a log fetches as it needs it, by the step's id: parts of the lines, where groups begin and end, the
//! lines that hold a text, and a range of lines to copy. Each answer is bounded, whatever is asked for.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use slipway_web::{
    ansi,
    folds::Mark,
    logs::{LogWriter, PART_LINES},
};

use super::steps::{began, draw, primed};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::{
        api::logs::is_kept,
        errors::Problem,
        extract::{Asked, Named},
    },
    ids::StepId,
    logs::{Search, groups},
    store::{
        logs::{self, NumberedLine},
        steps::{self, Step},
    },
};

/// The lines that one answer to a search names at most.
const FOUND_LINES: usize = 2_000;
/// The lines that are copied at most.
const COPIED_LINES: i64 = 10_000;

/// How many bytes of lines are copied at most, and how many lines are read at a time: a line may be long.
const COPIED_BYTES: usize = 4 * 1024 * 1024;
const READ_LINES: i64 = 250;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/logs/{step}/lines/{part}", Permission::Read, lines)
        .get("/logs/{step}/groups", Permission::Read, marks)
        .get("/logs/{step}/search", Permission::Read, search)
        .get("/logs/{step}/text", Permission::Read, text)
}

/// The step whose log is asked for, while that is kept.
async fn kept(state: &AppState, step: &StepId) -> Result<Step, Problem> {
    let found = steps::find(&mut state.store.read().await?.conn(), step).await?;
    let step = found.ok_or_else(|| Problem::not_found("There is no such step."))?;
    is_kept(&step)?;
    Ok(step)
}

/// One part's rows. The last part of a log that still grows may be shorter than others.
async fn lines(State(state): State<AppState>, Named((step, part)): Named<(StepId, u32)>) -> Result<Response, Problem> {
    let step = kept(&state, &step).await?;
    let first = i64::from(part) * PART_LINES + 1;
    let mut writer = primed(&state.store, &step, first, LogWriter::for_log_page(began(&step))).await?;
    let most = usize::try_from(PART_LINES).unwrap_or(0);
    let lines = logs::lines(&state.store, &step.id, first, most).await?;
    let mut answer = draw(&mut writer, &lines).to_string().into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(answer)
}

/// Where to go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    #[serde(default)]
    from: i64,
}

/// Lines that say where groups begin and end.
#[derive(Debug, Serialize)]
struct Marks {
    marks: Vec<MarkView>,
    next: Option<i64>,
}

#[derive(Debug, Serialize)]
struct MarkView {
    line: i64,
    begins: bool,
    badly: bool,
}

async fn marks(
    State(state): State<AppState>,
    Named(step): Named<StepId>,
    Asked(From { from }): Asked<From>,
) -> Result<Json<Marks>, Problem> {
    let step = kept(&state, &step).await?;
    let found = groups::marks(&state.store, &step.id, from.max(1)).await?;
    let view = |line: &NumberedLine| {
        let mark = groups::mark(line)?;
        let badly = matches!(mark, Mark::Ends { badly: true, .. });
        Some(MarkView { line: line.number, begins: matches!(mark, Mark::Begins(_)), badly })
    };
    Ok(Json(Marks { marks: found.lines.iter().filter_map(view).collect(), next: found.next }))
}

/// What is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sought {
    text: String,
    #[serde(default)]
    any_case: bool,
    #[serde(default)]
    from: i64,
}

/// The numbers of the lines that hold it.
#[derive(Debug, Serialize)]
struct Held {
    lines: Vec<i64>,
    next: Option<i64>,
}

async fn search(
    State(state): State<AppState>,
    Named(step): Named<StepId>,
    Asked(sought): Asked<Sought>,
) -> Result<Json<Held>, Problem> {
    let step = kept(&state, &step).await?;
    let search = Search::of(&sought.text, sought.any_case).map_err(|error| Problem::bad_request(error.to_string()))?;
    let found = search.run(&state.store, &step.id, sought.from.max(1), FOUND_LINES).await?;
    Ok(Json(Held { lines: found.lines.iter().map(|line| line.number).collect(), next: found.next }))
}

/// The range that is copied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: i64,
    to: i64,
}

/// Lines as people read them: without numbers, times and colours.
async fn text(
    State(state): State<AppState>,
    Named(step): Named<StepId>,
    Asked(Range { from, to }): Asked<Range>,
) -> Result<Response, Problem> {
    let step = kept(&state, &step).await?;
    let count = to.saturating_sub(from).saturating_add(1);
    if !(1..=COPIED_LINES).contains(&count) {
        return Err(Problem::bad_request(format!(
            "At most {COPIED_LINES} lines are copied at once; download the log."
        )));
    }
    let mut copied = String::new();
    let mut first = from.max(1);
    while first <= to {
        let most = usize::try_from(READ_LINES.min(to - first + 1)).unwrap_or(0);
        let lines = logs::lines(&state.store, &step.id, first, most).await?;
        for line in &lines {
            copied += &ansi::plain(&line.line.text);
            copied.push('\n');
        }
        if copied.len() > COPIED_BYTES {
            return Err(Problem::bad_request("These lines are more than 4 MiB: download the log."));
        }
        if lines.len() < most {
            break;
        }
        first += READ_LINES;
    }
    copied.pop();
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(([kind], copied).into_response())
}
