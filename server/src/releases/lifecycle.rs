//! The one place where a release changes its state.

use super::{ReleaseEvent, next};
use crate::{
    events::NewEvent,
    store::{self, StoreError, Tx, releases::Release},
};

/// Applies an event to a release: checks the table, writes the state, and notes what happened.
///
/// # Errors
/// [`StoreError::Illegal`] when the table does not allow it; [`StoreError::Conflict`] when someone was faster.
pub(crate) async fn apply(
    tx: &mut Tx,
    release: &mut Release,
    event: ReleaseEvent,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let to = next(release.state, event).ok_or_else(|| StoreError::Illegal {
        what: "release",
        which: release.number.to_string(),
        state: release.state.as_str(),
        event: event.verb(),
    })?;
    store::releases::set_state(tx, release, to, reason).await?;
    release.state = to;
    release.reason = reason.map(str::to_owned);
    note(tx, release, kind(event)).await
}

/// The release takes the environment over: what was live is retired in the same moment.
///
/// # Errors
/// As [`apply`].
pub(crate) async fn go_live(tx: &mut Tx, release: &mut Release) -> Result<(), StoreError> {
    if let Some(mut earlier) = store::releases::live(&mut tx.conn(), &release.environment_id).await? {
        let reason = format!("release {} took its place", release.number);
        apply(tx, &mut earlier, ReleaseEvent::Retire, Some(&reason)).await?;
    }
    apply(tx, release, ReleaseEvent::GoLive, None).await
}

/// Notes what happened to a release, for those who follow it, its environment or its repository.
pub(super) async fn note(tx: &mut Tx, release: &Release, kind: &'static str) -> Result<(), StoreError> {
    note_why(tx, release, kind, release.reason.as_deref()).await
}

/// The same, for another reason than the one that the release bears.
pub(super) async fn note_why(
    tx: &mut Tx,
    release: &Release,
    kind: &'static str,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let environment = store::environments::find(&mut tx.conn(), &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    tx.emit(
        NewEvent::new(kind)
            .repository(&environment.repository_id)
            .environment(&environment.id)
            .release(&release.id)
            .with("number", release.number)
            .with("environment", &environment.name)
            .with("state", release.state)
            .with("kind", release.kind)
            .with("reason", reason),
    );
    // What is live here may be promoted from here, and what was decided here may let something in.
    tx.ring_gates();
    Ok(())
}

fn kind(event: ReleaseEvent) -> &'static str {
    match event {
        ReleaseEvent::Admit => "release.admitted",
        ReleaseEvent::Hold => "release.held",
        ReleaseEvent::Reject => "release.rejected",
        ReleaseEvent::Roll => "release.rolling",
        ReleaseEvent::Requeue => "release.requeued",
        ReleaseEvent::GoLive => "release.live",
        ReleaseEvent::Fail => "release.failed",
        ReleaseEvent::Retire => "release.retired",
        ReleaseEvent::Supersede => "release.superseded",
    }
}
