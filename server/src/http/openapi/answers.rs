//! What the handlers give, as the document tells it: each status that is no refusal is a type.

use aide::{
    generate::GenContext,
    openapi::{MediaType, Operation, Response as Description, SchemaObject},
    operation::OperationOutput,
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::http::errors::{Details, Problem};

/// 201: it is there now.
#[derive(Debug)]
pub(in crate::http) struct Made<T>(pub(in crate::http) T);

/// 202: it goes on.
#[derive(Debug)]
pub(in crate::http) struct Begun<T>(pub(in crate::http) T);

/// 200 where it is over, 202 where it goes on.
#[derive(Debug)]
pub(in crate::http) enum Told<T> {
    /// It is over.
    Over(T),
    /// It goes on.
    GoesOn(T),
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Begun<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        match self {
            Told::Over(what) => Json(what).into_response(),
            Told::GoesOn(what) => Begun(what).into_response(),
        }
    }
}

impl<T: JsonSchema> OperationOutput for Made<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Description)> {
        with_status::<T>(ctx, operation, &[201])
    }
}

impl<T: JsonSchema> OperationOutput for Begun<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Description)> {
        with_status::<T>(ctx, operation, &[202])
    }
}

impl<T: JsonSchema> OperationOutput for Told<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Description)> {
        with_status::<T>(ctx, operation, &[200, 202])
    }
}

/// Which refusals there are follows from what the operation takes and needs; see [`super::document`].
impl OperationOutput for Problem {
    type Inner = Self;
}

fn with_status<T: JsonSchema>(
    ctx: &mut GenContext,
    operation: &mut Operation,
    statuses: &[u16],
) -> Vec<(Option<u16>, Description)> {
    let told = Json::<T>::operation_response(ctx, operation);
    statuses.iter().filter_map(|status| Some((Some(*status), told.clone()?))).collect()
}

/// A refusal that is the operation's own.
pub(in crate::http) fn refusal(ctx: &mut GenContext, meaning: &str) -> Description {
    let problem = ctx.schema.subschema_for::<Details<'_>>();
    content(meaning, vec![("application/problem+json", problem)])
}

/// What is answered in one of several types of content.
pub(in crate::http) fn content(description: &str, types: Vec<(&str, Schema)>) -> Description {
    let media = |schema| {
        let schema = Some(SchemaObject { json_schema: schema, example: None, external_docs: None });
        MediaType { schema, ..MediaType::default() }
    };
    let content: IndexMap<_, _> = types.into_iter().map(|(name, schema)| (name.to_owned(), media(schema))).collect();
    Description { description: description.to_owned(), content, ..Description::default() }
}
