//! An engine's stream into a step's log.

use std::{future::ready, pin::pin};

use bollard::{container::LogOutput, errors::Error, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{container::Output, limits::KEPT_MIB};
use crate::{coordinator::LogStream, engine::Engine, reporter::StepLog};

/// What is told where the engine had let go of a part of the output by the time that a runner came back.
pub(super) const LINES_LOST: &str =
    "the runner was away while this step wrote more than the engine keeps: lines may be missing";
/// What the engine keeps with each line besides its text, in bytes, at most.
const KEPT_WITH_LINE: u64 = 32;

/// Writes to the log what a container says that was there before, from the beginning on, until it ends.
pub(crate) async fn pump_again(engine: &Engine, container: &str, log: &StepLog) -> Result<(), Error> {
    let mut kept = Kept::default();
    let mut seen = Seen::default();
    let first = written(engine, container, true, None).inspect_ok(|piece| {
        kept.count(piece);
        seen.count(piece);
    });
    pump(pin!(first), log).await?;
    // Whoever follows may be told of the end before the last lines, above all of one that has no line ending (seen with
    // the engine's version 20.10): once all is written, the rest is read.
    let rest = written(engine, container, false, None)
        .try_filter_map(|piece| ready(Ok(seen.rest_of(piece))))
        .inspect_ok(|piece| kept.count(piece));
    pump(pin!(rest), log).await?;
    if kept.may_be_cut() {
        log.say(LINES_LOST).await;
    }
    Ok(())
}

/// What a container has written, its last lines or all, and whatever it still writes for whoever follows.
pub(super) fn written(engine: &Engine, container: &str, follow: bool, tail: Option<usize>) -> Output {
    let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let options = LogsOptionsBuilder::default().follow(follow).stdout(true).stderr(true).tail(&tail).build();
    Box::pin(engine.logs(container, Some(options)))
}

/// How many bytes of each stream were read.
#[derive(Debug, Default)]
struct Seen {
    out: usize,
    err: usize,
}

impl Seen {
    fn count(&mut self, piece: &LogOutput) {
        *self.of(piece) += piece.as_ref().len();
    }

    /// What is new of a piece when all is read once more from the beginning.
    fn rest_of(&mut self, piece: LogOutput) -> Option<LogOutput> {
        let seen = self.of(&piece);
        let known = piece.as_ref().len().min(*seen);
        *seen -= known;
        let rest = |mut message: Bytes| message.split_off(known);
        (known < piece.as_ref().len()).then(|| match piece {
            LogOutput::StdErr { message } => LogOutput::StdErr { message: rest(message) },
            LogOutput::StdOut { message } => LogOutput::StdOut { message: rest(message) },
            LogOutput::StdIn { message } => LogOutput::StdIn { message: rest(message) },
            LogOutput::Console { message } => LogOutput::Console { message: rest(message) },
        })
    }

    fn of(&mut self, piece: &LogOutput) -> &mut usize {
        if matches!(piece, LogOutput::StdErr { .. }) { &mut self.err } else { &mut self.out }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &'static str) -> LogOutput {
        LogOutput::StdOut { message: Bytes::from_static(text.as_bytes()) }
    }

    fn err(text: &'static str) -> LogOutput {
        LogOutput::StdErr { message: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn what_was_read_is_told_from_what_was_not_stream_by_stream() {
        let mut seen = Seen::default();
        for piece in [out("one\n"), err("oops\n"), out("two\nth")] {
            seen.count(&piece);
        }
        let again = [err("oops\n"), out("one\ntwo\n"), out("three\n"), err("more\n"), out("end")];
        let rest: Vec<_> = again.into_iter().filter_map(|piece| seen.rest_of(piece)).collect();
        assert_eq!(rest, [out("ree\n"), err("more\n"), out("end")]);
    }
}
