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
        login: None,
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

/// A server that takes the connection and never says a word: nobody waits longer for it than a checkout may take, nor
/// after the order to stop.
#[tokio::test]
async fn a_git_server_that_hangs_for_good_is_given_up_and_left_when_asked() {
    let server = GitServer::start().await;
    let repository = server.repository("silent");
    let commit = repository.commit("main", &[("file", "text")]);
    let request = CheckoutRequest {
        repository: "silent".to_owned(),
        clone_url: repository.url().to_owned(),
        login: None,
        git_ref: "refs/heads/main".to_owned(),
        aim: Aim::Commit(commit),
    };
    let folder = tempfile::tempdir().unwrap();
    let mirrors = |time| {
        let limits = CheckoutLimits { time, ..CheckoutLimits::default() };
        Mirrors::new(folder.path().join(format!("mirrors {}", time.as_secs())), limits)
    };
    let (progress, _told) = mpsc::unbounded_channel();
    let into = folder.path().join("never");
    server.hold();

    let short = mirrors(Duration::from_secs(1));
    let given_up = short.checkout(request.clone(), &into, &CancellationToken::new(), progress.clone()).await;
    assert_eq!(given_up, Err(CheckoutError::TooSlow { seconds: 1 }));

    let cancel = CancellationToken::new();
    let long = mirrors(Duration::from_secs(600));
    let asking = async || folder.path().join("mirrors 600").exists().then_some(());
    let (left, ()) = tokio::join!(long.checkout(request, &into, &cancel, progress), async {
        wait::until("the server to be asked", Duration::from_secs(30), asking).await;
        cancel.cancel();
    });
    assert_eq!(left, Err(CheckoutError::Cancelled));
    server.go_on();
    assert!(!into.exists());
}
