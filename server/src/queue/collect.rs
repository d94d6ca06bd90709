//! Orders to collect, on their way to a runner, and what came of them, on its way back.

use slipway_runner::coordinator::{ClaimRequest, CollectionOrder, CollectionReport, Stored};

use super::{ServerCoordinator, claim::HINDRANCE_LIMIT, fence::ReportError};
use crate::store;

/// The most kinds of things that a report may name.
const MOST_KINDS: usize = 20;

/// The next order for a runner, handed out once.
pub(super) async fn next(
    server: &ServerCoordinator,
    request: &ClaimRequest,
) -> Result<Option<CollectionOrder>, ReportError> {
    let waiting = {
        let mut reader = server.store.read().await?;
        store::collection_orders::waiting(&mut reader.conn(), &request.runner).await?
    };
    let Some(order) = waiting else { return Ok(None) };
    let mut tx = server.store.write().await?;
    // A life that is over would take the order with it.
    let is_handed_out = store::runners::seen(&mut tx, &request.runner, &request.incarnation).await?
        && store::collection_orders::hand_out(&mut tx, &request.runner, &order.id).await?;
    tx.commit().await?;
    Ok(is_handed_out.then_some(order))
}

/// Keeps what came of an order.
pub(super) async fn report(server: &ServerCoordinator, report: &CollectionReport) -> Result<(), ReportError> {
    if report.stored.len() > MOST_KINDS || !report.stored.iter().all(is_bounded) {
        return Err(ReportError::Refused("a report of what is kept names fewer things, in fewer words".to_owned()));
    }
    let mut tx = server.store.write().await?;
    store::collection_orders::report(&mut tx, report).await?;
    tx.commit().await?;
    Ok(())
}

fn is_bounded(stored: &Stored) -> bool {
    let is_short = |text: &str| text.chars().count() <= HINDRANCE_LIMIT;
    stored.going.len() <= Stored::MOST_NAMED
        && is_short(&stored.what)
        && stored.going.iter().all(|leaving| is_short(&leaving.name) && is_short(&leaving.reason))
}
