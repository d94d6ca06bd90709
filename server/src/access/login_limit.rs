//! A brake on guessing at the login.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// The failed logins that one address has before it must wait.
const BURST: u32 = 10;
/// How long one failure counts, in milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 60_000;
/// How many addresses are remembered; beyond that, everyone waits until the oldest are forgotten.
const ADDRESSES: usize = 10_000;

/// Counts the failed logins of each address.
#[derive(Debug, Default)]
pub struct LoginLimit {
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_at: i64,
}

impl LoginLimit {
    /// Whether `address` may try now (unix milliseconds).
    #[must_use]
    pub fn allows(&self, address: IpAddr, now: i64) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, entry| now - entry.last_at < FORGOTTEN_AFTER_MS);
        match failures.get(&address) {
            Some(entry) => entry.count < BURST,
            None => failures.len() < ADDRESSES,
        }
    }

    /// Notes that `address` tried a token that does not exist.
    pub fn failed(&self, address: IpAddr, now: i64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = failures.entry(address).or_insert(Failures { count: 0, last_at: now });
        entry.count = entry.count.saturating_add(1);
        entry.last_at = now;
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
            assert!(limit.allows(here, 0));
            limit.failed(here, 0);
        }
        assert!(!limit.allows(here, 59_999));
        assert!(limit.allows(elsewhere, 0), "others are not held up");
        assert!(limit.allows(here, 60_000));
    }
}
