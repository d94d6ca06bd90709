//! Files in Git LFS, pushed by its own client.

use std::os::unix::fs::PermissionsExt;

use slipway_runner::checkout::CheckoutError;
use slipway_tests::git_http::{GitHttp, WorkingClone};

use super::Desk;

/// A repository on the server whose `*.bin` git's own client keeps in Git LFS.
fn tracked(url: &str) -> WorkingClone {
    let clone = WorkingClone::of(url);
    clone.git(&["lfs", "install", "--local"]);
    clone.git(&["lfs", "track", "*.bin"]);
    clone
}

fn oids(clone: &WorkingClone) -> Vec<String> {
    clone.git(&["lfs", "ls-files", "--long"]).lines().map(|line| line[..64].to_owned()).collect()
}

fn fetched(server: &GitHttp) -> usize {
    server.seen().iter().filter(|seen| seen.line.starts_with("GET /large/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_in_the_place_of_their_pointers_and_are_fetched_once() {
    let server = GitHttp::start().await;
    let url = server.repository("shop");
    let clone = tracked(&url);
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    std::fs::write(clone.path().join("tool.bin"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(clone.path().join("tool.bin"), PermissionsExt::from_mode(0o755)).unwrap();
    let first = clone.push(&[("a/one.bin", &large), ("b/same.bin", &large), ("plain.txt", b"plain")]);
    let second = clone.push(&[("c.bin", b"a third")]);
    server.ask_for("ci:secret");
    let url = url.replace("http://", "http://ci:secret@");
    let _ = server.seen();

    let mut desk = Desk::new();
    let (files, said) = desk.check_out(&url, &first).await.unwrap();
    let read = |files: &std::path::Path, name: &str| std::fs::read(files.join(name)).unwrap();
    assert!(read(&files, "a/one.bin") == large && read(&files, "b/same.bin") == large);
    assert_eq!(read(&files, "plain.txt"), b"plain");
    assert_eq!(read(&files, "tool.bin"), b"#!/bin/sh\n");
    assert_ne!(std::fs::metadata(files.join("tool.bin")).unwrap().permissions().mode() & 0o111, 0);
    assert!(said.contains("3 files from Git LFS"), "{said}");
    assert_eq!(fetched(&server), 2, "equal files are one");
    // What a step does to its files changes nothing for the next build, which fetches what is new alone.
    std::fs::write(files.join("a/one.bin"), "spoiled").unwrap();
    let (files, _) = desk.check_out(&url, &second).await.unwrap();
    assert!(read(&files, "a/one.bin") == large);
    assert_eq!(read(&files, "c.bin"), b"a third");
    assert_eq!(fetched(&server), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_another_ends_the_checkout_and_is_not_kept() {
    let server = GitHttp::start().await;
    let url = server.repository("shop");
    let clone = tracked(&url);
    let commit = clone.push(&[("one.bin", b"the right one")]);
    let kept = server.large_file(&oids(&clone)[0]);
    let mut desk = Desk::new();

    for wrong in ["the wrong one", "one that is longer than it should be"] {
        std::fs::write(&kept, wrong).unwrap();
        let refused = desk.check_out(&url, &commit).await.unwrap_err();
        assert!(refused.to_string().contains("gives another file"), "{refused}");
    }
    std::fs::remove_file(&kept).unwrap();
    let refused = desk.check_out(&url, &commit).await.unwrap_err();
    assert!(matches!(&refused, CheckoutError::LargeFiles(why) if why.contains("does not exist")), "{refused}");
    std::fs::write(&kept, "the right one").unwrap();
    let (files, _) = desk.check_out(&url, &commit).await.unwrap();
    assert_eq!(std::fs::read(files.join("one.bin")).unwrap(), b"the right one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_large_files_is_none_that_a_commit_alone_has_named() {
    let (server, other) = (GitHttp::start().await, GitHttp::start().await);
    let url = server.repository("shop");
    let clone = tracked(&url);
    clone.push(&[("one.bin", b"content")]);
    let _ = other.seen();
    let elsewhere = format!("[lfs]\n\turl = http://{}/shop.git/info/lfs\n", other.host());
    std::fs::write(clone.path().join(".lfsconfig"), elsewhere).unwrap();
    clone.git(&["config", "lfs.url", &format!("{url}/info/lfs")]);
    let commit = clone.push(&[]);
    let refused = Desk::new().check_out(&url, &commit).await.unwrap_err();
    assert_eq!(refused, CheckoutError::Internal { host: other.host() });
    assert_eq!(other.seen(), [], "nobody was asked");
    // As little where a server that is known sends on to it.
    let sending = GitHttp::start().await;
    sending.send_to(&other.host());
    std::fs::write(clone.path().join(".lfsconfig"), format!("[lfs]\n\turl = http://{}/lfs\n", sending.host())).unwrap();
    let redirected = clone.push(&[]);
    let refused = Desk::that_reaches(&[sending.host()]).check_out(&url, &redirected).await.unwrap_err();
    assert_eq!(refused, CheckoutError::Internal { host: other.host() });
    assert!(!sending.seen().is_empty() && other.seen().is_empty());
    // Named by an administrator, it is asked, and without the login of the other one.
    std::fs::create_dir_all(other.large_file("x").parent().unwrap()).unwrap();
    let oid = &oids(&clone)[0];
    std::fs::copy(server.large_file(oid), other.large_file(oid)).unwrap();
    let url = url.replace("http://", "http://ci:secret@");
    let mut reaching = Desk::that_reaches(&[other.host()]);
    let (files, _) = reaching.check_out(&url, &commit).await.unwrap();
    assert_eq!(std::fs::read(files.join("one.bin")).unwrap(), b"content");
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}
