//! The audit log: who changed what, and when.

use serde_json::Value;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::{access::says_via, ids::AuditId};

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

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// Those of this person, also by tokens of their own; or those of one such token alone, as `ana via laptop`.
    pub actor: Option<&'a str>,
    /// Those of this action alone.
    pub action: Option<&'a str>,
}

/// Entries older than `before`, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: &mut Conn<'_>,
    Which { actor, action }: Which<'_>,
    before: Option<&AuditId>,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let before = before.map_or(super::LAST_ID, AuditId::as_str);
    // What somebody did by a token of their own stands behind their name and the token's.
    let is_of_token = actor.is_some_and(says_via);
    Ok(match (actor, action) {
        (None, None) => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry WHERE id < $1 ORDER BY id DESC LIMIT $2",
            before,
            limit
        )?,
        (Some(actor), None) if is_of_token => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry
             WHERE actor = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            actor,
            before,
            limit
        )?,
        (Some(person), None) => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry
             WHERE person = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            person,
            before,
            limit
        )?,
        (None, Some(action)) => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry
             WHERE action = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            action,
            before,
            limit
        )?,
        (Some(actor), Some(action)) if is_of_token => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry
             WHERE actor = $1 AND action = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
            actor,
            action,
            before,
            limit
        )?,
        (Some(person), Some(action)) => rows!(
            conn,
            "SELECT id, at, actor, action, subject, detail FROM audit_entry
             WHERE person = $1 AND action = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
            person,
            action,
            before,
            limit
        )?,
    })
}
