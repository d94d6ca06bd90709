//! From a request to its answer.

use std::{convert::Infallible, sync::Arc};

use hyper::{
    Method, Request, Response,
    body::{Body as _, Incoming},
    header::{self, HeaderValue},
};
use serde_json::{Map, Value, json};

use super::{
    JSON_LIMIT,
    refusal::{Refusal, json_response},
    route::Route,
    scope::Scope,
    target::Target,
    upstream::{Body, Call, drain, read, read_answer},
};
use crate::engine::labels;

/// What a step may know of the engine and its host.
const INFO: [&str; 18] = [
    "Architecture",
    "BridgeNfIptables",
    "CgroupDriver",
    "CgroupVersion",
    "CpuCfsPeriod",
    "CpuCfsQuota",
    "DefaultRuntime",
    "Driver",
    "Isolation",
    "KernelVersion",
    "LoggingDriver",
    "MemTotal",
    "MemoryLimit",
    "NCPU",
    "OSType",
    "OperatingSystem",
    "PidsLimit",
    "ServerVersion",
];

/// Answers a request; never fails, as a refusal is an answer, too.
pub(super) async fn serve(scope: Arc<Scope>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let method = request.method().clone();
    // On its own, so that what was begun goes on when the client hangs up: it is known then, and can be removed.
    let answering = scope.tasks.spawn({
        let scope = Arc::clone(&scope);
        async move { Box::pin(scope.answer(request)).await }
    });
    let answered = answering.await.unwrap_or_else(|_| Err(Refusal::bad("this request met an error of Slipway's own")));
    let mut response = answered.unwrap_or_else(|refusal| refusal.response());
    if method == Method::HEAD {
        // A client reads no body after HEAD.
        let (head, _) = response.into_parts();
        response = Response::from_parts(head, super::refusal::full(bytes::Bytes::new()));
    }
    Ok(response)
}

impl Scope {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        if self.closed.is_cancelled() {
            return Err(Refusal::forbidden("anything once the build has ended"));
        }
        let method = request.method().clone();
        let judged = Target::of(request.uri()).and_then(|target| Ok((Route::of(&method, &target.pieces)?, target)));
        let (route, target) = match judged {
            Ok(judged) => judged,
            Err(refusal) => {
                drain(request.into_body()).await;
                return Err(refusal);
            }
        };
        match route {
            Route::Ping => self.ping(target, method).await,
            Route::Version => self.told(Call::new(Method::GET, format!("{}/version", target.version))).await,
            Route::Info => self.info(target).await,
            Route::Events => self.events(target).await,
            Route::Build => Box::pin(self.build(target, request)).await,
            Route::Containers => self.list_containers(target).await,
            Route::CreateContainer => Box::pin(self.create_container(target, whole(request).await?)).await,
            Route::Container { name, verb } => Box::pin(self.container_call(target, &name, verb, request)).await,
            Route::StartExec(id) => self.start_exec(target, &id, request).await,
            Route::ResizeExec(id) => self.exec_call(target, &id, method, "resize").await,
            Route::InspectExec(id) => self.exec_call(target, &id, method, "json").await,
            Route::Networks => self.list_networks(target).await,
            Route::CreateNetwork => self.create_network(target, whole(request).await?).await,
            Route::Network { name, verb } => self.network_call(target, &name, verb, whole(request).await?).await,
            Route::Volumes => self.list_volumes(target).await,
            Route::CreateVolume => self.create_volume(target, whole(request).await?).await,
            Route::InspectVolume(name) | Route::RemoveVolume(name) => self.volume_call(target, &name, method).await,
            Route::Images => self.list_images(target).await,
            Route::PullImage => self.pull(target).await,
            Route::Image { name, verb } => self.image_call(target, &name, verb).await,
        }
    }

    async fn ping(&self, target: Target, method: Method) -> Result<Response<Body>, Refusal> {
        let mut response = self.streamed(Call::new(method, format!("{}/_ping", target.version))).await?;
        // The classic builder: older clients take the one that is named here.
        response.headers_mut().insert("builder-version", HeaderValue::from_static("1"));
        Ok(response)
    }

    async fn info(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let answer = self.upstream.ask(Call::new(Method::GET, format!("{}/info", target.version))).await?;
        let status = answer.status();
        let text = read_answer(answer.into_body()).await?;
        let mut told: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
        told.retain(|name, _| INFO.contains(&name.as_str()));
        told.insert("Name".to_owned(), "slipway".into());
        told.insert("ID".to_owned(), self.origin.name().into());
        Ok(json_response(status, Value::Object(told).to_string().into()))
    }

    async fn events(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["since", "until", "filters"])?;
        let known = ["container", "event", "image", "label", "network", "type", "volume"];
        let mut filters = self.filters(&query, &known).await?;
        // Events of the build's own containers: those of images and of the engine itself say what others do.
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.entry("label".to_owned()).or_default().push(format!("{}={}", labels::KIND, labels::KIND_STEP));
        query.set("filters", json!(filters).to_string());
        self.lines(Call::new(Method::GET, format!("{}/events?{}", target.version, query.encode())), Vec::new).await
    }
}

/// A request's JSON body.
async fn whole(request: Request<Incoming>) -> Result<bytes::Bytes, Refusal> {
    let too_long = request.body().size_hint().lower() > JSON_LIMIT as u64;
    let form = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        !value.is_empty() && !value.starts_with("application/json") && !value.starts_with("text/plain")
    });
    if too_long || form {
        return Err(Refusal::bad(format!("the body of this request is not JSON of at most {JSON_LIMIT} bytes")));
    }
    read(request.into_body(), JSON_LIMIT).await
}
