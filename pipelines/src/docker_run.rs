//! A `docker run` line as data: what a shell and the docker command would make of it, without either of them.
//!
//! The line was written for a shell, so its quotes and backslashes are honoured; but no shell runs it. `$PWD` is the
//! workspace, `~` a cache, `${SLIPWAY_…}` and declared variables are values that are put in as data; every other
//! expansion is refused, as there is no host whose variables or commands it could mean. The texts of the
//! [`ContainerRun`] are templates (see [`crate::variables`]) until the plan fills them in.

pub(crate) mod mounts;
mod options;
mod values;
pub(crate) mod words;

use crate::{
    config::{Command, ContainerRun},
    diagnostics::Problem,
    images, variables,
};
use words::Mode;

/// Where the workspace is mounted in step containers; what `$PWD` means within one.
pub const WORKSPACE: &str = "/workspace";

/// What a line may refer to besides Slipway's own variables.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Surroundings<'a> {
    /// The variables that may stand in it.
    pub(crate) variables: &'a [&'a str],
    /// The variables and secrets that the step finds in its environment, so that `-e NAME` adds nothing.
    pub(crate) environment: &'a [&'a str],
}

/// What a line of `pre`, `post` or `test` is.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) command: Command,
    /// Whether it needs a Docker engine of its own.
    pub(crate) engine: bool,
    /// What is left out of it, and why.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads one line of `pre`, `post` or `test`: a `docker run` becomes a container, anything else is the shell's. A line
/// that calls docker among other commands gets an engine for it.
pub(crate) fn command(line: &str, around: Surroundings<'_>) -> Result<Line, Vec<Problem>> {
    let line = line.trim();
    if is_docker_run(line) && !words::has_operators(line) {
        let mut reader = Reader { around, run: ContainerRun::default(), problems: Vec::new(), warnings: Vec::new() };
        reader.read(line);
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        let command = Command::Container { line: line.to_owned(), run: Box::new(reader.run) };
        return Ok(Line { command, engine: false, warnings: reader.warnings });
    }
    let command = Command::Shell { line: line.to_owned(), image: None, strict: false };
    let warning = words::asks_for_terminal(line).then(|| {
        Problem::new("docker is asked for a terminal, which a step does not have: it ends there with an error")
            .expected("the line without -t; alone on its line, docker run needs no such care")
    });
    Ok(Line { command, engine: calls_docker(line), warnings: warning.into_iter().collect() })
}

/// Whether a text for a shell calls docker or docker-compose, as far as the text alone tells.
pub(crate) fn calls_docker(text: &str) -> bool {
    words::calls_engine(text)
}

/// The first `docker login` or `docker push` among the commands of a text for a shell.
pub(crate) fn pushes(text: &str) -> Option<&'static str> {
    words::pushes(text)
}

fn is_docker_run(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    // Steps have no other user to change to, and need none.
    words.next_if_eq(&"sudo");
    let starts = |expected: &[&str]| words.clone().take(expected.len()).eq(expected.iter().copied());
    starts(&["docker", "run"]) || starts(&["docker", "container", "run"])
}

/// Takes a line over into a container, word by word, and collects what is wrong with it.
struct Reader<'a> {
    around: Surroundings<'a>,
    run: ContainerRun,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads a line that starts with `docker run`.
    fn read(&mut self, line: &str) {
        let words = match words::split(line, Mode::Shell(self.around.variables)) {
            Ok((words, problems)) => {
                self.problems = problems;
                words
            }
            Err(problem) => {
                self.problems.push(problem);
                return;
            }
        };
        let after_run = words.iter().position(|word| word == "run").map_or(words.len(), |at| at + 1);
        let mut rest = words.into_iter().skip(after_run).peekable();
        while let Some(word) = rest.next_if(|word| word.starts_with('-') && word != "-") {
            if word == "--" {
                break;
            }
            let read = options::read(&word, &mut rest);
            self.problems.extend(read.problems);
            self.warnings.extend(read.warnings);
            if read.lost {
                return;
            }
            for given in read.given {
                let result = self.apply(given);
                self.or_note(result);
            }
        }
        let Some(image) = rest.next() else {
            self.problems.push(Problem::new("docker run without an image"));
            return;
        };
        let image = values::plain(&image, "the image").and_then(|image| {
            images::check(&variables::sample(&image)).map_err(Problem::new)?;
            Ok(image)
        });
        self.run.image = self.or_note(image).unwrap_or_default();
        let args = rest.map(|word| values::plain(&word, "an argument")).collect::<Result<_, _>>();
        self.run.args = self.or_note(args).unwrap_or_default();
    }

    fn or_note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }
}

#[cfg(test)]
mod tests;
