//! The names in the paths, each with what it names.

use aide::openapi::{HeaderStyle, Parameter, ParameterData, ParameterSchemaOrContent, PathStyle, SchemaObject};
use indexmap::IndexMap;
use schemars::{Schema, json_schema};

use crate::ids;

/// The names in a path, in order.
pub(super) fn of(path: &str) -> Vec<Parameter> {
    let parts: Vec<&str> = path.split('/').collect();
    let pairs = parts.iter().zip(parts.iter().skip(1));
    pairs.filter_map(|(before, part)| Some(told(before, name_in(part)?))).collect()
}

/// The key of a request that may be sent again.
pub(super) fn key() -> Parameter {
    let about = "By which the request is known again, for a day, when it is sent twice: it is carried out once, and answered \
        as before.";
    let schema = json_schema!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"});
    Parameter::Header { parameter_data: data("Idempotency-Key", about, false, schema), style: HeaderStyle::Simple }
}

fn name_in(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

fn told(before: &str, name: &str) -> Parameter {
    let (description, schema) = meaning(before, name);
    Parameter::Path { parameter_data: data(name, description, true, schema), style: PathStyle::Simple }
}

fn data(name: &str, description: &str, required: bool, schema: Schema) -> ParameterData {
    ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(SchemaObject {
            json_schema: schema,
            example: None,
            external_docs: None,
        }),
        example: None,
        examples: IndexMap::new(),
        explode: None,
        extensions: IndexMap::new(),
    }
}

/// What a name stands for behind the part of the path before it. A name that is not known is refused by this module's test.
fn meaning(before: &str, name: &str) -> (&'static str, Schema) {
    let text = || json_schema!({"type": "string", "minLength": 1});
    let number = || json_schema!({"type": "integer", "format": "int64", "minimum": 1});
    match (before, name) {
        ("repositories", "owner") => ("The owner of the repository, as the forge has it.", text()),
        ("{owner}", "name") => ("The repository's name below its owner.", text()),
        ("environments", "environment") => ("The environment's name, as captain.yml has it.", text()),
        ("builds", "number") => ("The build's number within its repository.", number()),
        ("releases", "number") => ("The release's number within its environment.", number()),
        ("steps", "index") => {
            ("The step's place in its job, from 0.", json_schema!({"type": "integer", "format": "int64", "minimum": 0}))
        }
        ("secrets", "secret") => ("The secret's name: that of an environment variable.", text()),
        ("schedules", "schedule") => ("The schedule's name, as captain.yml has it.", text()),
        ("containers", "container") => ("The container's name, as the environment has it.", text()),
        ("accounts", "account") => ("The forge's id of the account.", number()),
        ("channels", "name") => ("The channel's name.", text()),
        ("forges", "name") => ("The credential's name.", text()),
        ("runners", "name") => ("The runner's name.", text()),
        ("signing", "key") => ("The id of the key: the beginning of the SHA-256 of its public part.", text()),
        ("registries", "host") => ("The registry's host, with its port if it has one.", text()),
        ("users", "name") => ("Their name, however it is written.", text()),
        ("grants", "grant") => ("The grant's id.", json_schema!({"type": "string", "pattern": ids::PATTERN})),
        (_, "id") => ("Its id.", json_schema!({"type": "string", "pattern": ids::PATTERN})),
        _ => (UNKNOWN, text()),
    }
}

/// Said of a name that [`meaning`] does not know.
const UNKNOWN: &str = "";

#[cfg(test)]
mod tests {
    use super::{UNKNOWN, of};

    #[test]
    fn every_name_in_a_path_is_told() {
        for operation in crate::http::api::routes().operations() {
            let parameters = of(operation.path);
            assert_eq!(parameters.len(), operation.path.matches('{').count(), "{}", operation.path);
            for parameter in parameters {
                let data = parameter.parameter_data_ref();
                assert_ne!(data.description.as_deref(), Some(UNKNOWN), "{} of {}", data.name, operation.path);
            }
        }
    }
}
