//! What BuildKit tells of its progress, as lines: the form that `docker build --progress=plain` has taught people to read.

use std::collections::HashMap;

use bollard::grpc::build::moby::buildkit::v1::{StatusResponse, Vertex};

use crate::{
    coordinator::LogStream,
    logs::{LineSplitter, Masks},
};

/// The longest line of a build's command, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// The most images whose digests are noted.
const MOST_FETCHED: usize = 1_000;

/// The instructions of a Dockerfile that a build came to the end of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Those that had not to be carried out.
    pub(crate) cached: u32,
    /// All of them.
    pub(crate) all: u32,
}

/// Whether a vertex is an instruction, such as `[build 2/4] RUN make`; a `FROM` makes nothing.
fn is_layer(name: &str) -> bool {
    let instruction = name.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    instruction.is_some_and(|(place, what)| place.contains('/') && !what.starts_with("FROM "))
}

/// The image that a vertex fetches by its digest, such as `[1/2] FROM docker.io/library/busybox:latest@sha256:…`.
fn fetched(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once("] FROM ").or_else(|| name.split_once("docker-image://"))?;
    rest.split_whitespace().next().filter(|image| image.contains("@sha256:"))
}

/// Follows the vertexes of one build.
#[derive(Debug)]
pub(super) struct Progress {
    masks: Masks,
    vertexes: HashMap<String, Seen>,
    layers: Layers,
    fetched: Vec<String>,
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
        Progress { masks, vertexes: HashMap::new(), layers: Layers::default(), fetched: Vec::new() }
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

    /// The layers that ended so far.
    pub(super) fn layers(&self) -> Layers {
        self.layers
    }

    /// The images that it was built on, as far as BuildKit had asked for their digests: `name:tag@sha256:…`.
    pub(super) fn fetched(self) -> Vec<String> {
        self.fetched
    }

    fn vertex(&mut self, vertex: &Vertex, lines: &mut Vec<(LogStream, String)>) {
        if let Some(image) = fetched(&vertex.name)
            && self.fetched.len() < MOST_FETCHED
            && !self.fetched.iter().any(|known| known == image)
        {
            self.fetched.push(image.to_owned());
        }
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
        if vertex.error.is_empty() && is_layer(&vertex.name) {
            self.layers.all += 1;
            self.layers.cached += u32::from(vertex.cached);
        }
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

#[cfg(test)]
mod tests {
    use super::{fetched, is_layer};

    #[test]
    fn bases_are_known_by_the_digests_that_buildkit_names() {
        let base = "docker.io/library/busybox:latest@sha256:ab";
        assert_eq!(fetched(&format!("[build 1/4] FROM {base}")), Some(base));
        assert_eq!(fetched(&format!("resolve image config for docker-image://{base}")), Some(base));
        assert_eq!(fetched("[1/4] FROM docker.io/library/busybox"), None, "the engine had it");
    }

    #[test]
    fn instructions_are_layers_and_what_the_build_needs_besides_is_none() {
        assert!(is_layer("[2/4] RUN make") && is_layer("[build 3/4] COPY . /app"));
        for other in ["[1/4] FROM docker.io/library/busybox", "[internal] load build context", "exporting to image"] {
            assert!(!is_layer(other), "{other}");
        }
    }
}
