//! A brake on guessing at the login.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The failed logins that one has before it must wait.
const BURST: u32 = 10;
/// How long one failure counts, in milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 60_000;
/// How many are remembered; beyond that, the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts the failed logins of each address, or of each account.
#[derive(Debug)]
pub struct LoginLimit<K> {
    failures: Mutex<HashMap<K, Failures>>,
}

impl<K> Default for LoginLimit<K> {
    fn default() -> Self {
        LoginLimit { failures: Mutex::default() }
    }
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_at: i64,
}

impl<K: Eq + Hash + Clone> LoginLimit<K> {
    /// Whether `who` may try now (unix milliseconds).
    #[must_use]
    pub fn allows(&self, who: &K, now: i64) -> bool {
        self.current(now).get(who).is_none_or(|entry| entry.count < BURST)
    }

    /// Begins a try of `who`, if they may try now. It counts as failed until it was right, so that many at once are no way
    /// round.
    #[must_use]
    pub fn begin(&self, who: &K, now: i64) -> bool {
        let mut failures = self.current(now);
        if failures.len() >= REMEMBERED && !failures.contains_key(who) {
            let oldest = failures.iter().min_by_key(|(_, entry)| entry.last_at).map(|(oldest, _)| oldest.clone());
            oldest.and_then(|oldest| failures.remove(&oldest));
        }
        let entry = failures.entry(who.clone()).or_insert(Failures { count: 0, last_at: now });
        if entry.count >= BURST {
            return false;
        }
        entry.count += 1;
        entry.last_at = now;
        true
    }

    /// A try of `who` was no guess.
    pub fn was_right(&self, who: &K) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = failures.get_mut(who) {
            entry.count = entry.count.saturating_sub(1);
        }
    }

    fn current(&self, now: i64) -> MutexGuard<'_, HashMap<K, Failures>> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, entry| now - entry.last_at < FORGOTTEN_AFTER_MS);
        failures
    }
}

/// What an address is counted by: of IPv6 the network that one customer has.
#[must_use]
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ten_failures_then_a_minute_of_waiting() {
        let limit = LoginLimit::default();
        let (here, elsewhere) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for _ in 0..BURST {
            assert!(limit.allows(&here, 0) && limit.begin(&here, 0));
        }
        assert!(!limit.begin(&here, 0), "as many at once are no way round");
        assert!(!limit.allows(&here, 59_999));
        assert!(limit.allows(&elsewhere, 0), "others are not held up");
        assert!(limit.allows(&here, 60_000));
    }

    #[test]
    fn who_was_right_did_not_guess_and_a_flood_forgets_the_oldest() {
        let limit = LoginLimit::default();
        for _ in 0..BURST * 2 {
            assert!(limit.begin(&0, 0));
            limit.was_right(&0);
        }
        for who in 1..=REMEMBERED {
            assert!(limit.begin(&who, 1));
        }
        assert!(limit.begin(&(REMEMBERED + 1), 2), "nobody new is kept out by it");
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let counted = |text: &str| text.parse().map(counted_as).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::9"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
    }
}
