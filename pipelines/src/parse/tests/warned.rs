//! Files that are read, and what is said of them.

use super::{FACTS, parsed};
use crate::parse::parse;

fn warnings(text: &str) -> String {
    let found = parse("captain.yml", text, &FACTS).unwrap().warnings.0;
    let lines = found.into_iter().map(|found| [Some(found.message), found.expected].into_iter().flatten());
    lines.map(|parts| parts.collect::<Vec<_>>().join("; ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_environment_that_no_build_of_its_branch_reaches_is_told() {
    let of = |rule: &str| {
        warnings(&format!(
            "web: {{image: shop/web, {rule}, release: {{port: 80}}}}\nenvironments: {{dev: {{from: {{branch: main}}}}}}\n"
        ))
    };
    for never in [
        "when: {tag: 'v*'}",
        "when: {event: tag}",
        "when: {event: pull_request}",
        "tags: [semver]",
        "tags: ['x-${SLIPWAY_TAG}']",
    ] {
        assert!(of(never).contains("nobody reaches \"dev\""), "{never}");
    }
    for reached in ["when: {tag: 'v*', event: [push, tag]}", "when: {event: schedule}", "tags: [semver, commit]"] {
        assert!(!of(reached).contains("nobody reaches"), "{reached}");
    }
}

#[test]
fn commands_that_do_what_slipway_does_are_told() {
    let text = "a:\n  image: x/a\n  post: ['docker login -u me && docker push x/a']\n";
    assert_eq!(warnings(text), "\"docker login\": Slipway pushes when every test has passed; leave it out");
    assert_eq!(warnings("a:\n  image: x/a\n  post: ['echo docker push', docker run x/a push]\n"), "");
}

#[test]
fn a_domain_in_two_environments_is_told() {
    let of = |over: &str| {
        warnings(&format!(
            "web: {{image: shop/web, release: {{port: 80, domain: shop.org}}}}\nenvironments:\n  \
             dev: {{from: {{branch: main}}{over}}}\n  production: {{from: dev}}\n"
        ))
    };
    assert_eq!(
        of(""),
        "\"web\" has the domain \"shop.org\" here, as \"web\" has it in \"dev\": where one proxy serves both, whoever comes second \
         is not released; a domain of its own, such as apps: {web: {domain: production.shop.org}}"
    );
    assert_eq!(of(", apps: {web: {domain: dev.shop.org}}"), "");
}

#[test]
fn variables_without_braces_are_told() {
    let text = "a:\n  image: x/a\n  build_arg: {A: $SLIPWAY_COMMIT, B: '$$SLIPWAY_COMMIT', C: '/x:$PATH', D: $5}\n";
    assert_eq!(
        warnings(text),
        "\"$SLIPWAY_COMMIT\" stays as it is here; \"${SLIPWAY_COMMIT}\", or \"$$\" for a dollar\n\
         \"$PATH\" stays as it is here; the folder itself, or \"$$\" for a dollar"
    );
}

#[test]
fn an_app_with_a_matrix_may_start_itself() {
    let text = "a:\n  image: 'x/a-${N}'\n  matrix: {N: [1, 2]}\n  test: [{run: make check, start: [a]}]\n";
    assert_eq!(parsed(text).apps[0].test[0].start, ["a"]);
    let text = format!("{text}b: {{image: x/b, test: [{{run: make check, start: [a]}}]}}\n");
    assert!(super::message(&text).contains("has a matrix"));
}
