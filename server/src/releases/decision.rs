//! The kinds of decisions, and who stands behind a release by the last word of each.

use crate::{environments::same_person, store::decisions::Decision, store::text::text_enum};

/// Who decides something, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Their name.
    pub actor: &'a str,
    /// What they give as the reason, if anything.
    pub reason: Option<&'a str>,
}

impl<'a> By<'a> {
    /// Somebody who gives no reason.
    #[must_use]
    pub fn name(actor: &'a str) -> Self {
        By { actor, reason: None }
    }
}

text_enum! {
    /// What was decided of a release or of an environment.
    DecisionKind {
        /// What is live elsewhere was promoted.
        Promoted = "promoted",
        /// Somebody, or what was found wanting, asked to return to an earlier release.
        RolledBack = "rolled_back",
        /// A person had what is live made anew.
        Restored = "restored",
        /// The release waits.
        Held = "held",
        /// A person agreed to the release.
        Approved = "approved",
        /// A person did not want the release.
        Rejected = "rejected",
        /// Nothing stood against the release any more, or it is the way out that nothing stands against.
        Admitted = "admitted",
        /// The release may not enter the environment.
        Refused = "refused",
        /// It was found wanting while it baked.
        Breached = "breached",
        /// A person paused its rollout.
        Paused = "paused",
        /// A person lets its rollout go on.
        Resumed = "resumed",
        /// A person, or a newer release, ended its rollout.
        Cancelled = "cancelled",
        /// A person lets nothing be released.
        Frozen = "frozen",
        /// A person lets releases in again.
        Unfrozen = "unfrozen",
        /// An administrator changed what is asked for.
        Protected = "protected",
    }
}

/// The last word of this person on a release, of all that was decided of it.
pub(super) fn last_word(decisions: &[Decision], person: &str) -> Option<DecisionKind> {
    let own = |decision: &&Decision| {
        matches!(decision.kind, DecisionKind::Approved | DecisionKind::Rejected) && same_person(&decision.actor, person)
    };
    decisions.iter().rfind(own).map(|decision| decision.kind)
}

/// Those who agreed and did not change their mind, each once.
pub(super) fn approving(decisions: &[Decision]) -> Vec<String> {
    let mut people: Vec<String> = Vec::new();
    for decision in decisions.iter().filter(|decision| decision.kind == DecisionKind::Approved) {
        let is_known = people.iter().any(|known| same_person(known, &decision.actor));
        if !is_known && last_word(decisions, &decision.actor) == Some(DecisionKind::Approved) {
            people.push(decision.actor.clone());
        }
    }
    people
}
