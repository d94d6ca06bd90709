//! Where a log says that lines belong together.

use slipway_runner::coordinator::LogStream;
use slipway_web::{
    folds::{self, Mark},
    logs::Stream,
};

use super::{Found, look};
use crate::{
    ids::StepId,
    store::{Store, StoreError, logs::NumberedLine},
};

/// The marks that one call tells of at most.
const MOST_MARKS: usize = 2_000;

/// The lines of a step that say where a group begins or ends, from number `from` on.
///
/// # Errors
/// When the log cannot be read.
pub async fn marks(store: &Store, step: &StepId, from: i64) -> Result<Found, StoreError> {
    look(store, step, from, MOST_MARKS, |line| mark(line).is_some()).await
}

/// What a line says of a group, if it does.
#[must_use]
pub fn mark(line: &NumberedLine) -> Option<Mark<'_>> {
    folds::mark(stream(line.line.stream), &line.line.text)
}

/// A line's stream, as pages show it.
#[must_use]
pub fn stream(stream: LogStream) -> Stream {
    match stream {
        LogStream::Out => Stream::Out,
        LogStream::Err => Stream::Err,
        LogStream::Slipway => Stream::Slipway,
    }
}
