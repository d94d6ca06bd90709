//! Checkouts that end in the middle.

use std::time::Duration;

use slipway_runner::checkout::{Aim, CheckoutError, CheckoutLimits, CheckoutRequest, Mirrors};
use slipway_tests::{git_server::GitServer, wait};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// So many bytes that writing them takes a while.
const FILES: usize = 400;
const BYTES: usize = 128 * 1024;

#[tokio::test]
async fn a_checkout_that_is_cancelled_while_its_files_are_written_leaves_nothing() {
    let server = GitServer::start().await;
    let repository = server.repository("large");
    let names: Vec<String> = (0..FILES).map(|number| format!("{}/{number}.txt", number % 100)).collect();
    let text = "x".repeat(BYTES);
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
    let request = CheckoutRequest {
        repository: "large".to_owned(),
        clone_url: repository.url().to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        aim: Aim::Commit(repository.commit("main", &files)),
    };
    let folder = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(folder.path().join("mirrors"), CheckoutLimits::default());
    let (progress, _told) = mpsc::unbounded_channel();

    let (into, partial) = (folder.path().join("cancelled"), folder.path().join("cancelled.partial"));
    let cancel = CancellationToken::new();
    let running = tokio::spawn({
        let (mirrors, request, into, cancel) = (mirrors.clone(), request.clone(), into.clone(), cancel.clone());
        let progress = progress.clone();
        async move { mirrors.checkout(request, &into, &cancel, progress).await }
    });
    wait::until("the first files", Duration::from_secs(30), async || partial.exists().then_some(())).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap(), Err(CheckoutError::Cancelled));

    // The next one waits for the mirror, and so for the end of what the cancelled one still does.
    let next = folder.path().join("next");
    mirrors.checkout(request, &next, &CancellationToken::new(), progress).await.unwrap();
    assert!(!into.exists() && !partial.exists(), "the cancelled checkout's files are there for ever");
    assert!(next.join("0/0.txt").exists());
}
