//! What BuildKit may ask while it builds: logins to registries, and the secrets that the build names.
//!
//! The connection is one of HTTP/2 whose server we are: <https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Session>

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bollard_buildkit_proto::{
    health::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    moby::{
        buildkit::secrets::v1::{
            GetSecretRequest, GetSecretResponse,
            secrets_server::{Secrets, SecretsServer},
        },
        filesync::v1::{
            CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
            GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
            auth_server::{Auth, AuthServer},
        },
    },
};
use futures_util::{StreamExt, stream};
use reqwest::{
    Body, Upgraded,
    header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::Connected},
};

use crate::{
    coordinator::RegistryCredential,
    engine::{EngineError, Line},
    registry::credential_for,
};

/// The questions that we answer.
const METHODS: [&str; 2] = ["/moby.filesync.v1.Auth/credentials", "/moby.buildkit.secrets.v1.Secrets/GetSecret"];

/// A session that lasts until this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    /// The name under which a build uses it.
    pub(super) id: String,
    _open: DropGuard,
}

impl Session {
    /// Opens a session of its own for one build: BuildKit mixes up builds that share one.
    pub(super) async fn open(
        line: &Line,
        registries: Vec<RegistryCredential>,
        secrets: Vec<(String, String)>,
    ) -> Result<Self, EngineError> {
        let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
        let uuid = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static(""));
        headers.insert(HeaderName::from_static("x-docker-expose-session-uuid"), uuid);
        for method in METHODS {
            let name = HeaderName::from_static("x-docker-expose-session-grpc-method");
            headers.append(name, HeaderValue::from_static(method));
        }
        let answer = line.post("open a session for the build", "/session", headers, Body::from("")).await?;
        let connection = answer.upgrade().await.map_err(|error| line.unreachable(&error))?;
        let closed = CancellationToken::new();
        let served = Server::builder()
            .add_service(HealthServer::new(Alive))
            .add_service(AuthServer::new(Logins(registries)))
            .add_service(SecretsServer::new(Named(secrets)))
            // The engine's one connection, and none after it.
            .serve_with_incoming_shutdown(
                stream::iter([Ok::<_, io::Error>(Connection(connection))]).chain(stream::pending()),
                closed.clone().cancelled_owned(),
            );
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "a build's session ended early");
            }
        });
        Ok(Session { id, _open: closed.drop_guard() })
    }
}

/// Says that the session lives.
#[derive(Debug, Clone, Copy)]
struct Alive;

#[async_trait]
impl Health for Alive {
    type WatchStream = stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("ask for the health of the whole"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask for the health of the whole"))
    }
}

/// Gives out logins by the registry's host.
struct Logins(Vec<RegistryCredential>);

#[async_trait]
impl Auth for Logins {
    async fn credentials(&self, asked: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let login = credential_for(&format!("{}/x", asked.get_ref().host), &self.0);
        Ok(Response::new(login.map_or_else(CredentialsResponse::default, |login| CredentialsResponse {
            username: login.username.clone(),
            secret: login.password.clone(),
        })))
    }

    // Without these, BuildKit fetches its tokens itself, with the login.
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched with the login"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched with the login"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched with the login"))
    }
}

/// Gives out the secrets that the app names, and no other.
struct Named(Vec<(String, String)>);

#[async_trait]
impl Secrets for Named {
    async fn get_secret(&self, asked: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = &asked.get_ref().id;
        match self.0.iter().find(|(name, _)| name == id) {
            Some((_, value)) => Ok(Response::new(GetSecretResponse { data: value.clone().into_bytes() })),
            None => Err(Status::not_found(format!("`{id}` is not among the app's build_secret in captain.yml"))),
        }
    }
}

/// The engine's end of the session, as a server takes it.
struct Connection(Upgraded);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
