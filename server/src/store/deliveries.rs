//! Webhook deliveries, stored before they are answered.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows, text::text_enum};
use crate::ids::{BuildId, DeliveryId, RepositoryId};

text_enum! {
    /// What became of a delivery.
    DeliveryState {
        /// It was acted upon.
        Accepted = "accepted",
        /// There was nothing to do; the reason says why.
        Ignored = "ignored",
    }
}

/// A stored delivery, without its payload.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The repository that it came for.
    pub repository_id: RepositoryId,
    /// The forge's own id of it.
    pub forge_id: String,
    /// The forge's name of the event, such as `push`.
    pub event: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Why it was ignored, or what it did other than build.
    pub reason: Option<String>,
    /// The build that it caused.
    pub build_id: Option<BuildId>,
    /// That build's number.
    pub build_number: Option<i64>,
    /// When it was received, in unix milliseconds.
    pub received_at: i64,
    /// The delivery whose bytes these are, where somebody had it dealt with once more.
    pub again_of: Option<DeliveryId>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// Those of this repository alone.
    pub repository: Option<&'a RepositoryId>,
    /// Those of which this became alone.
    pub state: Option<DeliveryState>,
}

/// Deliveries older than `before`, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: &mut Conn<'_>,
    Which { repository, state }: Which<'_>,
    before: Option<&DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let before = before.map_or(super::LAST_ID, DeliveryId::as_str);
    Ok(match (repository, state) {
        (None, None) => rows!(
            conn,
            "SELECT d.id, d.repository_id, d.forge_id, d.event, d.state, d.reason, d.build_id,
                    b.number AS build_number, d.received_at, d.again_of
             FROM delivery d LEFT JOIN build b ON b.id = d.build_id
             WHERE d.id < $1 ORDER BY d.id DESC LIMIT $2",
            before,
            limit
        )?,
        (Some(repository), None) => rows!(
            conn,
            "SELECT d.id, d.repository_id, d.forge_id, d.event, d.state, d.reason, d.build_id,
                    b.number AS build_number, d.received_at, d.again_of
             FROM delivery d LEFT JOIN build b ON b.id = d.build_id
             WHERE d.repository_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3",
            repository,
            before,
            limit
        )?,
        (None, Some(state)) => rows!(
            conn,
            "SELECT d.id, d.repository_id, d.forge_id, d.event, d.state, d.reason, d.build_id,
                    b.number AS build_number, d.received_at, d.again_of
             FROM delivery d LEFT JOIN build b ON b.id = d.build_id
             WHERE d.state = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3",
            state,
            before,
            limit
        )?,
        (Some(repository), Some(state)) => rows!(
            conn,
            "SELECT d.id, d.repository_id, d.forge_id, d.event, d.state, d.reason, d.build_id,
                    b.number AS build_number, d.received_at, d.again_of
             FROM delivery d LEFT JOIN build b ON b.id = d.build_id
             WHERE d.repository_id = $1 AND d.state = $2 AND d.id < $3 ORDER BY d.id DESC LIMIT $4",
            repository,
            state,
            before,
            limit
        )?,
    })
}

/// The delivery with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
    Ok(row!(
        conn,
        "SELECT d.id, d.repository_id, d.forge_id, d.event, d.state, d.reason, d.build_id,
                b.number AS build_number, d.received_at, d.again_of
         FROM delivery d LEFT JOIN build b ON b.id = d.build_id WHERE d.id = $1",
        id
    )?)
}

/// The bytes that were delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// As they came.
    Kept(Vec<u8>),
    /// They are kept for a limited time only.
    Removed {
        /// When they were removed, in unix milliseconds.
        at: i64,
    },
}

/// The bytes of a delivery.
///
/// # Errors
/// [`StoreError::Corrupt`] when they cannot be unpacked.
pub async fn payload(conn: &mut Conn<'_>, id: &DeliveryId) -> Result<Option<Payload>, StoreError> {
    let found: Option<(Vec<u8>, Option<i64>)> =
        row!(conn, "SELECT payload, payload_removed_at FROM delivery WHERE id = $1", id)?;
    let Some((packed, removed_at)) = found else { return Ok(None) };
    if let Some(at) = removed_at {
        return Ok(Some(Payload::Removed { at }));
    }
    let bytes = zstd::stream::decode_all(&packed[..])
        .map_err(|problem| StoreError::corrupt("delivery payload", id, problem))?;
    Ok(Some(Payload::Kept(bytes)))
}

/// The delivery that the forge knows under this id.
pub(crate) async fn by_forge_id(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    forge_id: &str,
) -> Result<Option<DeliveryId>, StoreError> {
    let found: Option<(DeliveryId,)> =
        row!(conn, "SELECT id FROM delivery WHERE repository_id = $1 AND forge_id = $2", repository, forge_id)?;
    Ok(found.map(|(id,)| id))
}

/// Those of its headers that are kept, by their names; none of one that the forge did not send, or sent before any were kept.
///
/// # Errors
/// When the database fails.
pub async fn headers(conn: &mut Conn<'_>, id: &DeliveryId) -> Result<BTreeMap<String, String>, StoreError> {
    let found: Option<(JsonText<BTreeMap<String, String>>,)> =
        row!(conn, "SELECT headers FROM delivery WHERE id = $1 AND headers IS NOT NULL", id)?;
    Ok(found.map(|(headers,)| headers.0).unwrap_or_default())
}

/// Inserts a delivery; false, and nothing is changed, when the forge's id is known already.
pub(crate) async fn insert(
    tx: &mut Tx,
    delivery: &Delivery,
    packed: &[u8],
    headers: &BTreeMap<String, String>,
) -> Result<bool, StoreError> {
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO delivery (id, repository_id, forge_id, event, state, reason, payload, build_id, received_at, headers)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (repository_id, forge_id) DO NOTHING",
        &delivery.id,
        &delivery.repository_id,
        &delivery.forge_id,
        &delivery.event,
        delivery.state,
        delivery.reason.as_deref(),
        packed,
        delivery.build_id.as_ref(),
        delivery.received_at,
        JsonText(headers)
    )?;
    Ok(inserted == 1)
}

/// Inserts a delivery with the bytes of the one that it deals with once more.
pub(crate) async fn insert_again(tx: &mut Tx, delivery: &Delivery, of: &DeliveryId) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO delivery (id, repository_id, forge_id, event, state, reason, payload, build_id, received_at, again_of)
         SELECT $1, $2, $3, $4, $5, $6, payload, $7, $8, $9 FROM delivery WHERE id = $9",
        &delivery.id,
        &delivery.repository_id,
        &delivery.forge_id,
        &delivery.event,
        delivery.state,
        delivery.reason.as_deref(),
        delivery.build_id.as_ref(),
        delivery.received_at,
        of
    )?;
    Ok(())
}
