//! What happened: a page of it, or a stream that goes on.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use aide::{
    generate::GenContext,
    openapi::{Operation, Response as Description},
    operation::OperationOutput,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Message, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{errors::Problem, extract::Asked, openapi::content},
    store::{
        StoreError,
        events::{self, Event, EventFilter, Portion},
        repositories,
    },
};

/// How many events are read at once.
const AT_ONCE: i64 = 200;
/// The longest between two looks when no bell rings: another server's may have been lost on the way.
const SWEEP: Duration = Duration::from_secs(30);
/// How often a quiet stream says that it is still there, so that nothing between drops it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The longest that one stream goes on: then its reader comes again, and is asked again whether they may.
const LONGEST: Duration = Duration::from_secs(10 * 60);

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Events").get(
        "/api/v1/events",
        Permission::Read,
        "listEvents",
        "What happened: a page of it, or, with `Accept: text/event-stream`, a stream that goes on.",
        list,
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Events behind this number.
    after: Option<i64>,
    /// Only of this repository, `owner/name`.
    repository: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Events {
    items: Vec<EventView>,
    /// What to give as `after` for what comes next.
    after: i64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
struct EventView {
    id: i64,
    at: Time,
    kind: String,
    repository: Option<String>,
    build: Option<String>,
    step: Option<String>,
    environment: Option<String>,
    release: Option<String>,
    data: serde_json::Map<String, serde_json::Value>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        EventView {
            id: event.id,
            at: Time(event.at),
            kind: event.kind,
            repository: event.repository_id.map(String::from),
            build: event.build_id.map(String::from),
            step: event.step_id.map(String::from),
            environment: event.environment_id.map(String::from),
            release: event.release_id.map(String::from),
            data: event.data.0,
        }
    }
}

/// A page, or a stream.
struct Answer(Response);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Answer {
    type Inner = Events;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Description)> {
        let page = ctx.schema.subschema_for::<Events>();
        let stream = json_schema!({
            "type": "string",
            "description": "Server-sent events: each has the event's id, its kind, and the event itself as JSON.",
        });
        let told = content("Events in their order.", vec![("application/json", page), ("text/event-stream", stream)]);
        vec![(Some(200), told)]
    }
}

/// A page of JSON, or, to whoever accepts `text/event-stream`, a stream. A stream that was cut goes on behind its
/// `Last-Event-ID`; one that says nothing of where to begin begins now.
async fn list(
    State(state): State<AppState>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Answer, Problem> {
    let mut reader = state.store.read().await?;
    let mut filter = EventFilter::default();
    if let Some(name) = &wanted.repository {
        let found = repositories::by_name(&mut reader.conn(), name).await?;
        filter.repository = Some(found.ok_or_else(|| StoreError::missing("repository", name))?.id);
    }
    if !accepts_stream(&headers) {
        let after = wanted.after.unwrap_or(0);
        let found = events::portion(&mut reader.conn(), after, &filter, AT_ONCE).await?;
        let items = found.events.into_iter().map(EventView::from).collect();
        return Ok(Answer(Json(Events { items, after: found.seen }).into_response()));
    }
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let after = match resumed.or(wanted.after) {
        Some(after) => after,
        None => events::last_id(&mut reader.conn()).await?,
    };
    drop(reader);
    let place = Arc::clone(&state.live_pages).try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("Too many streams are open; read the events page by page."))?;
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];
    let stream = Sse::new(follow(state, place, after, filter)).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(Answer((unbuffered, stream).into_response()))
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// A follower of the events.
struct Follower {
    /// Among the streams that are open at once: whoever only listens leaves room for those who have something to say.
    _place: OwnedSemaphorePermit,
    state: AppState,
    bell: watch::Receiver<u64>,
    /// The last one sent, or, when there is nothing left to send, the last one seen.
    after: i64,
    filter: EventFilter,
    began: Instant,
    unsent: std::vec::IntoIter<Event>,
}

/// Every event behind `after`, and those to come, until the server shuts down or the database fails; the reader then
/// asks again from where it stopped.
fn follow(
    state: AppState,
    place: OwnedSemaphorePermit,
    after: i64,
    filter: EventFilter,
) -> impl Stream<Item = Result<Message, Infallible>> {
    let bell = state.store.bells().events();
    let follower =
        Follower { _place: place, state, bell, after, filter, began: Instant::now(), unsent: Vec::new().into_iter() };
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        let message = Message::default().id(event.id.to_string()).event(event.kind.clone());
        let message = message.json_data(EventView::from(event)).ok()?;
        Some((Ok(message), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.state.shutdown.clone();
        loop {
            if let Some(event) = self.unsent.next() {
                self.after = event.id;
                return Some(event);
            }
            if self.began.elapsed() > LONGEST {
                return None;
            }
            // Marked as heard before the query: what is committed after the query rings again.
            self.bell.mark_unchanged();
            let found = self.read().await.inspect_err(|error| tracing::warn!(%error, "an event stream ends")).ok()?;
            if found.events.is_empty() {
                self.after = found.seen;
                tokio::select! {
                    () = shutdown.cancelled() => return None,
                    rung = self.bell.changed() => rung.ok()?,
                    () = tokio::time::sleep(SWEEP) => {}
                }
            }
            self.unsent = found.events.into_iter();
        }
    }

    async fn read(&self) -> Result<Portion, StoreError> {
        let mut reader = self.state.store.read().await?;
        events::portion(&mut reader.conn(), self.after, &self.filter, AT_ONCE).await
    }
}
