//! The shell inside a container that stays: it is told one command after the other on its standard input.
//!
//! Its container outlives the runner, and so do the commands in it: their output and their exit codes are in the
//! container's log, between marks that only the runner can name.

use super::{StepError, warm::ShellCommand};

/// Stands before each mark: a byte that output hardly ever holds, so that looking for marks costs next to nothing.
const SIGN: u8 = 0x1e;
/// The longest that may follow a mark's id: ` ends 255` and the line's end.
const REST_LIMIT: usize = 12;

/// The first process of the container. busybox ash, dash and bash run it.
///
/// A line is `ID COMMAND #ID`. One without its end was broken off with the runner that wrote it. One whose id was met
/// before is a repetition by a runner that could not know whether its earlier life had handed the command over: each
/// command runs once. As the first process it ignores every signal but the engine's SIGKILL, which ends everything in the
/// container at once.
pub(super) const LOOP: &str = "\
slipway_newline='
'
met=
while read -r id line; do
  case $line in *\" #$id\") ;; *) continue ;; esac
  case $met in *\" $id\"*) continue ;; esac
  met=\"$met $id\"
  echo \"\u{1e}$id begins\"; echo \"\u{1e}$id begins\" >&2
  (eval \"$line\") </dev/null
  code=$?
  echo \"\u{1e}$id ends $code\"; echo \"\u{1e}$id ends $code\" >&2
done
";

/// Names to which a shell does not let everything be assigned.
const KEPT_BY_SHELLS: [&str; 13] = [
    "BASHOPTS",
    "BASH_VERSINFO",
    "DIRSTACK",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "LINENO",
    "OPTIND",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "UID",
];

/// A command as the shell is told it, in one line. Its variables are nowhere else than in this line and in the
/// environment of its processes.
pub(super) fn told(id: &str, command: ShellCommand<'_>) -> Result<String, StepError> {
    let mut exports = String::new();
    let mut by_env = String::new();
    for (name, value) in command.env.iter().chain(command.provisions.variables()) {
        if value.contains('\0') || name.contains('\0') {
            return Err(StepError::Other(format!("the variable {name} holds a NUL, which no variable can hold")));
        }
        if is_assignable(name) {
            exports.push_str(&format!("export {name}={}; ", quoted(value)));
        } else if command.provisions.secrets.iter().any(|(secret, _)| secret == name) {
            return Err(StepError::Other(format!(
                "the secret {name} cannot be given to a plain command, as shells have a variable of their own by that name; \
                 give it another name"
            )));
        } else {
            by_env.push_str(&format!(" {}", quoted(&format!("{name}={value}"))));
        }
    }
    if command.line.contains('\0') {
        return Err(StepError::Other("the command holds a NUL, which no command can hold".to_owned()));
    }
    let env = if by_env.is_empty() { String::new() } else { format!("env{by_env} ") };
    let flags = if command.strict { "-ec" } else { "-c" };
    Ok(format!("{id} {exports}exec {env}/bin/sh {flags} {} #{id}\n", quoted(command.line)))
}

fn is_assignable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEPT_BY_SHELLS.contains(&name)
}

/// Text as one word of the loop's shell, on one line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('\n', "'\"$slipway_newline\"'"))
}

/// One stream of the container, of which one command's part is wanted.
#[derive(Debug)]
pub(super) struct Segment {
    /// What every mark of the command begins with.
    mark: Vec<u8>,
    /// The beginning of what may become a mark.
    held: Vec<u8>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What comes is of earlier commands.
    Ahead,
    /// What comes is of the command.
    Within,
    Ended(SegmentEnd),
}

/// How a command ended, as one of its streams tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentEnd {
    /// Its exit code.
    pub(super) code: i64,
    /// Whether its beginning was met as well.
    pub(super) is_whole: bool,
}

enum Mark {
    Begins,
    Ends(i64),
}

impl Segment {
    /// Looks for the command with this id.
    pub(super) fn of(id: &str) -> Self {
        let mark = [&[SIGN], id.as_bytes(), b" "].concat();
        Segment { mark, held: Vec::new(), stage: Stage::Ahead }
    }

    /// How the command ended, once this stream has told it.
    pub(super) fn end(&self) -> Option<SegmentEnd> {
        match self.stage {
            Stage::Ended(end) => Some(end),
            Stage::Ahead | Stage::Within => None,
        }
    }

    /// Takes in what the stream wrote, and gives out what of it is the command's.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.held);
        let mut rest = bytes;
        if !held.is_empty() {
            held.extend_from_slice(bytes);
            rest = &held;
        }
        let mut own = Vec::new();
        while let Some(at) = rest.iter().position(|&byte| byte == SIGN) {
            self.give(&rest[..at], &mut own);
            rest = &rest[at..];
            let Some((mark, len)) = self.mark_of(rest) else {
                self.held = rest.to_vec();
                return own;
            };
            match mark {
                Some(Mark::Begins) if self.stage == Stage::Ahead => self.stage = Stage::Within,
                Some(Mark::Ends(code)) if self.end().is_none() => {
                    self.stage = Stage::Ended(SegmentEnd { code, is_whole: self.stage == Stage::Within });
                }
                _ => self.give(&rest[..len], &mut own),
            }
            rest = &rest[len..];
        }
        self.give(rest, &mut own);
        own
    }

    fn give(&self, bytes: &[u8], own: &mut Vec<u8>) {
        if self.stage == Stage::Within {
            own.extend_from_slice(bytes);
        }
    }

    /// What the bytes, of which the first is a [`SIGN`], begin with, and how long it is: a mark of the command, or
    /// anything else. Nothing is told yet while they may become a mark.
    fn mark_of(&self, bytes: &[u8]) -> Option<(Option<Mark>, usize)> {
        let Some(rest) = bytes.strip_prefix(self.mark.as_slice()) else {
            return (!self.mark.starts_with(bytes)).then_some((None, 1));
        };
        let Some(end) = rest.iter().take(REST_LIMIT).position(|&byte| byte == b'\n') else {
            return (rest.len() >= REST_LIMIT).then_some((None, 1));
        };
        let code = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
        let mark = match &rest[..end] {
            b"begins" => Some(Mark::Begins),
            other => other.strip_prefix(b"ends ").and_then(code).map(Mark::Ends),
        };
        Some(if mark.is_some() { (mark, self.mark.len() + end + 1) } else { (None, 1) })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::steps::Provisions;

    fn tell(id: &str, line: &str, env: &[(String, String)]) -> String {
        let provisions = Provisions::default();
        let command = ShellCommand {
            app: "web",
            image: "busybox",
            built: None,
            line,
            strict: true,
            env,
            mounts: &[],
            provisions: &provisions,
        };
        told(id, command).unwrap()
    }

    /// What a shell of this machine that is told this writes to its two streams.
    fn said(input: &str) -> (Vec<u8>, Vec<u8>) {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", LOOP]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        (output.stdout, output.stderr)
    }

    fn part(id: &str, bytes: &[u8]) -> (String, Option<SegmentEnd>) {
        let mut segment = Segment::of(id);
        let own = segment.feed(bytes);
        (String::from_utf8(own).unwrap(), segment.end())
    }

    const WELL: Option<SegmentEnd> = Some(SegmentEnd { code: 0, is_whole: true });

    #[test]
    fn commands_run_one_after_the_other_each_with_its_own_variables_and_exit_code() {
        let env = [("TEXT", "it's\n\"two\" $lines"), ("no.name", "dropped by some shells"), ("UID", "7")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let talk = "echo \"$TEXT\"\necho \"$UID\"; echo oh >&2; printf end; exit 3";
        let input = [tell("1a", talk, &env), tell("2b", "cat; echo \"${TEXT-none}\"; false; echo on", &[])].concat();
        let (out, err) = said(&input);
        let code = |code| Some(SegmentEnd { code, is_whole: true });
        assert_eq!(part("1a", &out), ("it's\n\"two\" $lines\n7\nend".to_owned(), code(3)));
        assert_eq!(part("1a", &err), ("oh\n".to_owned(), code(3)));
        assert_eq!(part("2b", &out), ("none\n".to_owned(), code(1)));
        assert_eq!(part("3c", &out), (String::new(), None));
    }

    #[test]
    fn a_command_told_twice_or_by_halves_runs_once() {
        let whole = tell("1a", "echo once", &[]);
        let half = &whole[..whole.len() - 6];
        let (out, _) = said(&format!("{half}\n{whole}\n{whole}{half}"));
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1e}1a begins\nonce\n\u{1e}1a ends 0\n");
    }

    #[test]
    fn marks_are_found_however_the_stream_is_cut() {
        let stream = b"old\n\x1e1a begins\nnew\x1e\n\x1e1a \n\x1e2b ends 0\nlast\x1e1a ends 0\nlater";
        for size in 1..=stream.len() {
            let mut segment = Segment::of("1a");
            let own: Vec<u8> = stream.chunks(size).flat_map(|piece| segment.feed(piece)).collect();
            assert_eq!(own, b"new\x1e\n\x1e1a \n\x1e2b ends 0\nlast", "in pieces of {size}");
            assert_eq!(segment.end(), WELL);
        }
    }

    #[test]
    fn what_cannot_be_a_mark_any_more_is_not_held_back() {
        let mut segment = Segment::of("1a");
        assert_eq!(segment.feed(b"\x1e1a begins\nhalf a line"), b"half a line");
        assert_eq!(segment.feed(b"\x1e1a ends and so on"), b"\x1e1a ends and so on");
        assert_eq!(segment.end(), None);
    }

    #[test]
    fn a_log_whose_beginning_is_gone_still_tells_the_end() {
        assert_eq!(
            part("1a", b"lost\n\x1e1a ends 4\n"),
            (String::new(), Some(SegmentEnd { code: 4, is_whole: false }))
        );
    }
}
