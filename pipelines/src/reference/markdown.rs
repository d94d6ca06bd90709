//! The tables of docs/captain-yml.md.

use super::{Map, Shape, Source};

/// The table of a map's keys.
pub(crate) fn table(map: &Map) -> String {
    let mut table = String::from("| key | type | default | | from |\n|---|---|---|---|---|\n");
    for key in map.keys {
        let (shape, source) = (words(key.shape), source(key.source));
        table.push_str(&format!("| `{}` | {shape} | {} | {} | {source} |\n", key.name, key.default, key.what));
    }
    table
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Captain => "captain",
        Source::Docker => "Docker",
        Source::Cron => "cron",
        Source::Slipway => "Slipway",
    }
}

fn words(shape: Shape) -> String {
    let all = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::TextLike(example) => format!("text such as `{example}`"),
        Shape::OneOf(names) => all(names),
        Shape::Bool => "`true`, `false`".to_owned(),
        Shape::Whole(from, to) => format!("{from} to {to}"),
        Shape::Number(from, to) => format!("number from {from} to {to}"),
        Shape::Duration => "duration".to_owned(),
        Shape::Size => "size such as `256M`".to_owned(),
        Shape::Percent => "share such as `1%`".to_owned(),
        Shape::Times => "factor such as `2x`".to_owned(),
        Shape::Texts => "list of texts".to_owned(),
        Shape::SomeOf(names) => format!("list of {}", all(names)),
        Shape::TextsWith(names) => format!("list of {}, texts", all(names)),
        Shape::Pairs => "map of texts".to_owned(),
        Shape::Lists => "map of lists".to_owned(),
        Shape::Steps => "list of [steps](#steps)".to_owned(),
        Shape::Map(map) => format!("[map](#{})", map.anchor),
        Shape::MapsByName(map) => format!("map of name to [map](#{})", map.anchor),
        Shape::Either(shapes) => shapes.iter().map(|shape| words(*shape)).collect::<Vec<_>>().join("; or "),
    }
}
