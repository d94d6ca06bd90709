//! What is kept for how long, and collecting what is not.

use std::time::Duration;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use slipway_runner::coordinator::Stored;

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::{Problem, sentence},
        extract::Asked,
        openapi::Told,
    },
    retention::{Collected, Going, Limits, Round, collect_now},
    runners::{self, Answered},
    store::{audit, collection},
};

/// How long an answer waits for the end of a collection; then it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// And how long it then waits for the runners'.
const RUNNERS_PATIENCE: Duration = Duration::from_secs(20);
/// The most that one answer names; the rest is in its sums.
const NAMED: usize = 1_000;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Server")
        .get("/api/v1/retention", Permission::Read, "getRetention", "What is kept for how long.", show)
        .post(
            "/api/v1/gc",
            Permission::Administer,
            "collect",
            "Removes what is older than that, or says what would go.",
            collect,
        )
}

#[derive(Serialize, JsonSchema)]
struct Retention {
    limits: Limits,
    /// When a whole round ended last, on whichever server.
    collected_at: Option<Time>,
    /// Why nothing is collected now, while that is so.
    paused: Option<String>,
}

async fn show(State(state): State<AppState>) -> Result<Json<Retention>, Problem> {
    let collected_at = collection::finished_at(&mut state.store.read().await?.conn()).await?;
    let (limits, paused) = (state.config.retention, state.watch.doubt());
    Ok(Json(Retention { limits, collected_at: collected_at.map(Time), paused }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Whether it is only said what would go.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
struct Collection {
    dry_run: bool,
    /// Whether it is done; a large one goes on after the answer.
    done: bool,
    /// All of it, in bytes.
    bytes: i64,
    /// What is not named one by one for want of room.
    unnamed: usize,
    items: Vec<Going>,
    /// Why nothing of it goes now, while that is so.
    paused: Option<String>,
    /// What the runners keep between jobs, and what of it goes.
    runners: Vec<RunnerView>,
}

/// One runner.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CollectedRunner")]
struct RunnerView {
    runner: String,
    /// Whether it answered. One that is away, busy with the last question, or a release older does not.
    answered: bool,
    stored: Vec<Stored>,
}

impl From<Answered> for RunnerView {
    fn from(Answered { runner, stored }: Answered) -> Self {
        RunnerView { runner, answered: stored.is_some(), stored: stored.unwrap_or_default() }
    }
}

impl Collection {
    fn of(going: &[Going], (dry_run, done): (bool, bool), paused: Option<String>, runners: Vec<Answered>) -> Self {
        Collection {
            dry_run,
            done,
            bytes: bytes(going),
            unnamed: going.len().saturating_sub(NAMED),
            items: going.iter().take(NAMED).cloned().collect(),
            paused,
            runners: runners.into_iter().map(RunnerView::from).collect(),
        }
    }
}

fn bytes(going: &[Going]) -> i64 {
    going.iter().map(|going| going.bytes).sum()
}

/// 200 when the server's own is done, 202 when it goes on.
async fn collect(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Told<Collection>, Problem> {
    let paused = state.watch.doubt();
    if let Some(doubt) = paused.as_ref().filter(|_| !wanted.dry_run) {
        return Err(Problem::conflict(sentence(&format!("nothing is collected now: {doubt}"))));
    }
    let round = Round::choose(&state.store, state.config.retention, state.store.clock().now()).await?;
    let going = round.going().to_vec();
    let done = wanted.dry_run || remove(&state, &principal, round).await?;
    let asking = runners::ask_to_collect(&state.store, wanted.dry_run, RUNNERS_PATIENCE);
    let ending = || Problem::unavailable("The server is shutting down.");
    let answers = state.shutdown.run_until_cancelled(asking).await.ok_or_else(ending)??;
    let collection = Collection::of(&going, (wanted.dry_run, done && !wanted.dry_run), paused, answers);
    Ok(if done { Told::Over(collection) } else { Told::GoesOn(collection) })
}

/// Removes what was chosen; false when that goes on for longer than an answer may wait.
async fn remove(state: &AppState, principal: &Principal, round: Round) -> Result<bool, Problem> {
    let mut tx = state.store.write().await?;
    let detail = json!({"items": round.going().len(), "bytes": bytes(round.going())});
    audit::append(&mut tx, &principal.actor(), "retention.collect", "everything old", detail).await?;
    tx.commit().await?;
    let store = state.store.clone();
    let collecting = tokio::spawn(state.shutdown.clone().run_until_cancelled_owned(async move {
        let collected = collect_now(&store, &round).await;
        if let Err(error) = &collected {
            tracing::error!(%error, "a collection that was asked for failed");
        }
        collected
    }));
    match tokio::time::timeout(PATIENCE, collecting).await {
        Ok(Ok(Some(Ok(Collected::Done(_))))) => Ok(true),
        Ok(Ok(Some(Ok(Collected::UnderWay)))) => {
            Err(Problem::conflict("Something collects already; ask again when it is done."))
        }
        Ok(Ok(Some(Err(error)))) => Err(error.into()),
        Ok(Ok(None) | Err(_)) => Err(Problem::unavailable("The server is shutting down.")),
        Err(_) => Ok(false),
    }
}
