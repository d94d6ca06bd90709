//! The log of a step, from any line on.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use slipway_runner::coordinator::LogStream;

use super::{lookup, time::Time};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    store::{
        Conn, StoreError, jobs,
        jobs::Job,
        logs::{self, NumberedLine},
        steps::{self, Step},
    },
};

/// How many lines an answer has at most; the header `Slipway-Next-Line` says where the next begins.
const LINES: usize = 10_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/repositories/{owner}/{name}/builds/{number}/steps/{index}/log", Permission::Read, of_build)
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{index}/log",
            Permission::Read,
            of_release,
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// The first line wanted, from 1.
    #[serde(default = "first_line")]
    from: i64,
    /// The attempt wanted; the last unless it is given.
    attempt: Option<i64>,
}

fn first_line() -> i64 {
    1
}

/// One line in `application/x-ndjson`.
#[derive(Serialize)]
struct LineView<'a> {
    line: i64,
    at: Time,
    stream: LogStream,
    text: &'a str,
}

async fn of_build(
    State(state): State<AppState>,
    Named((owner, name, number, index)): Named<(String, String, i64, i64)>,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let build = lookup::build(&mut reader.conn(), &repository, number).await?;
    let job = jobs::of_build(&mut reader.conn(), &build.id).await?;
    answer(&mut reader.conn(), job, index, &part, &headers).await
}

async fn of_release(
    State(state): State<AppState>,
    Named((owner, name, environment, number, index)): Named<(String, String, String, i64, i64)>,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let release = lookup::release(&mut reader.conn(), &environment, number).await?;
    let job = jobs::of_release(&mut reader.conn(), &release.id).await?;
    answer(&mut reader.conn(), job, index, &part, &headers).await
}

async fn answer(
    conn: &mut Conn<'_>,
    job: Option<Job>,
    index: i64,
    part: &Part,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let step = find(conn, job, index, part.attempt).await?;
    if let Some(at) = step.log_removed_at {
        let at = Time(at);
        return Err(Problem::gone(format!(
            "The log of this step was removed on {at}: logs are kept for a limited time."
        )));
    }
    let lines = logs::lines(conn, &step.id, part.from.max(1), LINES).await?;
    let next = lines.last().map_or(part.from.max(1), |last| last.number + 1);
    let as_json = headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/x-ndjson");
    let (content_type, body) =
        if as_json { ("application/x-ndjson", ndjson(&lines)) } else { ("text/plain; charset=utf-8", plain(&lines)) };
    let headers = [
        (header::CONTENT_TYPE.as_str(), HeaderValue::from_static(content_type)),
        ("slipway-next-line", HeaderValue::from(next)),
    ];
    Ok((headers, body).into_response())
}

async fn find(conn: &mut Conn<'_>, job: Option<Job>, index: i64, attempt: Option<i64>) -> Result<Step, Problem> {
    let missing = || StoreError::missing("step", index);
    let job = job.ok_or_else(missing)?;
    let step = steps::at(conn, &job.id, attempt.unwrap_or(job.attempt), index).await?;
    Ok(step.ok_or_else(missing)?)
}

fn plain(lines: &[NumberedLine]) -> String {
    lines.iter().flat_map(|line| [line.line.text.as_str(), "\n"]).collect()
}

fn ndjson(lines: &[NumberedLine]) -> String {
    let views = lines.iter().map(|NumberedLine { number, line }| LineView {
        line: *number,
        at: Time(line.at),
        stream: line.stream,
        text: &line.text,
    });
    views.filter_map(|view| serde_json::to_string(&view).ok()).flat_map(|line| [line, "\n".to_owned()]).collect()
}
