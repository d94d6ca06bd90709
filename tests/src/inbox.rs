//! Who is told: a place that takes POSTs, as Slack, PagerDuty or somebody's own service would, and a mail server.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(60);

/// A place that takes POSTs. Dropped, it is gone.
#[derive(Debug)]
pub struct Inbox {
    url: String,
    seen: Arc<Seen>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    posts: Mutex<Vec<Post>>,
    answers: Mutex<VecDeque<Option<u16>>>,
}

/// What was posted.
#[derive(Debug, Clone)]
pub struct Post {
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
}

impl Post {
    /// The body, which must be JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

impl Inbox {
    /// Opens one.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let seen = Arc::new(Seen::default());
        let service = Router::new().fallback(take).with_state(Arc::clone(&seen));
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.expect("a server") });
        Inbox { url, seen, serving }
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The next post is answered with this status, the one after with the next; then it is 200 again.
    pub fn answer(&self, status: u16) {
        self.seen.answers.lock().expect("a lock").push_back(Some(status));
    }

    /// The next post is never answered.
    pub fn hang(&self) {
        self.seen.answers.lock().expect("a lock").push_back(None);
    }

    /// What was posted so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.seen.posts.lock().expect("a lock").clone()
    }

    /// Waits until so many were posted.
    pub async fn got(&self, count: usize) -> Vec<Post> {
        let what = format!("{count} posts");
        until(&what, PATIENCE, async || Some(self.posts()).filter(|posts| posts.len() >= count)).await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(seen): State<Arc<Seen>>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let answer = seen.answers.lock().expect("a lock").pop_front();
    seen.posts.lock().expect("a lock").push(Post { path: uri.path().to_owned(), headers, body });
    let status = match answer {
        Some(Some(status)) => status,
        Some(None) => pending().await,
        None => 200,
    };
    (StatusCode::from_u16(status).expect("a status"), "as you say")
}

/// A mail server that keeps what it is given, in the words of RFC 5321.
#[derive(Debug)]
pub struct MailServer {
    url: String,
    mails: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl MailServer {
    /// Opens one.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("a port"));
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&mails);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&kept)));
            }
        });
        MailServer { url, mails, serving }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until so many mails came; each with its envelope's recipients before it.
    pub async fn got(&self, count: usize) -> Vec<String> {
        let mails = async || Some(self.mails.lock().expect("a lock").clone()).filter(|mails| mails.len() >= count);
        until("mail", PATIENCE, mails).await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await.ok()?;
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let answer = match line.trim_end().to_ascii_uppercase().as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(&line);
                }
                mails.lock().expect("a lock").push(std::mem::take(&mut mail));
                "250 kept"
            }
            "QUIT" => "221 bye",
            command => {
                if command.starts_with("RCPT") {
                    mail.push_str(&line);
                }
                "250 fine"
            }
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}
