//! The words of a command line, split as a POSIX shell splits them, without a shell's expansions.

use crate::{diagnostics::Problem, variables};

/// Stands in a word for `$PWD` and its kin.
pub(crate) const PWD: &str = "${PWD}";
/// Stands in a word for `$HOME`.
pub(crate) const HOME: &str = "${HOME}";

/// Stands in a word for the number of a shell's user.
pub(crate) const UID: &str = "${UID}";
/// Stands in a word for the number of that user's group.
pub(crate) const GID: &str = "${GID}";

/// What other servers call the folder that a build runs in.
const WORKSPACES: [&str; 5] = ["WORKSPACE", "GITHUB_WORKSPACE", "CI_PROJECT_DIR", "CI_WORKSPACE", "TRAVIS_BUILD_DIR"];

/// The most problems of one line.
const MAX_PROBLEMS: usize = 20;

/// How dollars are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode<'a> {
    /// As a shell would: words become templates; what only a shell could expand is an error. With the names that are
    /// declared besides Slipway's own.
    Shell(&'a [&'a str]),
    /// As they stand.
    Literal,
}

/// Splits a line into words. In [`Mode::Shell`] they are templates, with [`PWD`], [`HOME`], [`UID`] and [`GID`] as
/// further names.
///
/// The words come with what cannot be expanded in them. The error is of a line that has no words at all, as a quote is not
/// closed.
pub(crate) fn split(line: &str, mode: Mode<'_>) -> Result<(Vec<String>, Vec<Problem>), Problem> {
    let mut splitter = Splitter { rest: line, mode, words: Vec::new(), word: None, problems: Vec::new() };
    splitter.run()?;
    Ok((splitter.words, splitter.problems))
}

struct Splitter<'a> {
    rest: &'a str,
    mode: Mode<'a>,
    words: Vec<String>,
    /// The word begun; an empty one counts once it was quoted.
    word: Option<String>,
    /// What cannot be expanded; the words go on after it.
    problems: Vec<Problem>,
}

impl Splitter<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        while let Some(c) = self.next() {
            match c {
                c if c.is_whitespace() => self.words.extend(self.word.take()),
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '\\' => match self.next() {
                    Some('\n') => {}
                    Some(escaped) => self.push(escaped),
                    None => return Err(Problem::new("the line ends in a backslash")),
                },
                '#' if self.word.is_none() && self.is_shell() => break,
                c => self.unquoted(c)?,
            }
        }
        self.words.extend(self.word.take());
        Ok(())
    }

    fn is_shell(&self) -> bool {
        matches!(self.mode, Mode::Shell(_))
    }

    fn single_quoted(&mut self) -> Result<(), Problem> {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.push(c),
                None => return Err(Problem::new("a ' is not closed")),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), Problem> {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                // Within double quotes a backslash is one, unless it stands before one of these.
                Some('\\') if self.rest.starts_with(['"', '\\', '$', '`', '\n']) => match self.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                Some(c) => self.unquoted(c)?,
                None => return Err(Problem::new("a \" is not closed")),
            }
        }
    }

    /// A character that a shell would expand if it can be expanded.
    fn unquoted(&mut self, c: char) -> Result<(), Problem> {
        match c {
            '$' if self.is_shell() => self.dollar(),
            '`' if self.is_shell() => {
                self.substitution('`');
                Ok(())
            }
            c => {
                self.push(c);
                Ok(())
            }
        }
    }

    /// What follows a dollar: a variable, a command, or nothing special.
    fn dollar(&mut self) -> Result<(), Problem> {
        if let Some(after) = self.rest.strip_prefix('(') {
            self.rest = after;
            self.substitution(')');
            return Ok(());
        }
        if let Some(after) = self.rest.strip_prefix('$') {
            self.rest = after;
            self.push('$');
            return Ok(());
        }
        let name = if let Some(after) = self.rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| Problem::new("a ${ is not closed"))?;
            self.rest = after;
            name
        } else {
            let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
            let (name, after) = self.rest.split_at(end);
            if name.is_empty() {
                self.push('$');
                return Ok(());
            }
            self.rest = after;
            name
        };
        self.template(name);
        Ok(())
    }

    fn template(&mut self, name: &str) {
        const OF_A_SHELL: [&str; 4] = ["PWD", "HOME", "UID", "GID"];
        let Mode::Shell(declared) = self.mode else { return };
        let word = self.word.get_or_insert_default();
        word.push_str("${");
        word.push_str(name);
        word.push('}');
        let is_known = OF_A_SHELL.contains(&name) || variables::NAMES.contains(&name) || declared.contains(&name);
        if !is_known && self.problems.len() < MAX_PROBLEMS {
            let shown: String = name.chars().take(60).collect();
            let problem = Problem::new(format!("${shown} is unknown: no shell of a host expands a docker run line"))
                .expected("$PWD, one of Slipway's own variables or a declared one; single quotes or \\$ keep a dollar for the container")
                .nearest(name, variables::NAMES.iter().chain(declared).copied());
            let is_workspace = WORKSPACES.contains(&name);
            self.problems.push(if is_workspace {
                Problem { nearest: Some("PWD".to_owned()), ..problem }
            } else {
                problem
            });
        }
    }

    /// A command whose output would stand here: the few that mean something without a shell.
    fn substitution(&mut self, end: char) {
        let rest = self.rest;
        let (command, after) = rest.split_once(end).unwrap_or((rest, ""));
        let name = match command.trim() {
            "pwd" => Some("PWD"),
            "id -u" => Some("UID"),
            "id -g" => Some("GID"),
            _ => None,
        };
        self.rest = after;
        if let Some(name) = name {
            return self.template(name);
        }
        self.word.get_or_insert_default();
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let shown = if end == ')' { "$(…)" } else { "`…`" };
        let problem = Problem::new(format!("{shown} is not run: no shell of a host expands a docker run line"));
        self.problems.push(problem.expected("$(pwd), or single quotes to keep it for the container"));
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Adds a character that stands for itself.
    fn push(&mut self, c: char) {
        let is_shell = self.is_shell();
        let word = self.word.get_or_insert_default();
        if c == '$' && is_shell {
            word.push('$');
        }
        word.push(c);
    }
}

/// Whether the line holds what only a shell understands: pipes, redirections, several commands.
pub(crate) fn has_operators(line: &str) -> bool {
    outline(line).contains(['|', '&', ';', '<', '>', '\n'])
}

/// Whether a program that needs a Docker engine stands where a shell would look for a command.
pub(crate) fn calls_engine(line: &str) -> bool {
    const ENGINES: [&str; 2] = ["docker", "docker-compose"];
    outline(line).split(SEPARATORS).any(|part| command_of(part).next().is_some_and(|word| ENGINES.contains(&word)))
}

/// Whether a `docker run` or `docker exec` among the commands of the line plainly asks for a terminal: `-t` directly
/// after it. Further on it could be the argument of anything.
pub(crate) fn asks_for_terminal(line: &str) -> bool {
    outline(line).split(SEPARATORS).any(|part| {
        let mut words = command_of(part);
        if words.next() != Some("docker") || !matches!(words.next(), Some("run" | "exec")) {
            return false;
        }
        let mut flags = words.take_while(|word| {
            matches!(*word, "--rm" | "--tty" | "--interactive" | "--init" | "--detach") || is_flags(word)
        });
        flags.any(|word| word == "--tty" || (is_flags(word) && word.contains('t')))
    })
}

/// The first `docker login` or `docker push` among the commands of the line.
pub(crate) fn pushes(line: &str) -> Option<&'static str> {
    outline(line).split(SEPARATORS).find_map(|part| {
        let mut words = command_of(part);
        match (words.next(), words.next(), words.next()) {
            (Some("docker"), Some("login"), _) => Some("docker login"),
            (Some("docker"), Some("push"), _) | (Some("docker"), Some("image"), Some("push")) => Some("docker push"),
            _ => None,
        }
    })
}

/// Whether the word is nothing but one-letter flags of `docker run`.
fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "itdqP".contains(c)))
}

/// What stands between the commands of a line.
const SEPARATORS: [char; 6] = ['|', '&', ';', '\n', '(', '`'];

/// The words of a command from the program on.
fn command_of(part: &str) -> impl Iterator<Item = &str> {
    const BEFORE_A_COMMAND: [&str; 13] =
        ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "exec", "sudo", "env"];
    part.split_whitespace().skip_while(|word| BEFORE_A_COMMAND.contains(word) || is_assignment(word))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The line without its comments, and with `_` for every character that is quoted or escaped.
fn outline(line: &str) -> String {
    let mut outline = String::with_capacity(line.len());
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => outline.extend(chars.next().map(|_| '_')),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => outline.push('_'),
            (None, '#') if outline.is_empty() || outline.ends_with(char::is_whitespace) => {
                if chars.any(|c| c == '\n') {
                    outline.push('\n');
                }
            }
            (None, c) => outline.push(c),
        }
    }
    outline
}
