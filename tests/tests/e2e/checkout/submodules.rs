//! Submodules: from mirrors of their own, and never from where a commit has no business.

use std::path::Path;

use slipway_runner::checkout::CheckoutError;
use slipway_tests::git_http::{GitHttp, WorkingClone};

use super::Desk;

fn text(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A repository with a submodule at `libs/lib`, written as `url`.
fn with_submodule(shop: &WorkingClone, real: &str, url: &str) -> String {
    shop.git(&["submodule", "--quiet", "add", "--force", "--name", "lib", real, "libs/lib"]);
    shop.git(&["config", "--file", ".gitmodules", "submodule.lib.url", url]);
    shop.push(&[("README", b"a shop")])
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_of_submodules_are_there_and_what_was_fetched_is_not_fetched_again() {
    let server = GitHttp::start().await;
    let [deep, lib, shop] = ["deep", "lib", "shop"].map(|name| server.repository(name));
    let deep_clone = WorkingClone::of(&deep);
    deep_clone.push(&[("word", b"deep\n")]);
    let lib_clone = WorkingClone::of(&lib);
    lib_clone.git(&["submodule", "--quiet", "add", &deep, "inner"]);
    lib_clone.git(&["config", "--file", ".gitmodules", "submodule.inner.url", "../deep.git"]);
    lib_clone.push(&[("word", b"first\n")]);
    let shop_clone = WorkingClone::of(&shop);
    let first = with_submodule(&shop_clone, &lib, "../lib.git");

    // 1. Everything is there, with what the submodule of the submodule holds.
    let mut desk = Desk::new();
    let (files, said) = desk.check_out(&shop, &first).await.unwrap();
    assert_eq!(text(&files, "libs/lib/word"), "first\n");
    assert_eq!(text(&files, "libs/lib/inner/word"), "deep\n");
    assert!(!files.join("libs/lib/.git").exists() && !files.join(".git").exists());
    assert!(said.contains("submodule libs/lib at") && said.contains("fetched from http://127.0.0.1"), "{said}");
    // 2. A commit that leaves them where they are asks their servers nothing.
    let second = shop_clone.push(&[("README", b"another shop")]);
    let _ = server.seen();
    let (files, said) = desk.check_out(&shop, &second).await.unwrap();
    assert_eq!(text(&files, "libs/lib/inner/word"), "deep\n");
    let asked = server.seen();
    assert!(asked.iter().all(|seen| seen.line.contains("/shop.git/")), "{asked:?}");
    assert!(said.contains("fetched before"), "{said}");
    // 3. One that moves a submodule fetches that one alone.
    lib_clone.push(&[("word", b"second\n")]);
    shop_clone.git(&["-C", "libs/lib", "fetch", "--quiet", &lib, "main"]);
    shop_clone.git(&["-C", "libs/lib", "checkout", "--quiet", "FETCH_HEAD"]);
    let third = shop_clone.push(&[]);
    let _ = server.seen();
    let (files, _) = desk.check_out(&shop, &third).await.unwrap();
    assert_eq!(text(&files, "libs/lib/word"), "second\n");
    let asked = server.seen();
    assert!(asked.iter().all(|seen| !seen.line.contains("/deep.git/")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_leads_to_no_server_that_nobody_gave_it() {
    let (server, other) = (GitHttp::start().await, GitHttp::start().await);
    let [lib, shop] = ["lib", "shop"].map(|name| server.repository(name));
    let lib_commit = WorkingClone::of(&lib).push(&[("word", b"own\n")]);
    let foreign = other.repository("lib");
    WorkingClone::of(&foreign).push(&[("word", b"internal\n")]);
    let _ = other.seen();
    let shop_clone = WorkingClone::of(&shop);
    with_submodule(&shop_clone, &lib, "../lib.git");
    let named = |url: &str| {
        shop_clone.git(&["config", "--file", ".gitmodules", "submodule.lib.url", url]);
        shop_clone.push(&[])
    };

    // 1. Addresses of this machine and of its network.
    let internal = named(&foreign.replace("http://", "https://"));
    let mut desk = Desk::new();
    let refused = desk.check_out(&shop, &internal).await.unwrap_err();
    let cause = CheckoutError::Internal { host: other.host() };
    assert_eq!(refused, CheckoutError::Submodule { path: "libs/lib".to_owned(), cause: Box::new(cause) });
    assert!(refused.to_string().contains("internal_hosts"), "{refused}");
    // 2. Addresses that are none of a web server.
    for url in [
        foreign.as_str(),
        "file:///srv/lib",
        "/srv/lib",
        "ext::touch made",
        "git://127.0.0.1/lib",
        "git@127.0.0.1:lib.git",
        "../../..",
    ] {
        let commit = named(url);
        let refused = desk.check_out(&shop, &commit).await.unwrap_err();
        assert!(
            matches!(&refused, CheckoutError::Submodule { cause, .. } if matches!(**cause, CheckoutError::Address { .. })),
            "{url}: {refused}"
        );
    }
    assert_eq!(other.seen(), [], "nobody was asked");
    // 3. Where an administrator has named the server, it is asked; the submodule's commit is not there.
    let mut reaching = Desk::that_reaches(&[other.host()]);
    let gone = reaching.check_out(&shop, &named(&foreign)).await.unwrap_err();
    let cause = CheckoutError::Gone { commit: lib_commit };
    assert_eq!(gone, CheckoutError::Submodule { path: "libs/lib".to_owned(), cause: Box::new(cause) });
    assert!(!other.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_to_its_own_server_and_a_submodule_stays_in_its_folder() {
    let (server, other) = (GitHttp::start().await, GitHttp::start().await);
    let [lib, shop] = ["lib", "shop"].map(|name| server.repository(name));
    let foreign = other.repository("lib");
    let (own, away) = (WorkingClone::of(&lib), WorkingClone::of(&foreign));
    own.push(&[("word", b"own\n")]);
    away.push(&[("word", b"other\n")]);
    let shop_clone = WorkingClone::of(&shop);
    shop_clone.git(&["submodule", "--quiet", "add", "--name", "away", &foreign, "away"]);
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), shop_clone.path().join("link")).unwrap();
    // A path that `.gitmodules` invents, a command that it wants run, and hooks that the submodule brings.
    for (key, value) in [
        ("submodule.evil.path", "link/lib"),
        ("submodule.evil.url", "../lib.git"),
        ("submodule.lib.update", "!touch ran"),
        ("submodule.away.update", "!touch ran"),
        ("core.hooksPath", "hooks"),
    ] {
        shop_clone.git(&["config", "--file", ".gitmodules", key, value]);
    }
    let commit = with_submodule(&shop_clone, &lib, &lib);
    server.ask_for("ci:secret");
    let _ = (server.seen(), other.seen());

    let mut desk = Desk::that_reaches(&[other.host()]);
    let (files, said) = desk.check_out(&shop.replace("http://", "http://ci:secret@"), &commit).await.unwrap();
    assert_eq!((text(&files, "libs/lib/word"), text(&files, "away/word")), ("own\n".to_owned(), "other\n".to_owned()));
    assert!(!said.contains("secret"), "{said}");
    let asked = server.seen();
    assert!(asked.iter().any(|seen| seen.line.contains("/lib.git/") && seen.authorization.is_some()), "{asked:?}");
    let asked = other.seen();
    assert!(!asked.is_empty() && asked.iter().all(|seen| seen.authorization.is_none()), "{asked:?}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!files.join("ran").exists() && !files.join("libs/lib/ran").exists());
}
