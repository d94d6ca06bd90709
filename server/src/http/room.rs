//! Room for so many at once, of whom nobody can know beforehand who is honest. Where all places are taken and another one
//! comes, whoever has been getting nowhere for the longest gives way: a crowd that only sits there keeps nobody out.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Room for so many at once.
#[derive(Debug, Clone)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Arc<Semaphore>,
    /// How long nobody is asked to leave for.
    patience: Duration,
    /// Those who would have to leave, by their place.
    slow: Mutex<HashMap<u64, Guest>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Guest {
    since: Instant,
    leave: CancellationToken,
}

/// A place in a [`Room`], free again once this is dropped.
#[derive(Debug)]
pub struct Place {
    id: u64,
    leave: CancellationToken,
    room: Arc<Inner>,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Room for `places`; who came less than `patience` ago is not asked to leave.
    #[must_use]
    pub fn new(places: usize, patience: Duration) -> Self {
        Room(Arc::new(Inner {
            places: Arc::new(Semaphore::new(places)),
            patience,
            slow: Mutex::default(),
            next: AtomicU64::new(0),
        }))
    }

    /// A place, once there is one. Each who waits has one other asked to leave; places are given in the order of coming.
    pub async fn enter(&self) -> Place {
        let mut permit = std::pin::pin!(acquire(Arc::clone(&self.0.places)));
        let asking = async {
            while !self.ask_one_to_leave() {
                sleep(self.0.patience / 4).await;
            }
        };
        let permit = tokio::select! {
            biased;
            permit = permit.as_mut() => permit,
            () = asking => permit.await,
        };
        let place = Place {
            id: self.0.next.fetch_add(1, Ordering::Relaxed),
            leave: CancellationToken::new(),
            room: Arc::clone(&self.0),
            _permit: permit,
        };
        place.wait_again();
        place
    }

    /// Asks the one who has sat there for the longest, if anyone has for long enough.
    fn ask_one_to_leave(&self) -> bool {
        let mut slow = self.0.slow();
        let longest = slow.iter().min_by_key(|(id, guest)| (guest.since, **id)).map(|(id, guest)| (*id, guest.since));
        match longest {
            Some((id, since)) if since.elapsed() >= self.0.patience => {
                if let Some(guest) = slow.remove(&id) {
                    guest.leave.cancel();
                }
                true
            }
            _ => false,
        }
    }
}

async fn acquire(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
    places.acquire_owned().await.expect("the room stays open")
}

impl Inner {
    fn slow(&self) -> MutexGuard<'_, HashMap<u64, Guest>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until this place is wanted by another.
    pub async fn wanted(&self) {
        self.leave.cancelled().await;
    }

    /// The guest is known or has got somewhere: this place is kept from now on.
    pub fn keep(&self) {
        self.room.slow().remove(&self.id);
    }

    /// The guest has to show anew that it is getting somewhere. One that never did is no younger by that.
    pub fn wait_again(&self) {
        // Who was asked to leave stays asked.
        if !self.leave.is_cancelled() {
            let guest = || Guest { since: Instant::now(), leave: self.leave.clone() };
            self.room.slow().entry(self.id).or_insert_with(guest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn who_sits_longest_gives_way_after_a_while() {
        let room = Room::new(2, PATIENCE);
        let (first, second) = (room.enter().await, room.enter().await);
        let third = tokio::spawn({
            let room = room.clone();
            async move { room.enter().await }
        });
        let begun = Instant::now();
        first.wanted().await;
        assert!(begun.elapsed() >= PATIENCE, "nobody is sent away at once");
        assert!(timeout(PATIENCE * 5, second.wanted()).await.is_err(), "one leaves for each that comes");
        assert!(!third.is_finished(), "it is asked, and takes its time");
        drop(first);
        assert!(timeout(PATIENCE * 100, third).await.is_ok());
    }

    #[tokio::test]
    async fn who_got_somewhere_keeps_its_place() {
        let room = Room::new(2, PATIENCE);
        let (known, slow) = (room.enter().await, room.enter().await);
        known.keep();
        let mut waiting = std::pin::pin!(room.enter());
        assert!(timeout(PATIENCE * 3, waiting.as_mut()).await.is_err());
        slow.wanted().await;
        drop(slow);
        let third = waiting.await;
        third.keep();
        assert!(timeout(PATIENCE * 5, room.enter()).await.is_err(), "there is nobody to ask");
        known.wait_again();
        let mut waiting = std::pin::pin!(room.enter());
        tokio::select! {
            _ = waiting.as_mut() => unreachable!("all places are taken"),
            () = known.wanted() => {}
        }
    }

    #[tokio::test]
    async fn who_only_keeps_coming_back_is_no_younger_by_it() {
        let room = Room::new(2, PATIENCE);
        let (busy, _other) = (room.enter().await, room.enter().await);
        let coming_back = async {
            loop {
                busy.wait_again();
                sleep(PATIENCE / 8).await;
            }
        };
        let mut waiting = std::pin::pin!(room.enter());
        tokio::select! {
            () = coming_back => {}
            _ = waiting.as_mut() => unreachable!("all places are taken"),
            () = busy.wanted() => {}
        }
    }

    #[tokio::test]
    async fn nobody_leaves_while_there_is_room() {
        let room = Room::new(2, PATIENCE);
        let first = room.enter().await;
        assert!(timeout(PATIENCE * 5, first.wanted()).await.is_err());
        let _second = room.enter().await;
        assert!(timeout(PATIENCE * 5, first.wanted()).await.is_err());
    }
}
