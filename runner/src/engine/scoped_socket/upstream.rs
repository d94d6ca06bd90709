//! Asking the real engine, one connection for each request.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Empty, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::refusal::Refusal;

/// What went wrong while a body was read.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body on its way.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// The longest JSON answer that is read as a whole.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// How much of a refused request is read, in bytes, and how long that may take.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A connection in both directions.
trait Line: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Line for T {}

/// Where the real engine is.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    address: String,
}

/// A request for the engine.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) body: Body,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Call {
    /// A request without a body.
    pub(super) fn new(method: Method, path: String) -> Self {
        Call { method, path, body: Empty::new().map_err(|never| match never {}).boxed_unsync(), headers: Vec::new() }
    }

    /// The same with a JSON body.
    pub(super) fn json(mut self, value: &serde_json::Value) -> Self {
        self.body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed_unsync();
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        self
    }

    /// The same with a stream as its body.
    pub(super) fn stream(mut self, body: Body, content_type: &'static str) -> Self {
        self.body = body;
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self
    }

    /// The same, asking for the connection itself.
    pub(super) fn upgrade(mut self) -> Self {
        self.headers.push((header::CONNECTION, HeaderValue::from_static("Upgrade")));
        self.headers.push((header::UPGRADE, HeaderValue::from_static("tcp")));
        self
    }
}

impl Upstream {
    pub(super) fn new(address: &str) -> Self {
        Upstream { address: address.to_owned() }
    }

    /// Sends a request, and answers with the beginning of the engine's answer.
    pub(super) async fn ask(&self, call: Call) -> Result<Response<Incoming>, Refusal> {
        let line = self.connect().await.map_err(|error| Refusal::unreachable(&error))?;
        let failed = |error: hyper::Error| Refusal::unreachable(&error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(line)).await.map_err(failed)?;
        // Ends with the answer, or when nobody waits for it any more.
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().method(call.method).uri(call.path).header(header::HOST, "docker");
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request.body(call.body).map_err(|error| Refusal::bad(error.to_string()))?;
        sender.send_request(request).await.map_err(failed)
    }

    async fn connect(&self) -> std::io::Result<Pin<Box<dyn Line>>> {
        if let Some(path) = self.address.strip_prefix("unix://") {
            return Ok(Box::pin(UnixStream::connect(path).await?));
        }
        let address = self.address.split_once("://").map_or(self.address.as_str(), |(_, rest)| rest);
        Ok(Box::pin(TcpStream::connect(address.trim_end_matches('/')).await?))
    }
}

/// Reads a body as a whole, up to a limit in bytes.
pub(super) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let read = Limited::new(body, limit).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        Refusal::bad(format!("the body of this request cannot be read (limit {limit} bytes): {error}"))
    })
}

/// Reads what a refused client still sends, so that it comes to read why; up to a limit, after which it is cut off.
pub(super) async fn drain(mut body: Incoming) {
    let mut read = 0;
    let draining = async {
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_LIMIT {
                break;
            }
        }
    };
    // A client that stops sending is not waited for.
    let _ = tokio::time::timeout(DRAIN_TIME, draining).await;
}

/// Reads an answer as a whole.
pub(super) async fn read_answer(body: Incoming) -> Result<Bytes, Refusal> {
    read(body, ANSWER_LIMIT).await.map_err(|refusal| Refusal::unreachable(&refusal.message))
}

/// A body whose pieces come from elsewhere.
pub(super) fn streamed<S>(pieces: S) -> Body
where
    S: futures_util::Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
}

/// A body as it comes.
pub(super) fn passed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}
