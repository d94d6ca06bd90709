//! Questions to runners for what a container writes, and their answers.

use slipway_runner::coordinator::{ContainerLog, LogAnswer, LogQuestion};

use super::{Conn, JsonText, StoreError, Tx, execute, row};

/// After how many milliseconds nobody waits for an answer any more, whatever became of who asked.
pub(crate) const STALE_MS: i64 = 10 * 60 * 1_000;

/// How many questions a runner has at once that nobody has withdrawn; those asked before `stale` (unix milliseconds) nobody
/// waits for any more: they go.
pub(crate) async fn waiting(tx: &mut Tx, runner: &str, stale: i64) -> Result<i64, StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM log_question WHERE runner_id = $1 AND asked_at < $2", runner, stale)?;
    let counted: Option<(i64,)> =
        row!(&mut tx.conn(), "SELECT COUNT(*) FROM log_question WHERE runner_id = $1", runner)?;
    Ok(counted.map_or(0, |(count,)| count))
}

/// Forgets the questions, with their answers, that were asked before `stale` (unix milliseconds): whoever asked is gone.
pub(crate) async fn forget(tx: &mut Tx, stale: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM log_question WHERE asked_at < $1", stale)?;
    Ok(())
}

/// Asks a runner.
pub(crate) async fn ask(tx: &mut Tx, runner: &str, question: &LogQuestion) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO log_question (id, runner_id, wanted, asked_at) VALUES ($1, $2, $3, $4)",
        &question.id,
        runner,
        JsonText(question),
        now
    )?;
    tx.ring_queue();
    Ok(())
}

/// The oldest question that a runner was not handed yet.
pub(crate) async fn next(conn: &mut Conn<'_>, runner: &str) -> Result<Option<LogQuestion>, StoreError> {
    let found: Option<(JsonText<LogQuestion>,)> = row!(
        conn,
        "SELECT wanted FROM log_question WHERE runner_id = $1 AND handed_out_at IS NULL ORDER BY asked_at LIMIT 1",
        runner
    )?;
    Ok(found.map(|(question,)| question.0))
}

/// Notes that a runner is handed a question; false when it was before, or nobody waits for the answer any more.
pub(crate) async fn hand_out(tx: &mut Tx, runner: &str, question: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE log_question SET handed_out_at = $3 WHERE id = $2 AND runner_id = $1 AND handed_out_at IS NULL",
        runner,
        question,
        now
    )? == 1)
}

/// Keeps an answer, for whoever waits for it.
pub(crate) async fn answer(tx: &mut Tx, answer: &LogAnswer) -> Result<(), StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE log_question SET answer = $3 WHERE id = $2 AND runner_id = $1 AND answer IS NULL",
        &answer.runner,
        &answer.question,
        JsonText(&answer.log)
    )?;
    if changed == 1 {
        tx.ring_queue();
    }
    Ok(())
}

/// What a runner answered; none where it has not.
pub(crate) async fn answered(conn: &mut Conn<'_>, question: &str) -> Result<Option<ContainerLog>, StoreError> {
    let found: Option<(JsonText<ContainerLog>,)> =
        row!(conn, "SELECT answer FROM log_question WHERE id = $1 AND answer IS NOT NULL", question)?;
    Ok(found.map(|(log,)| log.0))
}

/// Withdraws a question: nobody waits for its answer any longer.
pub(crate) async fn withdraw(tx: &mut Tx, question: &str) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM log_question WHERE id = $1", question)?;
    Ok(())
}
