//! The log of one step: a window of its lines, and the whole as plain text.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    logs::{LogRows, LogWriter, PAGE_BYTES, PAGE_LINES, PART_LINES},
    pages::{LogPage, LogSearch, LogViewer, Tab},
    state::State as Shown,
    time::{Took, When},
};

use super::{
    Html,
    steps::{began, draw, primed},
    viewer::{repository_head, viewer},
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
    from: Option<i64>,
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
        None => steps::latest_attempt(all),
    };
    let step = steps.into_iter().find(|step| step.position == position).ok_or_else(missing)?;
    Ok((job, ran(conn, step).await?))
}

/// Some lines of a log.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    first: i64,
    last: i64,
    /// The one that is shown however long the others are.
    kept: i64,
}

impl Window {
    /// The window of a log of so many lines that is asked for. As far as nothing else is said it holds whole parts, so that
    /// the viewer need not fetch them again.
    fn of(wanted: &Wanted, total: i64) -> Window {
        let inside = |line: i64| line.clamp(1, total.max(1));
        let part = |line: i64| (line - 1) / PART_LINES;
        let up_to = |last: i64, kept: i64| Window { first: (part(last) - 1).max(0) * PART_LINES + 1, last, kept };
        let ending = |line: i64| ((part(line) + 1) * PART_LINES).min(total);
        match *wanted {
            Wanted { line: Some(line), .. } => {
                let line = inside(line);
                let is_late = (line - 1) % PART_LINES >= PART_LINES / 2;
                up_to(ending(if is_late { inside(line.saturating_add(PART_LINES)) } else { line }), line)
            }
            Wanted { until: Some(until), .. } => up_to(inside(until).min(total), inside(until)),
            Wanted { from: Some(from), .. } => {
                let first = inside(from);
                Window { first, last: (first + PAGE_LINES - 1).min(total), kept: first }
            }
            Wanted { tail: Some(tail), .. } => {
                Window { first: (total - tail.clamp(1, PAGE_LINES) + 1).max(1), last: total, kept: total }
            }
            _ => up_to(total, total),
        }
    }
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
    let Window { first, last, kept } = Window::of(wanted, total);
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
            (draw(&mut writer, &lines).within(PAGE_BYTES, kept), None)
        }
    };
    let shown = Shown::from(step.state);
    let title = format!("{} {}", step.kind.as_str(), step.name);
    let mut frame = Frame::new(title, Section::Repositories, viewer(principal)).toned(shown.tone());
    if shown.is_open() && search.is_none() {
        let cursor = Cursor::at(event).with_step(step.attempt, step.position, total + 1);
        frame = frame.live(format!(
            "/stream{}?from={}",
            links::step(&followed, position),
            links::encode(&cursor.to_string())
        ));
    }
    let viewer = LogViewer { parts: format!("/logs/{}", step.id.as_str()), began: began(&step) };
    Ok(Html::ok(LogPage {
        frame,
        head: repository_head(principal, repository.name, tab),
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
        earlier: rows.first().filter(|first| *first > 1).map(|first| format!("{address}?until={}", first - 1)),
        later: rows.last().filter(|last| *last < total).map(|last| format!("{address}?from={}", last + 1)),
        viewer,
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
            let found = search.run(store, &step.id, wanted.from.unwrap_or(1).max(1), FOUND_LINES).await?;
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
    use super::{PAGE_LINES, PART_LINES, Wanted, Window};

    fn window(wanted: &Wanted, total: i64) -> (i64, i64) {
        let Window { first, last, .. } = Window::of(wanted, total);
        (first, last)
    }

    #[test]
    fn a_window_holds_what_was_asked_for_and_stays_in_the_log() {
        let total = 10_000;
        let usual = Wanted::default();
        assert_eq!(window(&usual, total), (total - PAGE_LINES + 1, total));
        assert_eq!(window(&usual, 0), (1, 0));
        assert_eq!(window(&usual, 7), (1, 7));
        assert_eq!(window(&usual, total + 3), (total - PART_LINES + 1, total + 3), "parts are whole");
        assert_eq!(window(&Wanted { tail: Some(200), ..Wanted::default() }, total), (9_801, total));
        for line in [-5, 1, 12, 125, 126, 5_000, 9_750, 9_999, 10_000, i64::MAX] {
            let Window { first, last, kept } = Window::of(&Wanted { line: Some(line), ..Wanted::default() }, total);
            assert!(first <= kept && kept <= last && last - first < PAGE_LINES, "{line}: {first}-{last}");
            assert_eq!(((first - 1) % PART_LINES, last % PART_LINES), (0, 0), "{line}");
            assert!(line.clamp(1, total) == kept, "{line}");
        }
        assert_eq!(window(&Wanted { until: Some(100), ..Wanted::default() }, total), (1, 100));
        assert_eq!(window(&Wanted { until: Some(9_500), ..Wanted::default() }, total), (9_001, 9_500));
        assert_eq!(window(&Wanted { until: Some(i64::MAX), ..Wanted::default() }, total), window(&usual, total));
        assert_eq!(window(&Wanted { from: Some(1), ..Wanted::default() }, total), (1, PAGE_LINES));
        assert_eq!(window(&Wanted { from: Some(9_990), ..Wanted::default() }, total), (9_990, total));
        assert_eq!(window(&Wanted { from: Some(i64::MIN), ..Wanted::default() }, 0), (1, 0));
    }
}
