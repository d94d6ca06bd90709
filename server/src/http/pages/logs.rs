//! The log of one step: a window of its lines, and the whole as plain text.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    logs::{LogRows, LogWriter, PAGE_LINES},
    pages::{LogPage, LogSearch, RepositoryHead, Tab},
    state::State as Shown,
    time::{Took, When},
};

use super::{
    Html,
    steps::{began, draw, latest_attempt, primed},
    viewer::viewer,
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::{logs::whole, lookup},
        errors::Problem,
        extract::{Asked, Named},
        stream::Cursor,
    },
    logs::Search,
    queue::ran,
    store::{
        Conn, Store, events, jobs,
        jobs::Job,
        logs,
        repositories::Repository,
        steps::{self, Step},
    },
};

/// The most lines that one page shows of those that a search finds.
const FOUND_LINES: usize = 500;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/repositories/{owner}/{name}/builds/{number}/steps/{position}", Permission::Read, of_build)
        .get("/repositories/{owner}/{name}/builds/{number}/steps/{position}/log.txt", Permission::Read, text_of_build)
        .get(
            "/repositories/{owner}/{name}/builds/{number}/attempts/{attempt}/steps/{position}",
            Permission::Read,
            of_attempt,
        )
        .get(
            "/repositories/{owner}/{name}/builds/{number}/attempts/{attempt}/steps/{position}/log.txt",
            Permission::Read,
            text_of_attempt,
        )
        .get(
            "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{position}",
            Permission::Read,
            of_release,
        )
        .get(
            "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{position}/log.txt",
            Permission::Read,
            text_of_release,
        )
}

/// Which lines are asked for; the last ones where nothing is said.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The lines around this one.
    line: Option<i64>,
    /// The lines up to this one.
    until: Option<i64>,
    /// As many of the last ones.
    tail: Option<i64>,
    /// Those that hold this text.
    search: Option<String>,
    /// In any case of its letters.
    #[serde(default)]
    any_case: bool,
    /// From this one on.
    #[serde(default)]
    from: i64,
}

/// Names a step of a build.
type InBuild = Named<(String, String, i64, i64)>;
/// Names a step of one attempt of a build.
type InAttempt = Named<(String, String, i64, i64, i64)>;
/// Names a step of a release's rollout.
type InRelease = Named<(String, String, String, i64, i64)>;

/// A step with what it belongs to.
pub(in crate::http) struct StepOf {
    pub(in crate::http) repository: Repository,
    pub(in crate::http) job: Job,
    pub(in crate::http) step: Step,
    tab: Tab,
    of: String,
    of_address: String,
    /// The page whose stream follows the step while it runs.
    followed: String,
}

async fn of_build(
    State(state): State<AppState>,
    principal: Principal,
    Named(names): InBuild,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<LogPage>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let event = events::last_id(conn).await?;
    let found = step_of_build(conn, &names).await?;
    drop(reader);
    page(&state.store, found, event, &wanted, &principal).await
}

async fn of_attempt(
    State(state): State<AppState>,
    principal: Principal,
    Named(names): InAttempt,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<LogPage>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let event = events::last_id(conn).await?;
    let found = step_of_attempt(conn, &names).await?;
    drop(reader);
    page(&state.store, found, event, &wanted, &principal).await
}

async fn of_release(
    State(state): State<AppState>,
    principal: Principal,
    Named(names): InRelease,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<LogPage>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let event = events::last_id(conn).await?;
    let found = step_of_release(conn, &names).await?;
    drop(reader);
    page(&state.store, found, event, &wanted, &principal).await
}

async fn text_of_build(State(state): State<AppState>, Named(names): InBuild) -> Result<Response, Problem> {
    let found = step_of_build(&mut state.store.read().await?.conn(), &names).await?;
    whole(&state, found.step)
}

async fn text_of_attempt(State(state): State<AppState>, Named(names): InAttempt) -> Result<Response, Problem> {
    let found = step_of_attempt(&mut state.store.read().await?.conn(), &names).await?;
    whole(&state, found.step)
}

async fn text_of_release(State(state): State<AppState>, Named(names): InRelease) -> Result<Response, Problem> {
    let found = step_of_release(&mut state.store.read().await?.conn(), &names).await?;
    whole(&state, found.step)
}

/// The step at a position of a build's present attempt.
pub(in crate::http) async fn step_of_build(
    conn: &mut Conn<'_>,
    (owner, name, number, position): &(String, String, i64, i64),
) -> Result<StepOf, Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let build = lookup::build(conn, &repository, *number).await?;
    let job = jobs::of_build(conn, &build.id).await?;
    let (job, step) = step_at(conn, job, None, *position).await?;
    let of_address = links::build(&repository.name, *number);
    let (of, followed) = (format!("build #{number}"), of_address.clone());
    Ok(StepOf { job, step, tab: Tab::Builds, of, of_address, followed, repository })
}

/// The step at a position of one attempt of a build.
async fn step_of_attempt(
    conn: &mut Conn<'_>,
    (owner, name, number, attempt, position): &(String, String, i64, i64, i64),
) -> Result<StepOf, Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let build = lookup::build(conn, &repository, *number).await?;
    let job = jobs::of_build(conn, &build.id).await?;
    let (job, step) = step_at(conn, job, Some(*attempt), *position).await?;
    let followed = links::build(&repository.name, *number);
    let of_address = links::attempt(&followed, *attempt);
    let of = format!("build #{number}, attempt {attempt}");
    Ok(StepOf { job, step, tab: Tab::Builds, of, of_address, followed, repository })
}

/// The step at a position of a rollout's present attempt.
pub(in crate::http) async fn step_of_release(
    conn: &mut Conn<'_>,
    (owner, name, environment, number, position): &(String, String, String, i64, i64),
) -> Result<StepOf, Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let environment = lookup::environment(conn, &repository, environment).await?;
    let release = lookup::release(conn, &environment, *number).await?;
    let job = jobs::of_release(conn, &release.id).await?;
    let (job, step) = step_at(conn, job, None, *position).await?;
    let of_address = links::release(&repository.name, &environment.name, *number);
    let of = format!("{} #{number}", environment.name);
    let followed = of_address.clone();
    Ok(StepOf { job, step, tab: Tab::Environments, of, of_address, followed, repository })
}

/// The step at a position of this attempt, or else of the newest that has steps.
async fn step_at(
    conn: &mut Conn<'_>,
    job: Option<Job>,
    attempt: Option<i64>,
    position: i64,
) -> Result<(Job, Step), Problem> {
    let missing = || Problem::not_found(format!("There is no step {position}."));
    let job = job.ok_or_else(missing)?;
    let all = steps::of_job(conn, &job.id).await?;
    let steps = match attempt {
        Some(attempt) => all.into_iter().filter(|step| step.attempt == attempt).collect(),
        None => latest_attempt(all),
    };
    let step = steps.into_iter().find(|step| step.position == position).ok_or_else(missing)?;
    Ok((job, ran(conn, step).await?))
}

/// The first and the last line of a window.
fn window(wanted: &Wanted, total: i64) -> (i64, i64) {
    let last = match wanted {
        Wanted { line: Some(line), .. } => line.saturating_add(PAGE_LINES / 2).clamp(PAGE_LINES.min(total), total),
        Wanted { until: Some(until), .. } => (*until).clamp(PAGE_LINES.min(total), total),
        _ => total,
    };
    let length = wanted.tail.unwrap_or(PAGE_LINES).clamp(1, PAGE_LINES);
    ((last - length + 1).max(1), last)
}

async fn page(
    store: &Store,
    found: StepOf,
    event: i64,
    wanted: &Wanted,
    principal: &Principal,
) -> Result<Html<LogPage>, Problem> {
    let now = store.clock().now();
    let StepOf { repository, step, tab, of, of_address, followed, .. } = found;
    let total = logs::end(&mut store.read().await?.conn(), &step.id).await?.next_line - 1;
    let (first, last) = window(wanted, total);
    let position = u32::try_from(step.position).unwrap_or(0);
    let address = links::step(&of_address, position);
    let (rows, search) = match &wanted.search {
        Some(text) => {
            let (rows, search) = find(store, &step, text, wanted, &address).await?;
            (rows, Some(search))
        }
        None => {
            let mut writer = primed(store, &step, first, LogWriter::for_log_page(began(&step))).await?;
            let lines = logs::lines(store, &step.id, first, usize::try_from(last - first + 1).unwrap_or(0)).await?;
            (draw(&mut writer, &lines), None)
        }
    };
    let shown = Shown::from(step.state);
    let title = format!("{} {}", step.kind.as_str(), step.name);
    let mut frame = Frame::new(title, Section::Repositories, viewer(principal)).toned(shown.tone());
    if shown.is_open() && last == total && search.is_none() {
        let cursor = Cursor::at(event).with_step(step.attempt, step.position, rows.last().unwrap_or(0) + 1);
        frame = frame.live(format!(
            "/stream{}?from={}",
            links::step(&followed, position),
            links::encode(&cursor.to_string())
        ));
    }
    Ok(Html::ok(LogPage {
        frame,
        head: RepositoryHead { name: repository.name, tab },
        of,
        of_address,
        kind: step.kind.as_str().to_owned(),
        state: shown,
        took: Took { from: step.started_at, to: step.finished_at, now },
        app: step.app,
        name: step.name,
        reason: step.reason,
        exit_code: step.exit_code,
        total,
        earlier: (first > 1).then(|| format!("{address}?until={}", first - 1)),
        later: (last < total).then(|| format!("{address}?until={}", last + PAGE_LINES)),
        plain: format!("{address}/log.txt"),
        address,
        search,
        rows,
        removed: step.log_removed_at.map(|at| When { at, now }),
    }))
}

/// The lines that hold a text, and what is said of the search.
async fn find(
    store: &Store,
    step: &Step,
    text: &str,
    wanted: &Wanted,
    address: &str,
) -> Result<(LogRows, LogSearch), Problem> {
    let mut writer = LogWriter::for_found(address, began(step));
    let any_case = wanted.any_case;
    let (lines, next, refused) = match Search::of(text, any_case) {
        Ok(search) => {
            let found = search.run(store, &step.id, wanted.from.max(1), FOUND_LINES).await?;
            (found.lines, found.next, None)
        }
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    let further = next.map(|next| format!("{address}?search={}&any_case={any_case}&from={next}", links::encode(text)));
    let search = LogSearch { text: text.to_owned(), any_case, refused, further };
    Ok((draw(&mut writer, &lines), search))
}

#[cfg(test)]
mod tests {
    use super::{PAGE_LINES, Wanted, window};

    #[test]
    fn a_window_holds_what_was_asked_for_and_stays_in_the_log() {
        let total = 10_000;
        let usual = Wanted::default();
        assert_eq!(window(&usual, total), (total - PAGE_LINES + 1, total));
        assert_eq!(window(&usual, 0), (1, 0));
        assert_eq!(window(&usual, 7), (1, 7));
        assert_eq!(window(&Wanted { tail: Some(200), ..Wanted::default() }, total), (9_801, total));
        for line in [-5, 1, 12, 5_000, 9_999, 10_000] {
            let (first, last) = window(&Wanted { line: Some(line), ..Wanted::default() }, total);
            assert!(first <= line.max(1) && line <= last && last - first + 1 == PAGE_LINES, "{line}: {first}-{last}");
        }
        assert_eq!(window(&Wanted { until: Some(100), ..Wanted::default() }, total), (1, PAGE_LINES));
        assert_eq!(
            window(&Wanted { until: Some(i64::MAX), ..Wanted::default() }, total),
            (total - PAGE_LINES + 1, total)
        );
    }
}
