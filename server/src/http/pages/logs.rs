//! The log of one step: a window of its lines, and the whole as plain text.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    logs::{LogWriter, PAGE_LINES},
    pages::{LogPage, RepositoryHead, Tab},
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
        api::lookup,
        errors::Problem,
        extract::{Asked, Named},
        stream::Cursor,
    },
    ids::StepId,
    store::{
        Conn, Store, StoreError, events, jobs,
        jobs::Job,
        logs,
        repositories::Repository,
        steps::{self, Step},
    },
};

/// The lines that one piece of a plain text is made of.
const PIECE_LINES: usize = 2_000;

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
    page(conn, found, event, &wanted, &principal, state.store.clock().now()).await
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
    page(conn, found, event, &wanted, &principal, state.store.clock().now()).await
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
    page(conn, found, event, &wanted, &principal, state.store.clock().now()).await
}

async fn text_of_build(State(state): State<AppState>, Named(names): InBuild) -> Result<Response, Problem> {
    let found = step_of_build(&mut state.store.read().await?.conn(), &names).await?;
    Ok(plain(state.store.clone(), found.step.id))
}

async fn text_of_attempt(State(state): State<AppState>, Named(names): InAttempt) -> Result<Response, Problem> {
    let found = step_of_attempt(&mut state.store.read().await?.conn(), &names).await?;
    Ok(plain(state.store.clone(), found.step.id))
}

async fn text_of_release(State(state): State<AppState>, Named(names): InRelease) -> Result<Response, Problem> {
    let found = step_of_release(&mut state.store.read().await?.conn(), &names).await?;
    Ok(plain(state.store.clone(), found.step.id))
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
    Ok((job, step))
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
    conn: &mut Conn<'_>,
    found: StepOf,
    event: i64,
    wanted: &Wanted,
    principal: &Principal,
    now: i64,
) -> Result<Html<LogPage>, Problem> {
    let StepOf { repository, step, tab, of, of_address, followed, .. } = found;
    let total = logs::end(conn, &step.id).await?.next_line - 1;
    let (first, last) = window(wanted, total);
    let mut writer = primed(conn, &step, first, LogWriter::for_log_page(began(&step))).await?;
    let lines = logs::lines(conn, &step.id, first, usize::try_from(last - first + 1).unwrap_or(0)).await?;
    let rows = draw(&mut writer, &lines);
    let position = u32::try_from(step.position).unwrap_or(0);
    let address = links::step(&of_address, position);
    let shown = Shown::from(step.state);
    let title = format!("{} {}", step.kind.as_str(), step.name);
    let mut frame = Frame::new(title, Section::Repositories, viewer(principal)).toned(shown.tone());
    if shown.is_open() && last == total {
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
        rows,
        removed: step.log_removed_at.map(|at| When { at, now }),
    }))
}

/// The stored lines as plain text, read piece by piece, so that a log of any size goes through little memory.
fn plain(store: Store, step: StepId) -> Response {
    let pieces = stream::try_unfold(1_i64, move |from| {
        let (store, step) = (store.clone(), step.clone());
        async move {
            let lines = logs::lines(&mut store.read().await?.conn(), &step, from, PIECE_LINES).await?;
            let Some(last) = lines.last() else { return Ok::<_, StoreError>(None) };
            let next = last.number + 1;
            let text: String = lines.iter().flat_map(|line| [line.line.text.as_str(), "\n"]).collect();
            Ok(Some((Bytes::from(text), next)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
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
