//! Trouble: when it begins, goes on, is in somebody's hands, and ends.

use super::{Message, Occasion, Trouble};
use crate::{
    events::NewEvent,
    ids::{AlertId, RepositoryId},
    store::{
        JsonText, StoreError, Tx,
        alerts::{self, Alert},
        notifications,
    },
};

/// The event of the end of a trouble.
pub(super) const CLOSED: &str = "alert.closed";

/// The event of somebody's taking a trouble in hand.
pub(super) const ACKNOWLEDGED: &str = "alert.acknowledged";

/// Before any time: nothing was due by then.
const NEVER: i64 = i64::MIN;

/// News of a trouble.
pub(super) struct Met {
    /// The alert as it is now.
    pub(super) alert: Alert,
    /// Whether it began with this.
    pub(super) is_new: bool,
}

/// Notes that something failed: trouble begins, or goes on. `number` is that of the build or the release.
pub(super) async fn meet(
    tx: &mut Tx,
    subject: &str,
    repository: Option<&RepositoryId>,
    number: i64,
    message: &Message,
) -> Result<Met, StoreError> {
    let (mut alert, is_new) = match alerts::open_of(&mut tx.conn(), subject).await? {
        Some(open) => (Alert { times: open.times + 1, number: open.number.max(number), ..open }, false),
        None => (begun(subject, repository, number, message), true),
    };
    alert.last_at = message.at;
    alert.message = JsonText(Message { trouble: Some(trouble(&alert, false)), ..message.clone() });
    alerts::put(tx, &alert).await?;
    if is_new {
        note(tx, "alert.opened", &alert);
    }
    Ok(Met { alert, is_new })
}

fn begun(subject: &str, repository: Option<&RepositoryId>, number: i64, message: &Message) -> Alert {
    Alert {
        id: AlertId::new(),
        subject: subject.to_owned(),
        repository_id: repository.cloned(),
        message: JsonText(message.clone()),
        number,
        times: 1,
        opened_at: message.at,
        last_at: message.at,
        acknowledged_at: None,
        acknowledged_by: None,
        closed_at: None,
        closed_by: None,
    }
}

/// The trouble as its messages tell it.
pub(super) fn trouble(alert: &Alert, is_over: bool) -> Trouble {
    Trouble {
        alert: alert.id.to_string(),
        since: alert.opened_at,
        times: alert.times,
        is_over,
        taken_by: alert.acknowledged_by.clone(),
    }
}

/// How a trouble ended.
pub(super) enum Ending<'a> {
    /// What had failed went well: this says so.
    Mended(&'a Message),
    /// Somebody said so, and why.
    Closed {
        /// Who.
        by: &'a str,
        /// Why.
        reason: String,
    },
}

/// Notes that a trouble is over. Who was told of it is told of its end once the reader comes to the event; who was not told
/// of it yet is not told at all, unless it is something that Slipway mends by itself, and people are to know of.
pub(super) async fn end(tx: &mut Tx, alert: Alert, ending: Ending<'_>) -> Result<Alert, StoreError> {
    let mends_itself = alert.message.occasion == Occasion::ReleaseBreached;
    let due = if mends_itself && matches!(ending, Ending::Mended(_)) { tx.now() } else { NEVER };
    let (message, by, unsent) = match ending {
        Ending::Mended(message) => (message.clone(), None, "it was over before its time".to_owned()),
        Ending::Closed { by, reason } => {
            (Message { reason: Some(reason.clone()), ..alert.message.0.clone() }, Some(by.to_owned()), reason)
        }
    };
    let message = JsonText(Message { trouble: Some(trouble(&alert, true)), ..message });
    let alert = Alert { message, closed_at: Some(tx.now()), closed_by: by, ..alert };
    alerts::put(tx, &alert).await?;
    notifications::drop_unsent(tx, &alert.id, &unsent, due).await?;
    note(tx, CLOSED, &alert);
    Ok(alert)
}

/// Notes that somebody looks after a trouble: nobody else is called. What is over, or in somebody's hands already, stays
/// as it is.
///
/// # Errors
/// When there is no such alert, or the database fails.
pub async fn acknowledge(tx: &mut Tx, id: &AlertId, by: &str) -> Result<Alert, StoreError> {
    let mut alert = found(tx, id).await?;
    if alert.closed_at.is_some() || alert.acknowledged_at.is_some() {
        return Ok(alert);
    }
    alert.acknowledged_at = Some(tx.now());
    alert.acknowledged_by = Some(by.to_owned());
    alerts::put(tx, &alert).await?;
    notifications::drop_unsent(tx, id, &format!("{by} looks after it"), NEVER).await?;
    note(tx, ACKNOWLEDGED, &alert);
    Ok(alert)
}

/// Ends a trouble because somebody says so, as when a branch is not worked on any more. The same trouble met again is a new
/// one.
///
/// # Errors
/// When there is no such alert, or the database fails.
pub async fn close(tx: &mut Tx, id: &AlertId, by: &str) -> Result<Alert, StoreError> {
    let alert = found(tx, id).await?;
    if alert.closed_at.is_some() {
        return Ok(alert);
    }
    end(tx, alert, Ending::Closed { by, reason: format!("{by} closed the alert") }).await
}

async fn found(tx: &mut Tx, id: &AlertId) -> Result<Alert, StoreError> {
    alerts::find(&mut tx.conn(), id).await?.ok_or_else(|| StoreError::missing("alert", id))
}

fn note(tx: &mut Tx, kind: &str, alert: &Alert) {
    let mut event = NewEvent::new(kind).with("alert", &alert.id);
    if let Some(repository) = &alert.repository_id {
        event = event.repository(repository);
    }
    tx.emit(event.with("title", alert.message.title()).with("times", alert.times));
}
