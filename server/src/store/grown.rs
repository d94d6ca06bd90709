//! Events and entries of the audit log that are old: tables that grow at their end, in the order of their keys.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, retention::Amount, row, rows};
use crate::ids::AuditId;

/// A row of a table that grows at its end, by its key and its time.
#[derive(FromRow)]
struct Dated<K> {
    key: K,
    at: i64,
    bytes: i64,
}

/// How many rows are counted with one statement.
const COUNTED_AT_ONCE: i64 = 2_000;

/// No row is dated further ahead than this, in milliseconds, unless a clock was wrong when it was written.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1_000;

/// Those of a page that are older than `before`. Keys and times have the same order, but for rows that bear a time ahead
/// of `now`: those are as old as the first one behind them that does not. Behind the page that is of the time `behind`.
fn older<K>(page: &[Dated<K>], before: i64, now: i64, behind: Option<i64>) -> &[Dated<K>] {
    let young = page.iter().position(|row| (before..=now + AHEAD_MS).contains(&row.at));
    if young.is_none() && behind.is_some_and(|at| at < before) {
        return page;
    }
    let aged = &page[..young.unwrap_or(page.len())];
    &aged[..aged.iter().rposition(|row| row.at < before).map_or(0, |last| last + 1)]
}

fn add<K>(amount: &mut Amount, rows: &[Dated<K>]) {
    amount.count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
    amount.bytes += rows.iter().map(|row| row.bytes).sum::<i64>();
}

/// Events from before `before`, except the newest of all: followers measure from it.
pub(crate) async fn old_events(conn: &mut Conn<'_>, before: i64, now: i64) -> Result<Amount, StoreError> {
    let (mut amount, mut after) = (Amount::default(), 0);
    loop {
        let page = events_behind(conn, after, COUNTED_AT_ONCE).await?;
        let behind = time_behind_events(conn, &page, now).await?;
        let old = older(&page, before, now, behind);
        add(&mut amount, old);
        match old.last() {
            Some(last) => after = last.key,
            None => return Ok(amount),
        }
    }
}

/// Removes some events from the old end, never the newest of all.
pub(crate) async fn remove_events(tx: &mut Tx, before: i64, now: i64, limit: i64) -> Result<u64, StoreError> {
    let page = events_behind(&mut tx.conn(), 0, limit).await?;
    let behind = time_behind_events(&mut tx.conn(), &page, now).await?;
    let Some(last) = older(&page, before, now, behind).last() else { return Ok(0) };
    Ok(execute!(&mut tx.conn(), "DELETE FROM event WHERE id <= $1", last.key)?)
}

async fn events_behind(conn: &mut Conn<'_>, after: i64, limit: i64) -> Result<Vec<Dated<i64>>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id AS key, at, CAST(LENGTH(data) AS BIGINT) AS bytes FROM event
         WHERE id > $1 AND id < (SELECT MAX(id) FROM event) ORDER BY id LIMIT $2",
        after,
        limit
    )?)
}

/// Where the page ends with an event from ahead of `now`: the time of the first one behind it that is not.
async fn time_behind_events(conn: &mut Conn<'_>, page: &[Dated<i64>], now: i64) -> Result<Option<i64>, StoreError> {
    let ahead = now + AHEAD_MS;
    let Some(last) = page.last().filter(|last| last.at > ahead) else { return Ok(None) };
    let found: Option<(i64,)> =
        row!(conn, "SELECT at FROM event WHERE id > $1 AND at <= $2 ORDER BY id LIMIT 1", last.key, ahead)?;
    Ok(found.map(|(at,)| at))
}

/// Entries of the audit log from before `before`.
pub(crate) async fn old_audit_entries(conn: &mut Conn<'_>, before: i64, now: i64) -> Result<Amount, StoreError> {
    let (mut amount, mut after) = (Amount::default(), String::new());
    loop {
        let page = audit_entries_behind(conn, &after, COUNTED_AT_ONCE).await?;
        let behind = time_behind_audit_entries(conn, &page, now).await?;
        let old = older(&page, before, now, behind);
        add(&mut amount, old);
        match old.last() {
            Some(last) => after = last.key.to_string(),
            None => return Ok(amount),
        }
    }
}

/// Removes some entries of the audit log from the old end.
pub(crate) async fn remove_audit_entries(tx: &mut Tx, before: i64, now: i64, limit: i64) -> Result<u64, StoreError> {
    let page = audit_entries_behind(&mut tx.conn(), "", limit).await?;
    let behind = time_behind_audit_entries(&mut tx.conn(), &page, now).await?;
    let Some(last) = older(&page, before, now, behind).last() else { return Ok(0) };
    // The database lets nothing else of the log go.
    execute!(
        &mut tx.conn(),
        "INSERT INTO audit_end (one, through) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET through = excluded.through",
        &last.key
    )?;
    Ok(execute!(&mut tx.conn(), "DELETE FROM audit_entry WHERE id <= $1", &last.key)?)
}

async fn audit_entries_behind(conn: &mut Conn<'_>, after: &str, limit: i64) -> Result<Vec<Dated<AuditId>>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id AS key, at, CAST(LENGTH(detail) AS BIGINT) AS bytes FROM audit_entry
         WHERE id > $1 ORDER BY id LIMIT $2",
        after,
        limit
    )?)
}

/// The same of the audit log.
async fn time_behind_audit_entries(
    conn: &mut Conn<'_>,
    page: &[Dated<AuditId>],
    now: i64,
) -> Result<Option<i64>, StoreError> {
    let ahead = now + AHEAD_MS;
    let Some(last) = page.last().filter(|last| last.at > ahead) else { return Ok(None) };
    let found: Option<(i64,)> =
        row!(conn, "SELECT at FROM audit_entry WHERE id > $1 AND at <= $2 ORDER BY id LIMIT 1", &last.key, ahead)?;
    Ok(found.map(|(at,)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(times: &[i64], behind: Option<i64>) -> usize {
        let page: Vec<Dated<i64>> = times.iter().zip(1..).map(|(&at, key)| Dated { key, at, bytes: 1 }).collect();
        older(&page, 100, 200, behind).len()
    }

    const WRONG: i64 = 200 + AHEAD_MS + 1;

    #[test]
    fn what_is_old_stands_before_what_is_not() {
        assert_eq!(old(&[1, 2, 99, 100, 150], None), 3);
        assert_eq!(old(&[100, 150, 200 + AHEAD_MS], None), 0);
        assert_eq!(old(&[1, 2], None), 2);
        assert_eq!(old(&[], Some(1)), 0);
    }

    #[test]
    fn a_moment_with_a_wrong_clock_holds_up_nothing() {
        assert_eq!(old(&[1, WRONG, WRONG, 2, 150], None), 4);
        assert_eq!(old(&[WRONG, WRONG], Some(1)), 2, "what is behind them is old");
        assert_eq!(old(&[1, WRONG, WRONG], Some(150)), 1, "what is behind them is not");
    }

    #[test]
    fn a_clock_that_is_behind_now_lets_nothing_go() {
        assert_eq!(old(&[WRONG, WRONG + 1, WRONG + 2], None), 0);
        assert_eq!(old(&[150, 1, 150], None), 0, "what was written behind something young is young");
    }
}
