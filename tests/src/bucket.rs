//! An object store that speaks S3's protocol, over a folder, and fails when a test wants it to.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use slipway_server::{
    config::{ArchivePlace, ArchiveSettings},
    secrets::Secret,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

const BUCKET: &str = "logs";
const PREFIX: &str = "slipway/one";
const KEY: &str = "AKIASLIPWAYTESTS";
const SECRET: &str = "a-secret-that-nobody-sees";

/// The store with one bucket. It is gone when this is dropped.
#[derive(Debug)]
pub struct Bucket {
    folder: TempDir,
    url: String,
    fails: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Bucket {
    /// Opens the store.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn open() -> Self {
        // Whoever speaks to it needs a TLS provider, though nothing here speaks TLS.
        drop(crate::api::http_client());
        let folder = TempDir::new().expect("a temporary directory");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let (service, fails) = (service.build(), Arc::<AtomicBool>::default());
        let failing = Arc::clone(&fails);
        let answer = move |request: Request| {
            let (service, failing) = (service.clone(), Arc::clone(&failing));
            async move {
                if failing.load(Ordering::SeqCst) {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                match service.call(request.map(s3s::Body::http_body_unsync)).await {
                    Ok(answer) => answer.map(Body::new),
                    Err(_) => Response::new(Body::empty()),
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            drop(axum::serve(listener, Router::new().fallback(answer)).await);
        });
        Bucket { folder, url, fails, serving }
    }

    /// What leads to it.
    ///
    /// # Panics
    /// Never: its address is one.
    #[must_use]
    pub fn settings(&self) -> ArchiveSettings {
        ArchiveSettings {
            place: Some(ArchivePlace::Bucket { name: BUCKET.to_owned(), prefix: PREFIX.to_owned() }),
            endpoint: Some(self.url.parse().expect("an address")),
            region: None,
            key: Some((KEY.to_owned(), Secret::new(SECRET))),
        }
    }

    /// Answers every request with an error from now on, or no more.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// The folder in which its objects are files.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET).join(PREFIX)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
