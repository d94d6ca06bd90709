//! What no client says: requests written by hand.

use std::path::PathBuf;

use slipway_tests::build_house::BuildHouse;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{captain, house, remains};

/// Sends bytes, and returns everything that comes back until the other side hangs up.
async fn sent(socket: &PathBuf, request: &[u8]) -> String {
    let mut line = UnixStream::connect(socket).await.expect("the socket is there");
    // What is refused early is not read to its end.
    let _ = line.write_all(request).await;
    let _ = line.shutdown().await;
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn socket(house: &BuildHouse) -> PathBuf {
    let below = |path: PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let folder =
        below(house.workspaces()).flat_map(below).find(|path| path.extension().is_some_and(|end| end == "engine"));
    folder.expect("the build has a socket").join("docker.sock")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_client_makes_are_refused_or_answered_for_what_they_are() {
    let (mut house, cli) = house().await;
    let steps = "  pre:\n    - {run: \"docker run -d --name mine busybox sleep 600; echo it is up; docker wait mine\", engine: true}\n";
    let commit = house.commit(&captain(&cli, steps), &[]);
    let job = house.queue(&commit);
    house.logged(&job, "it is up").await;
    let socket = socket(&house);

    // 1. Paths.
    for path in [
        "/v1.41/containers/../info",
        "/v1.41/containers/%2e%2e/info",
        "/v1.41//info",
        "/v1.41/containers%2fjson",
        "/v1.41/info/",
        "/v1.23/containers/json",
        "/v9.99/info",
    ] {
        assert_eq!(status(&sent(&socket, &get(path)).await), "400", "{path}");
    }
    for path in ["/swarm", "/v1.41/plugins", "/v1.41/system/df", "/v1.41/containers/mine/export", "/v1.41/debug/vars"] {
        assert_eq!(status(&sent(&socket, &get(path)).await), "403", "{path}");
    }
    // 2. Bodies.
    let image = r#""Image":"busybox","Cmd":["true"]"#;
    for host in [
        r#""HostConfig":{"Privileged":false,"Privileged":true}"#,
        r#""HostConfig":{"privileged":true}"#,
        r#""HostConfig":{},"hostconfig":{"Privileged":true}"#,
        r#""HostConfig":{"Binds":["/workspace:/w"],"binds":["/:/host"]}"#,
        r#""HOSTCONFIG":{"Binds":["/:/host"]}"#,
        r#""HostConfig":{"Mounts":[{"Type":"bind","source":"/","Source":"/workspace","Target":"/x"}]}"#,
    ] {
        let answer = sent(&socket, &post("/v1.41/containers/create", &format!("{{{image},{host}}}"))).await;
        assert_eq!(status(&answer), "403", "{host}: {answer}");
    }
    let long = format!("{{{image},\"Env\":[\"{}\"]}}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(status(&sent(&socket, &post("/v1.41/containers/create", &long)).await), "400");
    assert_eq!(status(&sent(&socket, &post("/v1.41/containers/create", "{{")).await), "400");
    let deep = "[".repeat(100_000);
    assert_eq!(status(&sent(&socket, &post("/v1.41/containers/create", &deep)).await), "400");
    let start = post("/v1.41/containers/mine/start?checkpoint=x", "");
    assert_eq!(status(&sent(&socket, &start).await), "403");
    // 3. Framing: what follows one request is another one, and judged.
    let smuggled = "GET /v1.41/swarm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    );
    let answer = sent(&socket, both.as_bytes()).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let many = format!("GET /_ping HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    assert_eq!(status(&sent(&socket, many.as_bytes()).await), "431");
    // 4. Nothing came of it, and the socket still serves.
    assert_eq!(remains::containers(&house, "").len(), 2, "the step's own and mine");
    let listed = sent(&socket, &get("/v1.41/containers/json?all=1")).await;
    assert!(listed.contains("\"/mine\"") && !listed.contains(".mine"), "{listed}");
    assert_eq!(status(&sent(&socket, &get("/v1.41/containers/mine/json")).await), "200");

    house.server.cancel(&job);
    house.ended(&job).await;
    house.leaves_nothing().await;
    assert_eq!(remains::of(&house), [] as [String; 0]);
}
