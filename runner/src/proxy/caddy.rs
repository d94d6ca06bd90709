//! Caddy as the proxy: one, or an edge and a switch.

use async_trait::async_trait;

use super::{
    Claim, Proxy, ProxyConfig, ProxyError, Route, Traffic,
    admin::Admin,
    document::{self, Clients},
    lanes::{self, Sockets, Track},
};

/// Caddys that run as processes of their own, so that Slipway's restarts never touch traffic.
#[derive(Debug)]
pub struct Caddy {
    /// Where people's requests arrive.
    edge: Admin,
    switch: Option<Switch>,
}

#[derive(Debug)]
struct Switch {
    admin: Admin,
    socket: String,
    /// Whether the edge has to know the host names, to have certificates for them. Otherwise it passes everything on,
    /// and no change ever reaches it.
    named_at_edge: bool,
}

impl Caddy {
    /// A client; nothing is asked of Caddy yet.
    #[must_use]
    pub fn new(config: ProxyConfig) -> Self {
        let server = document::edge_server(&config);
        let switch = config.switch.as_ref().map(|switch| Switch {
            admin: Admin::new(switch.admin.clone(), document::switch_server(&config, switch)),
            socket: switch.socket.clone(),
            named_at_edge: config.encrypted(),
        });
        Caddy { edge: Admin::new(config.admin, server), switch }
    }

    /// The Caddy that knows the containers.
    fn router(&self) -> &Admin {
        self.switch.as_ref().map_or(&self.edge, |switch| &switch.admin)
    }

    /// What the edge is to know of a route that the switch serves. In an edge that passes everything on, a route is left
    /// from a time without a switch, and would still lead to the containers of then.
    async fn name_at_edge(&self, id: &str, route: &Route, switch: &Switch) -> Result<(), ProxyError> {
        if switch.named_at_edge {
            return self.edge.put_route(id, &document::entry(id, route, &switch.socket)).await;
        }
        self.edge.prepare().await?;
        self.edge.remove_route(id).await
    }

    /// Whether requests for a route that the switch serves arrive there: an edge that was started anew may know nothing.
    async fn edge_leads_on(&self, id: &str) -> Result<bool, ProxyError> {
        match &self.switch {
            None => Ok(true),
            Some(switch) if switch.named_at_edge => Ok(self.edge.route(id).await?.is_some()),
            Some(_) => self.edge.stands().await,
        }
    }

    /// Opens the lanes of a route, before anything is led there. One that is open keeps its socket.
    async fn open_lanes(&self, id: &str, route: &Route) -> Result<Sockets, ProxyError> {
        let mut sockets = Sockets::default();
        for track in Track::BOTH.into_iter().filter(|track| !track.upstreams(route).is_empty()) {
            let server = track.server(id);
            let standing = self.router().server(&server).await?;
            let socket = standing.as_ref().and_then(lanes::socket_of).unwrap_or_else(lanes::new_socket);
            let lane = document::lane(&socket, track.upstreams(route));
            if standing.as_ref() != Some(&lane) {
                self.router().put_server(&server, &lane).await?;
            }
            match track {
                Track::Stable => sockets.stable = socket,
                Track::Canary => sockets.canary = socket,
            }
        }
        Ok(sockets)
    }
}

#[async_trait]
impl Proxy for Caddy {
    async fn prepare(&self) -> Result<(), ProxyError> {
        // The switch first: what the edge passes on has to arrive somewhere.
        if let Some(switch) = &self.switch {
            switch.admin.prepare().await?;
        }
        self.edge.prepare().await
    }

    async fn route(&self, id: &str) -> Result<Option<Route>, ProxyError> {
        let Some(standing) = self.router().route(id).await? else { return Ok(None) };
        let route = document::parse_route(&standing);
        let arrives = !route.serves() || self.edge_leads_on(id).await?;
        Ok(arrives.then_some(route))
    }

    async fn claims(&self) -> Result<Vec<Claim>, ProxyError> {
        let mut routes = self.edge.routes().await?;
        if let Some(switch) = &self.switch {
            routes.extend(switch.admin.routes().await?);
        }
        Ok(routes.iter().filter_map(document::parse_claim).collect())
    }

    async fn put(&self, id: &str, route: &Route) -> Result<(), ProxyError> {
        let sockets = if route.takes_lanes() { self.open_lanes(id, route).await? } else { Sockets::default() };
        let Some(switch) = &self.switch else {
            return self.edge.put_route(id, &document::route(id, route, Clients::Direct, &sockets)).await;
        };
        // Whenever this is cut off, the edge names no host that the switch does not serve.
        let at_switch = document::route(id, route, Clients::BehindEdge, &sockets);
        if route.serves() {
            switch.admin.put_route(id, &at_switch).await?;
            return self.name_at_edge(id, route, switch).await;
        }
        self.edge.remove_route(id).await?;
        switch.admin.put_route(id, &at_switch).await
    }

    async fn remove(&self, id: &str) -> Result<(), ProxyError> {
        self.edge.remove_route(id).await?;
        if let Some(switch) = &self.switch {
            switch.admin.remove_route(id).await?;
        }
        self.close_lanes(id).await
    }

    async fn traffic(&self, id: &str) -> Result<Traffic, ProxyError> {
        Ok(Traffic::parse(&self.router().metrics().await?, id))
    }

    async fn close_lanes(&self, id: &str) -> Result<(), ProxyError> {
        if self.route(id).await?.is_some_and(|route| route.takes_lanes()) {
            return Ok(());
        }
        for track in Track::BOTH {
            let server = track.server(id);
            if self.router().server(&server).await?.is_some() {
                self.router().remove_server(&server).await?;
            }
        }
        Ok(())
    }

    async fn requests_in_flight(&self, upstream: &str) -> Result<u64, ProxyError> {
        let listed = self.router().upstreams().await?;
        let found = listed.as_array().into_iter().flatten().find(|entry| entry["address"] == upstream);
        Ok(found.and_then(|entry| entry["num_requests"].as_u64()).unwrap_or(0))
    }

    fn advice(&self) -> Option<&'static str> {
        self.switch.is_none().then_some(
            "one Caddy alone serves the releases: whenever it changes, it closes waiting connections, and an HTTP/1.1 \
             client that just sent a request on one loses it. A second Caddy behind it (proxy.switch_admin and \
             proxy.switch_socket; docs/operations.md, “Caddy”) prevents that",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Caddy, Proxy, ProxyConfig};

    #[tokio::test]
    async fn a_proxy_that_is_not_there_is_named_with_a_remedy() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let admin = format!("http://{free}").parse().unwrap();
        let caddy = Caddy::new(ProxyConfig { admin, listen: vec![":80".into()], switch: None });
        let message = caddy.route("x").await.unwrap_err().to_string();
        assert!(message.contains(&free.to_string()) && message.contains("Check that Caddy runs"), "{message}");
    }
}
