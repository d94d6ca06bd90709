//! Putting the document together.

use std::mem;

use aide::{
    generate::{self, GenContext},
    openapi::{
        Components, Info, License, OpenApi, Operation as Description, PathItem, Paths, ReferenceOr, Response,
        Responses, SchemaObject, SecurityScheme, StatusCode, Tag,
    },
};
use indexmap::IndexMap;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::{answers::content, parameters};
use crate::{
    access::{Operation, Permission, Subject, Verb},
    http::errors::Details,
};

/// Where the document keeps its schemas.
const SCHEMAS: &str = "#/components/schemas/";
/// The way to show who one is.
const BEARER: &str = "token";
/// What precedes every operation.
const ABOUT: &str = "Everything that the dashboard can do. Requests and answers are JSON, refusals are problem details \
    (RFC 9457) whose `detail` is a sentence for people. Lists come a page at a time: `next` of an answer is the `cursor` \
    of the next request, and null on the last page. The routes of runners are not part of it: they change with the \
    runners of the same version.";

/// The document of these operations.
pub(super) fn of(operations: &[Operation]) -> OpenApi {
    generate::reset_context();
    // What is read may leave out what has a default; what is written never does.
    let (mut reading, mut writing) =
        (generator(SchemaSettings::for_deserialize), generator(SchemaSettings::for_serialize));
    let problem = writing.subschema_for::<Details<'_>>();
    let refusal =
        |meaning: &str| ReferenceOr::Item(content(meaning, vec![("application/problem+json", problem.clone())]));
    let mut paths = Paths::default();
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations {
        let described = generate::in_context(|ctx| describe(ctx, operation, (&mut reading, &mut writing)));
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        let item =
            paths.paths.entry(operation.path.to_owned()).or_insert_with(|| ReferenceOr::Item(PathItem::default()));
        if let ReferenceOr::Item(item) = item {
            let place = match operation.verb {
                Verb::Get => &mut item.get,
                Verb::Post => &mut item.post,
                Verb::Put => &mut item.put,
                Verb::Delete => &mut item.delete,
            };
            *place = Some(described);
        }
    }
    let schemas = merged(writing.take_definitions(true), reading.take_definitions(true), &mut paths);
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("A token of `slipway token create`, or of the API itself.".to_owned()),
        extensions: IndexMap::new(),
    };
    OpenApi {
        info: Info {
            title: "Slipway".to_owned(),
            description: Some(ABOUT.to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            license: Some(License {
                name: "Apache-2.0".to_owned(),
                identifier: Some("Apache-2.0".to_owned()),
                ..License::default()
            }),
            ..Info::default()
        },
        paths: Some(paths),
        components: Some(Components {
            schemas,
            responses: MEANINGS.iter().map(|(status, meaning)| (named_refusal(*status), refusal(meaning))).collect(),
            security_schemes: IndexMap::from([(BEARER.to_owned(), ReferenceOr::Item(bearer))]),
            ..Components::default()
        }),
        tags: tags.into_iter().map(|tag| Tag { name: tag.to_owned(), ..Tag::default() }).collect(),
        ..OpenApi::default()
    }
}

fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    contract(settings).into_generator()
}

fn describe(
    ctx: &mut GenContext,
    operation: &Operation,
    (reading, writing): (&mut SchemaGenerator, &mut SchemaGenerator),
) -> Description {
    let mut told = Description {
        tags: vec![operation.tag.to_owned()],
        summary: Some(operation.summary.to_owned()),
        description: Some(permission(operation.needs).to_owned()),
        operation_id: Some(operation.id.to_owned()),
        parameters: parameters::of(operation.path).into_iter().map(ReferenceOr::Item).collect(),
        ..Description::default()
    };
    mem::swap(&mut ctx.schema, reading);
    (operation.input)(ctx, &mut told);
    mem::swap(&mut ctx.schema, reading);
    mem::swap(&mut ctx.schema, writing);
    let given = (operation.output)(ctx, &mut told);
    mem::swap(&mut ctx.schema, writing);
    let is_own = Subject::of(operation.verb, operation.path) == Some(Subject::Own);
    if operation.verb == Verb::Post && (is_own || operation.needs.is_for_changes()) {
        told.parameters.push(ReferenceOr::Item(parameters::key()));
    }
    let mut responses = Responses::default();
    for (status, response) in given {
        responses.responses.insert(StatusCode::Code(status.unwrap_or(200)), ReferenceOr::Item(named(response)));
    }
    for status in refusals(operation, &told) {
        let reference = format!("#/components/responses/{}", named_refusal(status));
        responses
            .responses
            .insert(StatusCode::Code(status), ReferenceOr::Reference { reference, summary: None, description: None });
    }
    told.responses = Some(responses);
    if operation.needs != Permission::Public {
        told.security = vec![IndexMap::from([(BEARER.to_owned(), Vec::new())])];
    }
    told
}

/// An answer is described whatever its schema says of itself.
fn named(response: Response) -> Response {
    if response.description.is_empty() {
        Response { description: "As asked.".to_owned(), ..response }
    } else {
        response
    }
}

fn permission(needs: Permission) -> &'static str {
    match needs {
        Permission::Public => "Anyone may.",
        Permission::Read => "Every token may; also without one where the server has `public_read`.",
        Permission::Develop => "A token that may build: a developer's.",
        Permission::Deploy => "A token that may release: a deployer's.",
        Permission::Administer => "A token that may set things up: an administrator's.",
        Permission::RunJobs => "A runner's token.",
    }
}

/// The refusals that more than one operation has.
const MEANINGS: &[(u16, &str)] = &[
    (400, "The request makes no sense, such as a query or JSON that cannot be read."),
    (401, "The token is missing or does not hold."),
    (403, "The token does not allow this."),
    (404, "There is no such thing."),
    (409, "Not in the present state of things, or while the same request is still carried out."),
    (413, "The body is larger than what is taken here."),
    (415, "The body's type is not application/json."),
    (422, "The request was understood, and is wrong; or its Idempotency-Key was used for another one."),
    (500, "Something failed in the server; its log says what."),
    (503, "Not now; try again after what `Retry-After` says."),
];

fn named_refusal(status: u16) -> String {
    format!("Refused{status}")
}

/// How a request may be refused, by what it takes and needs.
fn refusals(operation: &Operation, told: &Description) -> Vec<u16> {
    let is_change = operation.verb != Verb::Get;
    let has_body = told.request_body.is_some();
    let names_repository = told.parameters.iter().filter_map(ReferenceOr::as_item).any(|parameter| {
        let parameter = parameter.parameter_data_ref();
        parameter.name == "repository"
    });
    let names_something = operation.path.contains('{') || is_change || names_repository;
    let may_conflict = is_change || ["/promotion", "/rollback"].iter().any(|end| operation.path.ends_with(end));
    let is_protected = operation.needs != Permission::Public;
    let occurs = |status: &u16| match status {
        401 | 403 => is_protected,
        404 => names_something,
        409 => may_conflict,
        413 | 422 => is_change,
        415 => has_body,
        _ => true,
    };
    MEANINGS.iter().map(|(status, _)| *status).filter(occurs).collect()
}

/// The schemas of what is written and of what is read. Where both have one of a name and they differ, as what is read may
/// leave things out, that which is read has another name.
fn merged(written: Map<String, Value>, read: Map<String, Value>, paths: &mut Paths) -> IndexMap<String, SchemaObject> {
    let (written, read) = (readable(written), readable(read));
    let differs = |name: &String, schema: &Value| written.get(name).is_some_and(|other| other != schema);
    let mut renamed: Vec<String> =
        read.iter().filter(|(name, schema)| differs(name, schema)).map(|(name, _)| name.clone()).collect();
    // What names one of those is another one as well.
    loop {
        let mentions = |schema: &Value| {
            let mut changed = schema.clone();
            rename(&mut changed, &renamed);
            changed != *schema
        };
        let others = read
            .iter()
            .filter(|(name, schema)| written.contains_key(*name) && !renamed.contains(*name) && mentions(schema));
        let more: Vec<String> = others.map(|(name, _)| name.clone()).collect();
        if more.is_empty() {
            break;
        }
        renamed.extend(more);
    }
    let mut read: Value = read.into_iter().collect::<Map<_, _>>().into();
    rename(&mut read, &renamed);
    for item in paths.paths.values_mut() {
        let ReferenceOr::Item(item) = item else { continue };
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            if let Some(ReferenceOr::Item(body)) = &mut operation.request_body {
                for schema in body.content.values_mut().filter_map(|media| media.schema.as_mut()) {
                    let mut value = schema.json_schema.clone().to_value();
                    rename(&mut value, &renamed);
                    schema.json_schema = Schema::try_from(value).unwrap_or_default();
                }
            }
        }
    }
    let read = match read {
        Value::Object(read) => read,
        _ => Map::new(),
    };
    let read = read.into_iter().map(|(name, schema)| {
        let name = if renamed.contains(&name) { format!("{name}{READ}") } else { name };
        (name, schema)
    });
    let all = written.into_iter().chain(read);
    all.filter_map(|(name, schema)| {
        let json_schema = Schema::try_from(schema).ok()?;
        Some((name, SchemaObject { json_schema, example: None, external_docs: None }))
    })
    .collect()
}

/// Without the brackets by which the descriptions name what is only in the source.
fn readable(mut schemas: Map<String, Value>) -> Map<String, Value> {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(text)) = fields.get_mut("description") {
                    *text = text.replace("[`", "`").replace("`]", "`");
                }
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    schemas.values_mut().for_each(walk);
    schemas
}

/// What the name of a schema ends with that differs where it is read.
const READ: &str = "ToSet";

fn rename(value: &mut Value, names: &[String]) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(SCHEMAS)
                && names.iter().any(|renamed| renamed == name)
            {
                *reference = format!("{SCHEMAS}{name}{READ}");
            }
            fields.values_mut().for_each(|field| rename(field, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::{
        access::{Permission, Verb},
        http::{self, openapi::document},
    };

    #[test]
    fn every_route_of_the_api_is_told_but_those_of_runners() {
        let told = serde_json::to_value(document()).unwrap_or_default();
        let (_, permissions) = http::routes().into_parts();
        let own = "/api/v1/openapi.json";
        for (verb, path, needs) in permissions.iter() {
            let is_api = path.starts_with("/api/v1/") && needs != Permission::RunJobs && path != own;
            let name = verb.method().as_str().to_lowercase();
            assert_eq!(told["paths"][path][&name].is_object(), is_api, "{verb:?} {path}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_what_they_refer_to_is_there() {
        let routes = http::api::routes();
        let names: BTreeSet<&str> = routes.operations().iter().map(|operation| operation.id).collect();
        assert_eq!(names.len(), routes.operations().len(), "two operations have one name");
        for operation in routes.operations() {
            assert!(operation.summary.ends_with('.') && operation.summary.len() < 160, "{}", operation.summary);
            assert!(operation.verb != Verb::Get || operation.needs != Permission::RunJobs);
        }
        let told = serde_json::to_value(document()).unwrap_or_default();
        let mut references = Vec::new();
        collect(&told, &mut references);
        for reference in references {
            let pointer = reference.trim_start_matches('#');
            assert!(told.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
