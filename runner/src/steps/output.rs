//! An engine's stream into a step's log.

use bollard::{container::LogOutput, errors::Error};
use futures_util::{Stream, StreamExt};

use crate::{coordinator::LogStream, reporter::StepLog};

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
