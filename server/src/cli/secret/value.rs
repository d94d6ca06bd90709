//! Where a secret's value comes from.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{
    cli::Failure,
    secrets::{Secret, repository::VALUE_LIMIT},
};

/// The value: of the file, typed unseen where standard input is a terminal, or else all of standard input without its
/// last line break.
pub(super) fn read(name: &str, file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(path) => {
            let read = fs::File::open(path).and_then(whole);
            Ok(Secret::new(read.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?))
        }
        None if io::stdin().is_terminal() => Ok(Secret::new(typed(name)?)),
        None => {
            let text = whole(io::stdin().lock())?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
        }
    }
}

/// More than the longest value with a line break behind it.
const MOST: u64 = VALUE_LIMIT as u64 + 3;

fn whole(source: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MOST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == MOST {
        return Err(io::Error::other(format!("the value has more than {VALUE_LIMIT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("the value is no text in UTF-8"))
}

fn typed(name: &str) -> io::Result<String> {
    let mut prompt = io::stderr().lock();
    write!(prompt, "Value of {name}: ")?;
    prompt.flush()?;
    let mut line = String::new();
    {
        let _unseen = Unseen::begin()?;
        io::stdin().lock().read_line(&mut line)?;
    }
    writeln!(prompt)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Unseen(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
