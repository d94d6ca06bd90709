//! Follows events and logs for one page, and turns them into server-sent events.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::response::sse::Event as SseEvent;
use futures_util::{FutureExt as _, future::select_all};
use serde_json::json;
use slipway_web::logs::LogWriter;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::Cursor;
use crate::{
    app::AppState,
    http::{
        errors::Problem,
        pages::steps::{began, draw, key, primed},
    },
    ids::JobId,
    queue::StepState,
    store::{
        Store,
        events::{self, Event, EventFilter},
        logs,
        steps::{self, Step},
    },
};

/// The lines sent in one event.
const LINES_AT_ONCE: usize = 500;
/// The events read at once; only the newest matters.
const EVENTS_AT_ONCE: i64 = 500;
/// A page is told of changes at most this often; of the first after a longer silence at once.
const BREATH: Duration = Duration::from_millis(100);

/// A page that is further behind is drawn anew at once: what happened one by one does not matter to it.
const FAR_BEHIND: i64 = 10_000;

/// The longest between two looks when no bell rings: another server's may have been lost on the way.
const SWEEP: Duration = Duration::from_secs(30);

/// The longest that one stream goes on: then the browser comes again, and is asked again whether it may.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// What a page follows.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// The events that change the page.
    pub(super) filter: EventFilter,
    /// The words that the kinds of those events begin with; none where every kind matters.
    pub(super) kinds: &'static [&'static str],
    /// The job whose logs it shows.
    pub(super) job: Option<JobId>,
    /// The logs that it shows.
    pub(super) logs: Logs,
}

/// Which logs a page shows.
#[derive(Debug, Clone)]
pub(super) enum Logs {
    /// None.
    None,
    /// Those of every step that runs; line numbers lead to pages below this address.
    Running(String),
    /// That of the step at this position.
    Only(i64),
}

/// One page's place in what it follows.
pub(super) struct Follower {
    _place: OwnedSemaphorePermit,
    store: Store,
    subject: Subject,
    shutdown: CancellationToken,
    cursor: Cursor,
    events: watch::Receiver<u64>,
    steps: Vec<Followed>,
    is_new: bool,
    began: Instant,
    /// When it last looked.
    looked: Instant,
    outbox: VecDeque<SseEvent>,
}

struct Followed {
    step: Step,
    bell: watch::Receiver<u64>,
    writer: LogWriter,
    next: i64,
    is_over: bool,
}

impl Follower {
    /// Begins behind a place in the stream.
    ///
    /// # Errors
    /// 503 when too many pages are followed already.
    pub(super) fn new(state: &AppState, subject: Subject, cursor: Cursor) -> Result<Self, Problem> {
        let place = Arc::clone(&state.live_pages).try_acquire_owned();
        let place = place.map_err(|_| Problem::unavailable("Too many pages are live at once; reload this one."))?;
        Ok(Follower {
            _place: place,
            events: state.store.bells().events(),
            store: state.store.clone(),
            shutdown: state.shutdown.clone(),
            subject,
            cursor,
            steps: Vec::new(),
            is_new: true,
            began: Instant::now(),
            looked: Instant::now(),
            outbox: VecDeque::new(),
        })
    }

    /// The next event for the page; none when the server shuts down, the database fails, or it went on for long enough, after
    /// which the browser comes again by itself.
    pub(super) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.outbox.pop_front() {
                return Some(event);
            }
            if self.shutdown.is_cancelled() || self.began.elapsed() > LONGEST {
                return None;
            }
            if let Err(problem) = self.look().await {
                tracing::debug!(problem = problem.detail(), "a live page's stream ended");
                return None;
            }
            if self.outbox.is_empty() {
                self.wait().await;
            }
        }
    }

    /// Reads what happened since the last look. Bells are marked as heard before the reading, so that what is committed
    /// meanwhile rings again.
    async fn look(&mut self) -> Result<(), Problem> {
        self.looked = Instant::now();
        self.events.borrow_and_update();
        if std::mem::take(&mut self.is_new) {
            self.find_steps().await?;
        }
        let mut has_news = false;
        let mut reader = self.store.read().await?;
        let conn = &mut reader.conn();
        let newest = events::last_id(conn).await?;
        if newest - self.cursor.event > FAR_BEHIND {
            self.cursor.event = newest;
            has_news = true;
        }
        loop {
            let found = events::portion(conn, self.cursor.event, &self.subject.filter, EVENTS_AT_ONCE).await?;
            self.cursor.event = found.seen;
            if found.events.is_empty() {
                break;
            }
            has_news |= found.events.iter().any(|event| self.concerns(event));
        }
        drop(reader);
        if has_news {
            self.find_steps().await?;
        }
        self.read_lines().await?;
        // After the lines, so that a page that is drawn anew because a step ended already has its last ones.
        if has_news {
            self.outbox.push_back(SseEvent::default().event("changed").id(self.cursor.to_string()).data("{}"));
        }
        Ok(())
    }

    /// Whether an event changes the page: that of one step's log is not changed by other steps.
    fn concerns(&self, event: &Event) -> bool {
        let kinds = self.subject.kinds;
        if !kinds.is_empty() && !kinds.iter().any(|kind| event.kind.starts_with(kind)) {
            return false;
        }
        match (&self.subject.logs, &event.step_id) {
            (Logs::Only(_), Some(step)) => self.steps.iter().any(|followed| followed.step.id == *step),
            _ => true,
        }
    }

    /// Adds the steps that run now to those followed, and notes which ended.
    async fn find_steps(&mut self) -> Result<(), Problem> {
        let Some(job) = &self.subject.job else { return Ok(()) };
        let found = steps::of_job(&mut self.store.read().await?.conn(), job).await?;
        for step in steps::latest_attempt(found) {
            if let Some(known) = self.steps.iter_mut().find(|known| known.step.id == step.id) {
                known.is_over = step.state.is_final();
                known.step = step;
                continue;
            }
            let place = (step.attempt, step.position);
            let wanted = match &self.subject.logs {
                Logs::None => false,
                // A step that ran when the page was drawn and ended since still owes its last lines.
                Logs::Running(_) => step.state == StepState::Running || self.cursor.lines.contains_key(&place),
                Logs::Only(position) => step.position == *position,
            };
            if !wanted {
                continue;
            }
            let next = self.cursor.lines.get(&place).copied().unwrap_or(1).max(1);
            let writer = match &self.subject.logs {
                Logs::Running(page) => {
                    LogWriter::for_step(&key(&step), &format!("{page}/steps/{}", step.position), began(&step))
                }
                Logs::None | Logs::Only(_) => LogWriter::for_log_page(began(&step)),
            };
            let writer = primed(&self.store, &step, next, writer).await?;
            let bell = self.store.bells().log(&step.id);
            self.steps.push(Followed { is_over: step.state.is_final(), step, bell, writer, next });
        }
        Ok(())
    }

    async fn read_lines(&mut self) -> Result<(), Problem> {
        for followed in &mut self.steps {
            followed.bell.borrow_and_update();
            let lines = logs::lines(&self.store, &followed.step.id, followed.next, LINES_AT_ONCE).await?;
            let place = (followed.step.attempt, followed.step.position);
            if let Some(last) = lines.last() {
                followed.next = last.number + 1;
                self.cursor.lines.insert(place, followed.next);
                let rows = draw(&mut followed.writer, &lines);
                let data = json!({"step": key(&followed.step), "html": rows.to_string(), "total": last.number});
                let event = SseEvent::default().event("lines").id(self.cursor.to_string()).data(data.to_string());
                self.outbox.push_back(event);
            } else if followed.is_over {
                self.cursor.lines.remove(&place);
            }
        }
        let cursor = &self.cursor;
        self.steps.retain(|followed| {
            !followed.is_over || cursor.lines.contains_key(&(followed.step.attempt, followed.step.position))
        });
        Ok(())
    }

    async fn wait(&mut self) {
        let lines = self.steps.iter_mut().map(|followed| followed.bell.changed().boxed());
        let bells: Vec<_> = std::iter::once(self.events.changed().boxed()).chain(lines).collect();
        tokio::select! {
            () = self.shutdown.cancelled() => return,
            _ = select_all(bells) => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep_until(self.looked + BREATH) => {}
        }
    }
}
