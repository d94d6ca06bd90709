//! A GitHub that sends deliveries: payloads in the shape of the real ones, signed as GitHub signs them.

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::{Answer, http_client};

/// The commit that stands for "none": a ref's before when it is new, its after when it is gone.
const NONE: &str = "0000000000000000000000000000000000000000";

/// The repository's number at the forge.
const REPOSITORY_ID: i64 = 186_853_002;

/// A webhook as it is set up at the forge.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The repository, `owner/name`.
    pub repository: String,
    /// The payload URL.
    pub url: String,
    /// The secret.
    pub secret: String,
}

/// A delivery, ready to be sent; every part of it can be spoiled.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// `X-GitHub-Event`; not sent when empty.
    pub event: String,
    /// `X-GitHub-Delivery`; not sent when empty.
    pub id: String,
    /// `Content-Type`.
    pub content_type: String,
    /// The raw body.
    pub body: Vec<u8>,
    /// `X-Hub-Signature-256`, where it is not the right one; not sent when empty.
    pub signature: Option<String>,
}

/// A push to describe.
#[derive(Debug, Clone)]
pub struct Push {
    repository: String,
    git_ref: String,
    before: String,
    after: String,
    head: Option<String>,
    forced: bool,
    message: String,
    author: String,
}

impl Push {
    /// A push of `commit` to a branch.
    #[must_use]
    pub fn to_branch(repository: &str, branch: &str, commit: &str) -> Self {
        Push {
            repository: repository.to_owned(),
            git_ref: format!("refs/heads/{branch}"),
            before: NONE.to_owned(),
            after: commit.to_owned(),
            head: Some(commit.to_owned()),
            forced: false,
            message: "Say hello".to_owned(),
            author: "Ada Lovelace".to_owned(),
        }
    }

    /// A push of a tag that points to `commit`.
    #[must_use]
    pub fn of_tag(repository: &str, tag: &str, commit: &str) -> Self {
        Push { git_ref: format!("refs/tags/{tag}"), ..Self::to_branch(repository, "", commit) }
    }

    /// A push of an annotated tag: `after` is the tag's own object.
    #[must_use]
    pub fn of_annotated_tag(repository: &str, tag: &str, object: &str, commit: &str) -> Self {
        Push { after: object.to_owned(), ..Self::of_tag(repository, tag, commit) }
    }

    /// The deletion of a branch that pointed to `commit`.
    #[must_use]
    pub fn deletes_branch(repository: &str, branch: &str, commit: &str) -> Self {
        let push = Self::to_branch(repository, branch, NONE);
        Push { before: commit.to_owned(), head: None, ..push }
    }

    /// Where the ref stood before.
    #[must_use]
    pub fn after(mut self, before: &str) -> Self {
        self.before = before.to_owned();
        self
    }

    /// History was rewritten.
    #[must_use]
    pub fn forced(mut self) -> Self {
        self.forced = true;
        self
    }

    /// The commit's message.
    #[must_use]
    pub fn saying(mut self, message: &str) -> Self {
        self.message = message.to_owned();
        self
    }

    /// The delivery of it.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery::new("push", &self.payload())
    }

    /// The payload, as GitHub has it.
    #[must_use]
    pub fn payload(&self) -> Value {
        let (owner, name) = self.repository.split_once('/').unwrap_or(("", &self.repository));
        let person = json!({"name": self.author, "email": "ada@example.com", "username": "ada"});
        let head = self.head.as_ref().map(|id| {
            json!({
                "id": id,
                "tree_id": "31b122c26a97cf9af023e9ddab94a82c6e77b0ea",
                "distinct": true,
                "message": self.message,
                "timestamp": "2026-11-20T10:00:00+01:00",
                "url": format!("https://github.com/{}/commit/{id}", self.repository),
                "author": person,
                "committer": person,
                "added": [], "removed": [], "modified": ["README.md"],
            })
        });
        json!({
            "ref": self.git_ref,
            "before": self.before,
            "after": self.after,
            "base_ref": null,
            "created": self.before == NONE,
            "deleted": self.after == NONE,
            "forced": self.forced,
            "compare": format!("https://github.com/{}/compare/{}...{}", self.repository, self.before, self.after),
            "commits": head.iter().collect::<Vec<_>>(),
            "head_commit": head,
            "pusher": {"name": "ada", "email": "ada@example.com"},
            "repository": repository(&self.repository),
            "sender": {"login": "ada", "id": 21_031_067, "type": "User", "site_admin": false},
            "organization": {"login": owner, "id": 38_302_899, "description": name},
        })
    }
}

/// A pull request to describe, from one branch of a repository to another.
#[derive(Debug, Clone)]
pub struct PullRequest {
    repository: String,
    number: i64,
    head: String,
    base: String,
    head_repository: Option<i64>,
    opener: (&'static str, i64),
    sender: (&'static str, i64),
}

impl PullRequest {
    /// A pull request within a repository.
    #[must_use]
    pub fn new(repository: &str, number: i64, head: &str, base: &str) -> Self {
        PullRequest {
            repository: repository.to_owned(),
            number,
            head: head.to_owned(),
            base: base.to_owned(),
            head_repository: Some(REPOSITORY_ID),
            opener: ("ada", 21_031_067),
            sender: ("ada", 21_031_067),
        }
    }

    /// The same, opened by another account, which is also who does what is delivered.
    #[must_use]
    pub fn by(mut self, login: &'static str, id: i64) -> Self {
        (self.opener, self.sender) = ((login, id), (login, id));
        self
    }

    /// The same with another account that does what is delivered.
    #[must_use]
    pub fn sent_by(mut self, login: &'static str, id: i64) -> Self {
        self.sender = (login, id);
        self
    }

    /// The same from a fork, which has a number of its own.
    #[must_use]
    pub fn from_fork(mut self) -> Self {
        self.head_repository = Some(REPOSITORY_ID + 1);
        self
    }

    /// The delivery of an action on it, with the tip of its branch.
    #[must_use]
    pub fn delivery(&self, action: &str, tip: &str) -> Delivery {
        Delivery::new("pull_request", &self.payload(action, tip))
    }

    /// The delivery of a push to its branch.
    #[must_use]
    pub fn pushed(&self, before: &str, tip: &str) -> Delivery {
        let mut payload = self.payload("synchronize", tip);
        payload["before"] = json!(before);
        payload["after"] = json!(tip);
        Delivery::new("pull_request", &payload)
    }

    /// The payload, as GitHub has it: what it says of the merge is not known yet.
    fn payload(&self, action: &str, tip: &str) -> Value {
        let (owner, _) = self.repository.split_once('/').unwrap_or(("", ""));
        let account = |(login, id): (&str, i64)| json!({"login": login, "id": id, "type": "User"});
        let user = account(self.opener);
        let end = |branch: &str, sha: &str, id: Option<i64>| {
            let mut home = repository(&self.repository);
            home["id"] = json!(id);
            if id != Some(REPOSITORY_ID) {
                home["full_name"] = json!(format!("{}/web", self.opener.0));
            }
            json!({"label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "user": user, "repo": home})
        };
        json!({
            "action": action,
            "number": self.number,
            "pull_request": {
                "id": 279_147_437,
                "number": self.number,
                "state": if action == "closed" { "closed" } else { "open" },
                "locked": false,
                "title": "Say more",
                "body": "A pretty simple change.",
                "user": user,
                "head": end(&self.head, tip, self.head_repository),
                "base": end(&self.base, &commit("base"), Some(REPOSITORY_ID)),
                "merge_commit_sha": null,
                "merged": false,
                "mergeable": null,
                "rebaseable": null,
                "mergeable_state": "unknown",
                "draft": false,
                "commits": 1,
                "changed_files": 1,
            },
            "repository": repository(&self.repository),
            "sender": account(self.sender),
        })
    }
}

impl Delivery {
    /// A delivery of an event with a payload, under a new delivery id.
    #[must_use]
    pub fn new(event: &str, payload: &Value) -> Self {
        Delivery {
            event: event.to_owned(),
            id: new_id(),
            content_type: "application/json".to_owned(),
            body: payload.to_string().into_bytes(),
            signature: None,
        }
    }

    /// The ping that GitHub sends when a webhook is set up.
    #[must_use]
    pub fn ping(repository_name: &str) -> Self {
        let payload = json!({
            "zen": "Design for failure.",
            "hook_id": 109_948_940,
            "hook": {"type": "Repository", "id": 109_948_940, "name": "web", "active": true, "events": ["push"]},
            "repository": repository(repository_name),
            "sender": {"login": "ada", "id": 21_031_067, "type": "User"},
        });
        Self::new("ping", &payload)
    }

    /// An event that has nothing to do with commits.
    #[must_use]
    pub fn issue_opened(repository_name: &str) -> Self {
        let payload = json!({
            "action": "opened",
            "issue": {"number": 1, "title": "Spelling", "user": {"login": "ada", "id": 21_031_067}},
            "repository": repository(repository_name),
            "sender": {"login": "ada", "id": 21_031_067, "type": "User"},
        });
        Self::new("issues", &payload)
    }

    /// The same, as GitHub sends it when the webhook's content type is `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn as_form(mut self) -> Self {
        let payload = String::from_utf8_lossy(&self.body).into_owned();
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload).finish();
        self.body = form.into_bytes();
        self.content_type = "application/x-www-form-urlencoded".to_owned();
        self
    }

    /// Sends it, signed with the webhook's secret unless it has a signature of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, webhook: &Webhook) -> Answer {
        let signature = self.signature.clone().unwrap_or_else(|| sign(&webhook.secret, &self.body));
        let mut request = http_client()
            .post(&webhook.url)
            .header("user-agent", "GitHub-Hookshot/760256b")
            .header("content-type", &self.content_type)
            .body(self.body.clone());
        let headers =
            [("x-github-event", &self.event), ("x-github-delivery", &self.id), ("x-hub-signature-256", &signature)];
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }
}

/// The signature that GitHub puts into `X-Hub-Signature-256`.
///
/// # Panics
/// Never: HMAC takes any key.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

/// A commit id that is the same for the same word.
#[must_use]
pub fn commit(word: &str) -> String {
    format!("{:x}", Sha256::digest(word.as_bytes()))[..40].to_owned()
}

fn repository(full_name: &str) -> Value {
    let (owner, name) = full_name.split_once('/').unwrap_or(("", full_name));
    json!({
        "id": REPOSITORY_ID,
        "node_id": "MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=",
        "name": name,
        "full_name": full_name,
        "private": false,
        "owner": {"name": owner, "login": owner, "id": 38_302_899, "type": "Organization"},
        "html_url": format!("https://github.com/{full_name}"),
        "clone_url": format!("https://github.com/{full_name}.git"),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "default_branch": "main",
    })
}

/// In the form of GitHub's delivery ids.
fn new_id() -> String {
    let hex = format!("{:032x}", u128::from(ulid::Ulid::generate()));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
