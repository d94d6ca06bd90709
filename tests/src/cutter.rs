//! A bad line to a server: it cuts connections in the middle of answers, so that callers must repeat what was done
//! already.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::api::http_client;

/// The longest body that passes.
const LONGEST: usize = 64 * 1024 * 1024;
/// Of the calls that were answered before, every so-manyth is cut again.
const ONE_IN: u64 = 4;

/// The line. Every address is cut when it is called for the first time, after the server has done what was asked;
/// later calls are cut at random.
#[derive(Debug)]
pub struct Cutter {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    client: reqwest::Client,
    called: Mutex<HashSet<(Method, String)>>,
    /// None on a line that is good as long as it is there.
    random: Option<AtomicU64>,
    cut: AtomicUsize,
    down: AtomicBool,
}

impl Cutter {
    /// A line to the server at this address. The seed is printed, for a test that fails.
    ///
    /// # Panics
    /// When there is no port.
    #[expect(clippy::print_stdout, reason = "the harness shows it where the test fails")]
    pub async fn to(server: &str) -> Self {
        let seed = ulid::Ulid::generate().0 as u64 | 1;
        println!("the line to {server} is cut by the seed {seed}");
        Self::with(server, Some(AtomicU64::new(seed))).await
    }

    /// A line that cuts nothing, but can be taken down.
    pub async fn quiet(server: &str) -> Self {
        Self::with(server, None).await
    }

    async fn with(server: &str, random: Option<AtomicU64>) -> Self {
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            client: http_client(),
            called: Mutex::default(),
            random,
            cut: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("to serve") });
        Cutter { url, shared, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many answers were cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Lets nothing through, or everything again.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn is_cut(&self, method: &Method, path: &str) -> bool {
        let Some(random) = &self.random else { return false };
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        called.insert((method.clone(), path.to_owned())) || next(random).is_multiple_of(ONE_IN)
    }
}

/// xorshift64, as Marsaglia has it: good enough to be unpredictable, and repeated by its seed.
fn next(random: &AtomicU64) -> u64 {
    let step = |mut x: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^ (x << 17)
    };
    let before = random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(step(x)));
    step(before.unwrap_or_default()) >> 16
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    if shared.down.load(Ordering::Relaxed) {
        return cut(Bytes::new());
    }
    match asked(&shared, &parts.method, &parts.uri, parts.headers, body).await {
        Some((head, answer)) if shared.is_cut(&parts.method, parts.uri.path()) => {
            shared.cut.fetch_add(1, Ordering::Relaxed);
            drop(head);
            cut(answer.slice(..answer.len() / 2))
        }
        Some((mut head, answer)) => {
            *head.body_mut() = Body::from(answer);
            head
        }
        None => cut(Bytes::new()),
    }
}

/// The server's answer: its head, and its body.
async fn asked(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Option<(Response, Bytes)> {
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let request = shared.client.request(method.clone(), format!("{}{uri}", shared.server)).headers(headers).body(body);
    let answer = request.send().await.ok()?;
    let mut head = Response::new(Body::empty());
    *head.status_mut() = answer.status();
    if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
        head.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    Some((head, answer.bytes().await.ok()?))
}

/// The beginning of an answer, after which the connection breaks.
fn cut(beginning: Bytes) -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::iter([Ok(beginning), Err(broken)])))
}
