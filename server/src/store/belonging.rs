//! Which repository a thing belongs to that an address names by its id alone.

use super::{Conn, StoreError, row};

/// The name of the repository of a delivery; none where there is no such delivery.
///
/// # Errors
/// When the database fails.
pub async fn of_delivery(conn: &mut Conn<'_>, id: &str) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> =
        row!(conn, "SELECT r.name FROM delivery d JOIN repository r ON r.id = d.repository_id WHERE d.id = $1", id)?;
    Ok(found.map(|(name,)| name))
}

/// The name of the repository of an alert, which has none where it is of a runner; none where there is no such alert.
///
/// # Errors
/// When the database fails.
pub async fn of_alert(conn: &mut Conn<'_>, id: &str) -> Result<Option<Option<String>>, StoreError> {
    let found: Option<(Option<String>,)> =
        row!(conn, "SELECT r.name FROM alert a LEFT JOIN repository r ON r.id = a.repository_id WHERE a.id = $1", id)?;
    Ok(found.map(|(name,)| name))
}

/// The name of the repository of a step; none where there is no such step.
///
/// # Errors
/// When the database fails.
pub async fn of_step(conn: &mut Conn<'_>, id: &str) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = row!(
        conn,
        "SELECT r.name FROM step s JOIN job j ON j.id = s.job_id JOIN repository r ON r.id = j.repository_id
         WHERE s.id = $1",
        id
    )?;
    Ok(found.map(|(name,)| name))
}
