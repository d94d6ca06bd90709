//! A brake on guessing at the login.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// The failed logins that one has before it must wait.
const BURST: u32 = 10;
/// How long one failure counts, in milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 60_000;
/// How many are remembered; beyond that, everyone waits until the oldest are forgotten.
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

impl<K: Eq + Hash> LoginLimit<K> {
    /// Whether `who` may try now (unix milliseconds).
    #[must_use]
    pub fn allows(&self, who: &K, now: i64) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, entry| now - entry.last_at < FORGOTTEN_AFTER_MS);
        match failures.get(who) {
            Some(entry) => entry.count < BURST,
            None => failures.len() < REMEMBERED,
        }
    }

    /// Notes that `who` tried what does not hold.
    pub fn failed(&self, who: K, now: i64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = failures.entry(who).or_insert(Failures { count: 0, last_at: now });
        entry.count = entry.count.saturating_add(1);
        entry.last_at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn ten_failures_then_a_minute_of_waiting() {
        let limit = LoginLimit::default();
        let (here, elsewhere) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for _ in 0..BURST {
            assert!(limit.allows(&here, 0));
            limit.failed(here, 0);
        }
        assert!(!limit.allows(&here, 59_999));
        assert!(limit.allows(&elsewhere, 0), "others are not held up");
        assert!(limit.allows(&here, 60_000));
    }
}
