//! Pauses between attempts: longer each time, and never the same for two runners, so that a server which comes back is
//! not met by all of them in one moment.

use std::time::Duration;

/// The pauses of one series of attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses of about `first`, then twice as long each time up to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, next: first }
    }

    /// The next pause: from half to the whole of its length.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (self.next * 2).min(self.longest);
        // A ULID's tail is random.
        let part = u32::from(u8::try_from(ulid::Ulid::generate().0 & 0xff).unwrap_or(0));
        whole / 2 + whole / 2 * part / 255
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_begin_anew() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(400));
        let mut backoff = Backoff::new(first, longest);
        for whole in [100, 200, 400, 400] {
            let pause = backoff.pause();
            assert!((Duration::from_millis(whole / 2)..=Duration::from_millis(whole)).contains(&pause), "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
