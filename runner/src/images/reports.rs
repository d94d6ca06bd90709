//! What the engine reports of a build: one JSON document after the other.

use std::time::Duration;

use bollard::models::BuildInfo;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::ImageError;

/// How long BuildKit may be silent before the build counts as dead. A quiet command in a Dockerfile is common.
const IDLE_LIMIT: Duration = Duration::from_secs(1800);
/// The longest report, in bytes.
const REPORT_LIMIT: usize = 16 * 1024 * 1024;

/// Cuts an answer into reports.
#[derive(Debug)]
pub(super) struct Reports<S> {
    answer: S,
    pending: Vec<u8>,
}

/// Why there is no further report.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection failed.
    Connection(reqwest::Error),
    /// What came is not a report, or nothing came.
    Report(ImageError),
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Reports<S> {
    pub(super) fn of(answer: S) -> Self {
        Reports { answer, pending: Vec::new() }
    }

    /// The next report; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<BuildInfo>, Broken> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.pending[looked..].iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=looked + end).collect();
                looked = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return read(&line).map(Some);
            }
            looked = self.pending.len();
            if looked > REPORT_LIMIT {
                return Err(failed(format!("BuildKit sent a report of more than {} MiB", REPORT_LIMIT / 1024 / 1024)));
            }
            match tokio::time::timeout(IDLE_LIMIT, self.answer.next()).await {
                Err(_) => return Err(failed(format!("BuildKit was silent for {} s", IDLE_LIMIT.as_secs()))),
                Ok(Some(Ok(bytes))) => self.pending.extend_from_slice(&bytes),
                Ok(Some(Err(error))) => return Err(Broken::Connection(error)),
                Ok(None) if self.pending.trim_ascii().is_empty() => return Ok(None),
                Ok(None) => {
                    let rest = std::mem::take(&mut self.pending);
                    return read(&rest).map(Some);
                }
            }
        }
    }
}

fn read(line: &[u8]) -> Result<BuildInfo, Broken> {
    serde_json::from_slice(line).map_err(|error| failed(format!("BuildKit's report cannot be read: {error}")))
}

fn failed(why: String) -> Broken {
    Broken::Report(ImageError::Build(why))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn reports_are_put_together_from_pieces() {
        let pieces = ["{\"stre", "am\":\"one\"}\r\n{\"stream\":\"two\"}\n\n", "{\"stream\":\"three\"}"];
        let mut reports = Reports::of(stream::iter(pieces.map(|piece| Ok(Bytes::from(piece)))));
        for expected in [Some("one"), Some("two"), Some("three"), None] {
            let report = reports.next().await.unwrap();
            assert_eq!(report.and_then(|report| report.stream).as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_report_is_said_to_be_none() {
        let mut reports = Reports::of(stream::iter([Ok(Bytes::from("<html>\n"))]));
        let Err(Broken::Report(error)) = reports.next().await else { panic!("not a report") };
        assert!(error.to_string().contains("BuildKit's report cannot be read"), "{error}");
    }
}
