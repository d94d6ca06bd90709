//! What an administrator asks of an environment's releases on the server, where no commit can take it away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use slipway_pipelines::{
    conditions::{PatternError, Patterns},
    config::{Bake, Limits, Source, Strategy, Window},
};

use super::Written;
use crate::{
    events::NewEvent,
    releases::DecisionKind,
    signing::Signer,
    store::{
        self, StoreError, Tx,
        decisions::{self, NewDecision},
        environments::Environment,
    },
};

/// The most people who can be asked for; as in captain.yml.
const MAX_APPROVALS: u32 = 20;
/// The most names and patterns of one list.
const MAX_LIST: usize = 50;
/// The most signers.
const MAX_SIGNERS: usize = 10;
/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// The longest reason, in characters.
const MAX_REASON: usize = 1_000;

/// What an administrator asks for beyond captain.yml. Of both, the stricter holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protection {
    /// How many people must agree, at least.
    pub approvals: u32,
    /// Who may be among them, by name; empty for everyone who may change things.
    pub approvers: Vec<String>,
    /// Whether whoever wrote the commit or asked for the release may be among them.
    pub author: bool,
    /// The branches that releases may come from, as patterns; empty for every branch and tag.
    pub branches: Vec<String>,
    /// How long a release must have been live in its source, at least, and within which limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Written<Bake>>,
    /// When releases may begin, beside the window of captain.yml; none means whenever that says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Written<Window>>,
    /// Where releases come from, whatever captain.yml says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Written<Source>>,
    /// How a release takes the place of the one before, whatever captain.yml says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Written<Strategy>>,
    /// Who must have signed every image, by one signature of any of them: `server`, or public keys as PEM. Empty where none is
    /// asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<Written<Signer>>,
}

/// That nothing is released to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when, in unix milliseconds.
    pub since: i64,
    /// When it ends by itself.
    pub until: Option<i64>,
}

/// Why a protection or a freeze was not set.
#[derive(Debug, thiserror::Error)]
pub enum ProtectionError {
    /// Too many people are asked for.
    #[error("{0} approvals are more than the {MAX_APPROVALS} that can be asked for")]
    TooManyApprovals(u32),
    /// There are fewer people than approvals.
    #[error("{approvals} approvals can never be given by the {approvers} people who may: name more, or ask for fewer")]
    TooFewApprovers {
        /// How many are asked for.
        approvals: u32,
        /// How many people are named.
        approvers: usize,
    },
    /// A list is too long.
    #[error("a list has at most {MAX_LIST} entries")]
    TooLong,
    /// A name is none.
    #[error("a name has 1 to {MAX_NAME} characters")]
    BadName,
    /// A pattern cannot be read.
    #[error(transparent)]
    BadPattern(#[from] PatternError),
    /// People must be told why.
    #[error("say why, in 1 to {MAX_REASON} characters: whoever waits is shown it")]
    NoReason,
    /// It would be over already.
    #[error("the end of the freeze is past: give a later one, or none")]
    EndIsPast,
    /// The server signs nothing.
    #[error(
        "this server has no signing key: make one with `slipway signing create`, and build again what is to be released"
    )]
    NoSigningKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Protection {
    /// Whether this person may approve at all.
    #[must_use]
    pub fn lets_approve(&self, person: &str) -> bool {
        self.approvers.is_empty() || self.approvers.iter().any(|approver| same_person(approver, person))
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Protection::default()
    }

    /// How long a release must have been live in its source, in milliseconds, where captain.yml asks for `settings_ms`: the
    /// longer of both.
    #[must_use]
    pub fn bake_ms(&self, settings_ms: u64) -> u64 {
        self.bake.as_ref().map_or(settings_ms, |bake| settings_ms.max(bake.0.ms))
    }

    /// Within which limits it must have been, where captain.yml asks for `settings`: the lower of both.
    #[must_use]
    pub fn bake_limits(&self, settings: Limits) -> Limits {
        self.bake.as_ref().map_or(settings, |bake| settings.and(bake.0.limits))
    }

    /// How a release takes the place of the one before, where captain.yml says `settings`.
    #[must_use]
    pub fn strategy<'a>(&'a self, settings: &'a Strategy) -> &'a Strategy {
        self.strategy.as_ref().map_or(settings, |strategy| &strategy.0)
    }

    fn check(&self) -> Result<(), ProtectionError> {
        if self.approvals > MAX_APPROVALS {
            return Err(ProtectionError::TooManyApprovals(self.approvals));
        }
        if self.approvers.len() > MAX_LIST || self.branches.len() > MAX_LIST || self.signed_by.len() > MAX_SIGNERS {
            return Err(ProtectionError::TooLong);
        }
        if !self.approvers.iter().all(|name| (1..=MAX_NAME).contains(&name.trim().chars().count())) {
            return Err(ProtectionError::BadName);
        }
        let (approvals, approvers) = (self.approvals, self.approvers.len());
        if approvers > 0 && usize::try_from(approvals).unwrap_or(usize::MAX) > approvers {
            return Err(ProtectionError::TooFewApprovers { approvals, approvers });
        }
        Patterns::new(&self.branches)?;
        Ok(())
    }
}

impl Freeze {
    /// Whether it has not ended by itself.
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Whether two names are of one person. Who wrote a commit is known by what the commit says alone, so case and spaces
/// around are not what tells people apart.
#[must_use]
pub(crate) fn same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Sets what is asked for from now on. The environment's row is locked by this transaction.
///
/// # Errors
/// When it makes no sense, or the database fails.
pub async fn protect(
    tx: &mut Tx,
    environment: &Environment,
    protection: &Protection,
    actor: &str,
    reason: Option<&str>,
) -> Result<(), ProtectionError> {
    protection.check()?;
    let asks_server = protection.signed_by.iter().any(|signer| signer.0 == Signer::Server);
    if asks_server && store::signing_keys::list(&mut tx.conn()).await?.is_empty() {
        return Err(ProtectionError::NoSigningKey);
    }
    if environment.protection.0 == *protection {
        return Ok(());
    }
    store::environments::set_protection(tx, &environment.id, protection).await?;
    let detail = json!({"before": environment.protection.0, "after": protection});
    decided(tx, environment, DecisionKind::Protected, actor, shortened(reason).as_deref(), detail).await
}

/// Lets nothing be released to the environment until `until`, or until somebody takes it back. The environment's row is
/// locked by this transaction.
///
/// # Errors
/// When there is no reason, the end is past, or the database fails.
pub async fn freeze(
    tx: &mut Tx,
    environment: &Environment,
    reason: &str,
    until: Option<i64>,
    actor: &str,
) -> Result<(), ProtectionError> {
    let reason = reason.trim();
    if !(1..=MAX_REASON).contains(&reason.chars().count()) {
        return Err(ProtectionError::NoReason);
    }
    let now = tx.now();
    if until.is_some_and(|until| until <= now) {
        return Err(ProtectionError::EndIsPast);
    }
    let standing = environment.frozen.as_ref().filter(|freeze| freeze.holds(now));
    if standing.is_some_and(|freeze| freeze.reason == reason && freeze.until == until) {
        return Ok(());
    }
    let freeze = Freeze { by: actor.to_owned(), reason: reason.to_owned(), since: now, until };
    store::environments::set_freeze(tx, &environment.id, Some(&freeze)).await?;
    decided(tx, environment, DecisionKind::Frozen, actor, Some(reason), json!({"until": until})).await
}

/// Takes the freeze back, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn unfreeze(
    tx: &mut Tx,
    environment: &Environment,
    reason: Option<&str>,
    actor: &str,
) -> Result<(), ProtectionError> {
    if environment.frozen.is_none() {
        return Ok(());
    }
    store::environments::set_freeze(tx, &environment.id, None).await?;
    decided(tx, environment, DecisionKind::Unfrozen, actor, shortened(reason).as_deref(), json!({})).await
}

fn shortened(reason: Option<&str>) -> Option<String> {
    let reason: String = reason?.trim().chars().take(MAX_REASON).collect();
    (!reason.is_empty()).then_some(reason)
}

async fn decided(
    tx: &mut Tx,
    environment: &Environment,
    kind: DecisionKind,
    actor: &str,
    reason: Option<&str>,
    detail: serde_json::Value,
) -> Result<(), ProtectionError> {
    decisions::insert(tx, NewDecision { environment: &environment.id, release: None, kind, actor, reason, detail })
        .await?;
    tx.emit(
        NewEvent::new(format!("environment.{kind}"))
            .repository(&environment.repository_id)
            .environment(&environment.id)
            .with("name", &environment.name)
            .with("actor", actor)
            .with("reason", reason),
    );
    tx.ring_gates();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_met_is_refused() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let told = |protection: Protection| protection.check().err().map(|error| error.to_string());
        assert_eq!(told(Protection::default()), None);
        assert_eq!(told(Protection { approvals: 2, approvers: named(&["ana", "bo"]), ..Protection::default() }), None);
        assert_eq!(
            told(Protection { approvals: 21, ..Protection::default() }).as_deref(),
            Some("21 approvals are more than the 20 that can be asked for")
        );
        assert_eq!(
            told(Protection { approvals: 3, approvers: named(&["ana", "bo"]), ..Protection::default() }).as_deref(),
            Some("3 approvals can never be given by the 2 people who may: name more, or ask for fewer")
        );
        assert!(told(Protection { approvers: named(&[" "]), ..Protection::default() }).is_some());
        assert!(told(Protection { branches: named(&["a["]), ..Protection::default() }).is_some());
        assert!(told(Protection { branches: vec!["main".to_owned(); 51], ..Protection::default() }).is_some());
    }

    #[test]
    fn people_are_told_apart_by_their_names_alone() {
        let protection = Protection { approvers: vec!["Ana".to_owned()], ..Protection::default() };
        assert!(protection.lets_approve(" ana") && !protection.lets_approve("bo"));
        assert!(Protection::default().lets_approve("anyone"));
    }
}
