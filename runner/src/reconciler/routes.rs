//! Routes follow health: whoever is well gets requests.

use tokio::time::Instant;

use super::{care::Care, keeper::Keeper, leaving::SETTLE};
use crate::{
    coordinator::ReleasedApp,
    proxy::{ProxyError, Route, site::is_same},
    targets::docker::Instance,
};

impl Keeper {
    /// Leads the requests of every app to its replicas that are well; to those that run, where none is; and leaves the route as
    /// it is where none runs. A proxy that lost its routes gets them again.
    pub(super) async fn lead(&mut self, instances: &[Instance]) {
        let Some(proxy) = self.means.proxy.clone() else { return };
        let wanted = self.wanted.clone();
        for app in &wanted.release.apps {
            if self.stop.is_cancelled() {
                return;
            }
            let id = self.target.names().route(&app.app);
            let led = async {
                let standing = proxy.route(&id).await?;
                let Some(route) = self.route(app, instances, standing.as_ref()) else {
                    return Ok::<_, ProxyError>(false);
                };
                if standing.as_ref() == Some(&route) {
                    return Ok(false);
                }
                if standing.is_none() {
                    let claims = proxy.claims().await?;
                    let names = self.target.names();
                    let holds = |host: &String| route.hosts.iter().any(|own| is_same(own, host));
                    let foreign = claims.iter().find(|it| !names.owns_route(&it.id) && it.hosts.iter().any(holds));
                    if let Some(claim) = foreign {
                        tracing::warn!(app = %route.owner, other = %claim.owner, "its domain is served by another app");
                        return Ok(false);
                    }
                    proxy.prepare().await?;
                }
                tracing::info!(app = %route.owner, upstreams = ?route.upstreams, "leading requests to who is well");
                proxy.put(&id, &route).await?;
                Ok(standing.is_some_and(|standing| standing.takes_lanes()) && !route.takes_lanes())
            };
            match led.await {
                Ok(left_lanes) => {
                    if left_lanes {
                        self.lanes_due = Some(Instant::now() + SETTLE);
                    }
                }
                Err(error) => tracing::warn!(%error, "a route could not be put right; trying again"),
            }
        }
    }

    /// Takes away lanes that nobody needs any more, also those that a life before left.
    pub(super) async fn close_lanes(&mut self) {
        let Some(proxy) = self.means.proxy.clone().filter(|_| self.lanes_due.is_some_and(|due| due <= Instant::now()))
        else {
            return;
        };
        self.lanes_due = None;
        let wanted = self.wanted.clone();
        for app in wanted.release.apps.iter().filter(|app| app.run.domain.is_some()) {
            if let Err(error) = proxy.close_lanes(&self.target.names().route(&app.app)).await {
                tracing::debug!(%error, "the lanes of a route could not be closed; trying again");
                self.lanes_due = Some(Instant::now() + SETTLE);
            }
        }
    }

    pub(super) fn is_well(&self, app: &str, replica: u32) -> bool {
        self.cares.get(&(app.to_owned(), replica)).is_some_and(Care::is_well)
    }

    pub(super) fn is_starting(&self, app: &str, replica: u32) -> bool {
        self.cares.get(&(app.to_owned(), replica)).is_some_and(Care::is_starting)
    }

    /// The route of an app as it should be, given how it stands; none where there should be none, or nobody can be led to.
    fn route(&self, app: &ReleasedApp, instances: &[Instance], standing: Option<&Route>) -> Option<Route> {
        let domain = app.run.domain.as_ref().filter(|_| app.run.replicas > 0)?;
        // What another release may have left beside this one takes no traffic.
        let is_own =
            |it: &&Instance| it.app == app.app && it.release == self.wanted.release.release && it.upstream.is_some();
        let mut own: Vec<&Instance> = instances.iter().filter(is_own).collect();
        if own.is_empty() {
            own = instances
                .iter()
                .filter(|it| it.app == app.app && it.upstream.is_some() && self.may_stand_in(it))
                .collect();
        }
        let well = |it: &&Instance| self.is_in_place(it) && self.is_well(&it.app, it.replica);
        // Who was asked to make room and cannot be done without has served, and who was just started has not.
        let serves = |it: &&Instance| !self.is_in_place(it) || !self.is_starting(&it.app, it.replica);
        let chosen = upstreams(&own, well).or_else(|| upstreams(&own, serves)).or_else(|| upstreams(&own, |_| true))?;
        let known = standing.into_iter().flat_map(|route| route.all_upstreams().chain(&route.draining));
        let still_open = |it: &&String| own.iter().any(|own| own.upstream.as_ref() == Some(it)) && !chosen.contains(it);
        let draining = known.filter(still_open).cloned().collect();
        let (place, repository) = (&self.wanted.environment_name, &self.wanted.repository_name);
        let owner = format!("{} in {place} of {repository}", app.app);
        let counted = self.counts_answers();
        Some(Route { owner, hosts: vec![domain.clone()], upstreams: chosen, draining, canary: None, counted })
    }
}

/// Where those take connections of whom this holds; none where it holds of nobody.
fn upstreams(own: &[&Instance], holds: impl Fn(&&Instance) -> bool) -> Option<Vec<String>> {
    let chosen: Vec<String> = own.iter().filter(|it| holds(it)).filter_map(|it| it.upstream.clone()).collect();
    (!chosen.is_empty()).then_some(chosen)
}
