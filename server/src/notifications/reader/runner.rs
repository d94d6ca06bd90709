//! News of runners and of the machines that they are on.

use serde_json::Value;

use super::News;
use crate::{
    notifications::{
        About, Message, Occasion,
        alert::{self, Ending},
    },
    store::{StoreError, Tx, alerts, events::Event},
};

/// The event of a runner's dismissal.
pub(super) const REVOKED: &str = "runner.revoked";
/// The page of all runners.
const PAGE: &str = "/runners";

/// What an event says of a runner.
pub(super) fn news(event: &Event, occasion: Occasion) -> Option<News> {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str).map(str::to_owned);
    let (id, name) = (text("runner")?, text("name")?);
    let matter = match occasion {
        Occasion::DiskFull | Occasion::DiskFree => "disk",
        _ => "silence",
    };
    Some(News {
        subject: Some(format!("{}{matter}", of_runner(&id))),
        message: Message {
            occasion,
            repository: String::new(),
            at: event.at,
            page: PAGE.to_owned(),
            reason: text("reason"),
            about: About::Runner { id, name },
            trouble: None,
        },
        repository: None,
        default_branch: String::new(),
        number: 0,
        is_outdated: false,
    })
}

/// A runner that was dismissed is no trouble any more.
pub(super) async fn forget(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let Some(id) = event.data.get("runner").and_then(Value::as_str) else { return Ok(()) };
    for open in alerts::open_within(&mut tx.conn(), &of_runner(id)).await? {
        let reason = "the runner was revoked".to_owned();
        alert::end(tx, open, Ending::Closed { by: "slipway", reason }).await?;
    }
    Ok(())
}

/// What the subjects of a runner's troubles begin with.
fn of_runner(id: &str) -> String {
    format!("runner {id} ")
}
