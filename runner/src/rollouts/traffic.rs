//! Moving requests from container to container, and letting the old ones finish theirs.

use std::time::Duration;

use tokio::time::Instant;

use super::{Rollout, Setback, health::seconds};
use crate::{proxy::Route, reporter::StepLog, targets::docker::Instance};

/// How long after a switch a request may still be on its way to the old container without being counted: it was read
/// by the proxy's earlier configuration, or its connection was accepted by it.
const SETTLE: Duration = Duration::from_millis(300);
/// How often the open requests are counted.
const COUNT_EVERY: Duration = Duration::from_millis(50);

impl Rollout<'_> {
    /// The app's route as it stands, or will again when a proxy that lost it has been given it back.
    pub(super) async fn route_of(&self, app: &str) -> Result<Option<Route>, Setback> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let id = self.target.names().route(app);
        match proxy.route(&id).await? {
            Some(standing) => Ok(Some(standing)),
            None => Ok(self.routes.known(&id).await),
        }
    }

    /// Makes the app's route be `wanted` in one step, if it is not that already. An app without a route, that is to
    /// have no upstream, is left without one.
    pub(super) async fn switch(&self, app: &str, wanted: &Route, log: &StepLog) -> Result<(), Setback> {
        self.put_route(&self.target.names().route(app), app, wanted, log).await
    }

    /// The same for a route of this name, which is the app's, too.
    pub(super) async fn put_route(&self, id: &str, app: &str, wanted: &Route, log: &StepLog) -> Result<(), Setback> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let wanted = Route { owner: self.owner(app), ..wanted.clone() };
        let standing = proxy.route(id).await?;
        if standing.is_none() {
            if !wanted.serves() {
                self.routes.forget(id).await;
                return Ok(());
            }
            // Another environment may have taken the domain since the preflight.
            for host in &wanted.hosts {
                self.check_free(app, host).await?;
            }
        }
        // The proxy compares for itself: it may be in several parts, of which one was not reached by a run before.
        self.routes.put(proxy.as_ref(), id, &wanted).await?;
        if standing.as_ref() == Some(&wanted) {
            return Ok(());
        }
        log.say(format!("{}{}", self.whose(app), in_words(&wanted))).await;
        Ok(())
    }

    /// Takes away what a canary of the app needed at the proxy, once none is on the way there.
    pub(super) async fn close_lanes(&self, app: &str) -> Result<(), Setback> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        Ok(proxy.close_lanes(&self.target.names().route(app)).await?)
    }

    /// Takes the app's route away.
    pub(super) async fn unroute(&self, app: &str) -> Result<(), Setback> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        Ok(self.routes.remove(proxy.as_ref(), &self.target.names().route(app)).await?)
    }

    /// Waits until none of the upstreams has an open request, or the time is over.
    pub(super) async fn drain(&self, upstreams: &[String], limit: Duration, log: &StepLog) -> Result<(), Setback> {
        let Some(proxy) = self.proxy.as_ref().filter(|_| !upstreams.is_empty()) else { return Ok(()) };
        let deadline = Instant::now() + limit;
        tokio::time::sleep(SETTLE.min(limit)).await;
        loop {
            let mut open = 0;
            for upstream in upstreams {
                open += proxy.requests_in_flight(upstream).await?;
            }
            if open == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let limit = seconds(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
                log.say(format!("{open} requests were still open after {limit}; they are cut off now")).await;
                return Ok(());
            }
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }

    /// Stops containers side by side; each may end in its own time within the grace.
    pub(super) async fn stop_all(&self, leaving: &[Instance], grace: Duration) -> Result<(), Setback> {
        Ok(self.while_owner(self.target.stop_all(leaving, grace)).await??)
    }

    /// Removes containers side by side.
    pub(super) async fn remove_all(&self, leaving: &[Instance]) -> Result<(), Setback> {
        Ok(self.target.remove_all(leaving).await?)
    }
}

/// Where a route leads, in a sentence.
fn in_words(route: &Route) -> String {
    let hosts = route.hosts.join(" and ");
    match &route.canary {
        _ if !route.serves() => "no traffic is led to this app any more".to_owned(),
        Some(canary) => format!(
            "{} % of {hosts} now leads to {}, the rest to {}",
            canary.share,
            canary.upstreams.join(", "),
            route.upstreams.join(", ")
        ),
        None => format!("{hosts} now leads to {}", route.upstreams.join(", ")),
    }
}
