//! What is done with images.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use hyper::{
    Method, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    answers::without_ours,
    images::{Named, is_a_builds, normal},
    refusal::{Refusal, json_response},
    route::ImageVerb,
    scope::Scope,
    target::Target,
    upstream::{Body, Call, read_answer},
};
use crate::engine::labels;

impl Scope {
    /// A request about one image.
    pub(super) async fn image_call(
        &self,
        target: Target,
        name: &str,
        verb: ImageVerb,
    ) -> Result<Response<Body>, Refusal> {
        match verb {
            ImageVerb::Inspect => self.inspect_image(target, name).await,
            ImageVerb::History => {
                target.query.only(&["platform"])?;
                let path = format!("{}/images/{}/history", target.version, self.image(name).await?);
                self.told(Call::new(Method::GET, path)).await
            }
            ImageVerb::Tag => self.tag(target, name).await,
            ImageVerb::Remove => self.remove_image(target, name).await,
        }
    }

    async fn inspect_image(&self, target: Target, name: &str) -> Result<Response<Body>, Refusal> {
        target.query.only(&["manifests", "platform"])?;
        let path = format!("{}/images/{}/json", target.version, self.image(name).await?);
        let answer = self.upstream.ask(Call::new(Method::GET, path)).await?;
        let status = answer.status();
        let text = read_answer(answer.into_body()).await?;
        let Ok(mut told) = serde_json::from_slice::<Value>(&text) else {
            return Ok(json_response(status, self.disguise(&text).into()));
        };
        self.hide_names(&mut told);
        Ok(json_response(status, self.disguise(without_ours(told).to_string().as_bytes()).into()))
    }

    /// Takes out the names that other builds have for an image.
    fn hide_names(&self, told: &mut Value) {
        let own = self.images.pairs();
        if let Some(Value::Array(tags)) = told.get_mut("RepoTags") {
            tags.retain(|tag| {
                tag.as_str().is_some_and(|tag| !is_a_builds(tag) || own.iter().any(|(real, _)| real == tag))
            });
        }
    }

    async fn tag(&self, target: Target, name: &str) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["repo", "tag", "force"])?;
        let asked = joined(query.take("repo").pop().unwrap_or_default(), query.take("tag").pop());
        let source = self.image(name).await?;
        let real = self.images.give(&normal(&asked)?, &self.origin)?;
        let (repo, tag) = real.rsplit_once(':').unwrap_or((&real, "latest"));
        query.set("repo", repo);
        query.set("tag", tag);
        let path = format!("{}/images/{source}/tag?{}", target.version, query.encode());
        self.told(Call::new(Method::POST, path)).await
    }

    async fn remove_image(&self, target: Target, name: &str) -> Result<Response<Body>, Refusal> {
        let query = target.query.only(&["force", "noprune"])?;
        let normal = normal(name)?;
        let real = match self.images.get(&normal) {
            Some(Named::Made(real)) => real,
            Some(Named::Built(_)) => {
                return Err(Refusal::forbidden(format!("removing {name}, which the build needs until its end")));
            }
            Some(Named::Public) => {
                return Err(Refusal::forbidden(format!("removing {name}, which other builds may use, too")));
            }
            None => {
                let real = self.image(name).await?;
                if real == normal {
                    return Err(Refusal::missing("image", name));
                }
                if !self.is_made_here(&real).await? {
                    return Err(Refusal::forbidden(format!("removing {name}, which other builds may use, too")));
                }
                real
            }
        };
        let path = format!("{}/images/{real}?{}", target.version, query.encode());
        let answer = self.told(Call::new(Method::DELETE, path)).await?;
        if answer.status() == StatusCode::OK {
            self.images.forget(&normal);
        }
        Ok(answer)
    }

    /// Whether an image was built through this socket.
    async fn is_made_here(&self, id: &str) -> Result<bool, Refusal> {
        let found = self.engine.inspect_image(id).await;
        let found = found.map_err(|error| Refusal::from(self.engine.error("look for the image", &error)))?;
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(labels.get(labels::SOCKET) == Some(&self.origin.socket_mark()))
    }

    /// `POST /images/create`: a pull, with the login of its registry where the plan names the image.
    pub(super) async fn pull(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["fromImage", "tag", "platform"])?;
        let from = query.take("fromImage").pop().filter(|from| !from.is_empty());
        let from = from.ok_or_else(|| Refusal::forbidden("docker import. Build the image, or pull it"))?;
        let name = normal(&joined(from, query.take("tag").pop()))?;
        if matches!(self.images.get(&name), Some(Named::Made(_) | Named::Built(_))) {
            let told = json!({ "status": format!("Status: Image is up to date for {name}, which this build made") });
            return Ok(json_response(StatusCode::OK, Bytes::from(format!("{told}\r\n"))));
        }
        if is_a_builds(&name) {
            return Err(Refusal::missing("image", &name));
        }
        self.may_use(&name).await?;
        query.set("fromImage", name.as_str());
        self.images.used(&name);
        let mut call = Call::new(Method::POST, format!("{}/images/create?{}", target.version, query.encode()));
        if let Some(login) = self.login(&name)
            && let Ok(text) = serde_json::to_string(&login)
            && let Ok(value) = HeaderValue::from_str(&URL_SAFE.encode(text))
        {
            call.headers.push((HeaderName::from_static("x-registry-auth"), value));
        }
        self.streamed(call).await
    }

    /// `GET /images/json`.
    pub(super) async fn list_images(&self, target: Target) -> Result<Response<Body>, Refusal> {
        let mut query = target.query.only(&["all", "digests", "filter", "filters", "shared-size", "manifests"])?;
        query.take("filter");
        let mut filters = self.filters(&query, &["dangling", "label", "reference"]).await?;
        // What the build uses besides what it made has no label.
        if let Some(labels) = filters.get_mut("label") {
            labels.retain(|label| !label.starts_with("slipway."));
        }
        let references = filters.remove("reference").unwrap_or_default();
        query.set("filters", json!(filters).to_string());
        let path = format!("{}/images/json?{}", target.version, query.encode());
        let answer = self.upstream.ask(Call::new(Method::GET, path)).await?;
        let status = answer.status();
        let text = read_answer(answer.into_body()).await?;
        let Ok(Value::Array(mut list)) = serde_json::from_slice(&text) else {
            return Ok(json_response(status, self.disguise(&text).into()));
        };
        let own = self.images.pairs();
        let mark = self.origin.socket_mark();
        list.retain_mut(|image| {
            let made = image.pointer("/Labels").and_then(|labels| labels.get(labels::SOCKET)?.as_str()) == Some(&mark);
            let Some(Value::Array(tags)) = image.get_mut("RepoTags") else { return made && references.is_empty() };
            tags.retain_mut(|tag| {
                let Some(name) = tag.as_str() else { return false };
                let asked = match own.iter().find(|(real, _)| real == name) {
                    Some((_, asked)) => asked.clone(),
                    None if self.images.get(name) == Some(Named::Public) => name.to_owned(),
                    None => return false,
                };
                let kept = references.is_empty() || references.iter().any(|reference| refers(reference, &asked));
                *tag = Value::String(asked);
                kept
            });
            !tags.is_empty() || (made && references.is_empty())
        });
        Ok(json_response(status, self.disguise(without_ours(Value::Array(list)).to_string().as_bytes()).into()))
    }
}

/// Whether a filter's reference means a name with its tag.
fn refers(reference: &str, name: &str) -> bool {
    let (repo, _) = name.rsplit_once(':').unwrap_or((name, ""));
    match reference.split_once('*') {
        Some((start, end)) => name.starts_with(start) && name.ends_with(end),
        None => reference == name || reference == repo,
    }
}

/// A name and its tag or digest in one.
fn joined(name: String, tag: Option<String>) -> String {
    match tag.filter(|tag| !tag.is_empty()) {
        Some(tag) if tag.contains(':') => format!("{name}@{tag}"),
        Some(tag) => format!("{name}:{tag}"),
        None => name,
    }
}
