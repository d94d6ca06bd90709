//! What a runner's new life is told of a job that it goes on with.

use serde::{Deserialize, Serialize};

use super::{Lease, LogChunk, LogLine, LogStream, StepResult};

/// A leased job as it stands: the same attempt and epoch go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// The lease, with what the job may meet as it is by now.
    pub lease: Lease,
    /// Whether someone asked meanwhile that the job be stopped.
    pub cancelled: bool,
    /// The steps declared so far, in order.
    pub steps: Vec<KnownStep>,
}

/// A step as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownStep {
    /// Its place in the job, from 0.
    pub index: u32,
    /// Whether it had begun.
    pub started: bool,
    /// How long it has been run, since it began for the last time, in milliseconds.
    #[serde(default)]
    pub run_ms: u64,
    /// How it ended, if it did. One that the plan leaves out has ended as skipped.
    pub result: Option<StepResult>,
    /// Where its log goes on; of a step that ended, nothing.
    pub log: LogPosition,
}

/// How much of a step's log is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The number of the next chunk.
    pub next_seq: i64,
    /// The number of the next line, from 1.
    pub next_line: i64,
    /// How many lines of standard output are stored, since the step began for the last time.
    pub out: u64,
    /// How many lines of standard error are stored, since the step began for the last time.
    pub err: u64,
    /// The bytes of both streams as the cap counts them, since the step began for the first time.
    pub bytes: u64,
    /// The newest lines of Slipway's own, since the step began for the last time; at most [`LogPosition::MOST_OWN`].
    pub own: Vec<String>,
    /// How often the step has begun again.
    pub again: u32,
    /// When it did for the last time, in unix milliseconds by the runner's clock; none where it never did.
    #[serde(default)]
    pub again_at: Option<i64>,
}

impl Default for LogPosition {
    fn default() -> Self {
        LogPosition { next_seq: 0, next_line: 1, out: 0, err: 0, bytes: 0, own: Vec::new(), again: 0, again_at: None }
    }
}

impl LogPosition {
    /// How many lines of Slipway's own are kept.
    pub const MOST_OWN: usize = 1_000;
    /// How the line begins that says that a step begins again.
    const AGAIN: &str = "this step begins again: ";

    /// The line of Slipway's own that says that a step begins again, and why.
    #[must_use]
    pub fn again(why: &str) -> String {
        format!("{}{why}", Self::AGAIN)
    }

    /// Counts the next chunk.
    pub fn count(&mut self, chunk: &LogChunk) {
        self.next_seq = chunk.seq + 1;
        self.next_line = chunk.first_line + i64::try_from(chunk.lines.len()).unwrap_or(i64::MAX);
        for line in &chunk.lines {
            self.count_line(line);
        }
    }

    fn count_line(&mut self, line: &LogLine) {
        match line.stream {
            LogStream::Slipway if line.text.starts_with(Self::AGAIN) => {
                (self.out, self.err) = (0, 0);
                self.own.clear();
                self.again += 1;
                self.again_at = Some(line.at);
            }
            LogStream::Slipway => {
                if self.own.len() == Self::MOST_OWN {
                    self.own.remove(0);
                }
                self.own.push(line.text.clone());
            }
            LogStream::Out => self.out += 1,
            LogStream::Err => self.err += 1,
        }
        if line.stream != LogStream::Slipway {
            self.bytes += line.cost();
        }
    }
}

impl LogLine {
    /// What a line costs besides its text, so that a flood of empty lines is bounded, too.
    const OVERHEAD: usize = 16;

    /// What the line counts for where logs are bounded, in bytes.
    #[must_use]
    pub fn cost(&self) -> u64 {
        (self.text.len() + Self::OVERHEAD) as u64
    }
}
