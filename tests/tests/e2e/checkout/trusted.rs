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
                "routes": [{
                    "match": [{"host": ["localhost"]}],
                    "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": server.host()}]}]
                }]
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_asked_through_the_gate() {
    let (own, other) = (GitHttp::start().await, GitHttp::start().await);
    let encrypted = Encrypted::before(&other).await;
    let (shop, lib) = (own.repository("shop"), other.repository("lib"));
    WorkingClone::of(&lib).push(&[("word", b"by its own authority\n")]);
    let clone = WorkingClone::of(&shop);
    clone.git(&["submodule", "--quiet", "add", "--name", "lib", &lib, "libs/lib"]);
    let url = format!("https://{}/lib.git", encrypted.host);
    clone.git(&["config", "--file", ".gitmodules", "submodule.lib.url", &url]);
    // It ends before an image is made: what is asked here is what the checkout brings.
    let captain = "defaults: {step_image: 'busybox:latest'}\n\
                   web: {build: Dockerfile, image: 'shop/web', pre: ['cat libs/lib/word; exit 3']}\n";
    let commit = clone.push(&[("captain.yml", captain.as_bytes()), ("Dockerfile", b"FROM busybox:latest\n")]);
    let _ = other.seen();

    let trusting = Setup::new().with("SSL_CERT_FILE", &encrypted.authority.display().to_string());
    let steps = built(trusting, &shop, &commit, &encrypted.host).await;
    assert!(steps[0].1.contains(&format!("fetched from {url}")), "{steps:#?}");
    assert!(steps[1].1.starts_with("by its own authority\n"), "{steps:#?}");
    assert!(other.seen().iter().all(|seen| seen.line.contains("/lib.git/")));
}
