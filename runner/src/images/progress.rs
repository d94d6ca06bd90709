//! What BuildKit tells of its progress, as lines: the form that `docker build --progress=plain` has taught people to read.

use std::collections::HashMap;

use bollard::grpc::build::moby::buildkit::v1::{StatusResponse, Vertex};

use crate::{
    coordinator::LogStream,
    logs::{LineSplitter, Masks},
};

/// The longest line of a build's command, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// Follows the vertexes of one build.
#[derive(Debug)]
pub(super) struct Progress {
    masks: Masks,
    vertexes: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    number: usize,
    named: bool,
    ended: bool,
    output: LineSplitter,
}

impl Progress {
    /// Follows a build whose output holds no secret in the clear.
    pub(super) fn new(masks: Masks) -> Self {
        Progress { masks, vertexes: HashMap::new() }
    }

    /// The lines that a report adds.
    pub(super) fn lines(&mut self, report: &StatusResponse) -> Vec<(LogStream, String)> {
        let mut lines = Vec::new();
        for vertex in &report.vertexes {
            self.vertex(vertex, &mut lines);
        }
        for log in &report.logs {
            let stream = if log.stream == 2 { LogStream::Err } else { LogStream::Out };
            let seen = self.seen(&log.vertex);
            let number = seen.number;
            seen.output.feed(&log.msg, |text| lines.push((stream, format!("#{number} {text}"))));
        }
        for warning in &report.warnings {
            let number = self.seen(&warning.vertex).number;
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            lines.push((LogStream::Slipway, format!("#{number} WARNING: {text}")));
        }
        lines
    }

    fn vertex(&mut self, vertex: &Vertex, lines: &mut Vec<(LogStream, String)>) {
        let seen = self.seen(&vertex.digest);
        let number = seen.number;
        if vertex.started.is_some() && !seen.named {
            seen.named = true;
            lines.push((LogStream::Slipway, format!("#{number} {}", vertex.name)));
        }
        let (Some(started), Some(completed)) = (&vertex.started, &vertex.completed) else { return };
        if seen.ended {
            return;
        }
        seen.ended = true;
        if let Some(text) = seen.output.finish() {
            lines.push((LogStream::Out, format!("#{number} {text}")));
        }
        let end = if !vertex.error.is_empty() {
            format!("ERROR: {}", vertex.error)
        } else if vertex.cached {
            "CACHED".to_owned()
        } else {
            let seconds =
                (completed.seconds - started.seconds) as f64 + f64::from(completed.nanos - started.nanos) / 1e9;
            format!("DONE {seconds:.1}s")
        };
        lines.push((LogStream::Slipway, format!("#{number} {end}")));
    }

    fn seen(&mut self, digest: &str) -> &mut Seen {
        let number = self.vertexes.len() + 1;
        let masks = &self.masks;
        self.vertexes.entry(digest.to_owned()).or_insert_with(|| Seen {
            number,
            named: false,
            ended: false,
            output: LineSplitter::new(LINE_LIMIT, masks.clone()),
        })
    }
}
