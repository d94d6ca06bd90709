//! The JSON Schema of captain.yml, for editors: made of the table that the parser reads by.
//!
//! It is as strict about keys as the parser is, and lets a value pass where only the parser can judge it.

use serde_json::{Map as Object, Value, json};

use crate::reference::{APP, FILE, Key, MAPS, Map, Shape, Source};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// A duration, as the parser reads it.
const DURATION: &str = "^[0-9]+ ?(ms|s|m|h|d)$";
/// A size, as the parser reads it.
const SIZE: &str = "^[0-9]+ ?([bB]|[kKmMgGtT]([iI]?[bB]?))?$";
/// A share, as the parser reads it.
const TIMES: &str = "^[0-9]+(\\.[0-9]+)? ?x$";
const PERCENT: &str = "^[0-9]+(\\.[0-9]+)? ?%?$";
/// What YAML may make of a text that was not quoted.
const SCALARS: [&str; 3] = ["string", "number", "boolean"];

/// The JSON Schema of captain.yml, draft 2020-12.
#[must_use]
pub fn json_schema() -> Value {
    let mut definitions: Object<String, Value> =
        MAPS.iter().skip(1).map(|map| (definition_name(map), definition(map))).collect();
    definitions.insert("steps".to_owned(), steps());
    let mut schema = object_of(&FILE);
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("title".to_owned(), json!("captain.yml"));
    schema.insert(
        "description".to_owned(),
        json!("What Slipway builds, tests, pushes and releases. Every key but the reserved ones is an app's name."),
    );
    schema.insert("additionalProperties".to_owned(), reference_to(&APP));
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

fn definition(map: &Map) -> Value {
    let mut object = object_of(map);
    object.insert("title".to_owned(), json!(map.of.replace('"', "")));
    object.insert("additionalProperties".to_owned(), json!(false));
    Value::Object(object)
}

/// A map's keys as properties.
fn object_of(map: &Map) -> Object<String, Value> {
    let properties: Object<String, Value> =
        map.keys.iter().map(|key| (key.name.to_owned(), property(key, map.anchor))).collect();
    let required: Vec<&str> = map.keys.iter().filter(|key| key.default == "required").map(|key| key.name).collect();
    let mut object = Object::new();
    // A map without a key in it may be written as nothing, unless it must hold one.
    let types = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    object.insert("type".to_owned(), types);
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn property(key: &Key, anchor: &str) -> Value {
    let from = match key.source {
        Source::Captain => "captain",
        Source::Docker => "Docker",
        Source::Cron => "cron",
        Source::Slipway => "Slipway",
    };
    let described = format!("{} Default: {}. From {from}; see docs/captain-yml.md#{anchor}.", key.what, key.default);
    let mut schema = shape(key.shape);
    if let Value::Object(object) = &mut schema {
        object.insert("title".to_owned(), json!(key.name));
        object.insert("description".to_owned(), json!(described.replace('`', "")));
    }
    schema
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => text(),
        Shape::TextLike(example) => json!({"type": SCALARS, "examples": [example]}),
        Shape::OneOf(["true"]) => json!({"enum": [true, "true"]}),
        Shape::OneOf(names) => json!({"enum": names}),
        Shape::Bool => json!({"enum": [true, false, "true", "false"]}),
        Shape::Whole(from, to) => number(&json!({"type": "integer", "minimum": from, "maximum": to})),
        Shape::Number(from, to) => number(&json!({"type": "number", "minimum": from, "maximum": to})),
        Shape::Duration => json!({"type": "string", "pattern": DURATION, "examples": ["30s", "5m"]}),
        Shape::Size => json!({"type": SCALARS, "pattern": SIZE, "examples": ["256M", "1G"]}),
        Shape::Percent => json!({"type": ["string", "number"], "pattern": PERCENT, "examples": ["1%"]}),
        Shape::Times => json!({"type": "string", "pattern": TIMES, "examples": ["2x"]}),
        Shape::Texts => json!({"anyOf": [{"type": "null"}, text(), {"type": "array", "items": text()}]}),
        Shape::SomeOf(names) => json!({"anyOf": [{"enum": names}, {"type": "array", "items": {"enum": names}}]}),
        Shape::TextsWith(names) => {
            let item = json!({"anyOf": [{"enum": names}, text()]});
            json!({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})
        }
        Shape::Pairs => json!({
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }),
        Shape::Lists => {
            let values = json!({"anyOf": [text(), {"type": "array", "items": text(), "minItems": 1}]});
            json!({"type": ["object", "null"], "additionalProperties": values})
        }
        Shape::Steps => json!({"$ref": "#/$defs/steps"}),
        Shape::Map(map) => reference_to(map),
        Shape::MapsByName(map) => json!({"type": ["object", "null"], "additionalProperties": reference_to(map)}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(|one| self::shape(*one)).collect::<Vec<_>>()}),
    }
}

fn text() -> Value {
    json!({"type": SCALARS})
}

/// A number may stand in quotes.
fn number(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "string", "pattern": "^[0-9.]+$"}]})
}

fn steps() -> Value {
    let step = json!({"anyOf": [
        {"type": "string", "description": "A command for the step image's shell, or a docker run line."},
        {"type": "number"},
        {"type": "boolean"},
        {"$ref": "#/$defs/step"},
    ]});
    json!({"title": "steps", "anyOf": [{"type": "null"}, step, {"type": "array", "items": step}]})
}

fn reference_to(map: &Map) -> Value {
    json!({"$ref": format!("#/$defs/{}", definition_name(map))})
}

/// `"health" of a service` is `health_of_a_service`.
fn definition_name(map: &Map) -> String {
    let name = map.of.trim_start_matches("an ").trim_start_matches("a ");
    name.replace('"', "").replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_definition_has_a_name_of_its_own() {
        let names: BTreeSet<String> = MAPS.iter().map(|map| definition_name(map)).collect();
        assert_eq!(names.len(), MAPS.len());
    }
}
