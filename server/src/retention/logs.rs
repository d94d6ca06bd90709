//! Removing logs, in portions.

use super::turn::Turn;
use crate::{
    ids::StepId,
    store::{Store, StoreError, archived, retention as stored},
};

/// How many logs go with one commit.
const LOGS: usize = 200;
/// How many chunks, which are large: webhooks wait for the commit on SQLite.
const CHUNKS: i64 = 50;

/// What is in the archive goes first: the database knows of it until it has.
async fn remove_objects(store: &Store, turn: &mut Turn, steps: &[StepId]) -> Result<(), StoreError> {
    for step in steps {
        if archived::may_have_object(&mut store.read().await?.conn(), step).await? {
            turn.step(async {
                let mut tx = store.write().await?;
                stored::say_log_is_removed(&mut tx, step).await?;
                tx.commit().await?;
                store.archive().remove(step).await
            })
            .await?;
        }
    }
    Ok(())
}

/// Many short logs go with one commit, a long one with many.
pub(crate) async fn remove_logs(store: &Store, turn: &mut Turn, steps: &[StepId]) -> Result<(), StoreError> {
    remove_objects(store, turn, steps).await?;
    let mut left = steps.iter().peekable();
    while left.peek().is_some() {
        turn.step(async {
            let mut tx = store.write().await?;
            let mut room = CHUNKS;
            for _ in 0..LOGS {
                let Some(step) = left.peek() else { break };
                stored::say_log_is_removed(&mut tx, step).await?;
                room -= i64::try_from(stored::remove_chunks(&mut tx, step, room).await?).unwrap_or(room);
                if room <= 0 {
                    break;
                }
                stored::log_is_removed(&mut tx, step).await?;
                left.next();
            }
            tx.commit().await
        })
        .await?;
    }
    Ok(())
}
