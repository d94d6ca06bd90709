//! A client of Slipway's HTTP, which keeps every answer whole so that tests can read what a person would see.

use std::sync::Once;

use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde_json::Value;

/// A client that follows no redirects.
///
/// # Panics
/// When the machine gives it no sockets.
#[must_use]
pub fn http_client() -> Client {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        // Another test of this process may have been first; the provider is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    Client::builder().redirect(redirect::Policy::none()).build().expect("an HTTP client")
}

/// Speaks to one server, with headers of its own.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    url: String,
    headers: HeaderMap,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Api {
    /// A client of the server at `url` that sends no credentials.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Api { client: http_client(), url: url.trim_end_matches('/').to_owned(), headers: HeaderMap::new() }
    }

    /// The same client with one more header.
    ///
    /// # Panics
    /// When the header cannot be one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// The same client with a token.
    #[must_use]
    pub fn bearing(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// GETs a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POSTs JSON to a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// PUTs JSON to a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// DELETEs a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// POSTs a form to a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Some(("application/x-www-form-urlencoded", form.into_bytes()))).await
    }

    /// Sends anything.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).headers(self.headers.clone());
        if let Some((content_type, bytes)) = body {
            request = request.header("content-type", content_type).body(bytes);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }
}

impl Answer {
    /// Reads an answer whole.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn of(response: reqwest::Response) -> Self {
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("the whole body"),
        }
    }

    /// The answer, if it has this status.
    ///
    /// # Panics
    /// With the whole answer, when it has another.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another status than expected: {}", self.body);
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }

    /// What a refusal says: the `detail` of a problem.
    ///
    /// # Panics
    /// When the answer is no problem.
    #[must_use]
    pub fn detail(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "no problem: {}", self.body);
        self.json()["detail"].as_str().expect("a detail").to_owned()
    }

    /// A header's text; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
