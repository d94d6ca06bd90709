//! YAML text as a tree that remembers where everything stands, keeps the order of maps and the spelling of scalars.
//!
//! The tree is composed from the parser's events, and not by deserialising, because a language for people needs what a
//! deserialiser drops: every duplicate key at once, `1.10` as it was written, and the place of each key and value.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use crate::diagnostics::{Place, Problem, Report};

/// The largest file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// How deeply maps and lists may be nested.
const MAX_DEPTH: usize = 32;
/// The most values a file may hold once its aliases are expanded.
const MAX_NODES: usize = 20_000;
/// The most text a file may hold once its aliases are expanded, in bytes.
const MAX_EXPANDED_BYTES: usize = 1024 * 1024;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for messages: `a list`, `nothing`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads the text's one document; none when the report says why not. Duplicate keys are reported, the first one stays.
pub(crate) fn read(text: &str, report: &mut Report<'_>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; the limit is {MAX_BYTES}", text.len());
        report.add_whole(Problem::new(message));
        return None;
    }
    let mut options = Options::default();
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    let parser = Parser::new_from_str_with_options(text, options);
    let mut composer = Composer { report, open: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0, bytes: 0 };
    for event in parser {
        let (event, span) = match event {
            Ok(found) => found,
            Err(error) => {
                let place = Place { line: number(error.marker().line()), column: number(error.marker().col() + 1) };
                composer.report.add(place, unreadable(&error.kind().to_string()));
                return None;
            }
        };
        if let Err((place, problem)) = composer.take(event, span) {
            composer.report.add(place, problem);
            return None;
        }
    }
    composer.root.or(Some(Node { place: Place { line: 1, column: 1 }, value: Value::Null }))
}

/// What the parser did not understand. The commonest of all is told with its remedy.
fn unreadable(what: &str) -> Problem {
    let problem = Problem::new(format!("invalid YAML: {what}"));
    if !what.contains("mapping values are not allowed") {
        return problem;
    }
    problem.expected("a text that holds \": \" to stand in quotes, such as \"pre: 'echo: hi'\"")
}

/// A list or map whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    nodes_before: usize,
    bytes_before: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    /// With the line of each key, and what merge keys name, the winner first.
    Map {
        entries: Vec<Entry>,
        lines: HashMap<String, u32>,
        merged: Vec<Entry>,
        key: Option<(String, Place)>,
    },
}

impl Collection {
    /// A map that has no key yet.
    fn map() -> Self {
        Collection::Map { entries: Vec::new(), lines: HashMap::new(), merged: Vec::new(), key: None }
    }
}

/// An anchored value and what copying it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
}

struct Composer<'r, 'a> {
    report: &'r mut Report<'a>,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
}

type Refusal = (Place, Problem);

impl Composer<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refusal> {
        let place = Place { line: number(span.start.line()), column: number(span.start.col() + 1) };
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err((place, Problem::new("a second document begins here").expected("one YAML document in the file")))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                check_tag(place, tag)?;
                let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.core_suffix() != Some("str"));
                let value = if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    Value::Scalar(text.into_owned())
                };
                let size = if let Value::Scalar(text) = &value { text.len() } else { 0 };
                self.charge(place, 1, size)?;
                self.complete(Node { place, value }, anchor, 1, size)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(place, tag.as_deref())?;
                self.begin(place, anchor, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(place, tag.as_deref())?;
                self.begin(place, anchor, Collection::map())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(found) = self.anchors.get(&anchor) else {
                    return Err((place, Problem::new("this alias stands inside the value that it refers to")));
                };
                let (mut node, nodes, bytes) = (found.node.clone(), found.nodes, found.bytes);
                // The alias is the place to look at: what is wrong with it there need not be wrong where it is defined.
                node.place = place;
                self.charge(place, nodes, bytes)?;
                self.complete(node, 0, nodes, bytes)
            }
            _ => Ok(()),
        }
    }

    /// Counts what is about to be kept, so that aliases of aliases end here and not with the memory.
    fn charge(&mut self, place: Place, nodes: usize, bytes: usize) -> Result<(), Refusal> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.bytes > MAX_EXPANDED_BYTES {
            let message = format!(
                "the file is too large once its aliases are expanded: more than {MAX_NODES} values or {MAX_EXPANDED_BYTES} bytes"
            );
            return Err((place, Problem::new(message)));
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, collection: Collection) -> Result<(), Refusal> {
        let (nodes_before, bytes_before) = (self.nodes, self.bytes);
        self.charge(place, 1, 0)?;
        // Block and flow nesting have a limit each in the parser; this is the limit of both together.
        if self.open.len() >= MAX_DEPTH {
            return Err((place, Problem::new(format!("nested more than {MAX_DEPTH} levels deep"))));
        }
        self.open.push(Open { place, anchor, nodes_before, bytes_before, collection });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.collection {
            Collection::List(items) => Value::List(items),
            Collection::Map { mut entries, mut lines, merged, .. } => {
                // What the map says itself wins, and then the earlier of what is merged into it.
                for entry in merged {
                    if lines.insert(entry.key.clone(), 0).is_none() {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        let (nodes, bytes) = (self.nodes - open.nodes_before, self.bytes - open.bytes_before);
        self.complete(Node { place: open.place, value }, open.anchor, nodes, bytes)
    }

    /// Puts a finished value where it belongs: into its list or map, or at the root.
    fn complete(&mut self, node: Node, anchor: usize, nodes: usize, bytes: usize) -> Result<(), Refusal> {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, bytes });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.collection {
            Collection::List(items) => items.push(node),
            Collection::Map { entries, lines, merged, key } => match key.take() {
                None => match node.value {
                    Value::Scalar(text) => *key = Some((text, node.place)),
                    _ => {
                        return Err((node.place, Problem::new(format!("{} as a key", node.kind())).expected("a name")));
                    }
                },
                Some((name, place)) if name == "<<" => merge(merged, node, place)?,
                Some((name, place)) => match lines.get(&name) {
                    Some(first) => {
                        let message = format!("duplicate key \"{name}\": it is already given on line {first}");
                        self.report.add(place, Problem::new(message));
                    }
                    None => {
                        lines.insert(name.clone(), place.line);
                        entries.push(Entry { key: name, place, value: node });
                    }
                },
            },
        }
        Ok(())
    }
}

/// Refuses tags other than YAML's own.
fn check_tag(place: Place, tag: Option<&Tag>) -> Result<(), Refusal> {
    match tag.filter(|tag| !tag.is_yaml_core_schema()) {
        Some(tag) => Err((place, Problem::new(format!("the YAML tag \"{}\" means nothing here", tag.original())))),
        None => Ok(()),
    }
}

/// Takes over what a merge key (`<<`) names: a map, or a list of maps of which the earlier wins.
fn merge(merged: &mut Vec<Entry>, node: Node, place: Place) -> Result<(), Refusal> {
    match node.value {
        Value::Map(entries) => {
            merged.extend(entries);
            Ok(())
        }
        Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => {
            nodes.into_iter().try_for_each(|node| merge(merged, node, place))
        }
        _ => Err((place, Problem::new("\"<<\" merges maps").expected("an alias of a map, or a list of such"))),
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
