//! Questions for what a container writes, on their way to a runner, and the answers, on their way back.

use slipway_runner::coordinator::{ClaimRequest, LogAnswer, LogQuestion};

use super::{ServerCoordinator, fence::ReportError};
use crate::store;

/// The next question for a runner, handed out once.
pub(super) async fn next(
    server: &ServerCoordinator,
    request: &ClaimRequest,
) -> Result<Option<LogQuestion>, ReportError> {
    let waiting = {
        let mut reader = server.store.read().await?;
        store::log_questions::next(&mut reader.conn(), &request.runner).await?
    };
    let Some(question) = waiting else { return Ok(None) };
    let mut tx = server.store.write().await?;
    // A life that is over would take the question with it.
    let is_handed_out = store::runners::seen(&mut tx, &request.runner, &request.incarnation).await?
        && store::log_questions::hand_out(&mut tx, &request.runner, &question.id).await?;
    tx.commit().await?;
    Ok(is_handed_out.then_some(question))
}

/// Keeps an answer.
pub(super) async fn answer(server: &ServerCoordinator, answer: &LogAnswer) -> Result<(), ReportError> {
    if !answer.log.is_bounded() {
        return Err(ReportError::Refused("an answer has fewer lines of a container's log, or shorter ones".to_owned()));
    }
    let mut tx = server.store.write().await?;
    store::log_questions::answer(&mut tx, answer).await?;
    tx.commit().await?;
    Ok(())
}
