//! Routes follow health: whoever is well gets requests.

use super::keeper::Keeper;
use crate::{
    coordinator::ReleasedApp,
    proxy::{ProxyError, Route, site::is_same},
    targets::docker::Instance,
};

impl Keeper {
    /// Leads the requests of every app to its replicas that are well; to those that run, where none is; and leaves the route as
    /// it is where none runs. A proxy that lost its routes gets them again.
    pub(super) async fn lead(&self, instances: &[Instance]) {
        let Some(proxy) = &self.means.proxy else { return };
        for app in &self.wanted.release.apps {
            if self.stop.is_cancelled() {
                return;
            }
            let id = self.target.names().route(&app.app);
            let led = async {
                let standing = proxy.route(&id).await?;
                let Some(route) = self.route(app, instances, standing.as_ref()) else { return Ok::<_, ProxyError>(()) };
                if standing.as_ref() == Some(&route) {
                    return Ok(());
                }
                if standing.is_none() {
                    let claims = proxy.claims().await?;
                    let names = self.target.names();
                    let holds = |host: &String| route.hosts.iter().any(|own| is_same(own, host));
                    let foreign = claims.iter().find(|it| !names.owns_route(&it.id) && it.hosts.iter().any(holds));
                    if let Some(claim) = foreign {
                        tracing::warn!(app = %route.owner, other = %claim.owner, "its domain is served by another app");
                        return Ok(());
                    }
                    proxy.prepare().await?;
                }
                tracing::info!(app = %route.owner, upstreams = ?route.upstreams, "leading requests to who is well");
                proxy.put(&id, &route).await
            };
            if let Err(error) = led.await {
                tracing::warn!(%error, "a route could not be put right; trying again");
            }
        }
    }

    /// The route of an app as it should be, given how it stands; none where there should be none, or nobody can be led to.
    fn route(&self, app: &ReleasedApp, instances: &[Instance], standing: Option<&Route>) -> Option<Route> {
        let domain = app.run.domain.as_ref().filter(|_| app.run.replicas > 0)?;
        // What another release may have left beside this one takes no traffic.
        let is_own =
            |it: &&Instance| it.app == app.app && it.release == self.wanted.release.release && it.upstream.is_some();
        let own: Vec<&Instance> = instances.iter().filter(is_own).collect();
        let well = |it: &&Instance| self.is_in_place(it) && self.is_well(&it.app, it.replica);
        // Who was asked to make room and cannot be done without has served, and who was just started has not.
        let serves = |it: &&Instance| !self.is_in_place(it) || !self.is_starting(&it.app, it.replica);
        let chosen = upstreams(&own, well).or_else(|| upstreams(&own, serves)).or_else(|| upstreams(&own, |_| true))?;
        let known = standing.into_iter().flat_map(|route| route.all_upstreams().chain(&route.draining));
        let still_open = |it: &&String| own.iter().any(|own| own.upstream.as_ref() == Some(it)) && !chosen.contains(it);
        let draining = known.filter(still_open).cloned().collect();
        let (place, repository) = (&self.wanted.environment_name, &self.wanted.repository_name);
        let owner = format!("{} in {place} of {repository}", app.app);
        Some(Route { owner, hosts: vec![domain.clone()], upstreams: chosen, draining, canary: None })
    }
}

/// Where those take connections of whom this holds; none where it holds of nobody.
fn upstreams(own: &[&Instance], holds: impl Fn(&&Instance) -> bool) -> Option<Vec<String>> {
    let chosen: Vec<String> = own.iter().filter(|it| holds(it)).filter_map(|it| it.upstream.clone()).collect();
    (!chosen.is_empty()).then_some(chosen)
}
