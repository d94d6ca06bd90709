//! A server's turn to collect, and its pace: it rests as long as it worked, so that at least half of the time is
//! everybody else's.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Store, StoreError, collection};

/// How long a server that fell silent keeps the others from collecting.
const HELD_MS: i64 = 2 * 60 * 1_000;
/// How often it is said that it did not.
const RENEWED: Duration = Duration::from_secs(30);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// The right to collect, which one server has at a time. Should it be lost, nothing breaks: what two remove at once is
/// removed once.
#[derive(Debug)]
pub(crate) struct Turn {
    store: Store,
    holder: String,
    renewed: Instant,
}

impl Turn {
    /// Takes the turn; none while somebody else has it.
    pub(crate) async fn take(store: &Store) -> Result<Option<Self>, StoreError> {
        let turn = Turn { store: store.clone(), holder: ulid::Ulid::generate().to_string(), renewed: Instant::now() };
        Ok(turn.hold().await?.then_some(turn))
    }

    /// The pace alone, without the right: for what two may remove at once.
    pub(crate) fn pace(store: &Store) -> Self {
        Turn { store: store.clone(), holder: ulid::Ulid::generate().to_string(), renewed: Instant::now() }
    }

    async fn hold(&self) -> Result<bool, StoreError> {
        let mut tx = self.store.write().await?;
        let until = tx.now() + HELD_MS;
        let held = collection::take(&mut tx, &self.holder, until).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Does one step, and rests.
    pub(crate) async fn step<T>(&mut self, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.renewed.elapsed() > RENEWED {
            self.hold().await?;
            self.renewed = Instant::now();
        }
        let began = Instant::now();
        let done = step.await?;
        tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
        Ok(done)
    }

    /// Gives it back, and notes that a whole round was made.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        collection::finish(&mut tx, &self.holder).await?;
        tx.commit().await
    }

    /// Gives it back.
    pub(crate) async fn give_back(self) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        collection::give_back(&mut tx, &self.holder).await?;
        tx.commit().await
    }
}
