//! A proxy that may be away for a moment, such as while it is updated: a rollout that has begun waits for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    lease::HeldLease,
    proxy::{Claim, Proxy, ProxyError, Route, Traffic},
};

/// How long it may be away, in all, until it answers again.
const LONGEST: Duration = Duration::from_secs(60);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// A proxy that is waited for, as long as the job is ours; what the job waits for is told with it.
#[derive(Debug)]
pub(super) struct Patient {
    proxy: Arc<dyn Proxy>,
    lease: HeldLease,
    /// Since when nothing answers there.
    away: Mutex<Option<Instant>>,
}

/// Asks again while the proxy is away.
macro_rules! patiently {
    ($patient:ident, $call:expr) => {
        loop {
            match $call.await {
                Err(away @ ProxyError::Unreachable { .. }) => $patient.endure(away).await?,
                answer => {
                    $patient.is_back();
                    break answer;
                }
            }
        }
    };
}

impl Patient {
    pub(super) fn of(proxy: Arc<dyn Proxy>, lease: HeldLease) -> Arc<dyn Proxy> {
        Arc::new(Patient { proxy, lease, away: Mutex::default() })
    }

    async fn endure(&self, away: ProxyError) -> Result<(), ProxyError> {
        let since = *self.away().get_or_insert_with(Instant::now);
        if since.elapsed() >= LONGEST || self.lease.lost().is_cancelled() {
            self.lease.hinder(None);
            return Err(away);
        }
        self.lease.hinder(Some(format!("waiting for the proxy: {away}")));
        let _ = tokio::time::timeout(PAUSE, self.lease.lost().cancelled()).await;
        Ok(())
    }

    fn is_back(&self) {
        if self.away().take().is_some() {
            self.lease.hinder(None);
        }
    }

    fn away(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Proxy for Patient {
    async fn prepare(&self) -> Result<(), ProxyError> {
        patiently!(self, self.proxy.prepare())
    }

    async fn route(&self, id: &str) -> Result<Option<Route>, ProxyError> {
        patiently!(self, self.proxy.route(id))
    }

    async fn claims(&self) -> Result<Vec<Claim>, ProxyError> {
        patiently!(self, self.proxy.claims())
    }

    async fn put(&self, id: &str, route: &Route) -> Result<(), ProxyError> {
        patiently!(self, self.proxy.put(id, route))
    }

    async fn remove(&self, id: &str) -> Result<(), ProxyError> {
        patiently!(self, self.proxy.remove(id))
    }

    async fn traffic(&self, id: &str) -> Result<Traffic, ProxyError> {
        patiently!(self, self.proxy.traffic(id))
    }

    async fn close_lanes(&self, id: &str) -> Result<(), ProxyError> {
        patiently!(self, self.proxy.close_lanes(id))
    }

    async fn requests_in_flight(&self, upstream: &str) -> Result<u64, ProxyError> {
        patiently!(self, self.proxy.requests_in_flight(upstream))
    }

    fn advice(&self) -> Option<&'static str> {
        self.proxy.advice()
    }
}
