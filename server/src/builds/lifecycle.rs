//! The one place where a build changes its state.

use slipway_pipelines::config::Event;

use super::{BuildEvent, next};
use crate::{
    events::NewEvent,
    store::{self, StoreError, Tx, builds::Build},
};

/// Applies an event to a build: checks the table, writes the state, and notes what happened.
///
/// # Errors
/// [`StoreError::Illegal`] when the table does not allow it; [`StoreError::Conflict`] when someone was faster.
pub(crate) async fn apply(
    tx: &mut Tx,
    build: &mut Build,
    event: BuildEvent,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let to = next(build.state, event).ok_or_else(|| StoreError::Illegal {
        what: "build",
        which: build.number.to_string(),
        state: build.state.as_str(),
        event: event.verb(),
    })?;
    store::builds::set_state(tx, build, to, reason).await?;
    if build.event == Event::PullRequest.name() {
        match event {
            BuildEvent::Cancel | BuildEvent::Fail => store::approvals::close(tx, &build.id).await?,
            BuildEvent::Retry => store::approvals::reopen(tx, &build.id).await?,
            _ => {}
        }
    }
    build.state = to;
    build.reason = reason.map(str::to_owned);
    tx.emit(
        NewEvent::new(kind(event))
            .repository(&build.repository_id)
            .build(&build.id)
            .with("number", build.number)
            .with("state", to)
            .with("reason", reason),
    );
    Ok(())
}

fn kind(event: BuildEvent) -> &'static str {
    match event {
        BuildEvent::Start => "build.started",
        BuildEvent::Await => "build.awaiting",
        BuildEvent::Approve => "build.approved",
        BuildEvent::Requeue => "build.requeued",
        BuildEvent::Retry => "build.retried",
        BuildEvent::Succeed => "build.succeeded",
        BuildEvent::Fail => "build.failed",
        BuildEvent::Cancel => "build.cancelled",
    }
}
