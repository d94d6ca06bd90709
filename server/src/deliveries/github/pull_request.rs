//! The event `pull_request`.
//!
//! What it says of the merge (`merge_commit_sha`, `mergeable`) is not read: GitHub merges in the background, and right
//! after a push both are null or those of an older commit. The runner fetches the merge, and knows it by its parents.

use chrono::DateTime;
use serde::Deserialize;
use slipway_pipelines::plan::PullRequest;

use super::{PayloadError, Repository, cut, parse, same_repository};
use crate::deliveries::{
    AUTHOR_CHARS, Account, MESSAGE_CHARS, Proposal, Proposer, Said, Stands, Word, is_commit, is_ref,
};

const EVENT: &str = "pull_request";

#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
    before: Option<String>,
    changes: Option<Changes>,
    pull_request: Option<Pull>,
    repository: Option<Repository>,
    /// Who did it.
    sender: Option<User>,
}

/// What an edit changed.
#[derive(Deserialize)]
struct Changes {
    /// The target; what it was is of no use.
    base: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Pull {
    number: Option<i64>,
    title: Option<String>,
    /// In RFC 3339, to the second.
    updated_at: Option<String>,
    user: Option<User>,
    head: Option<End>,
    base: Option<End>,
}

#[derive(Deserialize)]
struct User {
    login: Option<String>,
    id: Option<i64>,
}

/// One of the two branches.
#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: Option<String>,
    sha: Option<String>,
    /// Null once a fork was deleted.
    repo: Option<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    id: Option<i64>,
    full_name: Option<String>,
}

pub(super) fn read(json: &[u8], registered: &str) -> Result<Said, PayloadError> {
    let payload: Payload = parse(EVENT, json)?;
    let named = payload.repository.and_then(|repository| repository.full_name);
    same_repository(&named.ok_or_else(|| missing("repository.full_name"))?, registered)?;
    let action = payload.action.ok_or_else(|| missing("action"))?;
    let pull = payload.pull_request.ok_or_else(|| missing("pull_request"))?;
    let number = pull.number.ok_or_else(|| missing("pull_request.number"))?;
    if number < 1 {
        return Err(invalid("pull_request.number", "a number above 0"));
    }
    let updated_at = pull.updated_at.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    let stands = match action.as_str() {
        "closed" => Stands::Closed,
        "reopened" => Stands::OpenAgain,
        _ => Stands::Open,
    };
    let word = Word { number, said_at: updated_at.map(|time| time.timestamp_millis()), stands };
    let is_retargeted = payload.changes.is_some_and(|changes| changes.base.is_some());
    match action.as_str() {
        "opened" | "reopened" | "synchronize" => {}
        "edited" if is_retargeted => {}
        "closed" => return Ok(Said::Closed(word)),
        other => {
            let reason = format!("pull request {number} was {}: that changes nothing of what is built", cut(other, 64));
            return Ok(Said::Nothing { reason });
        }
    }
    let head = pull.head.ok_or_else(|| missing("pull_request.head"))?;
    let base = pull.base.ok_or_else(|| missing("pull_request.base"))?;
    let commit = head.sha.ok_or_else(|| missing("pull_request.head.sha"))?;
    if !is_commit(&commit) {
        return Err(invalid("pull_request.head.sha", "a commit of 40 hexadecimal digits"));
    }
    let home = base.repo.and_then(|repository| repository.id).ok_or_else(|| missing("pull_request.base.repo.id"))?;
    Ok(Said::Proposed(Proposal {
        pull: PullRequest {
            number,
            head: branch(head.branch, "pull_request.head.ref")?,
            base: branch(base.branch, "pull_request.base.ref")?,
        },
        word,
        commit: commit.to_ascii_lowercase(),
        before: payload.before.filter(|before| is_commit(before)),
        title: cut(pull.title.as_deref().unwrap_or_default(), MESSAGE_CHARS),
        author: cut(pull.user.as_ref().and_then(|user| user.login.as_deref()).unwrap_or_default(), AUTHOR_CHARS),
        proposer: Proposer {
            opener: pull.user.as_ref().and_then(account),
            sender: payload.sender.as_ref().and_then(account),
            fork: fork(head.repo, home),
        },
    }))
}

fn account(user: &User) -> Option<Account> {
    Some(Account { id: user.id?, login: cut(user.login.as_deref().unwrap_or_default(), AUTHOR_CHARS) })
}

/// The repository that the branch is in, where it is another one. Who cannot be told is a stranger.
fn fork(repository: Option<Identity>, home: i64) -> Option<String> {
    match repository {
        Some(repository) if repository.id == Some(home) => None,
        Some(Identity { full_name: Some(name), .. }) => Some(cut(&name, AUTHOR_CHARS)),
        _ => Some("a repository that is gone".to_owned()),
    }
}

fn branch(name: Option<String>, field: &'static str) -> Result<String, PayloadError> {
    let name = name.ok_or_else(|| missing(field))?;
    if is_ref(&format!("refs/heads/{name}")) { Ok(name) } else { Err(invalid(field, "the name of a branch")) }
}

fn missing(field: &'static str) -> PayloadError {
    PayloadError::Missing { event: EVENT.to_owned(), field }
}

fn invalid(field: &'static str, expected: &'static str) -> PayloadError {
    PayloadError::Invalid { event: EVENT.to_owned(), field, expected }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    /// As GitHub sends it, without what is not read.
    fn opened() -> Value {
        let home = json!({"id": 186_853_002, "full_name": "shop/web"});
        let base = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
        json!({
            "action": "opened",
            "number": 2,
            "pull_request": {
                "number": 2,
                "state": "open",
                "title": "Update the README with new information.",
                "user": {"login": "Codertocat", "id": 21_031_067},
                "head": {"label": "shop:changes", "ref": "changes", "sha": HEAD, "repo": home},
                "base": {"label": "shop:main", "ref": "main", "sha": base, "repo": home},
                "merge_commit_sha": null,
                "mergeable": null,
                "draft": false,
            },
            "repository": {"full_name": "shop/web", "clone_url": "https://attacker.example/x.git"},
        })
    }

    fn said(payload: &Value) -> Result<Said, String> {
        read(payload.to_string().as_bytes(), "shop/web").map_err(|error| error.to_string())
    }

    fn proposed(payload: &Value) -> Proposal {
        match said(payload).unwrap() {
            Said::Proposed(proposal) => proposal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_is_opened_reopened_or_pushed_to_is_built() {
        let proposal = proposed(&opened());
        assert_eq!(proposal.pull, PullRequest { number: 2, head: "changes".to_owned(), base: "main".to_owned() });
        assert_eq!((proposal.commit.as_str(), proposal.before.as_deref()), (HEAD, None));
        assert_eq!(proposal.author, "Codertocat");
        assert_eq!(proposal.proposer.fork, None);
        let opener = Account { id: 21_031_067, login: "Codertocat".to_owned() };
        assert_eq!(proposal.proposer.opener, Some(opener));
        let mut payload = opened();
        payload["action"] = json!("synchronize");
        payload["before"] = json!("f95f852bd8fca8fcc58a9a2d6c842781e32a215e");
        assert_eq!(proposed(&payload).before.as_deref(), Some("f95f852bd8fca8fcc58a9a2d6c842781e32a215e"));
        payload["action"] = json!("reopened");
        proposed(&payload);
    }

    #[test]
    fn a_fork_is_told_by_ids_whatever_it_is_called() {
        let mut payload = opened();
        payload["pull_request"]["head"]["repo"] = json!({"id": 7, "full_name": "shop/web"});
        assert!(proposed(&payload).proposer.fork.is_some());
        for unknown in [Value::Null, json!({"full_name": "shop/web"})] {
            payload["pull_request"]["head"]["repo"] = unknown;
            assert!(proposed(&payload).proposer.fork.is_some(), "who cannot be told is a stranger");
        }
    }

    #[test]
    fn a_new_target_is_built_and_a_new_title_is_not() {
        let mut payload = opened();
        payload["action"] = json!("edited");
        payload["changes"] = json!({"title": {"from": "Old"}});
        let reason = "pull request 2 was edited: that changes nothing of what is built".to_owned();
        assert_eq!(said(&payload).unwrap(), Said::Nothing { reason });
        payload["changes"] = json!({"base": {"ref": {"from": "develop"}, "sha": {"from": HEAD}}});
        assert_eq!(proposed(&payload).pull.base, "main");
    }

    #[test]
    fn closing_ends_it_and_the_rest_starts_nothing() {
        let mut payload = opened();
        payload["action"] = json!("closed");
        payload["pull_request"]["updated_at"] = json!("2019-05-15T15:20:33Z");
        let word = Word { number: 2, said_at: Some(1_557_933_633_000), stands: Stands::Closed };
        assert_eq!(said(&payload).unwrap(), Said::Closed(word));
        payload["action"] = json!("labeled");
        assert!(matches!(said(&payload).unwrap(), Said::Nothing { .. }));
    }

    #[test]
    fn what_is_missing_or_odd_is_named() {
        for field in ["number", "head", "base"] {
            let mut payload = opened();
            payload["pull_request"].as_object_mut().unwrap().remove(field);
            let refusal = said(&payload).unwrap_err();
            assert_eq!(refusal, format!("the pull_request payload has no `pull_request.{field}`"));
        }
        let mut payload = opened();
        payload["pull_request"]["head"]["ref"] = json!("a..b");
        assert!(said(&payload).unwrap_err().contains("`pull_request.head.ref` is not the name of a branch"));
        let mut payload = opened();
        payload["pull_request"]["number"] = json!(-1);
        assert!(said(&payload).unwrap_err().contains("is not a number above 0"));
        let mut payload = opened();
        payload["repository"]["full_name"] = json!("evil/web");
        assert!(said(&payload).unwrap_err().contains("this hook belongs to shop/web"));
    }
}
