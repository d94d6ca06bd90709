//! A Docker engine for the steps of one build: a socket behind which only the build's own things exist.
//!
//! Requests are judged by an allow-list, named objects are looked up among those that carry the build's labels, and what
//! creates something is written anew with the labels and the limits of a step. Whatever is not understood is refused.
//! <https://docs.docker.com/reference/api/engine/>

mod answers;
mod build;
mod container_calls;
mod containers;
mod context;
mod dockerfile;
mod fields;
mod host_config;
mod image_calls;
mod images;
mod mounts;
mod names;
mod networks;
mod own;
mod refusal;
mod removal;
mod route;
mod scope;
mod serve;
mod stillness;
mod target;
mod upstream;

use std::{
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(crate) use dockerfile::trigger;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
pub(crate) use images::ImageNames;
pub(crate) use removal::{remove_earlier, remove_of_build};
use scope::Scope;
pub(crate) use scope::SocketRequest;
pub(crate) use stillness::{Stillness, freeze};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Where a step finds the socket.
pub(crate) const IN_STEP: &str = "/var/run/docker.sock";
/// Where a step finds the workspace.
const WORKSPACE: &str = "/workspace";
/// The file's name in its folder.
const FILE: &str = "docker.sock";
/// How many connections one build may have at once.
const CONNECTIONS: usize = 128;
/// The longest JSON body.
const JSON_LIMIT: usize = 1024 * 1024;
/// The largest head of a request, in bytes, and how many headers it may have.
const HEAD_LIMIT: usize = 64 * 1024;
const HEADERS_LIMIT: usize = 64;
/// How long what was begun may take once the build has ended.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long accepting waits after a failure, such as no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// The socket of one build. Dropping it closes it; the files go with its folder.
#[derive(Debug)]
pub(crate) struct ScopedSocket {
    path: PathBuf,
    scope: Arc<Scope>,
}

impl ScopedSocket {
    /// Opens a build's socket in a folder of its own, which is made.
    ///
    /// # Errors
    /// When the folder or the socket cannot be made.
    pub(crate) fn open(request: SocketRequest, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        // Whoever is not root on the host shall not find it; in a step, its own user shall.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        let path = folder.join(FILE);
        let listener = bind(folder)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        let scope = Arc::new(Scope::new(request));
        let closed = scope.closed.clone();
        tokio::spawn(closed.run_until_cancelled_owned(accept(listener, Arc::clone(&scope))));
        Ok(ScopedSocket { path, scope })
    }

    /// Where it is on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses everything from now on, and returns what waits for the end of what was begun.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        self.scope.closed.cancel();
        self.scope.tasks.close();
        let tasks = self.scope.tasks.clone();
        async move {
            if tokio::time::timeout(PATIENCE, tasks.wait()).await.is_err() {
                tracing::warn!("requests to a build's engine socket did not end in time; the next start looks again");
            }
        }
    }
}

impl Drop for ScopedSocket {
    fn drop(&mut self) {
        self.scope.closed.cancel();
    }
}

/// Binds the socket by way of its folder: an address has room for 107 bytes only, and a data folder may be deep.
fn bind(folder: &Path) -> io::Result<UnixListener> {
    let handle = std::fs::File::open(folder)?;
    // A socket of an earlier attempt to open it.
    match std::fs::remove_file(folder.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(format!("/proc/self/fd/{}/{FILE}", handle.as_raw_fd()))
}

async fn accept(listener: UnixListener, scope: Arc<Scope>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let closed = scope.closed.clone();
                tokio::spawn(closed.run_until_cancelled_owned(converse(client, Arc::clone(&scope), permit)));
            }
            Err(error) => {
                tracing::warn!(%error, "a build's engine socket could not accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(client: UnixStream, scope: Arc<Scope>, permit: OwnedSemaphorePermit) {
    let service = service_fn(|request| serve::serve(Arc::clone(&scope), request));
    let talked = http1::Builder::new()
        .half_close(true)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(HEADERS_LIMIT)
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades()
        .await;
    if let Err(error) = talked {
        tracing::debug!(%error, "a connection to a build's engine socket ended early");
    }
    drop(permit);
}
