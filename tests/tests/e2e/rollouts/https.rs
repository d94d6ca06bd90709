//! Releases over HTTPS: the edge has a certificate for each domain, and sends everyone who comes by HTTP there.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Certificate, Client, redirect::Policy};
use serde_json::{Value, json};
use slipway_tests::{caddy::CaddyFixture, wait::until};

use super::stage::Stage;

/// How long the edge may take until it has a certificate.
const CERTIFIED: Duration = Duration::from_secs(20);

/// Keeps Caddy from making its authority one of this machine's.
fn untrusted() -> Value {
    json!({"certificate_authorities": {"local": {"install_trust": false}}})
}

/// A visitor who finds the domain at the edge, trusts this authority or none, and goes nowhere else.
fn visitor(domain: &str, edge: SocketAddr, authority: Option<&str>) -> Client {
    // Installed already is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = authority.map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
    let client = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only(trusted).resolve(domain, edge);
    client.timeout(Duration::from_secs(10)).build().unwrap()
}

async fn ask(visitor: &Client, url: &str) -> Result<String, String> {
    let answer = visitor.get(url).send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    if status == 200 { Ok(text.trim().to_owned()) } else { Err(format!("{status} {text}")) }
}

/// Releases an app under the domain, and asks for it as people do.
async fn is_served_by_https(domain: &str, apps: Value) {
    let mut stage = Stage::open().await;
    stage.caddy = CaddyFixture::launch_encrypted(apps).await;
    stage.publish("v1", true).await;
    stage.publish("v2", true).await;
    let (v1, v2) = (stage.app("web", "v1", Some(domain), 1), stage.app("web", "v2", Some(domain), 1));
    stage.go_live(vec![v1]).await;

    let (url, authority) = (format!("https://{domain}/"), stage.caddy.authority().await);
    let trusting = visitor(domain, stage.caddy.https(), Some(&authority));
    let first = until("a certificate", CERTIFIED, async || ask(&trusting, &url).await.ok()).await;
    assert_eq!(first, "v1");
    let distrusting = visitor(domain, stage.caddy.https(), None);
    let refused = ask(&distrusting, &url).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "the certificate is of that authority: {refused}");
    let elsewhere = visitor("nobody.test", stage.caddy.https(), Some(&authority));
    let refused = ask(&elsewhere, "https://nobody.test/").await.unwrap_err();
    assert!(refused.contains("Alert"), "there is no certificate for a name that no app has: {refused}");

    redirects(&stage, domain, "/a/path?and=more").await;
    takes_over(&mut stage, v2, &trusting, &url).await;
}

/// By HTTP, people are sent to the same path by HTTPS.
async fn redirects(stage: &Stage, domain: &str, path: &str) {
    let visitor = visitor(domain, stage.caddy.https(), None);
    let asked = visitor.get(format!("{}{path}", stage.caddy.url())).header("host", domain).send().await.unwrap();
    assert_eq!(asked.status(), 308);
    assert_eq!(asked.headers()["location"], format!("https://{domain}{path}"));
}

/// The next release changes nothing at the edge: who is connected stays so.
async fn takes_over(stage: &mut Stage, app: slipway_runner::coordinator::ReleasedApp, visitor: &Client, url: &str) {
    let mut failed = Vec::new();
    let mut last = String::new();
    let released = stage.go_live(vec![app]);
    tokio::pin!(released);
    loop {
        tokio::select! {
            _ = &mut released => break,
            answer = ask(visitor, url) => match answer {
                Ok(text) => last = text,
                Err(failure) => failed.push(failure),
            },
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(["v1", "v2"].contains(&last.as_str()), "{last}");
    assert_eq!(ask(visitor, url).await.as_deref(), Ok("v2"));
}

#[tokio::test]
async fn a_name_of_this_machine_gets_a_certificate_of_the_edges_own_authority() {
    is_served_by_https("shop.localhost", json!({"pki": untrusted()})).await;
}

#[tokio::test]
async fn the_edges_file_says_where_certificates_come_from() {
    let own = json!({"policies": [{"issuers": [{"module": "internal"}]}]});
    is_served_by_https("shop.test", json!({"pki": untrusted(), "tls": {"automation": own}})).await;
}
