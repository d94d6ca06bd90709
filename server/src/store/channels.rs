//! Channels that notifications go to.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    ids::ChannelId,
    notifications::{ChannelKind, Rule},
};

/// A channel; its address is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ChannelKind,
    /// Where it leads, for people.
    pub target: String,
    /// The sealed address.
    pub address: Vec<u8>,
    /// What it is told.
    pub rule: JsonText<Rule>,
    /// When it was made, in unix milliseconds.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

/// Every channel, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Channel>, StoreError> {
    Ok(rows!(conn, "SELECT id, name, kind, target, address, rule, created_at, updated_at FROM channel ORDER BY name")?)
}

/// The channel of this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<Channel>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, kind, target, address, rule, created_at, updated_at FROM channel WHERE name = $1",
        name
    )?)
}

/// The channel with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &ChannelId) -> Result<Option<Channel>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, kind, target, address, rule, created_at, updated_at FROM channel WHERE id = $1",
        id
    )?)
}

/// Makes a channel, or changes the one with this id.
pub(crate) async fn put(tx: &mut Tx, channel: &Channel) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO channel (id, name, kind, target, address, rule, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, target = excluded.target,
             address = excluded.address, rule = excluded.rule, updated_at = excluded.updated_at",
        &channel.id,
        &channel.name,
        channel.kind,
        &channel.target,
        &channel.address,
        &channel.rule,
        channel.created_at,
        channel.updated_at
    )?;
    Ok(())
}

/// Removes a channel, with what is on its way to it; tells whether there was one.
pub(crate) async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM channel WHERE name = $1", name)? > 0)
}
