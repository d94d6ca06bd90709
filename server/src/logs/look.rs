//! Looking through a log from some line on, a bounded stretch at a time.

use crate::{
    ids::StepId,
    store::{
        Store, StoreError,
        logs::{self, NumberedLine},
    },
};

/// How many lines one call looks at, about.
const LOOKED_AT: i64 = 100_000;

/// What one call found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The lines that were looked for.
    pub lines: Vec<NumberedLine>,
    /// The line at which the next call goes on; none where the log ends by now.
    pub next: Option<i64>,
}

/// The lines of a step that are `wanted`, from number `from` on, at most `most` of them.
///
/// # Errors
/// When the log cannot be read.
pub async fn look<F>(store: &Store, step: &StepId, from: i64, most: usize, wanted: F) -> Result<Found, StoreError>
where
    F: Fn(&NumberedLine) -> bool + Clone + Send + 'static,
{
    let (mut next, mut found) = (from, Vec::new());
    let stop = from.saturating_add(LOOKED_AT);
    while next < stop {
        let mut runs = logs::runs(store, step, next).await?;
        runs.retain(|run| run.begin() < stop);
        let Some(end) = runs.last().map(|last| last.end()).filter(|end| *end > next) else {
            return Ok(Found { lines: found, next: None });
        };
        let (wanted, room, begin) = (wanted.clone(), most - found.len(), next);
        let looking = move || -> Result<Vec<NumberedLine>, StoreError> {
            let mut held = Vec::new();
            for run in &runs {
                held.extend(run.lines()?.filter(|line| line.number >= begin && wanted(line)));
                if held.len() > room {
                    break;
                }
            }
            Ok(held)
        };
        found.extend(tokio::task::spawn_blocking(looking).await.map_err(|_| StoreError::Closed)??);
        if found.len() > most {
            let next = found[most].number;
            found.truncate(most);
            return Ok(Found { lines: found, next: Some(next) });
        }
        next = end;
    }
    Ok(Found { lines: found, next: Some(next) })
}
