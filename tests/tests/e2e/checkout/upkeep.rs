//! Mirrors stay small, however much is pushed.

use std::{fs, path::PathBuf, time::Duration};

use slipway_tests::{git_server::GitServer, wait::until_none};

use super::Desk;

const PATIENCE: Duration = Duration::from_secs(60);
/// So many packs are left alone.
const MOST_PACKS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn many_pushes_leave_few_packs_and_a_deleted_branch_leaves_no_ref() {
    let git = GitServer::start().await;
    let repository = git.repository("shop");
    let mut desk = Desk::new();
    let mirror = desk.folder.path().join("mirrors/shop.git");
    repository.commit("topic", &[("topic", "one")]);
    let topic = mirror.join("refs/slipway/heads/topic");
    let mut commits = Vec::new();
    for number in 0..MOST_PACKS + 5 {
        let text = number.to_string();
        commits.push(repository.commit("main", &[("number", &text)]));
        desk.check_out_ref(repository.url(), "refs/heads/main", &commits[number]).await.unwrap();
        if number == 0 {
            let topic_commit = repository.commit("topic", &[("topic", "two")]);
            desk.check_out_ref(repository.url(), "refs/heads/topic", &topic_commit).await.unwrap();
            assert!(topic.exists());
            repository.delete_branch("topic");
        }
    }
    assert!(!topic.exists(), "its branch is gone");
    let packs = || -> Vec<PathBuf> {
        let files = fs::read_dir(mirror.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
    };
    until_none("the packs to become few", PATIENCE, async || {
        let packs = packs();
        if packs.len() > MOST_PACKS { packs } else { Vec::new() }
    })
    .await;
    // Nothing is lost: the oldest is written out from the mirror alone, also while somebody else fetches.
    drop(git);
    for (number, commit) in commits.iter().enumerate() {
        let (into, said) = desk.check_out(repository.url(), commit).await.unwrap();
        assert!(said.contains("going on with what was fetched before"), "{said}");
        assert_eq!(fs::read_to_string(into.join("number")).unwrap(), number.to_string());
    }
}
