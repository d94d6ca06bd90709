//! Sealing anew, a few values at a time: SQLite has one connection that writes, and webhooks wait for it.

use crate::{
    secrets::{Place, Sealed, Sealer},
    store::{Store, StoreError, sealing},
};

/// How many values are read in one transaction.
const PORTION: i64 = 50;

/// What one pass over everything found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Values that were sealed anew.
    pub(super) resealed: i64,
    /// Values that no key opened.
    pub(super) unopened: i64,
}

/// Looks at every sealed value, and seals with the key of today what was sealed with another one.
pub(super) async fn pass(store: &Store, sealer: &Sealer, number: i64) -> Result<Pass, StoreError> {
    let mut pass = Pass::default();
    for kind in Sealed::ALL {
        let mut after = sealing::RowKey::first(kind);
        loop {
            let mut tx = store.write().await?;
            let rows = sealing::page(&mut tx.conn(), kind, &after, PORTION).await?;
            let Some(last) = rows.last() else { break };
            after = last.key.clone();
            sealing::overwrite(&mut tx, true).await?;
            let mut resealed = 0;
            for row in rows.iter().filter(|row| !sealer.is_of_today(&row.value)) {
                let place = Place::of(kind, &row.id);
                match sealer.open(place, &row.value) {
                    Ok(value) => {
                        sealing::replace(&mut tx, kind, row, &sealer.seal(place, &value)).await?;
                        // What somebody changed meanwhile is looked at again by the next pass.
                        resealed += 1;
                    }
                    Err(problem) => {
                        tracing::warn!(%problem, "a value could not be sealed anew");
                        pass.unopened += 1;
                    }
                }
            }
            if resealed > 0 {
                sealing::count(&mut tx, number, resealed).await?;
            }
            sealing::overwrite(&mut tx, false).await?;
            tx.commit().await?;
            pass.resealed += resealed;
        }
    }
    Ok(pass)
}
