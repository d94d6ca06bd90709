//! The way out for what a commit names: a proxy of this process that connects to public addresses and to servers that
//! somebody of this installation has named, and to nothing else.
//!
//! An address is judged after its name was resolved and before the connection to that very address is made: also where a
//! server redirects, and where a name leads elsewhere when it is asked a second time.

mod relay;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Uri, body::Bytes, body::Incoming, client, header, server,
    service::service_fn, upgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::address::Place;

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// What the proxy says of itself and of its client, which no server needs to know.
const ITS_OWN: [&str; 2] = ["proxy-connection", "proxy-authorization"];

/// The servers that may be fetched from although they are internal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// `host` for all of its ports, or `host:port`.
    names: Vec<String>,
    /// The repository's own, as `host:port`.
    own: String,
}

impl Known {
    /// Those that the installation has named, and the one that the repository was registered with.
    pub(super) fn new(named: &[String], own: &Place) -> Self {
        let mut names: Vec<String> = named.iter().map(|name| name.to_ascii_lowercase()).collect();
        let own = format!("{}:{}", own.host.to_ascii_lowercase(), own.port);
        names.push(own.clone());
        Known { names, own }
    }

    fn holds(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let exact = format!("{host}:{port}");
        self.names.iter().any(|name| *name == host || *name == exact)
    }
}

/// Why somebody was turned away at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server, `host:port`, is not everybody's.
    Internal {
        /// The server.
        host: String,
    },
    /// The server shows a certificate of nobody who is trusted.
    Untrusted {
        /// The server.
        host: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server leads out of https.
    Downgrade {
        /// The server.
        host: String,
    },
    /// The server does not answer.
    Silent {
        /// What went wrong.
        cause: String,
    },
}

/// Where clients find a gate, and whom it turned away.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// The proxy's address.
    pub(super) url: String,
    /// The address of its side for libgit2.
    relay: String,
    known: Arc<Known>,
    turned_away: Arc<Mutex<Option<Refusal>>>,
    /// Cancelled when the gate closes: nobody waits on a line through it any longer.
    closed: CancellationToken,
}

impl Way {
    /// Whether a server may be asked although it is internal, or in the clear.
    pub(super) fn knows(&self, place: &Place) -> bool {
        self.known.holds(&place.host, place.port)
    }

    /// Whether it is the registered repository's own server, which is asked past the gate.
    pub(super) fn is_own(&self, place: &Place) -> bool {
        self.known.own == format!("{}:{}", place.host.to_ascii_lowercase(), place.port)
    }

    /// What libgit2 asks for in place of an https address that leads through the gate; none for addresses of other kinds.
    pub(super) fn relayed(&self, address: &str) -> Option<String> {
        relay::stands_for(&self.relay, address)
    }

    /// Why somebody was turned away; once for each time.
    pub(super) fn turned_away(&self) -> Option<Refusal> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes why. What was noted first is the cause of what follows.
    fn note(&self, refusal: Refusal) {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }
}

/// The open gate; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Gate {
    way: Way,
    serving: [JoinHandle<()>; 2],
}

impl Gate {
    /// Opens the gate on two ports of 127.0.0.1: a proxy, and what libgit2 asks.
    pub(super) async fn open(known: Known) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let [url, at] = [listener.local_addr()?, relay.local_addr()?].map(|address| format!("http://{address}"));
        let way = Way { url, relay: at, known: Arc::new(known), ..Way::default() };
        let keeper = Arc::new(way.clone());
        let relaying = tokio::spawn(relay::serve(relay, Arc::clone(&keeper)));
        let serving = tokio::spawn(async move {
            // A listener that fails leaves whoever connects to the limits of its own.
            while let Ok((line, _)) = listener.accept().await {
                tokio::spawn(converse(line, keeper.clone()));
            }
        });
        Ok(Gate { way, serving: [serving, relaying] })
    }

    /// The way through it.
    pub(super) fn way(&self) -> Way {
        self.way.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for serving in &self.serving {
            serving.abort();
        }
        self.way.closed.cancel();
    }
}

async fn converse(line: TcpStream, keeper: Arc<Way>) {
    let service = service_fn(move |request| {
        let keeper = keeper.clone();
        async move { Ok::<_, Infallible>(answer(request, &keeper).await) }
    });
    let talked = server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(line), service)
        .with_upgrades()
        .await;
    if let Err(error) = talked {
        tracing::debug!(%error, "a connection through the gate ended early");
    }
}

async fn answer(request: Request<Incoming>, keeper: &Way) -> Response<BoxBody<Bytes, hyper::Error>> {
    let Some((host, port)) = target(request.uri()) else {
        return refused(StatusCode::BAD_REQUEST, "this address names no server");
    };
    let line = match connect(&host, port, &keeper.known).await {
        Ok(line) => line,
        Err(Unmet::Internal) => {
            keeper.note(Refusal::Internal { host: format!("{host}:{port}") });
            return refused(StatusCode::FORBIDDEN, &format!("{host} is an internal address"));
        }
        Err(Unmet::Silent(error)) => return refused(StatusCode::BAD_GATEWAY, &format!("{host}: {error}")),
    };
    if request.method() == Method::CONNECT {
        tokio::spawn(keeper.closed.clone().run_until_cancelled_owned(async move {
            if let Ok(client) = upgrade::on(request).await {
                let (mut client, mut line) = (TokioIo::new(client), line);
                // Whoever hangs up ends it; there is nobody left to tell.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut line).await;
            }
        }));
        return Response::new(Empty::new().map_err(|never| match never {}).boxed());
    }
    match forward(request, line).await {
        Ok(answer) => answer.map(BodyExt::boxed),
        Err(error) => refused(StatusCode::BAD_GATEWAY, &format!("{host}: {error}")),
    }
}

/// Sends a request on in the form that a server takes.
async fn forward(mut request: Request<Incoming>, line: TcpStream) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(line)).await?;
    tokio::spawn(connection);
    for name in ITS_OWN {
        request.headers_mut().remove(name);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse().unwrap_or_default();
    if !request.headers().contains_key(header::HOST)
        && let Some(Ok(host)) = request.uri().authority().map(|host| header::HeaderValue::from_str(host.as_str()))
    {
        request.headers_mut().insert(header::HOST, host);
    }
    *request.uri_mut() = path;
    sender.send_request(request).await
}

/// Why there is no connection.
enum Unmet {
    Internal,
    Silent(io::Error),
}

async fn connect(host: &str, port: u16, known: &Known) -> Result<TcpStream, Unmet> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await.map_err(Unmet::Silent)?;
    let is_known = known.holds(bare, port);
    let allowed: Vec<SocketAddr> = found.filter(|address| is_known || is_public(address.ip())).collect();
    if allowed.is_empty() {
        return Err(Unmet::Internal);
    }
    let connecting = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(allowed.as_slice())).await;
    connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Unmet::Silent)
}

fn target(uri: &Uri) -> Option<(String, u16)> {
    let port = uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })?;
    Some((uri.host()?.to_owned(), port))
}

fn refused(status: StatusCode, why: &str) -> Response<BoxBody<Bytes, hyper::Error>> {
    tracing::warn!(why, "a commit asked for a server that it is not given");
    let body = Full::new(Bytes::from(why.to_owned())).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Whether an address belongs to everybody. <https://www.iana.org/assignments/iana-ipv4-special-registry/>
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || matches!((a, b, c), (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) | (224.., ..));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let [.., c, d] = address.segments();
    let within = Ipv4Addr::from((u32::from(c) << 16) | u32::from(d));
    match (a, b) {
        // What carries an address of the older kind leads to that.
        (0x64, 0xff9b) => is_public_v4(within),
        (0x2002, _) => false,
        (0x2001, 0 | 0xdb8) => false,
        // The one range that is given out to the public.
        (0x2000..=0x3fff, _) => true,
        _ => address.to_ipv4_mapped().is_some_and(is_public_v4),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Sends a request's head to the gate, and returns the line with the beginning of the answer.
    async fn asked(gate: &Gate, head: &str) -> (TcpStream, String) {
        let mut line = TcpStream::connect(gate.way().url.trim_start_matches("http://")).await.unwrap();
        line.write_all(head.as_bytes()).await.unwrap();
        let mut begun = [0; 12];
        line.read_exact(&mut begun).await.unwrap();
        (line, String::from_utf8_lossy(&begun).into_owned())
    }

    #[tokio::test]
    async fn a_known_server_is_reached_and_its_neighbour_is_not() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = echo.local_addr().unwrap().port();
        let echoing = tokio::spawn(async move {
            let (mut line, _) = echo.accept().await.unwrap();
            let (mut read, mut write) = line.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap()
        });
        let own = Place { host: "127.0.0.1".to_owned(), port, ..Place::default() };
        let gate = Gate::open(Known::new(&[], &own)).await.unwrap();
        let (mut line, answer) = asked(&gate, &format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(answer, "HTTP/1.1 200");
        line.write_all(b"there and back").await.unwrap();
        line.shutdown().await.unwrap();
        let mut told = Vec::new();
        line.read_to_end(&mut told).await.unwrap();
        assert!(told.ends_with(b"\r\n\r\nthere and back"), "{}", String::from_utf8_lossy(&told));
        assert_eq!(echoing.await.unwrap(), 14);

        let neighbour = port ^ 1;
        for head in [
            format!("CONNECT 127.0.0.1:{neighbour} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("CONNECT localhost:{neighbour} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("CONNECT [::ffff:127.0.0.1]:{neighbour} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET http://2130706433:{neighbour}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
        ] {
            let (_, answer) = asked(&gate, &head).await;
            assert_eq!(answer, "HTTP/1.1 403", "{head}");
            let turned_away = gate.way().turned_away();
            assert!(
                matches!(turned_away, Some(Refusal::Internal { host }) if host.ends_with(&format!(":{neighbour}")))
            );
        }
    }

    #[test]
    fn internal_addresses_are_told_from_public_ones() {
        for internal in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(internal.parse().unwrap()), "{internal}");
        }
        for public in ["1.1.1.1", "140.82.121.4", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn servers_are_known_by_host_or_by_host_and_port() {
        let own = Place { host: "git.internal".to_owned(), port: 443, ..Place::default() };
        let known = Known::new(&["Store.internal".to_owned(), "10.0.0.1:9000".to_owned()], &own);
        assert!(known.holds("git.internal", 443) && !known.holds("git.internal", 22));
        assert!(known.holds("store.internal", 1) && known.holds("10.0.0.1", 9000) && !known.holds("10.0.0.1", 80));
    }
}
