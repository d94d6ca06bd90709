//! With which keys values are sealed, which server has which, and the sealed values themselves.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::secrets::Sealed;

/// A key by its id, and how everything came to be sealed with it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealingKey {
    /// From 1; the highest is the one of today.
    pub number: i64,
    /// Its id.
    pub key_id: String,
    /// When it became the one of today, in unix milliseconds.
    pub begun_at: i64,
    /// Since when nothing is sealed with earlier ones; none while that goes on.
    pub ended_at: Option<i64>,
    /// How many values were sealed anew with it.
    pub resealed: i64,
    /// How many values no key opened; they are as they were.
    pub unopened: i64,
}

/// The key of today; none before a server first started on the database.
///
/// # Errors
/// When the database fails.
pub async fn current(conn: &mut Conn<'_>) -> Result<Option<SealingKey>, StoreError> {
    Ok(row!(
        conn,
        "SELECT number, key_id, begun_at, ended_at, resealed, unopened FROM sealing_key ORDER BY number DESC LIMIT 1"
    )?)
}

/// The ids of all keys before the one of today.
pub(crate) async fn earlier(conn: &mut Conn<'_>, current: &SealingKey) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> = rows!(
        conn,
        "SELECT DISTINCT key_id FROM sealing_key WHERE number < $1 AND key_id <> $2",
        current.number,
        &current.key_id
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Makes a key the one of today; false where another one became that meanwhile.
pub(crate) async fn begin(tx: &mut Tx, number: i64, key: &str, ended_at: Option<i64>) -> Result<bool, StoreError> {
    let now = tx.now();
    let begun = execute!(
        &mut tx.conn(),
        "INSERT INTO sealing_key (number, key_id, begun_at, ended_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (number) DO NOTHING",
        number,
        key,
        now,
        ended_at
    )?;
    Ok(begun == 1)
}

/// Counts values that were sealed anew.
pub(crate) async fn count(tx: &mut Tx, number: i64, resealed: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE sealing_key SET resealed = resealed + $2 WHERE number = $1", number, resealed)?;
    Ok(())
}

/// Notes that nothing is sealed with earlier keys any more; false where that was noted.
pub(crate) async fn end(tx: &mut Tx, number: i64, unopened: i64) -> Result<bool, StoreError> {
    let now = tx.now();
    let ended = execute!(
        &mut tx.conn(),
        "UPDATE sealing_key SET ended_at = $2, unopened = $3 WHERE number = $1 AND ended_at IS NULL",
        number,
        now,
        unopened
    )?;
    Ok(ended == 1)
}

/// Notes that what no key opened is to be looked at again; false where that is under way.
pub(crate) async fn reopen(tx: &mut Tx, number: i64) -> Result<bool, StoreError> {
    let reopened = execute!(
        &mut tx.conn(),
        "UPDATE sealing_key SET ended_at = NULL, unopened = 0 WHERE number = $1 AND ended_at IS NOT NULL",
        number
    )?;
    Ok(reopened == 1)
}

/// A server of a shared database, and the keys that it has.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct SealingServer {
    pub(crate) server: String,
    pub(crate) opens: JsonText<Vec<String>>,
    pub(crate) seals: String,
}

/// Notes which keys this server has, and forgets those that were not seen since `gone`.
pub(crate) async fn tell(tx: &mut Tx, opens: &[String], seals: &str, gone: i64) -> Result<(), StoreError> {
    let (server, now) = (tx.server().to_owned(), tx.lease_time().await?);
    execute!(
        &mut tx.conn(),
        "INSERT INTO sealing_server (server, opens, seals, seen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (server) DO UPDATE
         SET opens = excluded.opens, seals = excluded.seals, seen_at = excluded.seen_at",
        server,
        JsonText(opens.to_vec()),
        seals,
        now
    )?;
    execute!(&mut tx.conn(), "DELETE FROM sealing_server WHERE seen_at < $1", gone)?;
    Ok(())
}

/// Forgets this server, which ends.
pub(crate) async fn leave(tx: &mut Tx) -> Result<(), StoreError> {
    let server = tx.server().to_owned();
    execute!(&mut tx.conn(), "DELETE FROM sealing_server WHERE server = $1", server)?;
    Ok(())
}

/// The servers that were seen since `since`.
pub(crate) async fn servers(conn: &mut Conn<'_>, since: i64) -> Result<Vec<SealingServer>, StoreError> {
    Ok(rows!(conn, "SELECT server, opens, seals FROM sealing_server WHERE seen_at >= $1 ORDER BY server", since)?)
}

/// A sealed value in its row.
#[derive(Debug)]
pub(crate) struct SealedRow {
    pub(crate) key: RowKey,
    /// The id that the value is bound to.
    pub(crate) id: String,
    pub(crate) value: Vec<u8>,
}

/// Where the row is in its table, in the table's order.
#[derive(Debug, Clone)]
pub(crate) enum RowKey {
    Text(String),
    Bytes(Vec<u8>),
    Version(String, i64),
}

impl RowKey {
    /// Before all rows.
    pub(crate) fn first(kind: Sealed) -> Self {
        match kind {
            Sealed::HookSecret
            | Sealed::RegistryPassword
            | Sealed::Channel
            | Sealed::ForgeCredential
            | Sealed::SigningKey
            | Sealed::InstanceSecret => RowKey::Text(String::new()),
            Sealed::Answer => RowKey::Bytes(Vec::new()),
            Sealed::Secret => RowKey::Version(String::new(), 0),
        }
    }
}

/// The sealed values of a kind that stand behind `after`, at most `limit`.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    kind: Sealed,
    after: &RowKey,
    limit: i64,
) -> Result<Vec<SealedRow>, StoreError> {
    let texts: Vec<(String, Vec<u8>)> = match (kind, after) {
        (Sealed::Answer, RowKey::Bytes(after)) => return answers(conn, after, limit).await,
        (Sealed::Secret, RowKey::Version(repository, version)) => {
            return versions(conn, repository, *version, limit).await;
        }
        (Sealed::HookSecret, RowKey::Text(after)) => {
            rows!(conn, "SELECT id, hook_secret FROM repository WHERE id > $1 ORDER BY id LIMIT $2", after, limit)?
        }
        (Sealed::RegistryPassword, RowKey::Text(after)) => rows!(
            conn,
            "SELECT host, password FROM registry_credential WHERE host > $1 ORDER BY host LIMIT $2",
            after,
            limit
        )?,
        (Sealed::Channel, RowKey::Text(after)) => {
            rows!(conn, "SELECT id, address FROM channel WHERE id > $1 ORDER BY id LIMIT $2", after, limit)?
        }
        (Sealed::ForgeCredential, RowKey::Text(after)) => rows!(
            conn,
            "SELECT name, secret FROM forge_credential WHERE name > $1 ORDER BY name LIMIT $2",
            after,
            limit
        )?,
        (Sealed::SigningKey, RowKey::Text(after)) => {
            rows!(conn, "SELECT id, private_key FROM signing_key WHERE id > $1 ORDER BY id LIMIT $2", after, limit)?
        }
        (Sealed::InstanceSecret, RowKey::Text(after)) => {
            rows!(conn, "SELECT name, value FROM instance_secret WHERE name > $1 ORDER BY name LIMIT $2", after, limit)?
        }
        (_, RowKey::Text(_) | RowKey::Bytes(_) | RowKey::Version(..)) => Vec::new(),
    };
    Ok(texts.into_iter().map(|(id, value)| SealedRow { key: RowKey::Text(id.clone()), id, value }).collect())
}

async fn answers(conn: &mut Conn<'_>, after: &[u8], limit: i64) -> Result<Vec<SealedRow>, StoreError> {
    let found: Vec<(Vec<u8>, Vec<u8>)> = rows!(
        conn,
        "SELECT key_hash, sealed FROM kept_answer WHERE key_hash > $1 ORDER BY key_hash LIMIT $2",
        after,
        limit
    )?;
    let row = |(hash, value): (Vec<u8>, Vec<u8>)| SealedRow {
        id: super::answers::named(&hash),
        key: RowKey::Bytes(hash),
        value,
    };
    Ok(found.into_iter().map(row).collect())
}

async fn versions(
    conn: &mut Conn<'_>,
    repository: &str,
    version: i64,
    limit: i64,
) -> Result<Vec<SealedRow>, StoreError> {
    let found: Vec<(String, i64, String, String, Vec<u8>)> = rows!(
        conn,
        "SELECT repository_id, version, environment, name, value FROM secret_version
         WHERE (repository_id, version) > ($1, $2) ORDER BY repository_id, version LIMIT $3",
        repository,
        version,
        limit
    )?;
    let row = |(repository, version, environment, name, value): (String, i64, String, String, Vec<u8>)| SealedRow {
        id: super::secrets::bound_to(&repository, &environment, &name),
        key: RowKey::Version(repository, version),
        value,
    };
    Ok(found.into_iter().map(row).collect())
}

/// Puts a value in the place of the one that was read; nothing where that was changed meanwhile.
pub(crate) async fn replace(tx: &mut Tx, kind: Sealed, row: &SealedRow, value: &[u8]) -> Result<u64, StoreError> {
    let (conn, before) = (&mut tx.conn(), &row.value[..]);
    Ok(match (kind, &row.key) {
        (Sealed::HookSecret, RowKey::Text(id)) => execute!(
            conn,
            "UPDATE repository SET hook_secret = $1 WHERE id = $2 AND hook_secret = $3",
            value,
            id,
            before
        )?,
        (Sealed::RegistryPassword, RowKey::Text(host)) => execute!(
            conn,
            "UPDATE registry_credential SET password = $1 WHERE host = $2 AND password = $3",
            value,
            host,
            before
        )?,
        (Sealed::Channel, RowKey::Text(id)) => {
            execute!(conn, "UPDATE channel SET address = $1 WHERE id = $2 AND address = $3", value, id, before)?
        }
        (Sealed::ForgeCredential, RowKey::Text(name)) => execute!(
            conn,
            "UPDATE forge_credential SET secret = $1 WHERE name = $2 AND secret = $3",
            value,
            name,
            before
        )?,
        (Sealed::Answer, RowKey::Bytes(hash)) => execute!(
            conn,
            "UPDATE kept_answer SET sealed = $1 WHERE key_hash = $2 AND sealed = $3",
            value,
            &hash[..],
            before
        )?,
        (Sealed::Secret, RowKey::Version(repository, version)) => execute!(
            conn,
            "UPDATE secret_version SET value = $1 WHERE repository_id = $2 AND version = $3 AND value = $4",
            value,
            repository,
            version,
            before
        )?,
        (Sealed::SigningKey, RowKey::Text(id)) => execute!(
            conn,
            "UPDATE signing_key SET private_key = $1 WHERE id = $2 AND private_key = $3",
            value,
            id,
            before
        )?,
        (Sealed::InstanceSecret, RowKey::Text(name)) => {
            execute!(conn, "UPDATE instance_secret SET value = $1 WHERE name = $2 AND value = $3", value, name, before)?
        }
        (_, RowKey::Text(_) | RowKey::Bytes(_) | RowKey::Version(..)) => 0,
    })
}

/// Has SQLite overwrite with zeros what this transaction replaces, also where that costs further writes; PostgreSQL keeps
/// what was replaced until it is vacuumed.
pub(crate) async fn overwrite(tx: &mut Tx, all: bool) -> Result<(), StoreError> {
    if let Conn::Sqlite(connection) = tx.conn() {
        let pragma = if all { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}
