#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;

fn trigger(event: Event, reference: Reference, changed: Option<&[&str]>) -> Trigger {
    Trigger {
        repository: "shop/web".to_owned(),
        number: 7,
        event,
        reference,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed: changed.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect()),
        author: "Ada <ada@example.com>".to_owned(),
        message: "Add a shop".to_owned(),
        pull_request: None,
    }
}

fn when(branch: &[&str], tag: &[&str], event: &[Event], paths: &[&str]) -> When {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    When { branch: owned(branch), tag: owned(tag), event: event.to_vec(), paths: owned(paths) }
}

/// Empty for what holds without more words.
fn judged(when: &When, trigger: &Trigger) -> String {
    match judge(when, trigger).unwrap() {
        Verdict::Holds { note } => note.unwrap_or_default(),
        Verdict::Fails { reason } => format!("skipped: {reason}"),
    }
}

fn push(branch: &str) -> Trigger {
    trigger(Event::Push, Reference::Branch(branch.to_owned()), None)
}

fn tag(name: &str) -> Trigger {
    trigger(Event::Tag, Reference::Tag(name.to_owned()), None)
}

#[test]
fn branches_and_tags() {
    let branch = when(&["main", "release/*"], &[], &[], &[]);
    assert_eq!(judged(&branch, &push("release/1")), "");
    insta::assert_snapshot!(judged(&branch, &push("feature/x")), @"skipped: when.branch is main, release/*, this is feature/x");
    insta::assert_snapshot!(judged(&branch, &tag("v1")), @"skipped: when.branch is main, release/*, this is the tag v1");
    let pull_request = trigger(Event::PullRequest, Reference::Branch("develop".to_owned()), None);
    insta::assert_snapshot!(judged(&branch, &pull_request), @"skipped: when.branch is main, release/*, this is a pull request to develop");
    let tags = when(&[], &["v*"], &[], &[]);
    assert_eq!(judged(&tags, &tag("v1")), "");
    insta::assert_snapshot!(judged(&tags, &tag("nightly")), @"skipped: when.tag is v*, this is the tag nightly");
    insta::assert_snapshot!(judged(&tags, &push("main")), @"skipped: when.tag is v*, this is main");
}

#[test]
fn a_branch_or_a_tag_when_both_are_given() {
    let both = when(&["main"], &["v*"], &[], &[]);
    assert_eq!(judged(&both, &push("main")), "");
    assert_eq!(judged(&both, &tag("v1")), "");
    assert!(judged(&both, &push("v1")).starts_with("skipped"));
}

#[test]
fn an_event_that_is_named_needs_no_condition_of_its_own() {
    assert_eq!(judged(&when(&["main"], &[], &[Event::Push, Event::Tag], &[]), &tag("v1")), "");
    assert_eq!(judged(&when(&[], &["v*"], &[Event::Push, Event::Tag], &[]), &push("main")), "");
    insta::assert_snapshot!(judged(&when(&[], &["v*"], &[Event::Tag], &[]), &push("main")), @"skipped: when.tag is v*, this is main");
}

#[test]
fn events() {
    insta::assert_snapshot!(judged(&when(&[], &[], &[Event::PullRequest, Event::Manual], &[]), &push("main")), @"skipped: when.event is pull_request, manual, this is push");
    assert_eq!(judged(&when(&[], &[], &[Event::Push], &[]), &push("main")), "");
}

#[test]
fn paths() {
    let on = |changed: &[&str]| trigger(Event::Push, Reference::Branch("main".to_owned()), Some(changed));
    let web = when(&[], &[], &[], &["web/**"]);
    assert_eq!(judged(&web, &on(&["README.md", "web/a.js"])), "");
    insta::assert_snapshot!(judged(&web, &on(&["README.md"])), @"skipped: when.paths is web/**, nothing under it changed");
    insta::assert_snapshot!(judged(&web, &push("main")), @"when.paths is web/**; what changed is not known, so that it runs");
    let docs = when(&[], &[], &[], &["web/**", "!**/*.md"]);
    insta::assert_snapshot!(judged(&docs, &on(&["web/README.md"])), @"skipped: when.paths is web/**, !**/*.md, no changed file matches");
    assert!(judged(&docs, &on(&[])).starts_with("skipped"));
}
