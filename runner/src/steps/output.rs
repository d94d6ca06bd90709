//! An engine's stream into a step's log.

use bollard::{container::LogOutput, errors::Error};
use futures_util::{Stream, StreamExt};

use super::limits::KEPT_MIB;
use crate::{coordinator::LogStream, reporter::StepLog};

/// What is told where the engine had let go of a part of the output by the time that a runner came back.
pub(super) const LINES_LOST: &str =
    "the runner was away while this step wrote more than the engine keeps: lines may be missing";
/// What the engine keeps with each line besides its text, in bytes, at most.
const KEPT_WITH_LINE: u64 = 32;

/// Writes to the log what a container says that was there before, from the beginning on, until the stream ends.
pub(crate) async fn pump_again<S>(output: S, log: &StepLog) -> Result<(), Error>
where
    S: Stream<Item = Result<LogOutput, Error>> + Unpin,
{
    let mut kept = Kept::default();
    pump(output.inspect(|piece| piece.iter().for_each(|piece| kept.count(piece))), log).await?;
    if kept.may_be_cut() {
        log.say(LINES_LOST).await;
    }
    Ok(())
}

/// How much room what was read takes up at the engine.
#[derive(Debug, Default)]
pub(super) struct Kept(u64);

impl Kept {
    /// Counts what was read.
    pub(super) fn count(&mut self, piece: &LogOutput) {
        self.0 += piece.as_ref().len() as u64 + KEPT_WITH_LINE;
    }

    /// Whether the engine may have let go of some of it before it was read. Nothing overtakes whoever reads less.
    pub(super) fn may_be_cut(&self) -> bool {
        self.0 > KEPT_MIB * 1024 * 1024
    }
}

/// Writes everything to the log until the stream ends.
pub(super) async fn pump<S>(mut output: S, log: &StepLog) -> Result<(), Error>
where
    S: Stream<Item = Result<LogOutput, Error>> + Unpin,
{
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => log.bytes(LogStream::Err, &message).await,
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                log.bytes(LogStream::Out, &message).await;
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    Ok(())
}
