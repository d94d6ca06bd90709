//! Decisions: what was said of a release or of a whole environment, by whom, when and why. Nothing changes them.

use serde_json::Value;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::{
    ids::{DecisionId, EnvironmentId, ReleaseId},
    releases::DecisionKind,
};

/// A decision.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Decision {
    /// Its id; later ones sort behind earlier ones.
    pub id: DecisionId,
    /// The number of the release that it is about; none where it is about the whole environment.
    pub release_number: Option<i64>,
    /// What was decided.
    pub kind: DecisionKind,
    /// Who decided it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// The particulars, such as a protection before and after.
    pub detail: JsonText<Value>,
    /// When, in unix milliseconds.
    pub at: i64,
}

/// A decision to note.
#[derive(Debug)]
pub(crate) struct NewDecision<'a> {
    pub(crate) environment: &'a EnvironmentId,
    pub(crate) release: Option<&'a ReleaseId>,
    pub(crate) kind: DecisionKind,
    pub(crate) actor: &'a str,
    pub(crate) reason: Option<&'a str>,
    pub(crate) detail: Value,
}

pub(crate) async fn insert(tx: &mut Tx, new: NewDecision<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO decision (id, environment_id, release_id, kind, actor, reason, detail, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        DecisionId::new(),
        new.environment,
        new.release,
        new.kind,
        new.actor,
        new.reason,
        JsonText(&new.detail),
        now
    )?;
    Ok(())
}

/// All that was decided of a release, in order.
///
/// # Errors
/// When the database fails.
pub async fn of_release(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Vec<Decision>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT d.id, r.number AS release_number, d.kind, d.actor, d.reason, d.detail, d.at
         FROM decision d JOIN release r ON r.id = d.release_id WHERE d.release_id = $1 ORDER BY d.id",
        release
    )?)
}

/// What was decided of an environment and its releases before `before`, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn of_environment(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    before: Option<&DecisionId>,
    limit: i64,
) -> Result<Vec<Decision>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT d.id, r.number AS release_number, d.kind, d.actor, d.reason, d.detail, d.at
         FROM decision d LEFT JOIN release r ON r.id = d.release_id
         WHERE d.environment_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3",
        environment,
        before.map_or(super::LAST_ID, DecisionId::as_str),
        limit
    )?)
}
