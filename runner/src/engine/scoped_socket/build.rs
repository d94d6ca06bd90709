//! `docker build`, by the engine's classic builder: what it is given can be judged here, request by request.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, body::Incoming};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{
    context::{self, PieceReader, PieceWriter},
    dockerfile::{Rewriting, trigger},
    images::normal,
    refusal::Refusal,
    scope::Scope,
    target::{Query, Target},
    upstream::{Body, Call, drain, streamed},
};
use crate::engine::labels;

/// The options of a build that are understood.
const OPTIONS: [&str; 16] = [
    "buildargs",
    "buildid",
    "cpuperiod",
    "cpuquota",
    "cpusetcpus",
    "cpusetmems",
    "cpushares",
    "dockerfile",
    "forcerm",
    "labels",
    "networkmode",
    "nocache",
    "platform",
    "q",
    "rm",
    "target",
];
/// How many pieces of the context wait on either side of the rewriting.
const PIECES_WAITING: usize = 4;

/// A build as it goes to the engine.
struct Judged {
    query: Query,
    /// The Dockerfile's name in the context.
    dockerfile: String,
    arguments: BTreeMap<String, String>,
    /// Whether public images are fetched anew.
    pull: bool,
}

/// The images that a build's Dockerfile names.
#[derive(Clone)]
struct Bases {
    pull: bool,
    /// Their ids, with what they are called there.
    names: Arc<Mutex<Vec<(String, String)>>>,
}

impl Bases {
    fn note(&self, id: &str, asked: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push((id.to_owned(), asked.to_owned()));
    }

    fn names(&self) -> Vec<(String, String)> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Scope {
    /// `POST /build`.
    pub(super) async fn build(
        self: &Arc<Self>,
        target: Target,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let version = target.version.clone();
        let Judged { query, dockerfile, arguments, pull } = match self.judged(target).await {
            Ok(judged) => judged,
            Err(refusal) => {
                drain(request.into_body()).await;
                return Err(refusal);
            }
        };
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let bases = Bases { pull, names: Arc::default() };
        let body = self.rewritten(request.into_body(), dockerfile, arguments, bases.clone(), failure.clone());
        let path = format!("{version}/build?{}", query.encode());
        // No logins go along: every base is there already, and named by its id.
        let call = Call::new(Method::POST, path).stream(body, "application/x-tar");
        let answer = self.lines(call, move || bases.names()).await;
        let ours = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ours {
            Some(ours) if answer.as_ref().map_or(true, |answer| !answer.status().is_success()) => {
                Err(Refusal::bad(ours))
            }
            _ => answer,
        }
    }

    /// What a build asks for, in the engine's terms.
    async fn judged(&self, target: Target) -> Result<Judged, Refusal> {
        let mut query = target.query;
        if query.take("version").iter().any(|version| !matches!(version.as_str(), "" | "1")) {
            return Err(Refusal::forbidden(
                "BuildKit over this socket. Set DOCKER_BUILDKIT=0, and docker build works without it",
            ));
        }
        let tags = query.take("t");
        let hosts = query.take("extrahosts");
        let pull = query.is_true("pull");
        // What is decided here, or what the classic builder has no use for.
        for name in ["memory", "memswap", "ulimits", "cachefrom", "pull", "shmsize"] {
            query.take(name);
        }
        let mut query = query.only(&OPTIONS)?;
        self.bound(&mut query).await?;
        for host in hosts {
            query.add("extrahosts", host);
        }
        for tag in self.tags(tags)? {
            query.add("t", tag);
        }
        let arguments = strings(query.get("buildargs"))?;
        let mut labels = Map::new();
        for (name, value) in strings(query.get("labels"))? {
            labels.insert(name, Value::String(value));
        }
        labels.retain(|name, _| !labels::is_ours(name));
        query.set("labels", Value::Object(labels).to_string());
        let dockerfile = query.get("dockerfile").filter(|name| !name.is_empty()).unwrap_or("Dockerfile").to_owned();
        Ok(Judged { query, dockerfile, arguments, pull })
    }

    /// Sets what contains the commands of the build.
    async fn bound(&self, query: &mut Query) -> Result<(), Refusal> {
        let mode = query.take("networkmode").pop().unwrap_or_default();
        let network = match mode.strip_prefix("container:") {
            Some(name) => format!("container:{}", self.container_id(name).await?),
            None if mode == "none" => mode,
            None => self.joinable(&mode).await?,
        };
        query.set("networkmode", network);
        if let Some(memory) = self.containment.memory {
            query.set("memory", memory.to_string());
            query.set("memswap", memory.to_string());
        }
        if let Some(cpus) = self.containment.nano_cpus {
            // The classic builder knows no other way to say it: so many microseconds of each 100 ms.
            query.set("cpuperiod", "100000");
            query.set("cpuquota", (cpus / 10_000).max(1000).to_string());
        }
        query.set("rm", "1");
        query.set("forcerm", "1");
        Ok(())
    }

    /// The engine's names for what the build makes.
    fn tags(&self, asked: Vec<String>) -> Result<Vec<String>, Refusal> {
        let asked: Vec<String> = asked.into_iter().filter(|tag| !tag.is_empty()).collect();
        asked.iter().map(|tag| self.images.give(&normal(tag)?, &self.origin)).collect()
    }

    /// The id of an image that a Dockerfile names, which is fetched where the engine does not have it. By its id, it is
    /// the one that was looked at, whatever happens to its name meanwhile.
    async fn base(&self, asked: &str, bases: &Bases) -> Result<String, Refusal> {
        let real = self.image(asked).await?;
        let is_public = normal(asked).is_ok_and(|public| public == real);
        if (is_public && bases.pull) || !self.engine.has_image(&real).await.map_err(Refusal::from)? {
            self.engine.pull(&real, self.login(&real)).await.map_err(Refusal::from)?;
        }
        let found = self.engine.inspect_image(&real).await;
        let found = found.map_err(|error| Refusal::from(self.engine.error("look at the base image", &error)))?;
        for text in found.config.and_then(|config| config.on_build).unwrap_or_default() {
            trigger(&text).map_err(|why| Refusal::forbidden(format!("building on {asked}, which says {why}")))?;
        }
        let id = found.id.ok_or_else(|| Refusal::missing("image", asked))?;
        if is_public {
            self.images.used(&real);
        }
        bases.note(&id, asked);
        Ok(id)
    }

    /// The context with its Dockerfile rewritten, made while it is read.
    fn rewritten(
        self: &Arc<Self>,
        body: Incoming,
        dockerfile: String,
        arguments: BTreeMap<String, String>,
        bases: Bases,
        failure: Arc<Mutex<Option<String>>>,
    ) -> Body {
        let (given, taken) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING);
        let (written, mut sent) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING);
        tokio::spawn(async move {
            let mut pieces = body.into_data_stream().map_err(io::Error::other);
            loop {
                let piece = pieces.try_next().await.transpose();
                let Some(piece) = piece else { break };
                let failed = piece.is_err();
                if given.send(piece).await.is_err() || failed {
                    break;
                }
            }
        });
        let this = Arc::clone(self);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let label = format!("{}={}", labels::SOCKET, this.origin.socket_mark());
            let image = |name: &str| runtime.block_on(this.base(name, &bases)).map_err(|refusal| refusal.message);
            let rewriting = Rewriting { label: &label, arguments: &arguments, image: &image };
            let reader = PieceReader { pieces: taken, piece: Bytes::new() };
            let mut writer = PieceWriter { pieces: written.clone(), piece: Vec::new() };
            let copied = context::copy(reader, &mut writer, &dockerfile, |text| rewriting.of(text));
            if let Err(error) = copied.and_then(|()| writer.flush()) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                // The engine may have hung up already.
                let _ = written.blocking_send(Err(error));
            }
        });
        streamed(futures_util::stream::poll_fn(move |context| {
            sent.poll_recv(context).map(|piece| piece.map(|piece| piece.map_err(Into::into)))
        }))
    }
}

/// Texts by name, from an option that holds JSON; what is null is left out.
fn strings(text: Option<&str>) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(BTreeMap::new()) };
    let given: Option<BTreeMap<String, Option<String>>> = serde_json::from_str(text)
        .map_err(|_| Refusal::bad("the arguments or labels of this build are not texts by name"))?;
    Ok(given.unwrap_or_default().into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
