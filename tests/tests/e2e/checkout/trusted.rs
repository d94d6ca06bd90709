//! A submodule on a server with a certificate of an authority of its own, asked for through the gate.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use slipway_tests::{
    caddy::CaddyFixture,
    engine::Sweep,
    forge::Push,
    git_http::{GitHttp, WorkingClone},
    ports,
    slipway::{Setup, Slipway},
    wait::until,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// What libgit2 asks a server for.
const SERVICE: &str = "git-upload-pack";

/// A server with a certificate of an authority of its own, in front of another.
struct Encrypted {
    host: String,
    authority: PathBuf,
    _caddy: CaddyFixture,
    _folder: tempfile::TempDir,
}

impl Encrypted {
    async fn before(server: &GitHttp) -> Self {
        let port = ports::free();
        let caddy = CaddyFixture::launch_with(json!({
            "http": {"servers": {"git": {
                "listen": [format!("127.0.0.1:{port}")],
                // No HTTP/3: the port is this process's own for TCP alone.
                "protocols": ["h1", "h2"],
                "automatic_https": {"disable_redirects": true},
                "routes": [
                    leads("/moved.git/info/refs", &format!("https://localhost:{port}/lib.git/info/refs?service={SERVICE}")),
                    leads("/down.git/info/refs", &format!("http://{}/lib.git/info/refs?service={SERVICE}", server.host())),
                    {
                        "match": [{"host": ["localhost"]}],
                        "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": server.host()}]}]
                    }
                ]
            }}},
            "tls": {"automation": {"policies": [{"subjects": ["localhost"], "issuers": [{"module": "internal"}]}]}},
            "pki": {"certificate_authorities": {"local": {"install_trust": false}}}
        }))
        .await;
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, caddy.authority().await).unwrap();
        Encrypted { host: format!("localhost:{port}"), authority, _caddy: caddy, _folder: folder }
    }
}

/// A route from a path to another address.
fn leads(path: &str, to: &str) -> Value {
    json!({
        "match": [{"host": ["localhost"], "path": [path]}],
        "handle": [{"handler": "static_response", "status_code": "302", "headers": {"Location": [to]}}]
    })
}

/// Builds the commit with a runner that may go to this server, and answers with its steps and their logs.
async fn built(setup: Setup, shop: &str, commit: &str, reaching: &str) -> Vec<(Value, String)> {
    let slipway = setup.with_runner().with("SLIPWAY_RUNNER_INTERNAL_HOSTS", reaching).start().await;
    let runner = std::fs::read_to_string(slipway.data_dir().join("runner/id")).unwrap();
    // What it made is swept away behind it.
    let (slipway, _) = &(slipway, Sweep { runner, repository: "shop/web".to_owned() });
    let webhook = slipway.connect("shop/web", shop).await;
    Push::to_branch("shop/web", "main", commit).delivery().send(&webhook).await.expect(202);
    let of_build = "/api/v1/repositories/shop/web/builds/1";
    let build = until("the build to be over", PATIENCE, async || {
        let build = slipway.api().get(of_build).await.expect(200).json();
        (build["state"] == "failed").then_some(build)
    })
    .await;
    let mut steps = Vec::new();
    for step in build["attempts"][0]["steps"].as_array().unwrap() {
        steps.push((step.clone(), log(slipway, &format!("{of_build}/steps/{}/log", step["index"])).await));
    }
    steps
}

async fn log(slipway: &Slipway, path: &str) -> String {
    slipway.api().get(path).await.expect(200).body
}

/// A repository whose submodule is on another server, which speaks TLS.
struct Story {
    shop: String,
    clone: WorkingClone,
    other: GitHttp,
    encrypted: Encrypted,
    _own: GitHttp,
}

impl Story {
    async fn begin() -> Self {
        let (own, other) = (GitHttp::start().await, GitHttp::start().await);
        let encrypted = Encrypted::before(&other).await;
        let (shop, lib) = (own.repository("shop"), other.repository("lib"));
        WorkingClone::of(&lib).push(&[("word", b"by its own authority\n")]);
        let clone = WorkingClone::of(&shop);
        clone.git(&["submodule", "--quiet", "add", "--name", "lib", &lib, "libs/lib"]);
        let _ = other.seen();
        Story { shop, clone, other, encrypted, _own: own }
    }

    /// Builds with the submodule at this path of the other server; answers with its address, and with the steps.
    async fn build(&self, path: &str, setup: Setup) -> (String, Vec<(Value, String)>) {
        let url = format!("https://{}/{path}", self.encrypted.host);
        self.clone.git(&["config", "--file", ".gitmodules", "submodule.lib.url", &url]);
        // It ends before an image is made: what is asked here is what the checkout brings.
        let captain = "defaults: {step_image: 'busybox:latest'}\n\
                       web: {build: Dockerfile, image: 'shop/web', pre: ['cat libs/lib/word; exit 3']}\n";
        let files: [(&str, &[u8]); 2] = [("captain.yml", captain.as_bytes()), ("Dockerfile", b"FROM busybox:latest\n")];
        let commit = self.clone.push(&files);
        (url, built(setup, &self.shop, &commit, &self.encrypted.host).await)
    }

    fn trusting(&self) -> Setup {
        Setup::new().with("SSL_CERT_FILE", &self.encrypted.authority.display().to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_asked_through_the_gate() {
    let story = Story::begin().await;
    let (url, steps) = story.build("lib.git", story.trusting()).await;
    assert!(steps[0].1.contains(&format!("fetched from {url}")), "{steps:#?}");
    assert!(steps[1].1.starts_with("by its own authority\n"), "{steps:#?}");
    assert!(story.other.seen().iter().all(|seen| seen.line.contains("/lib.git/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_nobody_who_is_trusted_ends_the_checkout_with_the_remedy() {
    let story = Story::begin().await;
    let (_, steps) = story.build("lib.git", Setup::new()).await;
    assert_eq!(steps[0].0["state"], "failed", "{steps:#?}");
    let reason = steps[0].0.to_string();
    let said = format!("{} shows a certificate that this runner does not trust", story.encrypted.host);
    assert!(reason.contains(&said) && reason.contains("SSL_CERT_FILE"), "{steps:#?}");
    assert!(story.other.seen().is_empty(), "nothing was asked of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_within_tls_and_not_out_of_it() {
    let story = Story::begin().await;
    let (_, steps) = story.build("moved.git", story.trusting()).await;
    assert!(steps[1].1.starts_with("by its own authority\n"), "{steps:#?}");
    let story = Story::begin().await;
    let (_, steps) = story.build("down.git", story.trusting()).await;
    let reason = steps[0].0.to_string();
    assert!(reason.contains("leads from https to an address without"), "{steps:#?}");
    assert!(story.other.seen().is_empty(), "nothing was asked of it in the clear");
}
