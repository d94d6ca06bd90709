//! The log of one running step.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle};

use super::{ReportError, Reporter, deliver};
use crate::{
    clock::unix_ms,
    coordinator::{LogStream, StepResult},
    logs::{LogBuffer, Masks},
};

/// How long a line may wait for company before it is sent.
const LINGER: Duration = Duration::from_millis(100);

/// Takes a running step's output, and sends it in chunks. Whoever writes faster than the server takes chunks in has to
/// wait. Dropping it without [`StepLog::finish`] sends what is there and leaves the step open.
#[derive(Debug)]
pub struct StepLog {
    reporter: Reporter,
    index: u32,
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
    closed: bool,
    /// Nobody takes chunks any more; lines are dropped.
    deaf: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.state();
        state.buffer.end_lines(unix_ms());
        state.closed = true;
        drop(state);
        self.filled.notify_one();
    }

    fn go_deaf(&self) {
        self.state().deaf = true;
        self.drained.notify_waiters();
    }
}

impl StepLog {
    pub(super) fn open(reporter: Reporter, index: u32) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                buffer: LogBuffer::new(reporter.limits, reporter.masks.clone()),
                closed: false,
                deaf: false,
            }),
            filled: Notify::new(),
            drained: Notify::new(),
        });
        let sender = tokio::spawn(send_chunks(reporter.clone(), index, shared.clone()));
        StepLog { reporter, index, shared, sender: Some(sender) }
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
        self.shared.close();
        if let Some(sender) = self.sender.take() {
            sender.await.unwrap_or_else(|_| {
                Err(ReportError::Refused { reason: "the log could not be sent: an internal error".to_owned() })
            })?;
        }
        let result = self.reporter.masked(result);
        let Reporter { coordinator, lease, .. } = &self.reporter;
        deliver(lease, || coordinator.finish_step(lease.key(), self.index, result.clone())).await
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
    loop {
        shared.filled.notified().await;
        linger(&shared).await;
        loop {
            let (chunk, more, closed) = {
                let mut state = shared.state();
                let chunk = state.buffer.take_chunk();
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
            if !more && !closed {
                linger(&shared).await;
            }
        }
    }
}

/// Waits for more to send, but not for long.
async fn linger(shared: &Shared) {
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
    let _ = tokio::time::timeout(LINGER, enough).await;
}
