//! The tags that a build's images are pushed under.
//!
//! Every tag is legal, and no two refs of a repository share one, as far as the refs are known: where two names come to
//! one tag, the one with the lesser claim has a suffix made of its whole name.

mod names;
mod versions;

use crate::{
    config::{CommitLength, Event, Latest, TagRule},
    images::is_tag,
    plan::{Reference, Refs, Trigger},
    tags::{
        names::{clean, is_like_a_commit, is_like_suffixed, suffixed, with_suffix},
        versions::{is_version, version_tags},
    },
    variables::{self, TemplateError, short_commit},
};

const LATEST: &str = "latest";
const BRANCH: &str = "SLIPWAY_BRANCH";
const TAG: &str = "SLIPWAY_TAG";

/// What an app says of its tags.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The entries of its `tags`.
    pub rules: &'a [TagRule],
    /// How many digits the commit has.
    pub commit_length: CommitLength,
    /// Which builds move `latest`.
    pub latest: Latest,
    /// The variables that its texts may use.
    pub values: &'a [(String, String)],
}

/// The tags of a build by an app's rules; none where no rule has one for this build. None comes twice.
///
/// - `commit` gives the commit. It comes first: it is this build's own, so that whether a registry takes it harms nobody.
/// - `branch` gives the name of the branch or git tag, with `.` for every character that a tag may not hold.
/// - `semver` gives `v1.2.3 1.2.3 1.2 1` for the git tag `v1.2.3`; a pre-release gives itself only, and a version older
///   than one among `refs.tags` does not move the shorter tags back.
/// - `latest` gives `latest` on the default branch, or always.
/// - A text gives itself; `${SLIPWAY_BRANCH}` and `${SLIPWAY_TAG}` stand for the tag that `branch` gives, and a text that
///   uses one which this build does not have gives none.
///
/// A pull request is built under its commit alone: the names of its target are not its own.
///
/// # Errors
/// When a text uses an unknown variable.
pub fn tags(rules: &Rules<'_>, trigger: &Trigger, refs: &Refs) -> Result<Vec<String>, TemplateError> {
    let commit = commit_tag(&trigger.commit, rules.commit_length);
    let commit = rules.rules.contains(&TagRule::Commit).then_some(commit);
    if trigger.event == Event::PullRequest {
        return Ok(commit.into_iter().collect());
    }
    let own = match &trigger.reference {
        Reference::Branch(branch) => branch_tag(branch, &trigger.default_branch, refs, rules)?,
        Reference::Tag(tag) => name_of_tag(tag, refs, rules)?,
    };
    let mut tags: Vec<String> = commit.into_iter().collect();
    for rule in rules.rules {
        match (rule, &trigger.reference) {
            (TagRule::Commit, _) | (TagRule::Semver, Reference::Branch(_)) => {}
            (TagRule::Branch, _) => tags.push(own.clone()),
            (TagRule::Semver, Reference::Tag(tag)) => tags.extend(version_tags(tag, &refs.tags)),
            (TagRule::Latest, reference) => {
                let is_default = matches!(reference, Reference::Branch(branch) if *branch == trigger.default_branch);
                tags.extend((is_default || rules.latest == Latest::Always).then(|| LATEST.to_owned()));
            }
            (TagRule::Text(text), reference) => {
                let absent = if matches!(reference, Reference::Branch(_)) { TAG } else { BRANCH };
                if !variables::uses(text, absent) {
                    tags.extend(text_tag(text, &own, rules.values)?);
                }
            }
        }
    }
    let mut distinct = Vec::with_capacity(tags.len());
    for tag in tags {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    Ok(distinct)
}

fn commit_tag(commit: &str, length: CommitLength) -> String {
    let shown = match length {
        CommitLength::Short => short_commit(commit),
        CommitLength::Full => commit,
    };
    if is_tag(shown) { shown.to_owned() } else { clean(shown).0 }
}

/// The tag of a branch: its name with `.` for `/`, as captain has it, and for every other character that a tag may not
/// hold. A suffix is added where something else has the better claim to the tag: to a name that lost more than slashes,
/// to one with slashes where a branch of that very name exists, and to one that a git tag, a commit or a text gives.
fn branch_tag(branch: &str, default_branch: &str, refs: &Refs, rules: &Rules<'_>) -> Result<String, TemplateError> {
    let (tag, is_faithful) = clean(branch);
    let is_taken = !is_faithful
        || is_taken_by_a_name(&tag, branch, &refs.branches)
        || refs.tags.iter().any(|other| clean(other) == (tag.clone(), true) || version_tags(other, &[]).contains(&tag))
        || is_like_a_commit(&tag)
        || (tag == LATEST && branch != default_branch)
        || is_text(&tag, branch, &refs.branches, rules)?;
    Ok(if is_taken { with_suffix(&tag, branch) } else { tag })
}

/// The tag of a git tag's name: that name where it is legal. Versions have the better claim to `1.2`.
fn name_of_tag(name: &str, refs: &Refs, rules: &Rules<'_>) -> Result<String, TemplateError> {
    if is_version(name) {
        return Ok(name.to_owned());
    }
    let (tag, is_faithful) = clean(name);
    let is_taken = !is_faithful
        || is_taken_by_a_name(&tag, name, &refs.tags)
        || refs.tags.iter().any(|other| version_tags(other, &[]).contains(&tag))
        || is_like_a_commit(&tag)
        || tag == LATEST
        || is_text(&tag, name, &[], rules)?;
    Ok(if is_taken { with_suffix(&tag, name) } else { tag })
}

/// Whether another name of the same kind has the better claim to a name's tag.
fn is_taken_by_a_name(tag: &str, name: &str, all: &[String]) -> bool {
    let is_it = |other: &&String| tag != name && *other == tag;
    // `a/b.c` and `a.b/c` differ in their slashes only: the first in the alphabet keeps the tag.
    let is_before = |other: &&String| tag != name && other.as_str() < name && clean(other) == (tag.to_owned(), true);
    let is_suffixed = |other: &&String| *other != name && is_like_suffixed(tag) && suffixed(other) == tag;
    all.iter().any(|other| is_it(&other) || is_before(&other) || is_suffixed(&other))
}

/// Whether one of the app's texts gives the tag, for any branch but this.
fn is_text(tag: &str, branch: &str, branches: &[String], rules: &Rules<'_>) -> Result<bool, TemplateError> {
    for rule in rules.rules {
        let TagRule::Text(text) = rule else { continue };
        if !variables::uses(text, BRANCH) {
            if text_tag(text, "", rules.values)?.is_some_and(|given| given == tag) {
                return Ok(true);
            }
            continue;
        }
        for other in branches.iter().filter(|other| *other != branch) {
            for name in [clean(other).0, suffixed(other)] {
                if text_tag(text, &name, rules.values)?.is_some_and(|given| given == tag) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The tag of a text, with `own` for the name of the branch or git tag.
fn text_tag(text: &str, own: &str, values: &[(String, String)]) -> Result<Option<String>, TemplateError> {
    let value = |name: &str| match name {
        BRANCH | TAG => Some(own.to_owned()),
        _ => variables::value_of(name, values),
    };
    let expanded = variables::expand_with(text, value)?;
    if expanded.is_empty() || is_tag(&expanded) {
        return Ok(Some(expanded).filter(|expanded| !expanded.is_empty()));
    }
    Ok(Some(suffixed(&expanded)))
}

#[cfg(test)]
mod tests;
