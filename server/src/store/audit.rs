//! The audit log: who changed what, and when.

use serde_json::Value;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::ids::AuditId;

/// One change that someone made.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct AuditEntry {
    /// Its id; later ones sort behind earlier ones.
    pub id: AuditId,
    /// When, in unix milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What they did, such as `release.promote`.
    pub action: String,
    /// To what, such as `acme/shop production`.
    pub subject: String,
    /// The particulars.
    pub detail: JsonText<Value>,
}

/// Writes an entry, in the transaction of the change itself.
///
/// # Errors
/// When the database fails.
pub async fn append(tx: &mut Tx, actor: &str, action: &str, subject: &str, detail: Value) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO audit_entry (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)",
        AuditId::new(),
        now,
        actor,
        action,
        subject,
        JsonText(detail)
    )?;
    Ok(())
}

/// Entries older than `before`, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>, before: Option<&AuditId>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, at, actor, action, subject, detail FROM audit_entry WHERE id < $1 ORDER BY id DESC LIMIT $2",
        before.map_or(super::LAST_ID, AuditId::as_str),
        limit
    )?)
}
