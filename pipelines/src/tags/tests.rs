#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use semver::Version;

use super::*;

fn trigger(reference: Reference) -> Trigger {
    Trigger {
        repository: "shop/web".to_owned(),
        number: 7,
        event: Event::Push,
        reference,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed: None,
        author: "Ada <ada@example.com>".to_owned(),
        message: "Add a shop".to_owned(),
        pull_request: None,
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn by(rules: &[TagRule], reference: Reference, refs: &Refs) -> Vec<String> {
    let trigger = trigger(reference);
    let values = variables::values(&trigger);
    let (commit_length, latest) = (CommitLength::Short, Latest::DefaultBranch);
    tags(&Rules { rules, commit_length, latest, values: &values }, &trigger, refs).unwrap()
}

fn text(template: &str) -> TagRule {
    TagRule::Text(template.to_owned())
}

fn branch(name: &str, branches: &[&str]) -> Vec<String> {
    let refs = Refs { branches: owned(branches), tags: Vec::new() };
    by(&TagRule::defaults(), Reference::Branch(name.to_owned()), &refs)
}

fn tag(name: &str, all: &[&str]) -> Vec<String> {
    let refs = Refs { branches: Vec::new(), tags: owned(all) };
    by(&TagRule::defaults(), Reference::Tag(name.to_owned()), &refs)
}

#[test]
fn branches() {
    assert_eq!(branch("main", &[]), ["0123456", "main", "latest"]);
    assert_eq!(branch("feature/x", &["feature/x", "main"]), ["0123456", "feature.x"]);
    assert_eq!(branch("feature/x", &["feature/x", "feature.x"]), ["0123456", "feature.x-217d2bf5"]);
    assert_eq!(branch("feature.x", &["feature/x", "feature.x"]), ["0123456", "feature.x"]);
    assert_eq!(branch("a/b.c", &["a/b.c", "a.b/c"])[1], "a.b.c-c0620514");
    assert_eq!(branch("a.b/c", &["a/b.c", "a.b/c"])[1], "a.b.c");
    assert_eq!(branch("fix#1", &[])[1], "fix.1-3644c665");
    assert_eq!(branch("latest", &[])[1], "latest-5e1e2bca");
    assert_eq!(branch("fix.1-3644c665", &["fix#1"])[1], "fix.1-3644c665-3b6a0c04");
    assert_eq!(branch("deadbee", &[])[1], "deadbee-48c1caf3");
}

#[test]
fn a_branch_does_not_take_the_tag_of_a_version() {
    let refs = Refs { branches: Vec::new(), tags: owned(&["v1.2.3"]) };
    let of = |name: &str| by(&TagRule::defaults(), Reference::Branch(name.to_owned()), &refs).remove(1);
    for name in ["v1.2.3", "1.2.3", "1.2", "1"] {
        assert!(of(name).starts_with(&format!("{name}-")), "{name}");
    }
    assert_eq!(of("1.3"), "1.3");
}

#[test]
fn versions() {
    assert_eq!(tag("v1.2.3", &["v1.2.3"]), ["0123456", "v1.2.3", "1.2.3", "1.2", "1"]);
    assert_eq!(tag("1.2.3", &[]), ["0123456", "1.2.3", "1.2", "1"]);
    assert_eq!(tag("v1.2.3", &["v1.2.4", "v2.0.0"]), ["0123456", "v1.2.3", "1.2.3"]);
    assert_eq!(tag("v1.2.9", &["v1.3.0", "v1.2.10-rc.1"]), ["0123456", "v1.2.9", "1.2.9", "1.2"]);
}

#[test]
fn what_is_no_release_moves_no_shorter_tag() {
    let pre_release = tag("v1.2.3-rc.1", &[]);
    assert_eq!(pre_release, ["0123456", "v1.2.3-rc.1"]);
    let build_metadata = tag("v1.2.3+build.5", &[]);
    assert_eq!(build_metadata, ["0123456", "v1.2.3.build.5-4e95c377"]);
    let date = tag("2024.01.15", &[]);
    assert_eq!(date, ["0123456", "2024.01.15"], "a month with a zero before it is no number of a version");
    let calendar_version = tag("2024.1.15", &[]);
    assert_eq!(calendar_version, ["0123456", "2024.1.15", "2024.1", "2024"]);
    let nonsense = [
        ("nightly/2026", "nightly.2026"),
        ("v", "v"),
        ("v1.2.3.4", "v1.2.3.4"),
        ("vv1.2.3", "vv1.2.3"),
        ("V1.2.3", "V1.2.3"),
        ("1.2.99999999999999999999", "1.2.99999999999999999999"),
        ("release 1", "release.1-c40ffd4b"),
        ("latest", "latest-5e1e2bca"),
        (".", "_.-cdb4ee2a"),
    ];
    for (name, expected) in nonsense {
        assert_eq!(tag(name, &[]), ["0123456", expected], "{name}");
    }
    assert_eq!(tag("1.2", &["v1.2.3"]), ["0123456", "1.2-77ac319b"], "1.2 belongs to the releases 1.2.x");
}

#[test]
fn rules_are_a_selection() {
    let none = Refs::default();
    let main = || Reference::Branch("main".to_owned());
    assert_eq!(by(&[TagRule::Semver], main(), &none), [] as [&str; 0]);
    assert_eq!(by(&[TagRule::Latest, TagRule::Commit], main(), &none), ["0123456", "latest"]);
    assert_eq!(by(&[TagRule::Latest], Reference::Branch("x".to_owned()), &none), [] as [&str; 0]);
    let texts = [text("edge"), text("${SLIPWAY_BRANCH}-${SLIPWAY_BUILD_NUMBER}"), text("of-${SLIPWAY_TAG}")];
    assert_eq!(by(&texts, Reference::Branch("a/b".to_owned()), &none), ["edge", "a.b-7"]);
    assert_eq!(by(&texts, Reference::Tag("v1".to_owned()), &none), ["edge", "of-v1"]);
    assert_eq!(by(&[text("${SLIPWAY_REPOSITORY}")], main(), &none), ["shop.web-97375646"]);
}

#[test]
fn the_commit_may_be_whole_and_latest_may_be_always() {
    let trigger = trigger(Reference::Tag("v1".to_owned()));
    let rules = [TagRule::Commit, TagRule::Latest];
    let rules = Rules { rules: &rules, commit_length: CommitLength::Full, latest: Latest::Always, values: &[] };
    assert_eq!(tags(&rules, &trigger, &Refs::default()).unwrap(), [trigger.commit.as_str(), "latest"]);
    let pull_request = Trigger { event: Event::PullRequest, ..trigger };
    let given = tags(&rules, &pull_request, &Refs::default()).unwrap();
    assert_eq!(given, [pull_request.commit.as_str()], "a pull request has no name of its own");
}

#[test]
fn a_text_keeps_its_tag_from_a_branch() {
    let rules = [TagRule::Branch, text("stable"), text("${SLIPWAY_BRANCH}-edge")];
    let refs = Refs { branches: owned(&["stable", "a-edge", "a"]), tags: Vec::new() };
    let of = |name: &str| by(&rules, Reference::Branch(name.to_owned()), &refs);
    assert!(of("stable")[0].starts_with("stable-"));
    assert!(of("a-edge")[0].starts_with("a-edge-"));
    assert_eq!(of("a"), ["a", "stable", "a-edge"]);
}

/// Names that come close to each other, to versions, to commits and to `latest`.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c./#-]{1,6}",
        "v?[0-2](\\.[0-2]){0,3}(-rc\\.[0-2])?(\\+b)?",
        "[0-9a-f]{7}",
        "a[./]b(-edge)?",
        "(latest|main|edge|0123456|\\PC{0,200})",
    ]
}

proptest! {
    #[test]
    fn every_tag_is_legal(name in name(), others in prop::collection::vec(name(), 0..4), is_branch: bool) {
        let reference = if is_branch { Reference::Branch(name) } else { Reference::Tag(name) };
        let refs = Refs { branches: others.clone(), tags: others };
        let mut rules = TagRule::defaults();
        rules.extend(["${SLIPWAY_BRANCH}-edge", "${SLIPWAY_REF}", "${SLIPWAY_TAG}"].map(text));
        let tags = by(&rules, reference, &refs);
        prop_assert!(tags.iter().all(|tag| is_tag(tag)), "{tags:?}");
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        prop_assert_eq!(distinct.len(), tags.len());
    }

    #[test]
    fn branches_have_tags_of_their_own(
        branches in prop::collection::btree_set(name(), 1..6),
        tags in prop::collection::btree_set(name(), 0..4),
    ) {
        let refs = Refs { branches: branches.iter().cloned().collect(), tags: tags.iter().cloned().collect() };
        let rules = [TagRule::Branch, text("edge"), text("${SLIPWAY_BRANCH}-edge")];
        let mut taken: Vec<String> = vec!["0123456".to_owned(), "edge".to_owned()];
        taken.extend(tags.iter().flat_map(|tag| by(&[TagRule::Semver], Reference::Tag(tag.clone()), &refs)));
        taken.extend(branches.iter().flat_map(|branch| by(&rules[2..], Reference::Branch(branch.clone()), &refs)));
        for branch in &branches {
            let own = by(&rules, Reference::Branch(branch.clone()), &refs).remove(0);
            prop_assert!(!taken.contains(&own), "{own} of {branch} is one of {taken:?}");
            prop_assert!(own != "latest" || branch == "main");
            taken.push(own);
        }
    }

    #[test]
    fn the_shorter_tags_of_versions_move_only_forward(
        pushed in prop::collection::vec((0_u64..3, 0_u64..3, 0_u64..3, prop::bool::weighted(0.2)), 1..12),
        again in prop::collection::vec(0_usize..12, 0..4),
    ) {
        let name = |&(major, minor, patch, is_pre): &(u64, u64, u64, bool)| {
            format!("v{major}.{minor}.{patch}{}", if is_pre { "-rc.1" } else { "" })
        };
        let mut registry: BTreeMap<String, String> = BTreeMap::new();
        let mut refs = Refs::default();
        let build = |name: String, refs: &Refs, registry: &mut BTreeMap<String, String>| {
            for tag in by(&[TagRule::Semver], Reference::Tag(name.clone()), refs) {
                registry.insert(tag, name.clone());
            }
        };
        for version in &pushed {
            refs.tags.push(name(version));
            build(name(version), &refs, &mut registry);
        }
        for at in again {
            build(name(&pushed[at % pushed.len()]), &refs, &mut registry);
        }
        for (major, minor) in pushed.iter().map(|version| (version.0, version.1)) {
            let newest = |is_of: &dyn Fn(&Version) -> bool| {
                let versions = pushed.iter().filter(|version| !version.3);
                versions.map(|version| Version::new(version.0, version.1, version.2)).filter(|version| is_of(version)).max()
            };
            let of_minor = newest(&|version| (version.major, version.minor) == (major, minor));
            let of_major = newest(&|version| version.major == major);
            let shown = |version: Option<Version>| version.map(|version| format!("v{version}"));
            prop_assert_eq!(registry.get(&format!("{major}.{minor}")).cloned(), shown(of_minor));
            prop_assert_eq!(registry.get(&major.to_string()).cloned(), shown(of_major));
        }
    }
}
