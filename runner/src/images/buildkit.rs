//! Building by the engine's own BuildKit, over its REST API with a session.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bollard::models::{BuildInfo, BuildInfoAux};
use futures_util::TryStreamExt;
use reqwest::{
    Body,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use url::form_urlencoded;

use super::{
    BuiltImage, ContextLimits, ImageBuilder, ImageError, ImageRequest, apart,
    context::Context,
    progress::Progress,
    reports::{Broken, Reports},
    session::Session,
};
use crate::{
    coordinator::LogStream,
    engine::{Engine, EngineError, Line},
    reporter::StepLog,
    steps::StepNetwork,
};

const DOING: &str = "build the image";
/// The argument that keeps the cache mounts of a Dockerfile apart from those of others under the same id:
/// <https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args>
const CACHES: &str = "BUILDKIT_CACHE_MOUNT_NS";
/// The argument that puts the account of an image's layers into the image.
const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";

/// Builds images on one engine.
#[derive(Debug, Clone)]
pub(crate) struct BuildKit {
    engine: Engine,
    limits: ContextLimits,
    /// What the commands of Dockerfiles reach.
    reach: StepNetwork,
}

impl BuildKit {
    pub(crate) fn new(engine: Engine, limits: ContextLimits, reach: StepNetwork) -> Self {
        BuildKit { engine, limits, reach }
    }
}

#[async_trait]
impl ImageBuilder for BuildKit {
    async fn build(&self, request: ImageRequest, log: &StepLog) -> Result<BuiltImage, ImageError> {
        let context = Context::open(&request, self.limits)?;
        if request.is_apart {
            let args = request.build_args.iter().map(|(name, _)| name.as_str());
            apart::check(context.dockerfile(), args).map_err(ImageError::Build)?;
        }
        let line = Line::to(&self.engine)?;
        let session = Session::open(&line, request.registries.clone(), request.secrets.clone()).await?;
        let path = format!("/build?{}", query(&request, &context.dockerfile_name, &session.id, self.reach));
        // The engine says only that the stream ended early; what failed on this side is kept aside.
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let keep = failure.clone();
        let body = Body::wrap_stream(context.stream().inspect_err(move |error| {
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }));
        let ours = || failure.lock().unwrap_or_else(PoisonError::into_inner).take().map(ImageError::Build);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"))]);
        let answer = line.post(DOING, &path, headers, body).await.map_err(|error| ours().unwrap_or(explain(error)))?;
        let mut reports = Reports::of(Box::pin(answer.bytes_stream()));
        let mut progress = Progress::new(log.masks().clone());
        loop {
            let report = reports.next().await.map_err(|broken| {
                ours().unwrap_or_else(|| match broken {
                    Broken::Connection(error) => line.unreachable(&error).into(),
                    Broken::Report(error) => error,
                })
            })?;
            let Some(report) = report else { break };
            if let Some(message) = report.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
                return Err(ours().unwrap_or(ImageError::Build(message.trim().to_owned())));
            }
            if let Some(id) = tell(report, &mut progress, log).await {
                return Ok(BuiltImage { id, layers: progress.layers(), fetched: progress.fetched() });
            }
        }
        Err(ImageError::Build("BuildKit ended without naming an image".to_owned()))
    }
}

fn explain(error: EngineError) -> ImageError {
    match error {
        EngineError::Refused { message, .. } => ImageError::Build(message),
        unreachable => unreachable.into(),
    }
}

/// What the engine is asked for: <https://docs.docker.com/reference/api/engine/version/v1.41/#operation/ImageBuild>
fn query(request: &ImageRequest, dockerfile: &str, session: &str, reach: StepNetwork) -> String {
    let map = |pairs: &[(String, String)], more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let pairs: BTreeMap<_, _> = pairs.iter().cloned().chain(more).collect();
        serde_json::Value::from_iter(pairs).to_string()
    };
    let caches = (!request.caches.is_empty()).then_some((CACHES, request.caches.as_str()));
    let account = request.tells_layers.then_some((INLINE_CACHE, "1"));
    let own: Vec<_> = caches.into_iter().chain(account).collect();
    let cache_from = serde_json::Value::from(request.cache_from.as_slice()).to_string();
    form_urlencoded::Serializer::new(String::new())
        // BuildKit.
        .append_pair("version", "2")
        .append_pair("session", session)
        .append_pair("dockerfile", dockerfile)
        .append_pair("target", request.target.as_deref().unwrap_or_default())
        .append_pair("buildargs", &map(&request.build_args, &own))
        .append_pair("labels", &map(&request.labels, &[]))
        .append_pair("cachefrom", &cache_from)
        .append_pair("nocache", if request.is_fresh { "1" } else { "" })
        .append_pair("networkmode", if reach.is_closed() { "none" } else { "" })
        .append_pair("rm", "1")
        .extend_pairs(request.is_apart.then(|| ("extrahosts", apart::host(&request.caches))))
        .finish()
}

/// Writes a report to the log, and returns the image's id when it is the last one.
async fn tell(report: BuildInfo, progress: &mut Progress, log: &StepLog) -> Option<String> {
    match report.aux {
        Some(BuildInfoAux::BuildKit(status)) => {
            for (stream, line) in progress.lines(&status) {
                log.line(stream, line).await;
            }
            None
        }
        Some(BuildInfoAux::Default(image)) => image.id,
        None => {
            if let Some(text) = report.stream.or(report.status) {
                log.line(LogStream::Out, text.trim_end()).await;
            }
            None
        }
    }
}
