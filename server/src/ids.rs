//! Ids: ULIDs in text, one type for each noun, so that a build's id is never taken for a job's.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Text that is no ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not an id: 26 characters of Crockford's base 32 were expected")]
pub struct InvalidId(String);

/// What an id is, for the API's document.
pub const DESCRIPTION: &str = "An id: a ULID, 26 characters of Crockford's base 32.";
/// What an id looks like.
pub const PATTERN: &str = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$";

static GENERATOR: Mutex<ulid::Generator> = Mutex::new(ulid::Generator::new());

/// A new ULID. Within one process a later one always sorts behind an earlier one, also within one millisecond.
fn generate() -> String {
    let mut generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let id = match generator.generate() {
        Ok(id) => id,
        Err(overflow) => overflow.commit_overflow_increment(),
    };
    id.to_string()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
        )]
        #[serde(try_from = "String", into = "String")]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would suggest that it is always the same")]
            pub fn new() -> Self {
                $name(generate())
            }

            /// The first id of a time (unix milliseconds): all that were made before sort before it.
            #[must_use]
            pub fn first_at(at: i64) -> Self {
                $name(ulid::Ulid::from_parts(u64::try_from(at).unwrap_or(0), 0).to_string())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": DESCRIPTION, "pattern": PATTERN})
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match ulid::Ulid::from_string(text) {
                    Ok(id) => Ok($name(id.to_string())),
                    Err(_) => Err(InvalidId(text.chars().take(64).collect())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A connected repository.
    RepositoryId
);
id!(
    /// A webhook delivery.
    DeliveryId
);
id!(
    /// A build.
    BuildId
);
id!(
    /// A job: a build or a rollout in the queue.
    JobId
);
id!(
    /// A step of one attempt of a job.
    StepId
);
id!(
    /// A schedule.
    ScheduleId
);
id!(
    /// An environment.
    EnvironmentId
);
id!(
    /// A release.
    ReleaseId
);
id!(
    /// A decision about a release or an environment.
    DecisionId
);
id!(
    /// A runner that was admitted with a token of its own.
    RunnerId
);
id!(
    /// An access token.
    TokenId
);
id!(
    /// Somebody's account.
    UserId
);
id!(
    /// A role that somebody was granted.
    GrantId
);
id!(
    /// An account elsewhere by which somebody logs in.
    IdentityId
);
id!(
    /// A session of somebody with an account.
    SessionId
);
id!(
    /// An audit entry.
    AuditId
);
id!(
    /// A channel that notifications go to.
    ChannelId
);
id!(
    /// Trouble that somebody should know of.
    AlertId
);
id!(
    /// One message to one channel.
    NotificationId
);
id!(
    /// One thing that a forge is to show.
    ForgeReportId
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
    use super::*;

    #[test]
    fn later_ids_sort_behind_earlier_ones() {
        let ids: Vec<BuildId> = (0..1000).map(|_| BuildId::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn only_ulids_are_ids() {
        let id = JobId::new();
        assert_eq!(id.as_str().parse::<JobId>().unwrap(), id);
        assert_eq!(id.as_str().to_lowercase().parse::<JobId>().unwrap(), id, "one spelling for each id");
        assert!("../etc/passwd".parse::<JobId>().is_err());
        assert!(serde_json::from_str::<JobId>("\"x\"").is_err());
    }
}
