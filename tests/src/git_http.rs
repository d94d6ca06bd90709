//! A real git server over HTTP (`git http-backend`), with the Batch API of Git LFS, and a working tree of git's own client.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};

use crate::api::http_client;

/// Where the API is.
const API: &str = "/api/v3";
/// The longest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The server; gone when dropped.
pub struct GitHttp {
    shelf: Arc<Shelf>,
    serving: JoinHandle<()>,
}

struct Shelf {
    folder: TempDir,
    port: u16,
    seen: Mutex<Vec<Seen>>,
    login: Mutex<Option<String>>,
    elsewhere: Mutex<Option<String>>,
    api: Mutex<Option<String>>,
}

/// A request that the server got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method and path, such as `GET /lib.git/info/refs`.
    pub line: String,
    /// The header `Authorization`, if there was one.
    pub authorization: Option<String>,
}

impl GitHttp {
    /// Starts a server without repositories, which asks for no login.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shelf = Arc::new(Shelf {
            folder: TempDir::new().expect("a temporary directory"),
            port: listener.local_addr().expect("its address").port(),
            seen: Mutex::default(),
            login: Mutex::default(),
            elsewhere: Mutex::default(),
            api: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(shelf.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the server serves");
        });
        GitHttp { shelf, serving }
    }

    /// The server, `host:port`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.shelf.port)
    }

    /// Makes an empty repository that takes pushes, and returns its address.
    #[must_use]
    pub fn repository(&self, name: &str) -> String {
        let path = self.shelf.folder.path().join(format!("{name}.git"));
        git(self.shelf.folder.path(), &["init", "--quiet", "--bare", "-b", "main", &path.display().to_string()]);
        git(&path, &["config", "http.receivepack", "true"]);
        format!("http://{}/{name}.git", self.host())
    }

    /// From now on it asks for a login, `user:password`.
    pub fn ask_for(&self, login: &str) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        *lock(&self.shelf.login) = Some(format!("Basic {}", STANDARD.encode(login)));
    }

    /// From now on it asks for no login.
    pub fn ask_for_nothing(&self) {
        *lock(&self.shelf.login) = None;
    }

    /// Has an API below `/api/v3`, as GitHub Enterprise Server has it, which is the one at this address; answers where.
    #[must_use]
    pub fn with_api(&self, url: &str) -> String {
        *lock(&self.shelf.api) = Some(url.to_owned());
        format!("http://{}{API}", self.host())
    }

    /// From now on it sends everybody to the same path of another server.
    pub fn send_to(&self, host: &str) {
        *lock(&self.shelf.elsewhere) = Some(host.to_owned());
    }

    /// The requests since this was last asked.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *lock(&self.shelf.seen))
    }

    /// Where a large file is kept on the server.
    #[must_use]
    pub fn large_file(&self, oid: &str) -> PathBuf {
        self.shelf.folder.path().join("large").join(oid)
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let line = format!("{} {path}", request.method());
    let api = lock(&shelf.api).clone();
    if let Some((api, below)) = api.zip(path.strip_prefix(API)) {
        return passed_on(&format!("{api}{below}"), request).await;
    }
    lock(&shelf.seen).push(Seen { line, authorization: authorization.clone() });
    if let Some(host) = lock(&shelf.elsewhere).clone() {
        let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
        return (StatusCode::FOUND, [(header::LOCATION, format!("http://{host}{path}{query}"))]).into_response();
    }
    let login = lock(&shelf.login).clone();
    if login.is_some() && login != authorization {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")]).into_response();
    }
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.expect("a whole body");
    if path.ends_with("/info/lfs/objects/batch") {
        batch(&shelf, &body)
    } else if let Some(oid) = path.strip_prefix("/large/") {
        large_file(&shelf, &head.method, oid, &body)
    } else {
        backend(&shelf, &head, &body).await
    }
}

async fn passed_on(url: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.expect("a whole body");
    let asked = http_client().request(head.method, url).headers(head.headers).body(body);
    let answer = asked.send().await.expect("the API answers");
    let status = answer.status();
    (status, answer.bytes().await.expect("a whole answer")).into_response()
}

/// <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>
fn batch(shelf: &Shelf, body: &Bytes) -> Response {
    let asked: Value = serde_json::from_slice(body).expect("a batch");
    let operation = asked["operation"].as_str().expect("an operation").to_owned();
    let objects = asked["objects"].as_array().expect("objects").iter().map(|object| {
        let oid = object["oid"].as_str().expect("an id");
        let is_there = shelf.folder.path().join("large").join(oid).exists();
        let mut told = object.clone();
        if operation == "download" && !is_there {
            told["error"] = json!({ "code": 404, "message": "Object does not exist" });
        } else if operation == "download" || !is_there {
            let href = format!("http://127.0.0.1:{}/large/{oid}", shelf.port);
            told["actions"] = json!({ &operation: { "href": href, "header": { "X-Large": "yes" } } });
        }
        told
    });
    let told = json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() });
    ([(header::CONTENT_TYPE, "application/vnd.git-lfs+json")], told.to_string()).into_response()
}

fn large_file(shelf: &Shelf, method: &Method, oid: &str, body: &Bytes) -> Response {
    let folder = shelf.folder.path().join("large");
    if method == Method::PUT {
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(oid), body)).expect("it is stored");
        return StatusCode::OK.into_response();
    }
    std::fs::read(folder.join(oid)).map_or_else(|_| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

/// git's own server, by CGI. <https://git-scm.com/docs/git-http-backend>
async fn backend(shelf: &Shelf, head: &axum::http::request::Parts, body: &Bytes) -> Response {
    let named =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", shelf.folder.path())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", named("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", named("content-encoding"))
        .env("GIT_PROTOCOL", named("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("git http-backend starts");
    let mut stdin = child.stdin.take().expect("its input");
    let body = body.clone();
    let writing = tokio::spawn(async move {
        // A server that has heard enough closes its input.
        let _ = stdin.write_all(&body).await;
    });
    let told = child.wait_with_output().await.expect("it answers").stdout;
    let _ = writing.await;
    let end = told.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of the head");
    let mut response = Response::new(Body::from(told[end + 4..].to_vec()));
    for line in String::from_utf8_lossy(&told[..end]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let status = value.split(' ').next().and_then(|status| status.parse().ok()).expect("a status");
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        } else {
            let name: HeaderName = name.parse().expect("a header");
            response.headers_mut().append(name, HeaderValue::from_str(value).expect("a header"));
        }
    }
    response
}

/// A working tree of git's own client.
pub struct WorkingClone {
    folder: TempDir,
}

impl WorkingClone {
    /// Begins one whose commits go to a repository's branch `main`.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        git(folder.path(), &["init", "--quiet", "-b", "main"]);
        git(folder.path(), &["remote", "add", "origin", url]);
        WorkingClone { folder }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.folder.path(), arguments)
    }

    /// Writes files, commits everything, pushes it, and returns the commit's name.
    pub fn push(&self, files: &[(&str, &[u8])]) -> String {
        for (name, bytes) in files {
            let path = self.folder.path().join(name);
            let written =
                path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, bytes));
            written.expect("the file is written");
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", "a change"]);
        self.git(&["push", "--quiet", "--force", "origin", "main"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// Runs git with no configuration but its own, and returns what it said.
///
/// # Panics
/// When it fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.allow=always"]);
    // The machine's proxies lead nowhere from here.
    command.args(["-c", "http.proxy="]).args(arguments).current_dir(folder);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0").env("NO_PROXY", "127.0.0.1");
    let done = command.output().expect("git is installed");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(done.status.success(), "git {arguments:?}: {}{}", said(&done.stdout), said(&done.stderr));
    said(&done.stdout)
}
