//! The log of one running step.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::{Begun, ReportError, Reporter, RunTime, deliver};
use crate::{
    clock::unix_ms,
    coordinator::{LogPosition, LogStream, StepResult},
    logs::{LogBuffer, Masks},
};

/// The pause between two chunks, in which lines come together; the first line after a longer one is sent at once.
const LINGER: Duration = Duration::from_millis(100);

/// The fact of a step's output that counts how often it was run, where that is more than once.
const RUNS: &str = "runs";

/// Takes a running step's output, and sends it in chunks. Whoever writes faster than the server takes chunks in has to
/// wait. Dropping it without [`StepLog::finish`] sends the whole lines that are there and leaves the step open.
///
/// The log of a step that an earlier life of the runner began goes on where the server has it: the step is given its
/// output from the beginning, and what is stored of it is not sent again.
#[derive(Debug)]
pub struct StepLog {
    reporter: Reporter,
    index: u32,
    is_resumed: bool,
    time: RunTime,
    shared: Arc<Shared>,
    sender: Option<JoinHandle<Result<(), ReportError>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is a first line to send, or enough for a chunk, or the end.
    filled: Notify,
    /// There is room again.
    drained: Notify,
}

#[derive(Debug)]
struct State {
    buffer: LogBuffer,
    /// A chunk is on its way that is not acknowledged yet.
    in_flight: bool,
    closed: bool,
    /// Nobody takes chunks any more; lines are dropped.
    deaf: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.filled.notify_one();
    }

    fn go_deaf(&self) {
        self.state().deaf = true;
        self.drained.notify_waiters();
    }
}

impl StepLog {
    /// Opens a step's log; where it stands if an earlier life of the runner began the step.
    pub(super) fn open(reporter: Reporter, index: u32, begun: Option<Begun>) -> Self {
        let is_resumed = begun.is_some();
        let (position, time) =
            begun.map_or_else(|| (LogPosition::default(), RunTime::after(0)), |Begun { log, time }| (log, time));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                buffer: LogBuffer::at(position, reporter.limits, reporter.masks.clone()),
                in_flight: false,
                closed: false,
                deaf: false,
            }),
            filled: Notify::new(),
            drained: Notify::new(),
        });
        let sender = reporter.senders.spawn(send_chunks(reporter.clone(), index, shared.clone()));
        StepLog { reporter, index, is_resumed, time, shared, sender: Some(sender) }
    }

    /// Whether an earlier life of the runner began this step.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Says that a step which an earlier life began runs again, and why: from now on all that it writes is new. To be
    /// called before it is run; the line is stored when this returns, so that whoever resumes the step next knows that
    /// what follows is of this run.
    pub async fn begin_again(&self, why: &str) {
        self.time.begin_again();
        self.write(|buffer| buffer.begin_again(why, unix_ms())).await;
        self.flushed().await;
    }

    /// How long the step has been run.
    pub(crate) fn time(&self) -> &RunTime {
        &self.time
    }

    /// The step's index.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What is masked in it, for those who put its lines together themselves.
    pub(crate) fn masks(&self) -> &Masks {
        &self.reporter.masks
    }

    /// Writes a line; text with line endings becomes several. Waits while too much is unsent.
    pub async fn line(&self, stream: LogStream, text: impl Into<String>) {
        let text = text.into();
        self.write(|buffer| buffer.line(stream, &text, unix_ms())).await;
    }

    /// Writes a line of Slipway's own.
    pub async fn say(&self, text: impl Into<String>) {
        self.line(LogStream::Slipway, text).await;
    }

    /// Writes bytes as they came from a stream of the engine. Waits while too much is unsent.
    pub async fn bytes(&self, stream: LogStream, bytes: &[u8]) {
        self.write(|buffer| buffer.feed(stream, bytes, unix_ms())).await;
    }

    /// Sends what is left of the log, waits until all of it is acknowledged, and ends the step.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses the log or the end.
    pub async fn finish(mut self, result: StepResult) -> Result<(), ReportError> {
        self.shared.state().buffer.end_lines(unix_ms());
        self.shared.close();
        if let Some(sender) = self.sender.take() {
            sender.await.unwrap_or_else(|_| {
                Err(ReportError::Refused { reason: "the log could not be sent: an internal error".to_owned() })
            })?;
        }
        let again = self.shared.state().buffer.again();
        let result = if again > 0 { result.with(RUNS, (again + 1).to_string()) } else { result };
        let result = self.reporter.masked(result);
        let Reporter { coordinator, lease, .. } = &self.reporter;
        deliver(lease, || coordinator.finish_step(lease.key(), self.index, result.clone())).await
    }

    /// Waits until all that was written is acknowledged, or nobody takes it any more.
    async fn flushed(&self) {
        loop {
            let room = self.shared.drained.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let state = self.shared.state();
                if state.deaf || (state.buffer.is_empty() && !state.in_flight) {
                    return;
                }
            }
            room.await;
        }
    }

    async fn write(&self, add: impl FnOnce(&mut LogBuffer)) {
        loop {
            let room = self.shared.drained.notified();
            tokio::pin!(room);
            // Registered before the look, so that no wake-up is lost in between.
            room.as_mut().enable();
            {
                let mut state = self.shared.state();
                if state.deaf {
                    return;
                }
                if !state.buffer.is_full() {
                    let was_empty = state.buffer.is_empty();
                    add(&mut state.buffer);
                    let wake = (was_empty && !state.buffer.is_empty()) || state.buffer.has_chunk();
                    drop(state);
                    if wake {
                        self.shared.filled.notify_one();
                    }
                    return;
                }
            }
            room.await;
        }
    }
}

impl Drop for StepLog {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// The sending half: the only one that takes chunks out, so that they stay in order.
async fn send_chunks(reporter: Reporter, index: u32, shared: Arc<Shared>) -> Result<(), ReportError> {
    let mut sent_at: Option<Instant> = None;
    loop {
        shared.filled.notified().await;
        linger(&shared, sent_at).await;
        loop {
            let (chunk, more, closed) = {
                let mut state = shared.state();
                let chunk = state.buffer.take_chunk();
                state.in_flight = chunk.is_some();
                (chunk, state.buffer.has_chunk(), state.closed)
            };
            shared.drained.notify_waiters();
            let Some(chunk) = chunk else {
                if closed {
                    return Ok(());
                }
                break;
            };
            let Reporter { coordinator, lease, .. } = &reporter;
            let sent = deliver(lease, || coordinator.append_log(lease.key(), index, chunk.clone())).await;
            if sent.is_err() {
                shared.go_deaf();
                return sent;
            }
            sent_at = Some(Instant::now());
            if !more && !closed {
                linger(&shared, sent_at).await;
            }
        }
    }
}

/// Waits for more to send, but not for long after the chunk before.
async fn linger(shared: &Shared, before: Option<Instant>) {
    let Some(before) = before else { return };
    let enough = async {
        loop {
            {
                let state = shared.state();
                if state.closed || state.buffer.has_chunk() {
                    return;
                }
            }
            shared.filled.notified().await;
        }
    };
    let _ = tokio::time::timeout_at(before + LINGER, enough).await;
}
