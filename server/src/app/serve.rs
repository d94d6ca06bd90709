//! Answering connections: only so many at once, and none that keeps its request to itself for long.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, response::Response};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How many are open at once; more wait in the operating system's queue.
    pub(super) connections: usize,
    /// How long the head of a request may take to arrive whole. An open connection that asks nothing for so long is
    /// closed as well.
    pub(super) head: Duration,
}

/// Serves until the shutdown, then lets what is being answered be answered.
pub(super) async fn serve(listener: TcpListener, service: Router, limits: Limits, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(service.with_state(()));
    let room = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = next(&listener, &room, &shutdown).await {
        let service = service.clone();
        let answering = answer(stream, peer, service, limits.head, shutdown.clone());
        connections.spawn(async move {
            answering.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection, once there is room for it; none at the shutdown.
async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepted = async {
        let place = Arc::clone(room).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accepted).await?
}

/// Whether it is the connection that failed, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    service: TowerToHyperService<Router>,
    head: Duration,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = service.call(request);
        async move { Ok::<Response, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%peer, %error, "a connection broke off");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use axum::{extract::ConnectInfo, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::Notify,
        task::JoinHandle,
        time::timeout,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    struct Served {
        address: SocketAddr,
        /// Lets the slow answer go.
        go: Arc<Notify>,
        shutdown: CancellationToken,
        ended: JoinHandle<()>,
    }

    async fn served(limits: Limits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
        let waits = Arc::clone(&go);
        let service = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route(
                "/slow",
                get(|| async move {
                    waits.notified().await;
                    "done"
                }),
            );
        let ended = tokio::spawn(serve(listener, service, limits, shutdown.clone()));
        Served { address, go, shutdown, ended }
    }

    async fn ask(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// All that comes until the other side closes.
    async fn heard(mut stream: TcpStream) -> String {
        let mut text = String::new();
        timeout(LONG, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_head_that_does_not_arrive_ends_its_connection() {
        let served = served(Limits { connections: 8, head: Duration::from_millis(200) }).await;
        assert_eq!(heard(ask(served.address, "").await).await, "", "nothing was asked");
        assert_eq!(heard(ask(served.address, "GET / HTTP/1.1\r\nHost: a\r\n").await).await, "");
        let kept = heard(ask(served.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
        assert!(kept.ends_with("127.0.0.1"), "it was answered, and closed when nothing followed: {kept}");
    }

    #[tokio::test]
    async fn more_connections_than_there_is_room_for_wait_for_their_turn() {
        let served = served(Limits { connections: 1, head: LONG }).await;
        let first = ask(served.address, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let mut second = ask(served.address, WHOLE).await;
        let early = timeout(Duration::from_millis(200), second.read_u8()).await;
        assert!(early.is_err(), "there is no room for it yet");
        served.go.notify_one();
        assert!(heard(first).await.ends_with("done"));
        assert!(heard(second).await.ends_with("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_shutdown_lets_what_is_being_answered_be_answered() {
        let served = served(Limits { connections: 8, head: LONG }).await;
        let idle = ask(served.address, "").await;
        let slow = ask(served.address, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // It is being answered once the server waits for the notice.
        assert!(heard(ask(served.address, WHOLE).await).await.ends_with("127.0.0.1"));
        served.shutdown.cancel();
        assert_eq!(heard(idle).await, "");
        assert!(!served.ended.is_finished());
        served.go.notify_one();
        let answer = heard(slow).await;
        assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
        timeout(LONG, served.ended).await.unwrap().unwrap();
        assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
    }
}
