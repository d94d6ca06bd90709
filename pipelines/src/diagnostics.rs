//! What is wrong with a captain.yml, where, and what was expected instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most problems that are collected for one file; a person fixes the first few and looks again.
const MAX_FOUND: usize = 50;
/// Where the language is described.
pub(crate) const REFERENCE: &str = "docs/captain-yml.md";
/// The place of what concerns the file as a whole.
pub(crate) const WHOLE: Place = Place { line: 0, column: 0 };
/// How much of a line an excerpt shows, in characters.
const EXCERPT_WIDTH: usize = 120;

/// A place in a file: a line and a column, both from 1, counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    #[default]
    Error,
    /// The file can be used, and surely does not do what was meant.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as it was named to the parser; empty where there is none.
    pub file: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The column in characters, from 1; 0 where the file as a whole is meant.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What could stand there instead.
    pub expected: Option<String>,
    /// The known name that is nearest to what was written.
    pub nearest: Option<String>,
    /// The line as it stands in the file, cut where it is long; empty where the file as a whole is meant.
    pub excerpt: String,
    /// How much it matters.
    #[serde(default)]
    pub severity: Severity,
    /// Where the reference says more, such as `docs/captain-yml.md#apps`.
    #[serde(default)]
    pub link: Option<String>,
}

impl Diagnostic {
    /// One of a file as a whole.
    #[must_use]
    pub fn of_whole(file: &str, severity: Severity, message: String) -> Self {
        Diagnostic {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message,
            expected: None,
            nearest: None,
            excerpt: String::new(),
            severity,
            link: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", _) => {}
            (file, 0) => write!(f, "{file}: ")?,
            (file, line) => write!(f, "{file}:{line}:{}: ", self.column)?,
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match (&self.nearest, &self.expected) {
            (Some(nearest), _) => write!(f, "; did you mean \"{nearest}\"?")?,
            (None, Some(expected)) => write!(f, "; expected {expected}")?,
            (None, None) => {}
        }
        if !self.excerpt.is_empty() {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            let indent = " ".repeat((self.column as usize).saturating_sub(1).min(EXCERPT_WIDTH));
            write!(f, "\n  {number} | {}\n  {gutter} | {indent}^", self.excerpt)?;
        }
        match &self.link {
            Some(link) => write!(f, "\n  see {link}"),
            None => Ok(()),
        }
    }
}

/// What there is to say of a file, in the order of the lines; never empty where it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A problem before it knows its file: what is wrong and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) expected: Option<String>,
    pub(crate) nearest: Option<String>,
    /// The part of the reference that tells more, where it is not the one of what is being read.
    pub(crate) anchor: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), expected: None, nearest: None, anchor: None }
    }

    /// Names the part of the reference that tells more.
    pub(crate) fn see(mut self, anchor: &'static str) -> Self {
        self.anchor = Some(anchor);
        self
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Names the nearest of the `known` names, if one is near enough to be meant.
    pub(crate) fn nearest<'a>(mut self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest(written, known).map(str::to_owned);
        self
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// The part of the reference that tells of what is being read.
    anchor: Option<&'static str>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        // YAML ends a line at a lone carriage return as well.
        let lines = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
        Report { file, lines, errors: Vec::new(), warnings: Vec::new(), anchor: None }
    }

    /// Reads something with another part of the reference in its messages.
    pub(crate) fn within<T>(&mut self, anchor: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.anchor.replace(anchor);
        let result = read(self);
        self.anchor = outer;
        result
    }

    /// Adds a problem at a place, with the line that stands there.
    pub(crate) fn add(&mut self, place: Place, problem: Problem) {
        self.push(place, problem, Severity::Error);
    }

    /// Adds a problem of the file as a whole.
    pub(crate) fn add_whole(&mut self, problem: Problem) {
        self.add(WHOLE, problem);
    }

    /// Adds something that is legal and surely not meant.
    pub(crate) fn warn(&mut self, place: Place, problem: Problem) {
        self.push(place, problem, Severity::Warning);
    }

    /// Whether more problems would be of no use; whoever reads a long list may stop then.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() > MAX_FOUND
    }

    fn push(&mut self, place: Place, problem: Problem, severity: Severity) {
        let found = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if found.len() > MAX_FOUND {
            return;
        }
        let at = (place.line as usize).checked_sub(1);
        found.push(Diagnostic {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            message: problem.message,
            expected: problem.expected,
            nearest: problem.nearest,
            excerpt: at.and_then(|at| self.lines.get(at)).map(|line| excerpt(line)).unwrap_or_default(),
            severity,
            link: problem.anchor.or(self.anchor).map(|anchor| format!("{REFERENCE}#{anchor}")),
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The errors in the order of the lines; the last says so when there are more.
    pub(crate) fn into_errors(self) -> Diagnostics {
        sorted(self.errors)
    }

    /// The warnings, likewise.
    pub(crate) fn into_warnings(self) -> Diagnostics {
        sorted(self.warnings)
    }
}

fn sorted(mut found: Vec<Diagnostic>) -> Diagnostics {
    let rest = (found.len() > MAX_FOUND).then(|| found.pop()).flatten();
    found.sort_by_key(|found| (found.line, found.column));
    if let Some(last) = rest {
        let message = format!("there are more problems; these are the first {MAX_FOUND} found");
        found.push(Diagnostic::of_whole(&last.file, last.severity, message));
    }
    Diagnostics(found)
}

/// The line with tabs as single spaces, so that the caret stands where it should, and without control characters.
fn excerpt(line: &str) -> String {
    let mut shown: String = line.chars().take(EXCERPT_WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().nth(EXCERPT_WIDTH).is_some() {
        shown.push('…');
    }
    shown
}

/// The name among `known` with the fewest edits from `written`, if a third of its letters or fewer differ.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    // Longer words than this are not misspellings of a name, and the distance costs the product of the lengths.
    if written.chars().count() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (edits(&written, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            let length = name.chars().count();
            // A name of one letter is near to nothing.
            *distance <= (length / 3).max(1) && *distance < length
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The number of inserted, deleted, changed or swapped letters between two words (optimal string alignment).
fn edits(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_be_meant() {
        let known = ["build", "image", "pre", "post", "test"];
        assert_eq!(nearest("biuld", known), Some("build"));
        assert_eq!(nearest("Image", known), Some("image"));
        assert_eq!(nearest("tests", known), Some("test"));
        assert_eq!(nearest("volumes", known), None);
    }
}
