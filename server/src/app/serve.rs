//! Answering connections: only so many at once, none that keeps its request to itself for long, and none that does not take
//! its answer. Where all places are taken, the connection gives way that has shown for the longest that it is nobody's in
//! particular.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, response::Response};
use hyper::{
    Request,
    body::Incoming,
    header::CONTENT_TYPE,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::TrustedProxies,
    http::room::{Place, Room},
};

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The most bytes of a request that are read before anybody asks for them, its head among them.
const READ_AHEAD: usize = 64 * 1024;

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How many are open at once; more wait in the operating system's queue.
    pub(super) connections: usize,
    /// How long the head of a request may take to arrive whole. An open connection that asks nothing for so long is
    /// closed as well.
    pub(super) head: Duration,
    /// How long a connection is let be that others wait for.
    pub(super) patience: Duration,
    /// How long nothing at all of an answer may be taken.
    pub(super) untaken: Duration,
}

/// Serves until the shutdown, then lets what is being answered be answered.
pub(super) async fn serve(
    listener: TcpListener,
    service: Router,
    limits: Limits,
    proxies: TrustedProxies,
    shutdown: CancellationToken,
) {
    let service = TowerToHyperService::new(service.with_state(()));
    let room = Room::new(limits.connections, limits.patience);
    let (connections, proxies) = (TaskTracker::new(), Arc::new(proxies));
    while let Some((stream, peer, place)) = next(&listener, &room, &shutdown).await {
        let (service, proxies) = (service.clone(), Arc::clone(&proxies));
        let place = Arc::new(place);
        let answering = answer(stream, (peer, proxies), service, Arc::clone(&place), limits, shutdown.clone());
        connections.spawn(async move {
            tokio::select! {
                biased;
                () = answering => {}
                () = place.wanted() => tracing::debug!(%peer, "a connection gave way to others"),
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection, once there is room for it; none at the shutdown.
async fn next(
    listener: &TcpListener,
    room: &Room,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let accepted = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, room.enter().await),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accepted).await
}

/// Whether it is the connection that failed, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    stream: TcpStream,
    (peer, proxies): (SocketAddr, Arc<TrustedProxies>),
    service: TowerToHyperService<Router>,
    place: Arc<Place>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Whoever asks who it comes from is told this, and knows of no proxy.
        let client = SocketAddr::new(proxies.client(peer.ip(), request.headers()), peer.port());
        request.extensions_mut().insert(ConnectInfo(client));
        // Each request shows anew whose it is.
        place.wait_again();
        request.extensions_mut().insert(Arc::clone(&place));
        let (answer, place) = (service.call(request), Arc::clone(&place));
        async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            // How many streams are open at once is bounded elsewhere.
            if is_stream(&answer) {
                place.keep();
            }
            Ok::<Response, Infallible>(answer)
        }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.untaken));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
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

fn is_stream(answer: &Response) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
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
    const LIMITS: Limits = Limits { connections: 8, head: LONG, patience: LONG, untaken: LONG };

    struct Served {
        address: SocketAddr,
        /// Lets the slow answer go.
        go: Arc<Notify>,
        /// Tells when an endless answer has ended after all.
        sent: CancellationToken,
        shutdown: CancellationToken,
        ended: JoinHandle<()>,
    }

    async fn served(limits: Limits) -> Served {
        served_behind(TrustedProxies::default(), limits).await
    }

    async fn served_behind(proxies: TrustedProxies, limits: Limits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
        let waits = Arc::clone(&go);
        let sending = CancellationToken::new();
        let sent = sending.clone();
        let service = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route(
                "/endless",
                get(|| async move {
                    let body = futures_util::stream::unfold(sending.drop_guard(), |sending| async move {
                        let chunk = axum::body::Bytes::from_static(&[b'x'; 64 * 1024]);
                        Some((Ok::<_, Infallible>(chunk), sending))
                    });
                    axum::body::Body::from_stream(body)
                }),
            )
            .route(
                "/slow",
                get(|| async move {
                    waits.notified().await;
                    "done"
                }),
            );
        let ended = tokio::spawn(serve(listener, service, limits, proxies, shutdown.clone()));
        Served { address, go, sent, shutdown, ended }
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
        let served = served(Limits { head: Duration::from_millis(200), ..LIMITS }).await;
        assert_eq!(heard(ask(served.address, "").await).await, "", "nothing was asked");
        assert_eq!(heard(ask(served.address, "GET / HTTP/1.1\r\nHost: a\r\n").await).await, "");
        let kept = heard(ask(served.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
        assert!(kept.ends_with("127.0.0.1"), "it was answered, and closed when nothing followed: {kept}");
    }

    #[tokio::test]
    async fn a_request_comes_from_whom_a_trusted_proxy_names() {
        let asked = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n\r\n";
        let trusted = served_behind(TrustedProxies::default().with("127.0.0.0/8").unwrap(), LIMITS).await;
        assert!(heard(ask(trusted.address, asked).await).await.ends_with("203.0.113.7"));
        let open = served(LIMITS).await;
        assert!(heard(ask(open.address, asked).await).await.ends_with("127.0.0.1"), "nobody's word counts");
    }

    #[tokio::test]
    async fn more_connections_than_there_is_room_for_wait_for_their_turn() {
        let served = served(Limits { connections: 1, ..LIMITS }).await;
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
        let served = served(LIMITS).await;
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

    #[tokio::test]
    async fn connections_that_ask_nothing_give_way() {
        let served = served(Limits { connections: 4, patience: Duration::from_millis(100), ..LIMITS }).await;
        let mut crowd = Vec::new();
        for _ in 0..4 {
            crowd.push(ask(served.address, "GET / HTTP/1.1\r\nHost: a\r\n").await);
        }
        assert!(heard(ask(served.address, WHOLE).await).await.ends_with("127.0.0.1"));
        let mut first = crowd.swap_remove(0);
        let ended = timeout(LONG, first.read_u8()).await.unwrap();
        assert!(ended.is_err(), "who had sat there for the longest is gone");
    }

    #[tokio::test]
    async fn who_does_not_take_its_answer_is_left() {
        let served = served(Limits { untaken: Duration::from_millis(200), ..LIMITS }).await;
        let silent = ask(served.address, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
        timeout(LONG, served.sent.cancelled()).await.unwrap();
        drop(silent);
    }
}
