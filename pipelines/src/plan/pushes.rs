//! Whether a build pushes an app's image, and under which tags.

use super::{PlanError, Situation, Trigger, instances::Instance};
use crate::{
    conditions::{self, PatternError, Patterns},
    config::{CommitLength, Defaults, Event, Latest, PushRule, TagRule},
    plan::Reference,
    tags::{Rules, tags},
};

/// The tags of all apps of a build. Most apps have the same rules, and then the repository's refs are gone through once.
pub(super) struct Pushes<'a> {
    situation: &'a Situation,
    defaults: &'a Defaults,
    known: Vec<(Key<'a>, Vec<String>)>,
}

type Key<'a> = (&'a [TagRule], CommitLength, Latest);

impl<'a> Pushes<'a> {
    pub(super) fn new(situation: &'a Situation, defaults: &'a Defaults) -> Self {
        Pushes { situation, defaults, known: Vec::new() }
    }

    /// The tags of an app, and why it is not pushed.
    pub(super) fn of(&mut self, instance: &Instance<'a>) -> Result<(Vec<String>, Option<String>), PlanError> {
        let trigger = &self.situation.trigger;
        let tags = self.tags(instance)?;
        let refused = refused(&instance.app.push, trigger)
            .map_err(|source| PlanError::Pattern { app: instance.name.clone(), source })?;
        let skipped = instance.left_out.clone().or(refused);
        let skipped = skipped.or_else(|| {
            let rules: Vec<&str> = instance.app.tags.iter().map(in_words).collect();
            let none = format!("tags is {}, which gives none for {}", rules.join(", "), conditions::this(trigger));
            tags.is_empty().then_some(none)
        });
        Ok((tags, skipped))
    }

    fn tags(&mut self, instance: &Instance<'a>) -> Result<Vec<String>, PlanError> {
        let app = instance.app;
        let commit_length = app.commit_length.unwrap_or(self.defaults.commit_length);
        let latest = app.latest.unwrap_or(self.defaults.latest);
        let key = (app.tags.as_slice(), commit_length, latest);
        if let Some((_, tags)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(tags.clone());
        }
        let rules = Rules { rules: &app.tags, commit_length, latest, values: &instance.values };
        let tags = tags(&rules, &self.situation.trigger, &self.situation.refs)
            .map_err(|source| instance.texts().error(source))?;
        // A text may use what differs from app to app.
        if !app.tags.iter().any(|rule| matches!(rule, TagRule::Text(_))) {
            self.known.push((key, tags.clone()));
        }
        Ok(tags)
    }
}

/// Why the rule does not push this build, if it does not.
fn refused(rule: &PushRule, trigger: &Trigger) -> Result<Option<String>, PatternError> {
    if trigger.event == Event::PullRequest {
        return Ok(Some("a pull request pushes nothing".to_owned()));
    }
    let (branches, tags) = match rule {
        PushRule::Always => return Ok(None),
        PushRule::Never => return Ok(Some("push is false".to_owned())),
        PushRule::Matching { branches, tags } => (branches, tags),
    };
    let (kind, patterns, name) = match &trigger.reference {
        Reference::Branch(name) => ("branches", branches, name),
        Reference::Tag(name) => ("tags", tags, name),
    };
    let this = conditions::this(trigger);
    if patterns.is_empty() {
        return Ok(Some(format!("push names no {kind}, this is {this}")));
    }
    let is_wanted = Patterns::new(patterns)?.matches(name);
    Ok((!is_wanted).then(|| format!("push.{kind} is {}, this is {this}", patterns.join(", "))))
}

fn in_words(rule: &TagRule) -> &str {
    match rule {
        TagRule::Branch => "branch",
        TagRule::Commit => "commit",
        TagRule::Semver => "semver",
        TagRule::Latest => "latest",
        TagRule::Text(text) => text,
    }
}
