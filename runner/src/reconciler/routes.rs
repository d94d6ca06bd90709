//! Routes follow health: whoever is well gets requests.

use super::keeper::Keeper;
use crate::{
    coordinator::ReleasedApp,
    proxy::{ProxyError, Route},
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
            let Some(route) = self.route(app, instances) else { continue };
            let id = self.target.names().route(&app.app);
            let led = async {
                let standing = proxy.route(&id).await?;
                if standing.as_ref() == Some(&route) {
                    return Ok::<_, ProxyError>(());
                }
                if standing.is_none() {
                    let claims = proxy.claims().await?;
                    let names = self.target.names();
                    let holds = |host: &String| route.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
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

    /// The route of an app as it should be; none where there should be none, or nobody can be led to.
    fn route(&self, app: &ReleasedApp, instances: &[Instance]) -> Option<Route> {
        let domain = app.run.domain.as_ref().filter(|_| app.run.replicas > 0)?;
        // What another release may have left beside this one takes no traffic.
        let is_own =
            |it: &&Instance| it.app == app.app && it.release == self.wanted.release.release && it.upstream.is_some();
        let own: Vec<&Instance> = instances.iter().filter(is_own).collect();
        let well: Vec<&Instance> = own.iter().copied().filter(|it| self.is_well(&it.app, it.replica)).collect();
        let chosen = if well.is_empty() { own } else { well };
        let upstreams: Vec<String> = chosen.into_iter().filter_map(|it| it.upstream.clone()).collect();
        let (place, repository) = (&self.wanted.environment_name, &self.wanted.repository_name);
        let owner = format!("{} in {place} of {repository}", app.app);
        (!upstreams.is_empty()).then(|| Route { owner, hosts: vec![domain.clone()], upstreams, ..Route::default() })
    }
}
