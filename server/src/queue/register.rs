//! A runner's new life: what its earlier one held goes back at once.

use slipway_runner::coordinator::{Hello, PROTOCOL};

use super::{JobState, ServerCoordinator, fence::ReportError, give_back::give_back};
use crate::{
    events::NewEvent,
    runners::{Labels, Takes, check_labels},
    store::{self, Tx, runners::Announced},
};

/// The longest id or name of a runner, in characters.
const NAME_LIMIT: usize = 200;

/// Notes the runner's new life. Of the jobs that it held, those that it can go on with stay its own; the others go
/// back to the queue.
pub(super) async fn register(server: &ServerCoordinator, hello: &Hello) -> Result<(), ReportError> {
    check(hello)?;
    let mut tx = server.store.write().await?;
    announce(&mut tx, server, hello).await?;
    tx.emit(NewEvent::new("runner.registered").with("runner", &hello.runner).with("name", &hello.name));
    let until = tx.lease_time().await? + server.timing.lease_ms();
    for held in store::jobs::held_by(&mut tx.conn(), &hello.runner).await? {
        // The rescuer may have taken it between our look and now.
        let Some(held) = store::jobs::lock(&mut tx, &held.id).await? else { continue };
        if held.state != JobState::Leased || held.lease_owner.as_deref() != Some(hello.runner.as_str()) {
            continue;
        }
        let resumes = |lease: &slipway_runner::coordinator::LeaseKey| {
            lease.job == held.id.as_str() && lease.epoch == held.lease_epoch
        };
        let knows = store::jobs::protocol(&mut tx.conn(), &held.id).await? <= i64::from(hello.protocol);
        if knows && hello.resuming.iter().any(resumes) {
            store::jobs::extend(&mut tx, &held.id, held.lease_epoch, &hello.runner, &hello.incarnation, until).await?;
        } else if held.lease_incarnation.as_deref() != Some(hello.incarnation.as_str()) {
            give_back(&mut tx, held, "the runner was restarted").await?;
        }
    }
    tx.commit().await?;
    server.forget_orders(&hello.runner);
    Ok(())
}

fn check(hello: &Hello) -> Result<(), ReportError> {
    let named = |text: &str| !text.is_empty() && text.chars().count() <= NAME_LIMIT;
    if ![&hello.runner, &hello.name, &hello.incarnation, &hello.version].into_iter().all(|text| named(text)) {
        return Err(ReportError::Refused(format!(
            "a runner's id, name, incarnation and version must have 1 to {NAME_LIMIT} characters"
        )));
    }
    check_labels(&hello.labels).map_err(|problem| ReportError::Refused(format!("its labels: {problem}")))?;
    let remedy = match skew(hello.protocol, PROTOCOL) {
        Skew::Fits => return Ok(()),
        Skew::TooOld => "too old for that of the server; update the runner",
        Skew::TooNew => "too new for that of the server; update the server first",
    };
    let (runner, server) = (&hello.version, env!("CARGO_PKG_VERSION"));
    Err(ReportError::Refused(format!("this runner's Slipway {runner} is {remedy} ({server})")))
}

/// How a runner's version of the protocol fits the server's.
#[derive(Debug, PartialEq, Eq)]
enum Skew {
    Fits,
    TooOld,
    TooNew,
}

/// Each may be one version ahead of the other, so that either can be updated first.
fn skew(runner: u32, server: u32) -> Skew {
    match () {
        () if runner.saturating_add(1) < server => Skew::TooOld,
        () if runner > server.saturating_add(1) => Skew::TooNew,
        () => Skew::Fits,
    }
}

/// A runner that was admitted keeps the name and the labels that it was admitted with; it may say more of itself.
async fn announce(tx: &mut Tx, server: &ServerCoordinator, hello: &Hello) -> Result<(), ReportError> {
    let known = store::runners::find(&mut tx.conn(), &hello.runner).await?;
    if known.as_ref().is_some_and(|known| known.revoked_at.is_some()) {
        return Err(ReportError::Refused("this runner was revoked".to_owned()));
    }
    let given = store::runners::given_labels(&mut tx.conn(), &hello.runner).await?.unwrap_or_default();
    let mut labels: Labels = hello.labels.clone();
    labels.extend(given);
    let admitted = known.filter(|_| server.runner.is_some());
    let announced = Announced {
        id: &hello.runner,
        name: admitted.as_ref().map_or(&hello.name, |known| &known.name),
        incarnation: &hello.incarnation,
        capacity: i64::from(hello.capacity),
        version: &hello.version,
        labels: &labels,
        protocol: hello.protocol,
        takes: if hello.builds_only { Takes::Builds } else { Takes::Everything },
    };
    Ok(store::runners::announce(tx, announced).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_of_difference_is_tolerated() {
        let judged = [3, 4, 5, 6, 7, u32::MAX].map(|runner| skew(runner, 5));
        let [oldest, older, same, newer, newest, far] = judged;
        assert_eq!((older, same, newer), (Skew::Fits, Skew::Fits, Skew::Fits));
        assert_eq!((oldest, newest, far), (Skew::TooOld, Skew::TooNew, Skew::TooNew));
    }
}
