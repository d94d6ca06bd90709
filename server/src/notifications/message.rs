//! What is told: facts that each kind of channel puts in its own form.

use serde::{Deserialize, Serialize};

use super::Occasion;

/// One message. It is stored as it is sent, so that a change of captain.yml or the end of a build's retention does not
/// change what is said about the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it is about.
    pub occasion: Occasion,
    /// The repository's name; empty where it is of a runner.
    pub repository: String,
    /// When it happened, in unix milliseconds.
    pub at: i64,
    /// The path of its page on this server.
    pub page: String,
    /// Why, as far as there is a reason.
    pub reason: Option<String>,
    /// What it is of.
    pub about: About,
    /// Where it stands within the trouble that it belongs to.
    pub trouble: Option<Trouble>,
}

/// What a message is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A build.
    Build {
        /// Its number.
        number: i64,
        /// Its branch, its tag, or `pull/7`.
        reference: String,
        /// Its commit.
        commit: String,
        /// The first line of the commit's message.
        summary: String,
        /// Who wrote the commit, as the commit says.
        author: String,
    },
    /// A release.
    Release {
        /// Its environment.
        environment: String,
        /// Its number.
        number: i64,
        /// The number of the build that it came from.
        build: i64,
        /// The commit that it was built of.
        commit: String,
    },
    /// An app of what is live.
    App {
        /// Its environment.
        environment: String,
        /// The app.
        app: String,
        /// Which of its replicas, from 1.
        replica: u32,
        /// The number of the release.
        release: i64,
    },
    /// A runner, or the machine that it is on.
    Runner {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
}

/// Trouble that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The id of its alert.
    pub alert: String,
    /// When it began, in unix milliseconds.
    pub since: i64,
    /// How often it was met.
    pub times: i64,
    /// Whether this message says that it is over.
    pub is_over: bool,
    /// Who looks after it.
    #[serde(default)]
    pub taken_by: Option<String>,
}

impl Message {
    /// What happened, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        let what = match &self.about {
            About::Build { number, reference, .. } => format!("build {number} of {reference}"),
            About::Release { environment, number, .. } => format!("release {number} to {environment}"),
            About::App { environment, app, .. } => format!("{app} in {environment}"),
            About::Runner { name, .. } => return format!("runner {name} {}", self.outcome()),
        };
        format!("{}: {what} {}", self.repository, self.outcome())
    }

    fn outcome(&self) -> String {
        if self.ends_trouble() && self.is_bad() {
            return format!("{}; its alert is closed", self.happened());
        }
        if let Some(Trouble { is_over: true, times, .. }) = self.trouble {
            let after = if times == 1 { "a failure".to_owned() } else { format!("{times} failures") };
            return match self.about {
                About::Build { .. } => format!("succeeded after {after}"),
                About::Release { .. } => format!("is live after {after}"),
                About::App { .. } => "is well again".to_owned(),
                About::Runner { .. } => self.happened().to_owned(),
            };
        }
        self.happened().to_owned()
    }

    fn happened(&self) -> &'static str {
        match self.occasion {
            Occasion::BuildFailed | Occasion::ReleaseFailed => "failed",
            Occasion::BuildSucceeded => "succeeded",
            Occasion::ReleaseHeld => "waits",
            Occasion::ReleaseLive => "is live",
            Occasion::ReleaseBreached => "was found wanting",
            Occasion::AppUnwell => "does not stay well",
            Occasion::AppWell => "is well again",
            Occasion::RunnerSilent => "is silent",
            Occasion::RunnerHeard => "is heard of again",
            Occasion::DiskFull => "has a nearly full disk",
            Occasion::DiskFree => "has room on its disk again",
        }
    }

    /// Whether something failed.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.occasion.is_trouble()
    }

    /// Whether it says that trouble is over.
    #[must_use]
    pub fn ends_trouble(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.is_over)
    }

    /// What stands below the title: the reason, and what it is of; without empty lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let of = match &self.about {
            About::Build { commit, summary, author, .. } => format!("{} {summary} ({author})", short(commit)),
            About::Release { build, commit, .. } => format!("from build {build}, commit {}", short(commit)),
            About::App { replica, release, .. } => format!("replica {replica} of release {release}"),
            About::Runner { .. } => return self.reason.iter().cloned().collect(),
        };
        self.reason.iter().cloned().chain([of]).collect()
    }
}

/// The beginning of a commit's name, as git shows it.
fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Build 7 of main, which failed.
    pub(in crate::notifications) fn failed_build() -> Message {
        Message {
            occasion: Occasion::BuildFailed,
            repository: "acme/shop".to_owned(),
            at: 1_700_000_000_000,
            page: "/repositories/acme/shop/builds/7".to_owned(),
            reason: Some("step 2 (make <test>) failed: exit code 2".to_owned()),
            about: About::Build {
                number: 7,
                reference: "main".to_owned(),
                commit: "0123456789".repeat(4),
                summary: "Sell & ship".to_owned(),
                author: "Ada".to_owned(),
            },
            trouble: Some(Trouble {
                alert: "01ALERT".to_owned(),
                since: 1_700_000_000_000,
                times: 1,
                is_over: false,
                taken_by: None,
            }),
        }
    }

    /// Build 9 of main, with which it works again.
    pub(in crate::notifications) fn mended_build() -> Message {
        let failed = failed_build();
        let trouble = failed.trouble.clone().map(|trouble| Trouble { times: 2, is_over: true, ..trouble });
        Message { occasion: Occasion::BuildSucceeded, reason: None, trouble, ..failed }
    }

    #[test]
    fn a_title_says_all_that_matters() {
        assert_eq!(failed_build().title(), "acme/shop: build 7 of main failed");
        assert_eq!(mended_build().title(), "acme/shop: build 7 of main succeeded after 2 failures");
        let over = Trouble { alert: String::new(), since: 0, times: 3, is_over: true, taken_by: None };
        let closed = Message { trouble: Some(over), ..failed_build() };
        assert_eq!(closed.title(), "acme/shop: build 7 of main failed; its alert is closed");
        let about =
            About::Release { environment: "production".to_owned(), number: 3, build: 7, commit: "c".repeat(40) };
        let live = Message { occasion: Occasion::ReleaseLive, about, trouble: None, reason: None, ..failed_build() };
        assert_eq!(live.title(), "acme/shop: release 3 to production is live");
        assert_eq!(live.lines(), ["from build 7, commit ccccccc"]);
    }
}
