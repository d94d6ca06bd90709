//! One Caddy's admin API (<https://caddyserver.com/docs/api>; version 2.6 and later): its server for Slipway, and the
//! routes in it.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::ProxyError;
use crate::{failure::root_cause, tls};

/// How long one call may take: loading a configuration with many routes is not instant.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// The largest answer that is read: the routes of a very large installation.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// The pauses after which a call is made again. Caddy opens its admin API anew with every change, too, and resets who is
/// just connecting to the one before.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(400)];

/// The servers of a Caddy, and Slipway's own among them.
const SERVERS: &str = "config/apps/http/servers";
const SERVER: &str = "config/apps/http/servers/slipway";
/// What Slipway sets of its server, besides the routes.
const SERVER_KEYS: [&str; 3] = ["automatic_https", "errors", "listen"];

/// A Caddy, and the server that it is to have for Slipway.
#[derive(Debug)]
pub(super) struct Admin {
    address: Url,
    /// The server without any route but the last one, which answers what no other one wants.
    server: Value,
    client: OnceCell<Client>,
}

impl Admin {
    /// A client; nothing is asked of Caddy yet.
    pub(super) fn new(address: Url, server: Value) -> Self {
        Admin { address, server, client: OnceCell::new() }
    }

    /// Makes sure that the server is there and as it is to be. Its routes stay.
    pub(super) async fn prepare(&self) -> Result<(), ProxyError> {
        // What was not answered may have been done: it is looked for before it is done again.
        for pause in PAUSES {
            match self.try_prepare().await {
                Err(ProxyError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                done => return done,
            }
        }
        self.try_prepare().await
    }

    async fn try_prepare(&self) -> Result<(), ProxyError> {
        let listen: Vec<&str> =
            self.server["listen"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let doing = format!("listen on {}", listen.join(" and "));
        let Some(standing) = self.get(SERVER, &doing).await? else {
            return self.set(Method::PUT, SERVER, &self.server, &doing).await;
        };
        self.prepare_fallback(&standing["routes"], &doing).await?;
        for key in SERVER_KEYS {
            let path = format!("{SERVER}/{key}");
            match (&standing[key], &self.server[key]) {
                (standing, wanted) if standing == wanted => {}
                (_, Value::Null) => drop(self.change(Method::DELETE, &path, None, &doing).await?),
                (_, wanted) => self.set(Method::POST, &path, wanted, &doing).await?,
            }
        }
        Ok(())
    }

    /// The last route is the only one without a name.
    async fn prepare_fallback(&self, routes: &Value, doing: &str) -> Result<(), ProxyError> {
        let wanted = &self.server["routes"][0];
        let path = format!("{SERVER}/routes");
        let Some(routes) = routes.as_array() else {
            return self.set(Method::POST, &path, &self.server["routes"], doing).await;
        };
        match routes.last() {
            Some(last) if last == wanted => Ok(()),
            Some(last) if last.get("@id").is_none() => {
                self.set(Method::PATCH, &format!("{path}/{}", routes.len() - 1), wanted, doing).await
            }
            _ => self.set(Method::POST, &path, wanted, doing).await,
        }
    }

    /// A route's document; none if there is none of this name.
    pub(super) async fn route(&self, id: &str) -> Result<Option<Value>, ProxyError> {
        self.get(&format!("id/{id}"), &format!("show the route {id}")).await
    }

    /// The documents of all routes of Slipway's server.
    pub(super) async fn routes(&self) -> Result<Vec<Value>, ProxyError> {
        let found = self.get(&format!("{SERVER}/routes"), "show its routes").await?;
        Ok(found.as_ref().and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Makes the route be this. One that is this already is left alone, since every change closes connections.
    pub(super) async fn put_route(&self, id: &str, wanted: &Value) -> Result<(), ProxyError> {
        // An insertion that was not answered may have been made: it is looked for before it is made again.
        for pause in PAUSES {
            match self.try_put_route(id, wanted).await {
                Err(ProxyError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                done => return done,
            }
        }
        self.try_put_route(id, wanted).await
    }

    async fn try_put_route(&self, id: &str, wanted: &Value) -> Result<(), ProxyError> {
        let doing = format!("change the route {id}");
        let standing = self.route(id).await?;
        if standing.as_ref() == Some(wanted) {
            return Ok(());
        }
        if standing.is_some() && self.change(Method::PATCH, &format!("id/{id}"), Some(wanted), &doing).await? {
            return Ok(());
        }
        self.try_prepare().await?;
        // First in the list: the last one answers for every host that nobody wants.
        self.set(Method::PUT, &format!("{SERVER}/routes/0"), wanted, &doing).await
    }

    /// Takes the route away, if it is there.
    pub(super) async fn remove_route(&self, id: &str) -> Result<(), ProxyError> {
        self.change(Method::DELETE, &format!("id/{id}"), None, &format!("remove the route {id}")).await.map(drop)
    }

    /// A server beside Slipway's own; none if there is none of this name.
    pub(super) async fn server(&self, name: &str) -> Result<Option<Value>, ProxyError> {
        self.get(&format!("{SERVERS}/{name}"), &format!("show the server {name}")).await
    }

    /// Makes a server beside Slipway's own be this.
    pub(super) async fn put_server(&self, name: &str, wanted: &Value) -> Result<(), ProxyError> {
        // The way to it may be missing, too.
        self.prepare().await?;
        let path = format!("{SERVERS}/{name}");
        let doing = format!("open the server {name}");
        // Replaces what is there, so that it may be asked again.
        for pause in PAUSES {
            match self.set(Method::POST, &path, wanted, &doing).await {
                Err(ProxyError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                done => return done,
            }
        }
        self.set(Method::POST, &path, wanted, &doing).await
    }

    /// Takes a server away, if it is there.
    pub(super) async fn remove_server(&self, name: &str) -> Result<(), ProxyError> {
        self.change(Method::DELETE, &format!("{SERVERS}/{name}"), None, &format!("close the server {name}"))
            .await
            .map(drop)
    }

    /// Everything that is counted, as text for Prometheus.
    pub(super) async fn metrics(&self) -> Result<String, ProxyError> {
        const DOING: &str = "show its metrics";
        let answer = self.call(Method::GET, "metrics", None, DOING).await?;
        if !answer.status.is_success() {
            return Err(self.refused(DOING, answer.status.to_string()));
        }
        Ok(String::from_utf8_lossy(&answer.text).into_owned())
    }

    /// The open requests of each address that the configuration names.
    pub(super) async fn upstreams(&self) -> Result<Value, ProxyError> {
        Ok(self.get("reverse_proxy/upstreams", "count open requests").await?.unwrap_or_default())
    }

    /// What stands at a path; none while some part of it is missing, which Caddy answers in three ways.
    async fn get(&self, path: &str, doing: &str) -> Result<Option<Value>, ProxyError> {
        let answer = self.call(Method::GET, path, None, doing).await?;
        match answer.status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Ok(None),
            _ => self.accepted(answer, doing).map(|found| Some(found).filter(|found| !found.is_null())),
        }
    }

    /// Puts something at a path whose beginning is known to be there.
    async fn set(&self, method: Method, path: &str, wanted: &Value, doing: &str) -> Result<(), ProxyError> {
        if self.change(method, path, Some(wanted), doing).await? {
            return Ok(());
        }
        Err(self.refused(doing, "its configuration was changed at the same time".to_owned()))
    }

    /// Changes what stands at a path; false when there is nothing.
    async fn change(&self, method: Method, path: &str, body: Option<&Value>, doing: &str) -> Result<bool, ProxyError> {
        let answer = self.call(method, path, body, doing).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(false),
            _ => self.accepted(answer, doing).map(|_| true),
        }
    }

    /// Calls, and calls again when that does no harm.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>, doing: &str) -> Result<Answer, ProxyError> {
        // POST may append, and PUT inserts.
        let repeatable = !matches!(method, Method::POST | Method::PUT);
        for pause in PAUSES.into_iter().filter(|_| repeatable) {
            match self.call_once(method.clone(), path, body, doing).await {
                Err(ProxyError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.call_once(method, path, body, doing).await
    }

    async fn call_once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        doing: &str,
    ) -> Result<Answer, ProxyError> {
        let url = self.address.join(path).map_err(|failure| self.unreachable(failure.to_string()))?;
        let mut request = self.client().await?.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|failure| self.unreachable(root_cause(&failure)))?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|failure| self.unreachable(root_cause(&failure)))? {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_LIMIT {
                return Err(self.refused(doing, "its answer is too long".to_owned()));
            }
        }
        Ok(Answer { status, body: serde_json::from_slice(&text).unwrap_or(Value::Null), text })
    }

    async fn client(&self) -> Result<&Client, ProxyError> {
        self.client
            .get_or_try_init(|| async {
                tls::provide();
                Client::builder()
                    .no_proxy()
                    // One that was kept would be closed by every change.
                    .pool_max_idle_per_host(0)
                    .timeout(CALL_LIMIT)
                    .build()
                    .map_err(|failure| self.unreachable(failure.to_string()))
            })
            .await
    }

    fn accepted(&self, answer: Answer, doing: &str) -> Result<Value, ProxyError> {
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let said = answer.body["error"].as_str().unwrap_or("it did not say why");
        Err(self.refused(doing, format!("{} {said}", answer.status.as_u16())))
    }

    fn refused(&self, doing: &str, reason: String) -> ProxyError {
        ProxyError::Refused { address: self.address.to_string(), doing: doing.to_owned(), reason }
    }

    fn unreachable(&self, reason: String) -> ProxyError {
        ProxyError::Unreachable { address: self.address.to_string(), reason }
    }
}

struct Answer {
    status: StatusCode,
    /// What was said, where it is JSON.
    body: Value,
    text: Vec<u8>,
}
