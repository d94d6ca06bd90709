//! The parts that a rollout talks to, with a fuse in each call: before it arrives, and before its answer does.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use slipway_runner::proxy::{Claim, Proxy, ProxyError, Route, Traffic};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use crate::fuse::Fuse;

/// A proxy whose every change is two points of a fuse.
#[derive(Debug)]
pub struct FusedProxy {
    inner: Arc<dyn Proxy>,
    fuse: Fuse,
}

impl FusedProxy {
    /// Puts the fuse before and behind `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Proxy>, fuse: Fuse) -> Self {
        FusedProxy { inner, fuse }
    }
}

#[async_trait]
impl Proxy for FusedProxy {
    async fn prepare(&self) -> Result<(), ProxyError> {
        self.inner.prepare().await
    }

    async fn route(&self, id: &str) -> Result<Option<Route>, ProxyError> {
        self.inner.route(id).await
    }

    async fn claims(&self) -> Result<Vec<Claim>, ProxyError> {
        self.inner.claims().await
    }

    async fn put(&self, id: &str, route: &Route) -> Result<(), ProxyError> {
        self.fuse.pass().await;
        let done = self.inner.put(id, route).await;
        self.fuse.pass().await;
        done
    }

    async fn remove(&self, id: &str) -> Result<(), ProxyError> {
        self.fuse.pass().await;
        let done = self.inner.remove(id).await;
        self.fuse.pass().await;
        done
    }

    async fn traffic(&self, id: &str) -> Result<Traffic, ProxyError> {
        self.inner.traffic(id).await
    }

    async fn close_lanes(&self, id: &str) -> Result<(), ProxyError> {
        self.fuse.pass().await;
        let done = self.inner.close_lanes(id).await;
        self.fuse.pass().await;
        done
    }

    async fn requests_in_flight(&self, upstream: &str) -> Result<u64, ProxyError> {
        self.inner.requests_in_flight(upstream).await
    }

    fn advice(&self) -> Option<&'static str> {
        self.inner.advice()
    }
}

/// A socket in front of the engine's own. Every call that changes something (all but GET and waiting) is two points of
/// a fuse.
#[derive(Debug)]
pub struct EngineTap {
    directory: TempDir,
    _listening: JoinSet<()>,
}

impl EngineTap {
    /// Listens on a socket of its own and passes everything on to the engine's.
    #[must_use]
    pub fn open(engine: &str, fuse: &Fuse) -> Self {
        Self::open_for(engine, fuse, "")
    }

    /// The same with points at those calls alone whose address holds this text.
    #[must_use]
    pub fn open_for(engine: &str, fuse: &Fuse, calls: &'static str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("engine.sock")).expect("a socket");
        let engine = PathBuf::from(engine.trim_start_matches("unix://"));
        let fuse = fuse.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&engine).await.expect("the engine's socket");
                connections.spawn(pass_on(client, server, fuse.clone(), calls));
            }
        });
        EngineTap { directory, _listening: listening }
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix://{}/engine.sock", self.directory.path().display())
    }
}

async fn pass_on(mut client: UnixStream, mut server: UnixStream, fuse: Fuse, calls: &str) {
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut changing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                if changes(&asked[..count], calls) {
                    fuse.pass().await;
                    changing = true;
                }
                if server.write_all(&asked[..count]).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                if std::mem::take(&mut changing) {
                    fuse.pass().await;
                }
                if client.write_all(&answered[..count]).await.is_err() { return }
            }
        }
    }
}

fn changes(request: &[u8], calls: &str) -> bool {
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let changes = ["POST /", "PUT /", "DELETE /"].iter().any(|begins| line.starts_with(begins));
    changes && !line.contains("/wait") && line.contains(calls)
}
