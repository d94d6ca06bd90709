//! The environment's routes while a rollout has them: nobody else puts back what a proxy loses meanwhile.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::Mutex;

use super::{Rollout, Setback};
use crate::proxy::{Proxy, ProxyError, Route};

/// How often it is seen whether the proxy still has the routes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The routes as they were put last, by their names.
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: Mutex<BTreeMap<String, Route>>,
}

impl Routes {
    /// Makes the route be this, and remembers it.
    pub(super) async fn put(&self, proxy: &dyn Proxy, id: &str, route: &Route) -> Result<(), ProxyError> {
        let mut known = self.known.lock().await;
        // What was not answered may have been done.
        known.insert(id.to_owned(), route.clone());
        proxy.put(id, route).await
    }

    /// Takes the route away, and forgets it.
    pub(super) async fn remove(&self, proxy: &dyn Proxy, id: &str) -> Result<(), ProxyError> {
        let mut known = self.known.lock().await;
        known.remove(id);
        proxy.remove(id).await
    }

    /// The route as it was put last; none where there is none.
    pub(super) async fn known(&self, id: &str) -> Option<Route> {
        self.known.lock().await.get(id).cloned()
    }

    /// Remembers a route that stands, unless it was put meanwhile.
    async fn learn(&self, proxy: &dyn Proxy, id: &str) -> Result<(), ProxyError> {
        let mut known = self.known.lock().await;
        if let (false, Some(route)) = (known.contains_key(id), proxy.route(id).await?) {
            known.insert(id.to_owned(), route);
        }
        Ok(())
    }

    /// Puts back what the proxy does not have any more; the names of those routes.
    async fn put_back(&self, proxy: &dyn Proxy) -> Result<Vec<String>, ProxyError> {
        let known = self.known.lock().await;
        let (mut lost, mut problem) = (Vec::new(), None);
        for (id, route) in known.iter().filter(|(_, route)| route.serves()) {
            match back(proxy, id, route).await {
                Ok(was_lost) => lost.extend(was_lost.then(|| id.clone())),
                // One that cannot be put keeps no other from its place.
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            Some(error) if lost.is_empty() => Err(error),
            _ => Ok(lost),
        }
    }

    /// Nothing is to be put back under this name.
    pub(super) async fn forget(&self, id: &str) {
        self.known.lock().await.remove(id);
    }
}

/// Puts a route that the proxy has no more; tells whether that was so.
async fn back(proxy: &dyn Proxy, id: &str, route: &Route) -> Result<bool, ProxyError> {
    if proxy.route(id).await?.is_some() {
        return Ok(false);
    }
    proxy.put(id, route).await?;
    Ok(true)
}

impl Rollout<'_> {
    /// Remembers the routes that stand before anything changes.
    pub(super) async fn learn_routes(&self) -> Result<(), Setback> {
        let Some(proxy) = &self.ctx.proxy else { return Ok(()) };
        let claims = proxy.claims().await?;
        for claim in claims.iter().filter(|claim| self.target.names().owns_route(&claim.id)) {
            self.routes.learn(proxy.as_ref(), &claim.id).await?;
        }
        Ok(())
    }

    /// Looks for ever whether the proxy has the routes, as one that was started anew has not, and gives it back what it
    /// lost: also while the rollout bakes, is paused, or waits for a container.
    pub(super) async fn keep_routes<T>(&self) -> T {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (Some(proxy), Ok(())) = (&self.ctx.proxy, self.still_owner()) else { continue };
            match self.routes.put_back(proxy.as_ref()).await {
                Ok(lost) if lost.is_empty() => {}
                Ok(lost) => {
                    tracing::warn!(routes = ?lost, "the proxy had lost routes of a rollout, and has them again");
                }
                Err(error) => tracing::debug!(%error, "the routes of a rollout cannot be looked at; trying again"),
            }
        }
    }
}
