//! captain's old format, from before apps had names, in today's form.
//!
//! `build.images` was a map of a Dockerfile to an image, or a list of `Dockerfile=image`; `test.unit` a list of commands
//! that ran once every image was built. Of `test` captain ran nothing but `unit`.

use crate::{
    diagnostics::Report,
    document::{self, Entry, Node, Value},
    images, reference,
};

/// The most top-level keys and images: a file with more has too many apps in any form.
const MAX_APPS: usize = 200;
/// The place of comments after which nothing follows.
const END: u32 = u32::MAX;

/// What stands between the words of a command, and belongs to no image's name.
const BETWEEN_WORDS: [char; 12] = [' ', '\t', '\n', '|', '&', ';', '<', '>', '(', ')', '"', '\''];

/// The same file in today's form, with its comments where they are about something that is still there. None for a text
/// that is not in the old format, or has no images, as captain itself then looked for Dockerfiles.
#[must_use]
pub fn modernise(text: &str) -> Option<String> {
    let mut report = Report::new("", text);
    let root = document::read(text, &mut report)?;
    let Value::Map(entries) = &root.value else { return None };
    if entries.len() > MAX_APPS || entries.iter().all(|entry| !is_old(entry)) {
        return None;
    }
    let old = Old::of(entries)?;
    Some(old.written(text, entries))
}

/// Whether it is the `build:` or `test:` of a file from before apps were named.
pub(crate) fn is_old(entry: &Entry) -> bool {
    let key = match entry.key.as_str() {
        "build" => "images",
        "test" => "unit",
        _ => return false,
    };
    child(entry, key).is_some()
}

fn child<'n>(entry: &'n Entry, key: &str) -> Option<&'n Entry> {
    match &entry.value.value {
        Value::Map(fields) => fields.iter().find(|field| field.key == key),
        _ => None,
    }
}

/// What a file of the old format says.
struct Old<'n> {
    images: Vec<Image<'n>>,
    tests: Vec<Test<'n>>,
}

struct Image<'n> {
    line: u32,
    name: String,
    dockerfile: &'n str,
    image: &'n str,
}

struct Test<'n> {
    line: u32,
    command: &'n str,
    /// The place of the app that it stands under.
    app: usize,
}

impl<'n> Old<'n> {
    fn of(entries: &'n [Entry]) -> Option<Self> {
        let mut old = Old { images: Vec::new(), tests: Vec::new() };
        for entry in entries.iter().filter(|entry| is_old(entry)) {
            match child(entry, "images") {
                Some(images) if entry.key == "build" => old.take_images(&images.value),
                _ => old.take_tests(&child(entry, "unit")?.value),
            }
        }
        if old.images.is_empty() || old.images.len() > MAX_APPS {
            return None;
        }
        for test in &mut old.tests {
            let named = old.images.iter().position(|image| {
                test.command.split(BETWEEN_WORDS).any(|word| images::familiar(word) == images::familiar(image.image))
            });
            // Every test ran once all images were built: so does one of the last app.
            test.app = named.unwrap_or(old.images.len() - 1);
        }
        Some(old)
    }

    fn take_images(&mut self, node: &'n Node) {
        match &node.value {
            Value::Map(fields) => {
                for field in fields {
                    if let Value::Scalar(image) = &field.value.value {
                        self.push(field.place.line, &field.key, image);
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    if let Value::Scalar(text) = &item.value
                        && let Some((dockerfile, image)) = text.split_once('=')
                    {
                        self.push(item.place.line, dockerfile.trim(), image.trim());
                    }
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
    }

    fn push(&mut self, line: u32, dockerfile: &'n str, image: &'n str) {
        if self.images.len() > MAX_APPS {
            return;
        }
        let wanted = app_name(image);
        let mut name = wanted.clone();
        let mut number = 2;
        while self.images.iter().any(|other| other.name == name) || reference::FILE.names().any(|key| key == name) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        self.images.push(Image { line, name, dockerfile, image });
    }

    fn take_tests(&mut self, node: &'n Node) {
        let nodes = if let Value::List(items) = &node.value { items.as_slice() } else { std::slice::from_ref(node) };
        for node in nodes {
            if let Value::Scalar(command) = &node.value {
                self.tests.push(Test { line: node.place.line, command, app: 0 });
            }
        }
    }

    /// The lines at which something begins that is still there, in order.
    fn places(&self) -> Vec<u32> {
        let mut places: Vec<u32> =
            self.images.iter().map(|image| image.line).chain(self.tests.iter().map(|test| test.line)).collect();
        places.sort_unstable();
        places
    }

    fn written(&self, text: &str, entries: &[Entry]) -> String {
        let comments = Comments::of(text, self, entries);
        let mut out = comments.head();
        for (at, image) in self.images.iter().enumerate() {
            comments.write(image.line, "", &mut out);
            out.push_str(&format!("{}:\n", scalar(&image.name)));
            if image.dockerfile != "Dockerfile" {
                out.push_str(&format!("  build: {}\n", scalar(image.dockerfile)));
            }
            out.push_str(&format!("  image: {}\n", scalar(image.image)));
            let tests: Vec<&Test<'_>> = self.tests.iter().filter(|test| test.app == at).collect();
            if !tests.is_empty() {
                out.push_str("  test:\n");
            }
            for test in tests {
                comments.write(test.line, "    ", &mut out);
                out.push_str(&format!("    - {}\n", item(test.command)));
            }
        }
        out.push_str(&comments.tail());
        out.push_str(&others(text, entries));
        out
    }
}

/// The lines of a file that are comments and nothing else, by what they stand above.
struct Comments<'t> {
    /// With the line of what follows, in order; 0 for the head of the file, [`END`] for its end.
    comments: Vec<(u32, &'t str)>,
}

impl<'t> Comments<'t> {
    fn of(text: &'t str, old: &Old<'_>, entries: &[Entry]) -> Self {
        let places = old.places();
        let first = places.first().copied().unwrap_or_default();
        let first_key = entries.first().map_or(first, |entry| entry.place.line);
        let is_kept = |line: u32| entries.iter().rev().find(|entry| entry.place.line <= line).is_none_or(is_old);
        // What looks like a comment within a text of several lines is part of the text.
        let mut texts: Vec<(u32, u32)> =
            old.tests.iter().map(|test| (test.line, test.line.saturating_add(lines_of(test.command)))).collect();
        texts.sort_unstable();
        let is_within_text = |line: u32| {
            let before = texts.partition_point(|(begin, _)| *begin < line).checked_sub(1);
            before.and_then(|at| texts.get(at)).is_some_and(|(_, end)| line <= *end)
        };
        let mut comments = Vec::new();
        for (line, content) in (1_u32..).zip(text.lines()) {
            let content = content.trim();
            if !content.starts_with('#') || !is_kept(line) || is_within_text(line) {
                continue;
            }
            let next = places.partition_point(|place| *place <= line);
            let above = if line < first_key { 0 } else { places.get(next).copied().unwrap_or(END) };
            comments.push((above, content));
        }
        Comments { comments }
    }

    fn head(&self) -> String {
        let mut head = String::new();
        self.write(0, "", &mut head);
        head
    }

    fn tail(&self) -> String {
        let mut tail = String::new();
        self.write(END, "", &mut tail);
        tail
    }

    /// Writes the comments that stand above the line.
    fn write(&self, line: u32, indent: &str, out: &mut String) {
        let from = self.comments.partition_point(|(above, _)| *above < line);
        for (_, comment) in self.comments[from..].iter().take_while(|(above, _)| *above == line) {
            out.push_str(&format!("{indent}{comment}\n"));
        }
    }
}

/// How many more lines a text of several lines has in its file; none for one of a single line.
fn lines_of(text: &str) -> u32 {
    let text = text.trim_end_matches('\n');
    if text.contains('\n') { u32::try_from(text.lines().count()).unwrap_or(u32::MAX / 2) } else { 0 }
}

/// What stands in the file besides the old format, as it is.
fn others(text: &str, entries: &[Entry]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = String::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| !is_old(entry)) {
        let from = (entry.place.line as usize).saturating_sub(1).min(lines.len());
        let to = entries.get(at + 1).map_or(lines.len(), |next| (next.place.line as usize).saturating_sub(1));
        for line in lines.get(from..to).unwrap_or_default() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The last part of the image's name, as an app's name.
fn app_name(image: &str) -> String {
    let name = images::familiar(image).rsplit('/').next().unwrap_or_default();
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let name: String = name.chars().map(legal).take(100).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// An item of a list: a text of several lines as a block.
fn item(text: &str) -> String {
    let is_block = text.trim_end_matches('\n').contains('\n')
        && !text.starts_with(char::is_whitespace)
        && !text.contains(|c: char| c.is_control() && c != '\n');
    if !is_block {
        return scalar(text.trim_end_matches('\n'));
    }
    let lines = text
        .trim_end_matches('\n')
        .split('\n')
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("      {line}\n") });
    format!("|\n{}", lines.collect::<String>()).trim_end().to_owned()
}

/// A text as YAML: as it is, or in quotes where YAML would read it as something else.
fn scalar(text: &str) -> String {
    const SPECIAL: [char; 19] =
        ['-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];
    let is_plain = !text.is_empty()
        && !text.starts_with(SPECIAL)
        && !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !matches!(text, "~" | "null" | "Null" | "NULL" | "..." | "<<")
        && text.chars().all(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests;
