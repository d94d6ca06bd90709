//! The keys by which the server signs images, sealed.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, rows};

/// A key; what is private of it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedKey {
    /// The fingerprint of its public part.
    pub id: String,
    /// What signatures are checked with, as PEM.
    pub public_key: String,
    /// The sealed private part.
    pub private_key: Vec<u8>,
    /// When it was made, in unix milliseconds.
    pub created_at: i64,
    /// Who had it made.
    pub created_by: String,
}

/// All keys, the newest, which signs, first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<SealedKey>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, public_key, private_key, created_at, created_by FROM signing_key ORDER BY created_at DESC, id"
    )?)
}

pub(crate) async fn insert(tx: &mut Tx, key: &SealedKey) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO signing_key (id, public_key, private_key, created_at, created_by) VALUES ($1, $2, $3, $4, $5)",
        &key.id,
        &key.public_key,
        &key.private_key[..],
        key.created_at,
        &key.created_by
    )?;
    Ok(())
}

/// Removes a key; tells whether there was one.
pub(crate) async fn remove(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM signing_key WHERE id = $1", id)? > 0)
}
