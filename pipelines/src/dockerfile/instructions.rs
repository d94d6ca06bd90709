//! A Dockerfile's text as instructions: lines joined, comments and heredocs taken out.

use std::ops::Range;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Its keyword in upper case.
    pub(super) keyword: String,
    /// What follows it, in one line.
    pub(super) rest: String,
    /// Where `rest` stands: its pieces' places in `rest` and in the text, as an instruction may go over several lines.
    pieces: Vec<(usize, usize)>,
}

impl Instruction {
    /// Where a part of `rest` stands in the text; none where a line ends in the midst of it.
    pub(super) fn place(&self, part: &str) -> Option<Range<usize>> {
        let at = offset(&self.rest, part);
        let piece = self.pieces.iter().rposition(|(start, _)| *start <= at)?;
        let (start, in_text) = self.pieces[piece];
        let is_whole = self.pieces.get(piece + 1).is_none_or(|(next, _)| at + part.len() <= *next);
        let from = in_text + at - start;
        is_whole.then(|| from..from + part.len())
    }
}

/// Where a part of a text begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// The instructions of a text.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let whole_text = text;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = escape(text);
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(joined) = joined(&mut lines, escape) {
        let line = joined.line.trim();
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let keyword = keyword.to_ascii_uppercase();
        if matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
            for heredoc in heredocs(rest) {
                skip(&mut lines, &heredoc);
            }
        }
        let before = if rest.is_empty() { 0 } else { offset(&joined.line, rest) };
        let pieces = joined.pieces.iter().map(|(start, piece)| {
            let hidden = before.saturating_sub(*start);
            (start.saturating_sub(before), offset(whole_text, piece) + hidden)
        });
        found.push(Instruction { keyword, rest: rest.to_owned(), pieces: pieces.collect() });
    }
    found
}

/// The words of an instruction; quotes hold words together and stay.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let mut quote = None;
        let mut is_escaped = false;
        let end = rest.find(|c: char| {
            match quote {
                _ if is_escaped => is_escaped = false,
                None if c.is_whitespace() => return true,
                _ if c == '\\' && quote != Some('\'') => is_escaped = true,
                Some(open) if c == open => quote = None,
                None if matches!(c, '"' | '\'') => quote = Some(c),
                _ => {}
            }
            false
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// The character that continues a line: a backslash, or what the directive `# escape=` says before anything else.
fn escape(text: &str) -> char {
    for line in text.lines() {
        let Some((key, value)) = line.trim().strip_prefix('#').and_then(|directive| directive.split_once('=')) else {
            break;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "escape" if value.trim() == "`" => return '`',
            "escape" | "syntax" | "check" => {}
            _ => break,
        }
    }
    '\\'
}

/// An instruction's lines in one.
#[derive(Default)]
struct Joined<'t> {
    line: String,
    /// The pieces of the text, and where they stand in the line.
    pieces: Vec<(usize, &'t str)>,
}

/// The next instruction's line with those that continue it. Comments and empty lines between them do not end it.
fn joined<'t>(lines: &mut impl Iterator<Item = &'t str>, escape: char) -> Option<Joined<'t>> {
    let mut whole: Option<Joined<'t>> = None;
    for line in lines.by_ref() {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            continue;
        }
        let end = line.trim_end_matches([' ', '\t', '\r']);
        let continued = end.strip_suffix(escape).filter(|before| !before.ends_with(escape));
        let whole = whole.get_or_insert_default();
        let piece = continued.unwrap_or(line);
        whole.pieces.push((whole.line.len(), piece));
        whole.line.push_str(piece);
        if continued.is_none() {
            break;
        }
    }
    whole
}

/// The end of a heredoc.
struct Heredoc {
    name: String,
    /// Whether tabs before its end are allowed.
    is_indented: bool,
}

/// The heredocs that an instruction opens, as in `RUN <<EOF` or `COPY <<-"a" <<b /`.
fn heredocs(rest: &str) -> Vec<Heredoc> {
    let opened = words(rest).filter_map(|word| {
        let after = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (is_indented, name) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
        let name = name.trim_matches(['"', '\'']);
        (!name.is_empty() && !name.contains('<')).then(|| Heredoc { name: name.to_owned(), is_indented })
    });
    opened.collect()
}

/// Skips the lines of a heredoc and its end; to the end of the text where it has none.
fn skip<'t>(lines: &mut impl Iterator<Item = &'t str>, heredoc: &Heredoc) {
    for line in lines {
        let line = if heredoc.is_indented { line.trim_start_matches('\t') } else { line };
        if line == heredoc.name {
            return;
        }
    }
}
