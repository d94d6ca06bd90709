//! One Caddy's admin API (<https://caddyserver.com/docs/api>; version 2.6 and later): its server for Slipway, and the
//! routes in it.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use reqwest::{
    Body, Client, Method, StatusCode,
    header::{ETAG, IF_MATCH},
};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::{ProxyError, order};
use crate::{backoff::Backoff, failure::root_cause, tls};

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

/// How often a change is made anew that somebody else's change came in between of.
const CONTENDED_TRIES: u32 = 40;
/// The shortest and the longest pause before that.
const CONTENDED_PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// A Caddy, and the server that it is to have for Slipway.
#[derive(Debug)]
pub(super) struct Admin {
    address: Url,
    /// The server without any route but the last one, which answers what no other one wants.
    server: Value,
    client: OnceCell<Client>,
    /// Held while routes change, so that the environments of a runner do not get in each other's way.
    changing: Mutex<()>,
}

/// The routes of the server as they were read, and the mark by which Caddy refuses what was made from older ones.
struct Standing {
    server: Value,
    mark: Option<String>,
}

impl Admin {
    /// A client; nothing is asked of Caddy yet.
    pub(super) fn new(address: Url, server: Value) -> Self {
        Admin { address, server, client: OnceCell::new(), changing: Mutex::new(()) }
    }

    /// Makes sure that the server is there and as it is to be. Its routes stay.
    pub(super) async fn prepare(&self) -> Result<(), ProxyError> {
        let _changing = self.changing.lock().await;
        let listen: Vec<&str> =
            self.server["listen"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let doing = format!("listen on {}", listen.join(" and "));
        let mut patience = Patience::new();
        loop {
            match self.try_prepare(&doing).await {
                Ok(_) => return Ok(()),
                Err(problem) => patience.endure(problem).await?,
            }
        }
    }

    /// Whether the server is there at all.
    pub(super) async fn stands(&self) -> Result<bool, ProxyError> {
        Ok(self.get(&format!("{SERVER}/listen"), "show its server").await?.is_some())
    }

    /// Makes the server as it is to be, and answers how it stands then.
    async fn try_prepare(&self, doing: &str) -> Result<Standing, ProxyError> {
        let Some(mut standing) = self.standing(doing).await? else {
            // Where somebody else was faster, this is refused.
            self.set(Method::PUT, SERVER, &self.server, doing).await?;
            return self.standing(doing).await?.ok_or_else(|| self.contended(doing));
        };
        for key in SERVER_KEYS {
            let path = format!("{SERVER}/{key}");
            match (&standing.server[key], &self.server[key]) {
                (standing, wanted) if standing == wanted => continue,
                (_, Value::Null) => drop(self.change(Method::DELETE, &path, None, doing).await?),
                (_, wanted) => self.set(Method::POST, &path, wanted, doing).await?,
            }
            standing = self.standing(doing).await?.ok_or_else(|| self.contended(doing))?;
        }
        let routes = order::with_fallback(routes_of(&standing.server), self.fallback());
        if self.set_routes(&standing, routes, doing).await? {
            standing = self.standing(doing).await?.ok_or_else(|| self.contended(doing))?;
        }
        Ok(standing)
    }

    async fn standing(&self, doing: &str) -> Result<Option<Standing>, ProxyError> {
        let answer = self.call(Method::GET, SERVER, None, doing).await?;
        let mark = answer.mark.clone();
        Ok(self.found(answer, doing)?.map(|server| Standing { server, mark }))
    }

    /// What the server answers where no route does.
    fn fallback(&self) -> &Value {
        &self.server["routes"][0]
    }

    /// Makes the server's routes be these, unless somebody else changed it meanwhile; false when they are already.
    async fn set_routes(&self, standing: &Standing, routes: Vec<Value>, doing: &str) -> Result<bool, ProxyError> {
        let wanted = Value::Array(routes);
        if standing.server["routes"] == wanted {
            return Ok(false);
        }
        let path = format!("{SERVER}/routes");
        // To a list, POST would append.
        let method = if standing.server["routes"].is_array() { Method::PATCH } else { Method::POST };
        let answer = self.call_marked(method, &path, Some(&wanted), standing.mark.as_deref(), doing).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(self.contended(doing));
        }
        self.accepted(answer, doing).map(|_| true)
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

    /// Makes the route be this, in its place among the others. One that is this already is left alone, since every change
    /// closes connections.
    pub(super) async fn put_route(&self, id: &str, wanted: &Value) -> Result<(), ProxyError> {
        let doing = format!("change the route {id}");
        if self.route(id).await?.as_ref() == Some(wanted) {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        let mut patience = Patience::new();
        loop {
            match self.try_put_route(wanted, &doing).await {
                Ok(_) => return Ok(()),
                Err(problem) => patience.endure(problem).await?,
            }
        }
    }

    async fn try_put_route(&self, wanted: &Value, doing: &str) -> Result<bool, ProxyError> {
        let standing = self.try_prepare(doing).await?;
        let routes = order::with(routes_of(&standing.server), wanted);
        self.set_routes(&standing, routes, doing).await
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
        let mut patience = Patience::new();
        loop {
            // Replaces what is there, so that it may be asked again.
            match self.set(Method::POST, &path, wanted, &doing).await {
                Ok(()) => return Ok(()),
                Err(problem) => patience.endure(problem).await?,
            }
        }
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

    async fn get(&self, path: &str, doing: &str) -> Result<Option<Value>, ProxyError> {
        let answer = self.call(Method::GET, path, None, doing).await?;
        self.found(answer, doing)
    }

    /// What stands at a path; none while some part of it is missing, which Caddy answers in three ways.
    fn found(&self, answer: Answer, doing: &str) -> Result<Option<Value>, ProxyError> {
        match answer.status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Ok(None),
            _ => self.accepted(answer, doing).map(|found| Some(found).filter(|found| !found.is_null())),
        }
    }

    /// Puts something at a path whose beginning is known to be there.
    async fn set(&self, method: Method, path: &str, wanted: &Value, doing: &str) -> Result<(), ProxyError> {
        if self.change(method, path, Some(wanted), doing).await? { Ok(()) } else { Err(self.contended(doing)) }
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
            match self.call_marked(method.clone(), path, body, None, doing).await {
                Err(ProxyError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.call_marked(method, path, body, None, doing).await
    }

    /// Calls once; with a mark, for what stands as it did when the mark was given.
    async fn call_marked(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        mark: Option<&str>,
        doing: &str,
    ) -> Result<Answer, ProxyError> {
        let url = self.address.join(path).map_err(|failure| self.unreachable(failure.to_string()))?;
        let mut request = self.client().await?.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(mark) = mark {
            request = request.header(IF_MATCH, mark);
        }
        let response = request.send().await.map_err(|failure| self.unreachable(root_cause(&failure)))?;
        let status = response.status();
        let body = Limited::new(Body::from(response), ANSWER_LIMIT).collect().await;
        let body = body.map_err(|failure| match failure.downcast_ref::<LengthLimitError>() {
            Some(_) => self.refused(doing, "its answer is too long".to_owned()),
            None => self.unreachable(root_cause(failure.as_ref())),
        })?;
        // Caddy knows the mark when it has written the answer, and sends it behind that.
        let mark = body.trailers().and_then(|trailers| trailers.get(ETAG)?.to_str().ok()).map(str::to_owned);
        let text = body.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&text).unwrap_or(Value::Null), mark, text: text.into() })
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
        let is_contended = matches!(answer.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED);
        // What 2.6 answers where later ones know the status for it.
        if is_contended || said.contains("key already exists") {
            return Err(self.contended(doing));
        }
        Err(self.refused(doing, format!("{} {said}", answer.status.as_u16())))
    }

    fn contended(&self, doing: &str) -> ProxyError {
        ProxyError::Contended { address: self.address.to_string(), doing: doing.to_owned() }
    }

    fn refused(&self, doing: &str, reason: String) -> ProxyError {
        ProxyError::Refused { address: self.address.to_string(), doing: doing.to_owned(), reason }
    }

    fn unreachable(&self, reason: String) -> ProxyError {
        ProxyError::Unreachable { address: self.address.to_string(), reason }
    }
}

/// How long it is tried while Caddy is just beginning with another configuration, or somebody else changes it, too. What was
/// not answered may have been done: each try looks first.
struct Patience {
    pauses: std::array::IntoIter<Duration, 3>,
    contended: u32,
    backoff: Backoff,
}

impl Patience {
    fn new() -> Self {
        let backoff = Backoff::new(CONTENDED_PAUSES.0, CONTENDED_PAUSES.1);
        Patience { pauses: PAUSES.into_iter(), contended: 0, backoff }
    }

    /// Waits before the next try; an error when there is to be none.
    async fn endure(&mut self, problem: ProxyError) -> Result<(), ProxyError> {
        let pause = match &problem {
            ProxyError::Unreachable { .. } => self.pauses.next(),
            ProxyError::Contended { .. } => {
                self.contended += 1;
                (self.contended <= CONTENDED_TRIES).then(|| self.backoff.pause())
            }
            ProxyError::Refused { .. } => None,
        };
        tokio::time::sleep(pause.ok_or(problem)?).await;
        Ok(())
    }
}

fn routes_of(server: &Value) -> Vec<Value> {
    server["routes"].as_array().cloned().unwrap_or_default()
}

struct Answer {
    status: StatusCode,
    /// What was said, where it is JSON.
    body: Value,
    /// The mark of what was shown.
    mark: Option<String>,
    text: Vec<u8>,
}
