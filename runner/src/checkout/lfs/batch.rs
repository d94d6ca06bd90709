//! Fetching large files: Git LFS's Batch API with its basic transfers.
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use reqwest::{
    Proxy, RequestBuilder, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde::Deserialize;
use serde_json::json;

use super::{pointer::Pointer, store::Store};
use crate::{
    checkout::{CheckoutError, CloneAddress, Watch},
    tls,
};

/// How long a server may stay silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How many files are asked for at once, as git's own client does it.
const BATCH: usize = 100;
/// How many files are fetched at the same time.
const PARALLEL: usize = 4;
/// The longest answer that is no file, in bytes.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// How often one may be sent elsewhere.
const REDIRECTS: usize = 5;
/// What requests and answers of the API are.
const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// A client of one server, which asks through the gate.
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    login: Option<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Answer {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    #[serde(default)]
    actions: Actions,
    error: Option<Trouble>,
}

#[derive(Default, Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Trouble {
    message: String,
}

impl Client {
    pub(super) fn new(server: &CloneAddress, gate: &str) -> Result<Self, CheckoutError> {
        tls::provide();
        let mut endpoint = Url::parse(server.full())
            .ok()
            .filter(is_web)
            .ok_or_else(|| failed(format!("{} is no web address", server.shown())))?;
        let login = (!endpoint.username().is_empty() || endpoint.password().is_some())
            .then(|| (decoded(endpoint.username()), endpoint.password().map(decoded)));
        // The login is sent in a header, and seen in no message.
        let _ = (endpoint.set_username(""), endpoint.set_password(None));
        let http = Proxy::all(gate).and_then(|gate| {
            let builder = reqwest::Client::builder().proxy(gate).redirect(redirect::Policy::limited(REDIRECTS));
            builder.connect_timeout(SILENCE_LIMIT).read_timeout(SILENCE_LIMIT).build()
        });
        let http = http.map_err(|error| failed(error.to_string()))?;
        Ok(Client { http, endpoint, login })
    }

    /// Fetches files into the store.
    pub(super) async fn fetch(&self, missing: &[Pointer], store: &Store, watch: &Watch) -> Result<(), CheckoutError> {
        for batch in missing.chunks(BATCH) {
            watch.check()?;
            let actions = self.ask(batch).await?;
            let fetching = batch.iter().map(|pointer| {
                let action = actions.get(&pointer.oid);
                async move {
                    let action = action.ok_or_else(|| failed(format!("the server does not have {}", pointer.oid)))?;
                    self.download(pointer, action, store, watch).await
                }
            });
            futures_util::stream::iter(fetching).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Asks where files are.
    async fn ask(&self, batch: &[Pointer]) -> Result<BTreeMap<String, Action>, CheckoutError> {
        let objects: Vec<_> = batch.iter().map(|of| json!({ "oid": of.oid, "size": of.size })).collect();
        let body =
            json!({ "operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256" });
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}/objects/batch", self.endpoint.path().trim_end_matches('/')));
        let mut request = self.http.post(url).header(header::ACCEPT, MEDIA_TYPE).body(body.to_string());
        request = request.header(header::CONTENT_TYPE, MEDIA_TYPE);
        let answer = self.with_login(request).send().await.map_err(|error| self.unreachable(&error))?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND => {
                return Err(failed(format!("{} keeps no files of this repository", self.endpoint)));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let how = "a repository at GitHub is given one with `slipway forge set NAME --fetch`";
                return Err(failed(format!("{} refuses the login, or asks for one: {how}", self.endpoint)));
            }
            status => return Err(failed(format!("{} answers {status}", self.endpoint))),
        }
        let mut text = Vec::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.unreachable(&error))? {
            text.extend_from_slice(&piece);
            if text.len() > ANSWER_LIMIT {
                return Err(failed(format!("{} answers with more than {ANSWER_LIMIT} bytes", self.endpoint)));
            }
        }
        let answer: Answer = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("{} answers with something else: {error}", self.endpoint)))?;
        let mut actions = BTreeMap::new();
        for object in answer.objects {
            if let Some(trouble) = object.error {
                return Err(failed(format!("{}: {}", object.oid, trouble.message)));
            }
            actions.extend(object.actions.download.map(|action| (object.oid, action)));
        }
        Ok(actions)
    }

    async fn download(
        &self,
        pointer: &Pointer,
        action: &Action,
        store: &Store,
        watch: &Watch,
    ) -> Result<(), CheckoutError> {
        let url = Url::parse(&action.href).ok().filter(is_web);
        let url = url.ok_or_else(|| failed(format!("{} is to be had at no web address", pointer.oid)))?;
        let place = url.host_str().unwrap_or_default().to_owned();
        let headers = headers(&action.header);
        let is_own = url.origin() == self.endpoint.origin() && !headers.contains_key(header::AUTHORIZATION);
        let request = self.http.get(url).headers(headers);
        let request = if is_own { self.with_login(request) } else { request };
        let answer = request.send().await.map_err(|error| cut_off(pointer, &error))?;
        if !answer.status().is_success() {
            return Err(failed(format!("{place} answers {} for {}", answer.status(), pointer.oid)));
        }
        let mut draft = store.draft(pointer)?;
        let mut pieces = answer.bytes_stream();
        let other = || failed(format!("{place} gives another file than {}, of {} bytes", pointer.oid, pointer.size));
        while let Some(piece) = pieces.try_next().await.map_err(|error| cut_off(pointer, &error))? {
            watch.check()?;
            watch.receive(piece.len())?;
            if !draft.add(&piece)? {
                return Err(other());
            }
        }
        if draft.complete()? { Ok(()) } else { Err(other()) }
    }

    fn with_login(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some((user, password)) => request.basic_auth(user, password.as_ref()),
            None => request,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CheckoutError {
        failed(format!("{} does not answer: {}", self.endpoint, in_words(error)))
    }
}

fn cut_off(pointer: &Pointer, error: &reqwest::Error) -> CheckoutError {
    failed(format!("{} was not received: {}", pointer.oid, in_words(error)))
}

/// The error without its address, which may hold a signature.
fn in_words(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn failed(why: String) -> CheckoutError {
    CheckoutError::LargeFiles(why)
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
}

/// What the server wants to hear again where the file is.
fn headers(given: &BTreeMap<String, String>) -> HeaderMap {
    let pairs = given.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        // These are the client's own to say.
        let own = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
        (!own.contains(&name)).then_some(())?;
        Some((name, HeaderValue::try_from(value.as_str()).ok()?))
    });
    pairs.collect()
}

/// A part of an address as it was before it was written into one.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
