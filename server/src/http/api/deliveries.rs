//! The webhook deliveries that were received, and dealing with one once more.

use std::collections::{BTreeMap, HashMap};

use aide::{
    generate::GenContext,
    openapi::{Operation, Response as Description},
    operation::OperationOutput,
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    lookup,
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    deliveries::github,
    http::{
        errors::{Problem, sentence},
        extract::{Asked, Body, Named},
        hooks,
        openapi::{Made, content, refusal},
    },
    ids::{DeliveryId, RepositoryId},
    intake::deal_again,
    store::{
        Conn, StoreError, audit,
        deliveries::{self, Delivery, DeliveryState, Payload, Which},
        repositories::{self, Repository},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Deliveries")
        .get(
            "/api/v1/deliveries",
            Permission::Read,
            "listDeliveries",
            "The webhook deliveries that were received, newest first.",
            list,
        )
        .get("/api/v1/deliveries/{id}", Permission::Read, "getDelivery", "One delivery.", show)
        .get(
            "/api/v1/deliveries/{id}/payload",
            Permission::Administer,
            "getDeliveryPayload",
            "What the forge sent with a delivery, as it came.",
            payload,
        )
        .post(
            "/api/v1/deliveries/{id}/redeliver",
            Permission::Develop,
            "redeliver",
            "Deals with a delivery once more, as a new delivery.",
            redeliver,
        )
}

/// Without the payload, which holds the e-mail addresses of people.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
struct DeliveryView {
    id: String,
    repository: Option<String>,
    forge_id: String,
    event: String,
    state: DeliveryState,
    reason: Option<String>,
    build: Option<i64>,
    received_at: Time,
    /// The delivery whose bytes these are, where somebody had it dealt with once more.
    again_of: Option<String>,
}

/// One delivery with what it was sent by.
#[derive(Serialize, JsonSchema)]
struct DeliveryInFull {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// Those of its headers that are kept, by name: what says who sent it and for which hook, and nothing that proves a right.
    headers: BTreeMap<String, String>,
}

fn view(delivery: Delivery, repository: Option<String>) -> DeliveryView {
    DeliveryView {
        id: delivery.id.to_string(),
        repository,
        forge_id: delivery.forge_id,
        event: delivery.event,
        state: delivery.state,
        reason: delivery.reason,
        build: delivery.build_number,
        received_at: Time(delivery.received_at),
        again_of: delivery.again_of.map(String::from),
    }
}

/// Which deliveries are asked for.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedDeliveries")]
#[serde(deny_unknown_fields)]
struct Wanted {
    cursor: Option<String>,
    limit: Option<u16>,
    /// Those of this repository alone, `owner/name`.
    repository: Option<String>,
    /// Those of which this became alone.
    state: Option<DeliveryState>,
}

async fn list(
    State(state): State<AppState>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let cursor = Cursor::new(wanted.cursor, wanted.limit);
    let before: Option<DeliveryId> = cursor.parsed()?;
    let mut reader = state.store.read().await?;
    let repository = match &wanted.repository {
        Some(name) => Some(named(&mut reader.conn(), name).await?.id),
        None => None,
    };
    let which = Which { repository: repository.as_ref(), state: wanted.state };
    let rows = deliveries::list(&mut reader.conn(), which, before.as_ref(), cursor.rows()).await?;
    let mut names: HashMap<RepositoryId, String> = HashMap::new();
    for row in &rows {
        if !names.contains_key(&row.repository_id)
            && let Some(found) = repositories::find(&mut reader.conn(), &row.repository_id).await?
        {
            names.insert(found.id, found.name);
        }
    }
    Ok(Json(cursor.page(
        rows,
        |row| row.id.to_string(),
        |row| {
            let name = names.get(&row.repository_id).cloned();
            view(row, name)
        },
    )))
}

async fn show(State(state): State<AppState>, Named(id): Named<DeliveryId>) -> Result<Json<DeliveryInFull>, Problem> {
    let mut reader = state.store.read().await?;
    let found = deliveries::find(&mut reader.conn(), &id).await?;
    let found = found.ok_or_else(|| StoreError::missing("delivery", &id))?;
    let repository = repositories::find(&mut reader.conn(), &found.repository_id).await?;
    let headers = deliveries::headers(&mut reader.conn(), &found.id).await?;
    Ok(Json(DeliveryInFull { delivery: view(found, repository.map(|repository| repository.name)), headers }))
}

/// The repository of that name, `owner/name`.
pub(in crate::http) async fn named(conn: &mut Conn<'_>, name: &str) -> Result<Repository, Problem> {
    let (owner, name) = name.split_once('/').unwrap_or((name, ""));
    lookup::repository(conn, owner, name).await
}

/// How a delivery is to be dealt with once more.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "WantedRedelivery")]
#[serde(deny_unknown_fields)]
struct Again {
    /// Whether its commit is built again although it was built, as far as it is still the newest of its branch.
    #[serde(default)]
    build_again: bool,
}

async fn redeliver(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<DeliveryId>,
    Body(asked): Body<Again>,
) -> Result<Made<DeliveryView>, Problem> {
    let (delivery, repository) = deal_with_again(&state, &principal, &id, asked.build_again).await?;
    Ok(Made(view(delivery, Some(repository.name))))
}

/// Deals with a stored delivery once more, for the API and for the page.
pub(in crate::http) async fn deal_with_again(
    state: &AppState,
    principal: &Principal,
    id: &DeliveryId,
    build_again: bool,
) -> Result<(Delivery, Repository), Problem> {
    let mut reader = state.store.read().await?;
    let missing = || StoreError::missing("delivery", id);
    let original = deliveries::find(&mut reader.conn(), id).await?.ok_or_else(missing)?;
    // Its own time would say that nothing came since, where the forge's word is older.
    if let Some(first) = &original.again_of {
        return Err(Problem::conflict(format!(
            "This delivery is one that was dealt with once more: redeliver {first}."
        )));
    }
    let payload = deliveries::payload(&mut reader.conn(), id).await?.ok_or_else(missing)?;
    drop(reader);
    let Payload::Kept(bytes) = payload else {
        return Err(Problem::conflict(
            "The payload of this delivery was removed, as it is kept for a limited time: deliver it again at the forge.",
        ));
    };
    let mut tx = state.store.write().await?;
    let repository = repositories::find(&mut tx.conn(), &original.repository_id).await?.ok_or_else(missing)?;
    let said = github::read(&original.event, &bytes, &repository.name);
    let said = said.map_err(|error| Problem::conflict(format!("It cannot be read any more. {}", sentence(&error))))?;
    let verdict = hooks::verdict(said, &repository, state.config.supersede);
    let delivery = deal_again(&mut tx, &original, &verdict, build_again).await?;
    let detail = json!({
        "again_of": original.id, "build_again": build_again, "state": delivery.state, "build": delivery.build_number,
    });
    audit::append(&mut tx, &principal.actor(), "delivery.redeliver", &repository.name, detail).await?;
    tx.commit().await?;
    Ok((delivery, repository))
}

/// The bytes that the forge sent, as they came.
struct Bytes(Vec<u8>);

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        ];
        (headers, self.0).into_response()
    }
}

impl OperationOutput for Bytes {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Description)> {
        let bytes = json_schema!({"type": "string", "format": "binary"});
        let told = content("The bytes as they came: of GitHub, JSON.", vec![("application/octet-stream", bytes)]);
        let gone = refusal(ctx, "The payload was removed: payloads are kept for a limited time.");
        vec![(Some(200), told), (Some(410), gone)]
    }
}

/// A payload holds the e-mail addresses of people, so that not everybody who may look reads it.
async fn payload(State(state): State<AppState>, Named(id): Named<DeliveryId>) -> Result<Bytes, Problem> {
    let found = deliveries::payload(&mut state.store.read().await?.conn(), &id).await?;
    match found.ok_or_else(|| StoreError::missing("delivery", &id))? {
        Payload::Kept(bytes) => Ok(Bytes(bytes)),
        Payload::Removed { at } => {
            let at = Time(at);
            Err(Problem::gone(format!("The payload was removed on {at}: payloads are kept for a limited time.")))
        }
    }
}
