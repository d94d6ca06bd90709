//! What the handlers take, as the document tells it. Names in the path are told by [`super::parameters`].

use aide::{
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody, SchemaObject},
    operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema},
};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::{
    access::Principal,
    http::extract::{Asked, Body, Named},
};

impl OperationInput for Principal {}

impl<T> OperationInput for Named<T> {}

impl<T: JsonSchema> OperationInput for Asked<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let mut schema = T::json_schema(&mut ctx.schema);
        let fields = schema.as_object_mut().and_then(|schema| schema.get_mut("properties"));
        if let Some(fields) = fields.and_then(Value::as_object_mut) {
            fields.values_mut().for_each(without_null);
        }
        let parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
        add_parameters(ctx, operation, parameters);
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let json_schema = ctx.schema.subschema_for::<T>();
        let resolved = ctx.resolve_schema(&json_schema);
        // No body at all is read as `{}`.
        let required = resolved.get("required").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty());
        let description = description(resolved);
        let schema = Some(SchemaObject { json_schema, example: None, external_docs: None });
        let content = IndexMap::from([("application/json".to_owned(), MediaType { schema, ..MediaType::default() })]);
        let body = RequestBody { description, content, required, extensions: IndexMap::new() };
        operation.request_body = Some(ReferenceOr::Item(body));
    }
}

/// What a schema says of itself.
pub(super) fn description(schema: &Schema) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(str::to_owned)
}

/// A query has no null: what may be left out is left out.
fn without_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    }
}
