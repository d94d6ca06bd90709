//! Group commit: deliveries that arrive together share one transaction, and so one write to the disk.

use tokio::sync::{mpsc, oneshot};

use super::{NewDelivery, Received, receive::receive};
use crate::store::{Store, StoreError, Tx};

/// How many deliveries may wait for the disk; beyond that, senders wait.
const QUEUE: usize = 1_024;
/// How many deliveries share one transaction at most.
const BATCH: usize = 128;
/// Payloads above this many bytes are compressed off the async threads.
const INLINE_PACKING: usize = 64 * 1_024;
/// How often a delivery is tried again that another server got in the way of (the same delivery, a deadlock).
const RETRIES: usize = 2;
const COMPRESSION_LEVEL: i32 = 1;

struct Waiting {
    delivery: NewDelivery,
    packed: Vec<u8>,
    answer: oneshot::Sender<Result<Received, StoreError>>,
}

/// The way in for deliveries. Cloning it is cheap; when the last clone is gone and all is stored, its task ends.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
}

impl Intake {
    /// Starts the task that stores deliveries.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(store, waiting));
        Intake { queue }
    }

    /// Stores a delivery with all that it causes. When this returns without an error, it is on the disk.
    ///
    /// # Errors
    /// When it could not be stored; then nothing of it was.
    pub async fn store(&self, delivery: NewDelivery) -> Result<Received, StoreError> {
        let packed = pack(&delivery).await?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { delivery, packed, answer };
        self.queue.send(waiting).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

async fn pack(delivery: &NewDelivery) -> Result<Vec<u8>, StoreError> {
    let failed = |problem| StoreError::corrupt("delivery payload", &delivery.forge_id, problem);
    let payload = delivery.payload.clone();
    if payload.len() <= INLINE_PACKING {
        return zstd::bulk::compress(&payload, COMPRESSION_LEVEL).map_err(failed);
    }
    let packing = tokio::task::spawn_blocking(move || zstd::bulk::compress(&payload, COMPRESSION_LEVEL));
    packing.await.map_err(|_| StoreError::Closed)?.map_err(failed)
}

async fn run(store: Store, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        // Every server locks repositories in one order, so that two batches never wait for each other; the deliveries of
        // one repository stay in theirs.
        batch.sort_by(|one, other| one.delivery.repository.cmp(&other.delivery.repository));
        let mut answers = store_batch(&store, &batch).await;
        if answers.as_ref().is_err_and(StoreError::is_transient) {
            // A connection that broke while waiting unused is noticed only now. Should the first commit have gone
            // through after all, the deliveries are found by their forge's ids.
            answers = store_batch(&store, &batch).await;
        }
        match answers {
            Ok(answers) => {
                for (waiting, answer) in batch.drain(..).zip(answers) {
                    // A sender that no longer waits has lost only its answer: the delivery is stored.
                    let _ = waiting.answer.send(answer);
                }
            }
            Err(error) => {
                tracing::error!(%error, deliveries = batch.len(), "cannot store deliveries");
                for waiting in batch.drain(..) {
                    let _ = waiting
                        .answer
                        .send(Err(StoreError::Unavailable(format!("cannot store the delivery: {error}"))));
                }
            }
        }
    }
}

async fn store_batch(store: &Store, batch: &[Waiting]) -> Result<Vec<Result<Received, StoreError>>, StoreError> {
    if let Ok(all) = store_all(store, batch).await {
        return Ok(all.into_iter().map(Ok).collect());
    }
    store_each(store, batch).await
}

/// Stores all of a batch or nothing.
async fn store_all(store: &Store, batch: &[Waiting]) -> Result<Vec<Received>, StoreError> {
    let mut tx = store.write().await?;
    let mut answers = Vec::with_capacity(batch.len());
    for waiting in batch {
        match receive(&mut tx, &waiting.delivery, &waiting.packed).await {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                tx.roll_back().await?;
                return Err(error);
            }
        }
    }
    tx.commit().await?;
    Ok(answers)
}

/// Stores those of a batch that can be stored.
async fn store_each(store: &Store, batch: &[Waiting]) -> Result<Vec<Result<Received, StoreError>>, StoreError> {
    let mut tx = store.write().await?;
    let mut answers = Vec::with_capacity(batch.len());
    for waiting in batch {
        let mut answer = store_one(&mut tx, waiting).await?;
        for _ in 0..RETRIES {
            if answer.as_ref().is_err_and(StoreError::is_transient) {
                answer = store_one(&mut tx, waiting).await?;
            }
        }
        answers.push(answer);
    }
    tx.commit().await?;
    Ok(answers)
}

/// Stores one delivery within the batch; what fails is undone, and takes no other with it.
async fn store_one(tx: &mut Tx, waiting: &Waiting) -> Result<Result<Received, StoreError>, StoreError> {
    let savepoint = tx.savepoint().await?;
    let answer = receive(tx, &waiting.delivery, &waiting.packed).await;
    match answer {
        Ok(_) => tx.release(savepoint).await?,
        Err(_) => tx.undo(savepoint).await?,
    }
    Ok(answer)
}
