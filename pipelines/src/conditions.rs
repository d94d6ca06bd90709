//! The conditions of apps and steps, judged for one trigger, and the patterns that they are written in.
//!
//! In a pattern `*` and `?` do not cross a `/` and `**` does; `[…]` and `{a,b}` are sets and choices. A leading `!` takes
//! back what an earlier pattern took, so that the last one that matches decides; a list that begins so begins with
//! everything.

mod patterns;
mod wildcards;

pub use patterns::{PatternError, Patterns};

use crate::{
    config::{Event, When},
    plan::{Reference, Trigger},
};

/// Whether something takes part in a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does; the note says what a person may wonder about.
    Holds {
        /// Why, where that is not plain.
        note: Option<String>,
    },
    /// It does not.
    Fails {
        /// Why not, such as `when.branch is main, this is feature/x`.
        reason: String,
    },
}

/// Judges conditions for a trigger. All of those given must hold.
///
/// On a tag's build a condition on branches alone does not hold, unless `event` names `tag`; on a branch's build one on
/// tags alone does not, unless `event` names what caused the build.
///
/// # Errors
/// When a pattern cannot be read.
pub fn judge(when: &When, trigger: &Trigger) -> Result<Verdict, PatternError> {
    if let Some(reason) = reference_fails(when, trigger)?.or_else(|| event_fails(when, trigger)) {
        return Ok(Verdict::Fails { reason });
    }
    if when.paths.is_empty() {
        return Ok(Verdict::Holds { note: None });
    }
    let patterns = Patterns::new(&when.paths)?;
    let shown = when.paths.join(", ");
    let Some(changed) = &trigger.changed else {
        let note = format!("when.paths is {shown}; what changed is not known, so that it runs");
        return Ok(Verdict::Holds { note: Some(note) });
    };
    if changed.iter().any(|path| patterns.matches(path)) {
        return Ok(Verdict::Holds { note: None });
    }
    let nothing = match when.paths.as_slice() {
        [one] if one.ends_with("/**") && !one.starts_with('!') => "nothing under it changed",
        _ => "no changed file matches",
    };
    Ok(Verdict::Fails { reason: format!("when.paths is {shown}, {nothing}") })
}

/// The condition on branches or tags that does not hold, in words.
fn reference_fails(when: &When, trigger: &Trigger) -> Result<Option<String>, PatternError> {
    let (own, own_patterns, other, other_patterns, is_named) = match &trigger.reference {
        Reference::Branch(_) => ("branch", &when.branch, "tag", &when.tag, when.event.contains(&trigger.event)),
        Reference::Tag(_) => ("tag", &when.tag, "branch", &when.branch, when.event.contains(&Event::Tag)),
    };
    let (Reference::Branch(name) | Reference::Tag(name)) = &trigger.reference;
    let (failed, patterns) = if !own_patterns.is_empty() {
        if Patterns::new(own_patterns)?.matches(name) {
            return Ok(None);
        }
        (own, own_patterns)
    } else if !other_patterns.is_empty() && !is_named {
        (other, other_patterns)
    } else {
        return Ok(None);
    };
    Ok(Some(format!("when.{failed} is {}, this is {}", patterns.join(", "), this(trigger))))
}

fn event_fails(when: &When, trigger: &Trigger) -> Option<String> {
    if when.event.is_empty() || when.event.contains(&trigger.event) {
        return None;
    }
    let names: Vec<&str> = when.event.iter().map(|event| event.name()).collect();
    Some(format!("when.event is {}, this is {}", names.join(", "), trigger.event.name()))
}

/// What is built, in words.
pub(crate) fn this(trigger: &Trigger) -> String {
    match &trigger.reference {
        Reference::Branch(branch) if trigger.event == Event::PullRequest => format!("a pull request to {branch}"),
        Reference::Branch(branch) => branch.clone(),
        Reference::Tag(tag) => format!("the tag {tag}"),
    }
}

#[cfg(test)]
mod tests;
