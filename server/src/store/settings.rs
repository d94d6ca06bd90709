//! Settings that an administrator changes at run time, by name, as JSON.

use serde::{Serialize, de::DeserializeOwned};

use super::{Conn, StoreError, Tx, execute, row};

/// The setting of this name; none when it was never set.
///
/// # Errors
/// [`StoreError::Corrupt`] when what is stored is of another type.
pub async fn get<T: DeserializeOwned>(conn: &mut Conn<'_>, name: &str) -> Result<Option<T>, StoreError> {
    let found: Option<(String,)> = row!(conn, "SELECT value FROM setting WHERE name = $1", name)?;
    found
        .map(|(text,)| serde_json::from_str(&text).map_err(|problem| StoreError::corrupt("setting", name, problem)))
        .transpose()
}

/// Sets the setting of this name.
///
/// # Errors
/// When the database fails.
pub async fn set<T: Serialize + Sync>(tx: &mut Tx, name: &str, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_string(value).map_err(|problem| StoreError::corrupt("setting", name, problem))?;
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO setting (name, value, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        name,
        &text,
        now
    )?;
    Ok(())
}
