//! Orders to runners to collect what they keep, and what came of them.

use slipway_runner::coordinator::{CollectionOrder, CollectionReport, Stored};

use super::{Conn, JsonText, StoreError, Tx, execute, row};

/// Gives an order to a runner. What was given it before `stale` (unix milliseconds) nobody waits for any more: it goes.
pub(crate) async fn give(tx: &mut Tx, runner: &str, order: &CollectionOrder, stale: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM collection_order WHERE runner_id = $1 AND given_at < $2", runner, stale)?;
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO collection_order (id, runner_id, wanted, given_at) VALUES ($1, $2, $3, $4)",
        &order.id,
        runner,
        JsonText(order),
        now
    )?;
    tx.ring_queue();
    Ok(())
}

/// The oldest order that a runner was not handed yet.
pub(crate) async fn waiting(conn: &mut Conn<'_>, runner: &str) -> Result<Option<CollectionOrder>, StoreError> {
    let found: Option<(JsonText<CollectionOrder>,)> = row!(
        conn,
        "SELECT wanted FROM collection_order WHERE runner_id = $1 AND handed_out_at IS NULL ORDER BY given_at LIMIT 1",
        runner
    )?;
    Ok(found.map(|(order,)| order.0))
}

/// Notes that a runner is handed an order; false when it was before, or nobody waits for it any more.
pub(crate) async fn hand_out(tx: &mut Tx, runner: &str, order: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE collection_order SET handed_out_at = $3
         WHERE id = $2 AND runner_id = $1 AND handed_out_at IS NULL",
        runner,
        order,
        now
    )? == 1)
}

/// Keeps what came of an order, for whoever waits for it.
pub(crate) async fn report(tx: &mut Tx, report: &CollectionReport) -> Result<(), StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE collection_order SET report = $3 WHERE id = $2 AND runner_id = $1 AND report IS NULL",
        &report.runner,
        &report.order,
        JsonText(&report.stored)
    )?;
    if changed == 1 {
        tx.ring_queue();
    }
    Ok(())
}

/// What a runner reported of an order; none where it has not.
pub(crate) async fn reported(
    conn: &mut Conn<'_>,
    runner: &str,
    order: &str,
) -> Result<Option<Vec<Stored>>, StoreError> {
    let found: Option<(JsonText<Vec<Stored>>,)> = row!(
        conn,
        "SELECT report FROM collection_order WHERE id = $2 AND runner_id = $1 AND report IS NOT NULL",
        runner,
        order
    )?;
    Ok(found.map(|(stored,)| stored.0))
}

/// Withdraws an order from everybody: who gave it waits no longer.
pub(crate) async fn withdraw(tx: &mut Tx, order: &str) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM collection_order WHERE id = $1", order)?;
    Ok(())
}
