//! The log of a step: from any line on, the lines that hold a text, and the whole as plain text.

use aide::{
    generate::GenContext,
    openapi::{
        Header, HeaderStyle, Operation, ParameterSchemaOrContent, ReferenceOr, Response as Description, SchemaObject,
    },
    operation::OperationOutput,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use indexmap::IndexMap;
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use slipway_runner::coordinator::LogStream;

use super::{lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
        openapi::{content, refusal},
    },
    logs::{Found, Search},
    queue::ran,
    store::{
        Conn, Store, StoreError, jobs,
        jobs::Job,
        logs::{self, NumberedLine},
        steps::{self, Step},
    },
};

/// How many lines an answer has at most; the header [`NEXT_LINE`] says where the next begins.
const LINES: usize = 10_000;
/// How many lines of those that hold a text.
const FOUND_LINES: usize = 1_000;
/// The lines that one piece of a whole log is made of.
const PIECE_LINES: usize = 2_000;

/// Where the next answer begins. Of a search it is left out where the log ends by now.
pub const NEXT_LINE: &str = "slipway-next-line";

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Logs")
        .get(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/steps/{index}/log",
            Permission::Read,
            "getBuildLog",
            "Lines of the log of a build's step, or those that hold a text.",
            of_build,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/steps/{index}/log.txt",
            Permission::Read,
            "getWholeBuildLog",
            "The whole log of a build's step.",
            whole_of_build,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{index}/log",
            Permission::Read,
            "getReleaseLog",
            "Lines of the log of a release's step, or those that hold a text.",
            of_release,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{index}/log.txt",
            Permission::Read,
            "getWholeReleaseLog",
            "The whole log of a release's step.",
            whole_of_release,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    /// The first line wanted, from 1.
    #[serde(default = "first_line")]
    from: i64,
    /// The attempt wanted; the last unless it is given.
    attempt: Option<i64>,
    /// Only lines that hold this text.
    search: Option<String>,
    /// In any case of its letters.
    #[serde(default)]
    any_case: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whole {
    /// The attempt wanted; the last unless it is given.
    attempt: Option<i64>,
}

fn first_line() -> i64 {
    1
}

/// One line in `application/x-ndjson`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Line")]
struct LineView<'a> {
    line: i64,
    at: Time,
    stream: LogStream,
    text: &'a str,
}

/// Lines of a log.
struct Lines(Response);

/// A whole log.
struct Text(Response);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Said of a log that was kept for long enough.
const GONE: &str = "The log was removed: logs are kept for a limited time.";

impl OperationOutput for Lines {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Description)> {
        let line = ctx.schema.subschema_for::<LineView<'_>>();
        let plain =
            json_schema!({"type": "string", "description": "The lines; of a search, as `grep -n` writes them."});
        let lines = json_schema!({
            "type": "string", "description": "With `Accept: application/x-ndjson`, a line of JSON for each.",
            "contentSchema": line,
        });
        let types = vec![("text/plain; charset=utf-8", plain), ("application/x-ndjson", lines)];
        let mut told = content("The lines. `Slipway-Next-Line` says where the next answer begins.", types);
        let next = Header {
            description: Some("Where the next answer begins; not given by a search that came to the end.".to_owned()),
            style: HeaderStyle::Simple,
            required: false,
            deprecated: None,
            format: ParameterSchemaOrContent::Schema(SchemaObject {
                json_schema: json_schema!({"type": "integer"}),
                example: None,
                external_docs: None,
            }),
            example: None,
            examples: IndexMap::new(),
            extensions: IndexMap::new(),
        };
        told.headers.insert(NEXT_LINE.to_owned(), ReferenceOr::Item(next));
        vec![(Some(200), told), (Some(410), refusal(ctx, GONE))]
    }
}

impl OperationOutput for Text {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Description)> {
        let plain = vec![("text/plain; charset=utf-8", json_schema!({"type": "string"}))];
        vec![(Some(200), content("Every line.", plain)), (Some(410), refusal(ctx, GONE))]
    }
}

/// Names a step of a build.
type InBuild = Named<(String, String, i64, i64)>;
/// Names a step of a release's rollout.
type InRelease = Named<(String, String, String, i64, i64)>;

async fn of_build(
    State(state): State<AppState>,
    Named(names): InBuild,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Lines, Problem> {
    let step = step_of_build(&mut state.store.read().await?.conn(), &names, part.attempt).await?;
    answer(&state.store, step, &part, &headers).await.map(Lines)
}

async fn of_release(
    State(state): State<AppState>,
    Named(names): InRelease,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Lines, Problem> {
    let step = step_of_release(&mut state.store.read().await?.conn(), &names, part.attempt).await?;
    answer(&state.store, step, &part, &headers).await.map(Lines)
}

async fn whole_of_build(
    State(state): State<AppState>,
    Named(names): InBuild,
    Asked(wanted): Asked<Whole>,
) -> Result<Text, Problem> {
    let step = step_of_build(&mut state.store.read().await?.conn(), &names, wanted.attempt).await?;
    whole(&state, step).map(Text)
}

async fn whole_of_release(
    State(state): State<AppState>,
    Named(names): InRelease,
    Asked(wanted): Asked<Whole>,
) -> Result<Text, Problem> {
    let step = step_of_release(&mut state.store.read().await?.conn(), &names, wanted.attempt).await?;
    whole(&state, step).map(Text)
}

async fn step_of_build(
    conn: &mut Conn<'_>,
    (owner, name, number, index): &(String, String, i64, i64),
    attempt: Option<i64>,
) -> Result<Step, Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let build = lookup::build(conn, &repository, *number).await?;
    let job = jobs::of_build(conn, &build.id).await?;
    find(conn, job, *index, attempt).await
}

async fn step_of_release(
    conn: &mut Conn<'_>,
    (owner, name, environment, number, index): &(String, String, String, i64, i64),
    attempt: Option<i64>,
) -> Result<Step, Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let environment = lookup::environment(conn, &repository, environment).await?;
    let release = lookup::release(conn, &environment, *number).await?;
    let job = jobs::of_release(conn, &release.id).await?;
    find(conn, job, *index, attempt).await
}

async fn answer(store: &Store, step: Step, part: &Part, headers: &HeaderMap) -> Result<Response, Problem> {
    is_kept(&step)?;
    let from = part.from.max(1);
    let Found { lines, next } = match &part.search {
        Some(text) => {
            let search = Search::of(text, part.any_case).map_err(|error| Problem::bad_request(error.to_string()))?;
            search.run(store, &step.id, from, FOUND_LINES).await?
        }
        None => {
            let lines = logs::lines(store, &step.id, from, LINES).await?;
            let next = lines.last().map_or(from, |last| last.number + 1);
            Found { lines, next: Some(next) }
        }
    };
    let as_json = headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/x-ndjson");
    let (content_type, body) = match (as_json, &part.search) {
        (true, _) => ("application/x-ndjson", ndjson(&lines)),
        (false, Some(_)) => ("text/plain; charset=utf-8", numbered(&lines)),
        (false, None) => ("text/plain; charset=utf-8", plain(&lines)),
    };
    let mut answer = ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response();
    if let Some(next) = next {
        answer.headers_mut().insert(NEXT_LINE, HeaderValue::from(next));
    }
    Ok(answer)
}

/// Refuses with the day on which a log was removed.
pub(in crate::http) fn is_kept(step: &Step) -> Result<(), Problem> {
    let Some(at) = step.log_removed_at.map(Time) else { return Ok(()) };
    Err(Problem::gone(format!("The log of this step was removed on {at}: logs are kept for a limited time.")))
}

/// A step's whole log as plain text, read piece by piece, so that one of any size goes through little memory.
pub(in crate::http) fn whole(state: &AppState, step: Step) -> Result<Response, Problem> {
    is_kept(&step)?;
    let store = state.store.clone();
    let pieces = stream::try_unfold(1_i64, move |from| {
        let (store, step) = (store.clone(), step.id.clone());
        async move {
            let lines = logs::lines(&store, &step, from, PIECE_LINES).await?;
            let next = lines.last().map(|last| (Bytes::from(plain(&lines)), last.number + 1));
            Ok::<_, StoreError>(next)
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

async fn find(conn: &mut Conn<'_>, job: Option<Job>, index: i64, attempt: Option<i64>) -> Result<Step, Problem> {
    let missing = || StoreError::missing("step", index);
    let job = job.ok_or_else(missing)?;
    let step = steps::at(conn, &job.id, attempt.unwrap_or(job.attempt), index).await?;
    Ok(ran(conn, step.ok_or_else(missing)?).await?)
}

fn plain(lines: &[NumberedLine]) -> String {
    lines.iter().flat_map(|line| [line.line.text.as_str(), "\n"]).collect()
}

/// As `grep -n` writes it.
fn numbered(lines: &[NumberedLine]) -> String {
    lines.iter().map(|line| format!("{}:{}\n", line.number, line.line.text)).collect()
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
