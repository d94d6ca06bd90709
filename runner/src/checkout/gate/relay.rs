//! What libgit2 asks of https servers that a commit names: it asks this process in the clear, and the gate asks the server
//! over TLS. libgit2 itself never speaks TLS through a proxy: where that ends early, such as at a certificate that nobody
//! trusts, it closes the line under it first and reads what it has freed (1.9.7, `http_client_connect`).
//!
//! An address `https://host/path` is asked for as `/here/host:443/path`. Where a server redirects to another one, the
//! answer says `/away/…`, and no login goes along.

use std::{convert::Infallible, error::Error, sync::Arc};

use futures_util::TryStreamExt;
use http_body_util::{BodyDataStream, BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{self, HeaderMap},
    server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};
use url::Url;

use super::{CONNECT_LIMIT, Refusal, Way};
use crate::{failure::root_cause, tls};

/// What is said to the first server.
const HERE: &str = "here";
/// What is said to another one that it led to.
const AWAY: &str = "away";
/// What is between two neighbours alone.
const OF_A_LINE: [&str; 6] =
    ["connection", "host", "proxy-authenticate", "proxy-authorization", "transfer-encoding", "upgrade"];

type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The address at this relay that stands for an https address, its login included; none for addresses of other kinds.
pub(super) fn stands_for(relay: &str, address: &str) -> Option<String> {
    let mut url = Url::parse(address).ok().filter(|url| url.scheme() == "https")?;
    let place = place_of(&url)?;
    let base = Url::parse(relay).ok()?;
    let path = format!("/{HERE}/{place}{}", url.path());
    // From https to http, a url changes its port by itself, and keeps a login.
    url.set_scheme("http").ok()?;
    url.set_host(base.host_str()).ok()?;
    url.set_port(base.port()).ok()?;
    url.set_path(&path);
    Some(url.to_string())
}

/// Serves until the gate is closed.
pub(super) async fn serve(listener: TcpListener, way: Arc<Way>) {
    let client = Arc::new(OnceCell::new());
    // A listener that fails leaves whoever connects to the limits of its own.
    while let Ok((line, _)) = listener.accept().await {
        let talking = converse(line, Arc::clone(&way), Arc::clone(&client));
        tokio::spawn(way.closed.clone().run_until_cancelled_owned(talking));
    }
}

async fn converse(line: TcpStream, way: Arc<Way>, client: Arc<OnceCell<reqwest::Client>>) {
    let service = service_fn(move |request| {
        let (way, client) = (Arc::clone(&way), Arc::clone(&client));
        async move { Ok::<_, Infallible>(answer(request, &way, &client).await) }
    });
    if let Err(error) = server::conn::http1::Builder::new().serve_connection(TokioIo::new(line), service).await {
        tracing::debug!(%error, "a connection to the gate's relay ended early");
    }
}

async fn answer(request: Request<Incoming>, way: &Way, client: &OnceCell<reqwest::Client>) -> Response<Body> {
    let Some(asked) = Asked::of(request.uri().path_and_query().map_or("", |path| path.as_str())) else {
        return said(StatusCode::BAD_REQUEST, "this address stands for no server");
    };
    let place = place_of(&asked.url).unwrap_or_default();
    let client = match client.get_or_try_init(|| async { connect(&way.url) }).await {
        Ok(client) => client,
        Err(error) => return said(StatusCode::BAD_GATEWAY, &root_cause(&error)),
    };
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    remove_of_a_line(&mut headers);
    if asked.is_away {
        headers.remove(header::AUTHORIZATION);
    }
    let mut sent = client.request(parts.method, asked.url.clone()).headers(headers);
    if !hyper::body::Body::is_end_stream(&body) {
        sent = sent.body(reqwest::Body::wrap_stream(BodyDataStream::new(body)));
    }
    let answer = match sent.send().await {
        Ok(answer) => answer,
        Err(error) => {
            // Who was turned away as internal is known already.
            way.note(untrusted(&error).map_or_else(
                || Refusal::Silent { cause: root_cause(&error) },
                |cause| Refusal::Untrusted { host: place.clone(), cause },
            ));
            return said(StatusCode::BAD_GATEWAY, &place);
        }
    };
    let mut headers = answer.headers().clone();
    remove_of_a_line(&mut headers);
    if let Some(location) = headers.remove(header::LOCATION) {
        let target = location.to_str().ok().and_then(|location| asked.url.join(location).ok());
        match target.as_ref().and_then(|target| asked.led_to(&way.relay, target)).map(|led| led.parse()) {
            Some(Ok(led)) => drop(headers.insert(header::LOCATION, led)),
            _ => {
                way.note(Refusal::Downgrade { host: place.clone() });
                return said(StatusCode::BAD_GATEWAY, &place);
            }
        }
    }
    let status = answer.status();
    let pieces = answer.bytes_stream().map_ok(Frame::data).map_err(Into::into);
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An https address that is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    url: Url,
    /// Whether a redirect led here from another server.
    is_away: bool,
}

impl Asked {
    fn of(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix('/')?.split_once('/')?;
        let is_away = match kind {
            HERE => false,
            AWAY => true,
            _ => return None,
        };
        let url = Url::parse(&format!("https://{rest}")).ok()?;
        (url.has_host() && url.username().is_empty() && url.password().is_none()).then_some(Asked { url, is_away })
    }

    /// What stands for the address that a redirect names; none where that leads out of https.
    fn led_to(&self, relay: &str, target: &Url) -> Option<String> {
        let place = place_of(target).filter(|_| target.scheme() == "https")?;
        let is_away = self.is_away || place_of(&self.url).as_ref() != Some(&place);
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let kind = if is_away { AWAY } else { HERE };
        Some(format!("{relay}/{kind}/{place}{}{query}", target.path()))
    }
}

/// The host and the port of an address.
fn place_of(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// A client that goes through the gate, and trusts whom the rest of this process trusts.
fn connect(gate: &str) -> reqwest::Result<reqwest::Client> {
    tls::provide();
    let builder =
        reqwest::Client::builder().proxy(reqwest::Proxy::all(gate)?).redirect(reqwest::redirect::Policy::none());
    builder.connect_timeout(CONNECT_LIMIT).build()
}

/// Why a server's certificate is not trusted, if that is what went wrong.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let of_tls = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>());
        if let Some(tls @ rustls::Error::InvalidCertificate(_)) = of_tls {
            return Some(tls.to_string());
        }
        cause = error.source();
    }
    None
}

fn remove_of_a_line(headers: &mut HeaderMap) {
    for name in OF_A_LINE {
        headers.remove(name);
    }
}

fn said(status: StatusCode, why: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(why.to_owned())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    const RELAY: &str = "http://127.0.0.1:4000";

    #[test]
    fn https_addresses_have_one_that_stands_for_them() {
        for (address, stands) in [
            ("https://example.com/lib.git", Some("http://127.0.0.1:4000/here/example.com:443/lib.git")),
            ("https://u:p%40w@example.com:8443/a/b", Some("http://u:p%40w@127.0.0.1:4000/here/example.com:8443/a/b")),
            ("http://example.com/lib.git", None),
            ("git@example.com:lib.git", None),
        ] {
            assert_eq!(stands_for(RELAY, address).as_deref(), stands);
        }
        let asked = Asked::of("/here/example.com:8443/lib.git/info/refs?service=x").unwrap();
        assert_eq!(asked.url.as_str(), "https://example.com:8443/lib.git/info/refs?service=x");
        for odd in ["", "/", "/here", "/there/example.com:443/x", "/here/u:p@example.com:443/x"] {
            assert_eq!(Asked::of(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_redirect_stays_within_tls_and_loses_the_login_on_the_way_to_another_server() {
        let led = |from: &str, to: &str| {
            let asked = Asked::of(from).unwrap();
            asked.led_to(RELAY, &asked.url.join(to).unwrap())
        };
        let from = "/here/example.com:443/a/info/refs";
        assert_eq!(led(from, "/b?x").unwrap(), "http://127.0.0.1:4000/here/example.com:443/b?x");
        assert_eq!(led(from, "https://example.com:444/b").unwrap(), "http://127.0.0.1:4000/away/example.com:444/b");
        let away = "/away/example.com:443/a";
        assert_eq!(led(away, "https://example.com/b").unwrap(), "http://127.0.0.1:4000/away/example.com:443/b");
        for down in ["http://example.com/b", "ftp://example.com/", "file:///etc/passwd"] {
            assert_eq!(led(from, down), None, "{down}");
        }
    }
}
