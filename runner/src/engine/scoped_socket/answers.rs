//! Bringing the engine's answers to the step: whole, as a stream, or as the connection itself.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};

use super::{
    names::is_wanted,
    refusal::{Refusal, full, json_response},
    scope::Scope,
    target::Query,
    upstream::{Body, Call, passed, read_answer, streamed},
};
use crate::{engine::labels, steps::NETWORK_OPTIONS};

/// What a client may know of the engine's answer besides its body.
const HEADERS: [&str; 7] =
    ["api-version", "content-type", "docker-experimental", "ostype", "server", "swarm", "x-docker-container-path-stat"];
/// The longest line of a stream of JSON, in bytes.
const LINE_LIMIT: usize = 4 * 1024 * 1024;

impl Scope {
    /// A text of the engine's in the step's names.
    pub(super) fn disguise(&self, text: &[u8]) -> String {
        self.names.disguise(&String::from_utf8_lossy(text), &self.images.pairs())
    }

    /// Asks, and answers with a JSON text in the step's names.
    pub(super) async fn told(&self, call: Call) -> Result<Response<Body>, Refusal> {
        let answer = self.upstream.ask(call).await?;
        self.whole(answer).await
    }

    async fn whole(&self, answer: Response<Incoming>) -> Result<Response<Body>, Refusal> {
        let (head, body) = answer.into_parts();
        let text = self.disguise(&read_answer(body).await?);
        let text = match serde_json::from_str(&text) {
            Ok(told) => without_ours(told).to_string(),
            Err(_) => text,
        };
        Ok(with_head(&head, full(text.into())))
    }

    /// Asks, and answers with the body as it comes; with a failure in the step's names.
    pub(super) async fn streamed(&self, call: Call) -> Result<Response<Body>, Refusal> {
        let answer = self.upstream.ask(call).await?;
        if !answer.status().is_success() {
            return self.whole(answer).await;
        }
        let (head, body) = answer.into_parts();
        Ok(with_head(&head, passed(body)))
    }

    /// Asks, and answers with a stream of JSON texts, each on a line of its own, in the step's names. `more` says what else
    /// is called differently there, with the step's name for it.
    pub(super) async fn lines(
        &self,
        call: Call,
        more: impl Fn() -> Vec<(String, String)> + Send + 'static,
    ) -> Result<Response<Body>, Refusal> {
        let answer = self.upstream.ask(call).await?;
        if !answer.status().is_success() {
            return self.whole(answer).await;
        }
        let (head, body) = answer.into_parts();
        let (names, images) = (self.names.clone(), self.images.clone());
        let disguise =
            move |text: &[u8]| names.disguise(&String::from_utf8_lossy(text), &[images.pairs(), more()].concat());
        let lines = futures_util::stream::unfold(
            (body.into_data_stream(), BytesMut::new(), disguise, false),
            |(mut pieces, mut waiting, disguise, ended)| async move {
                if ended {
                    return None;
                }
                loop {
                    match pieces.next().await {
                        Some(Ok(piece)) => {
                            waiting.extend_from_slice(&piece);
                            let end = waiting.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
                            // A line that never ends is passed on as it is.
                            let end = end.or_else(|| (waiting.len() > LINE_LIMIT).then_some(waiting.len()));
                            if let Some(end) = end {
                                let text = disguise(&waiting.split_to(end));
                                return Some((Ok(Bytes::from(text)), (pieces, waiting, disguise, false)));
                            }
                        }
                        Some(Err(error)) => return Some((Err(error.into()), (pieces, waiting, disguise, true))),
                        None if waiting.is_empty() => return None,
                        None => {
                            let text = disguise(&waiting.split());
                            return Some((Ok(Bytes::from(text)), (pieces, waiting, disguise, true)));
                        }
                    }
                }
            },
        );
        Ok(with_head(&head, streamed(lines)))
    }

    /// Asks for a list, and answers with what has a wanted name. `within` is the field that holds the list.
    pub(super) async fn listed(
        &self,
        call: Call,
        within: Option<&str>,
        wanted: &[String],
    ) -> Result<Response<Body>, Refusal> {
        let answer = self.upstream.ask(call).await?;
        let status = answer.status();
        let text = self.disguise(&read_answer(answer.into_body()).await?);
        let Ok(mut told) = serde_json::from_str::<Value>(&text) else {
            return Ok(json_response(status, text.into()));
        };
        let list = match within {
            Some(field) => told.get_mut(field),
            None => Some(&mut told),
        };
        if let Some(Value::Array(list)) = list {
            list.retain(|item| names_of(item).any(|name| is_wanted(name.trim_start_matches('/'), wanted)));
        }
        Ok(json_response(status, without_ours(told).to_string().into()))
    }

    /// The filters of a list in the engine's terms, and with the label of what is the build's own.
    pub(super) async fn filters(
        &self,
        query: &Query,
        known: &[&str],
    ) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
        let mut filters = parse_filters(query.get("filters").unwrap_or_default())?;
        if let Some(unknown) = filters.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Refusal::forbidden(format!("the filter `{unknown}` is not for steps")));
        }
        for (kind, values) in &mut filters {
            for value in values {
                *value = match kind.as_str() {
                    "network" => match self.joinable(value).await {
                        Ok(real) => real,
                        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => nobodys(),
                        Err(refusal) => return Err(refusal),
                    },
                    "volume" if !value.starts_with('/') => self.names.real(value)?,
                    "ancestor" => self.image(value).await.unwrap_or_else(|_| nobodys()),
                    "container" => self.container_id(value).await.unwrap_or_else(|_| nobodys()),
                    _ => continue,
                };
            }
        }
        let own = format!("{}={}", labels::SOCKET, self.origin.socket_mark());
        let job = format!("{}={}", labels::JOB, self.origin.job);
        filters.entry("label".to_owned()).or_default().extend([own, job]);
        Ok(filters)
    }

    /// Asks for the connection itself, and joins it with the client's.
    pub(super) async fn hijack(&self, call: Call, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        if !request.headers().contains_key(header::UPGRADE) {
            // Without it only the engine speaks.
            return self.streamed(call).await;
        }
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::forbidden("so many streams at once in one build"))?;
        let client = hyper::upgrade::on(&mut request);
        let mut answer = self.upstream.ask(call.upgrade()).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.whole(answer).await;
        }
        let engine = hyper::upgrade::on(&mut answer);
        let closed = self.closed.clone();
        tokio::spawn(closed.run_until_cancelled_owned(async move {
            let _permit = permit;
            if let (Ok(client), Ok(engine)) = tokio::join!(client, engine) {
                // Whoever hangs up ends it; there is nobody left to tell.
                let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine)).await;
            }
        }));
        let (head, _) = answer.into_parts();
        let mut response = with_head(&head, full(Bytes::new()));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("tcp"));
        Ok(response)
    }
}

/// The status and the headers of the engine's answer with another body.
pub(super) fn with_head(head: &hyper::http::response::Parts, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    for name in HEADERS {
        if let Some(value) = head.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Takes out the labels and the options of networks that are Slipway's: clients compare what they find with what they asked
/// for, and docker-compose warns of each label that it did not set, and goes on with no network that has another option.
pub(super) fn without_ours(mut told: Value) -> Value {
    match &mut told {
        Value::Object(fields) => {
            if let Some(Value::Object(labels)) = fields.get_mut("Labels") {
                labels.retain(|name, _| !labels::is_ours(name));
            }
            if let Some(Value::Object(options)) = fields.get_mut("Options") {
                options.retain(|name, _| !NETWORK_OPTIONS.contains(&name.as_str()));
            }
            fields.values_mut().for_each(|value| *value = without_ours(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_ours(value.take())),
        _ => {}
    }
    told
}

/// A name that nothing has, for a filter that shall find nothing.
fn nobodys() -> String {
    "slipway-nobody".to_owned()
}

/// Both forms of the engine's filters: `{"name": ["a"]}` and `{"name": {"a": true}}`.
fn parse_filters(text: &str) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
    let wrong = || Refusal::bad("the filters of this request are not an object of lists");
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let given: Map<String, Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    let mut filters = BTreeMap::new();
    for (name, values) in given {
        let values = match values {
            Value::Array(list) => list
                .into_iter()
                .map(|value| if let Value::String(text) = value { Ok(text) } else { Err(wrong()) })
                .collect::<Result<Vec<_>, _>>()?,
            Value::Object(map) => map.into_iter().map(|(value, _)| value).collect(),
            _ => return Err(wrong()),
        };
        filters.insert(name, values);
    }
    Ok(filters)
}

fn names_of(item: &Value) -> impl Iterator<Item = &str> {
    let several = item.get("Names").and_then(Value::as_array).into_iter().flatten();
    several.chain(item.get("Name")).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn our_labels_and_options_are_not_shown() {
        let told = json!([{"Labels": {"a": "b", "slipway.job": "x"}, "Config": {"Labels": {"slipway": "step"}, "Env": ["slipway"]},
                           "Options": {"c": "d", "com.docker.network.bridge.name": "slw012345678901"}}]);
        let left = json!([{"Labels": {"a": "b"}, "Config": {"Labels": {}, "Env": ["slipway"]}, "Options": {"c": "d"}}]);
        assert_eq!(without_ours(told), left);
    }

    #[test]
    fn filters_come_in_two_forms() {
        let expected = BTreeMap::from([("label".to_owned(), vec!["a=b".to_owned()])]);
        assert_eq!(parse_filters(r#"{"label":["a=b"]}"#).unwrap(), expected);
        assert_eq!(parse_filters(r#"{"label":{"a=b":true}}"#).unwrap(), expected);
        assert_eq!(parse_filters("").unwrap(), BTreeMap::new());
        for wrong in ["[]", "{\"label\":1}", "{\"label\":[1]}", "x"] {
            assert!(parse_filters(wrong).is_err(), "{wrong}");
        }
    }
}
