use super::{Event, Reference, on_branch, on_tag, planned, situation, tree};

const SHOP: &str = r#"
base: {image: shop/base, when: {paths: ["base/**"]}}
web:
  image: shop/web
  needs: [base]
  pre:
    - make
    - {run: make docs, when: {branch: main}}
    - make more
  test:
    - {run: make check, when: {paths: ["web/**", "wbe/**"]}}
    - docker run shop/base check
  push: {branches: [main, "release/*"]}
  release: {port: 80}
tools:
  image: shop/tools
  when: {event: [schedule, manual]}
  pre: [make tools]
  tags: [semver]
environments:
  dev: {from: {branch: main}}
"#;

#[test]
fn what_is_left_out_says_why_and_keeps_nobody_waiting() {
    let mut situation = on_branch("feature/x");
    situation.trigger.changed = Some(vec!["web/index.html".to_owned()]);
    situation.tree.files = Some(vec!["Dockerfile".to_owned(), "base/x".to_owned(), "web/index.html".to_owned()]);
    insta::assert_snapshot!(tree(SHOP, &situation), @r#"
    base
    ├─  1 ○ build shop/base
    │       skipped: when.paths is base/**, nothing under it changed
    └─ 10 ○ push shop/base: 0123456 feature.x
            skipped: when.paths is base/**, nothing under it changed
    web
    ├─  2 ● pre make
    │       without base, which is left out: when.paths is base/**, nothing under it changed
    ├─  3 ○ pre make docs
    │       skipped: when.branch is main, this is feature/x
    ├─  4 ● pre make more
    ├─  5 ● build shop/web
    ├─  8 ● test make check
    ├─  9 ● test docker run shop/base check
    │       shop/base is what its registry holds: base is left out, when.paths is base/**, nothing under it changed
    └─ 11 ○ push shop/web: 0123456 feature.x
            skipped: push.branches is main, release/*, this is feature/x
    tools
    ├─  6 ○ pre make tools
    │       skipped: when.event is schedule, manual, this is push
    ├─  7 ○ build shop/tools
    │       skipped: when.event is schedule, manual, this is push
    └─ 12 ○ push shop/tools
            skipped: when.event is schedule, manual, this is push
    no release: no environment takes the branch feature/x
    warning: web: when.paths has "wbe/**", which matches no file of this commit
    "#);
    let plan = planned(SHOP, &situation);
    for step in &plan.steps {
        for need in &step.needs {
            let needed = &plan.steps[*need as usize - 1];
            assert!(needed.skipped.is_none(), "{} waits for {}, which is skipped", step.index, needed.index);
        }
    }
}

#[test]
fn what_changed_may_be_unknown() {
    let plan = planned(SHOP, &on_branch("main"));
    insta::assert_snapshot!(plan.steps[0].reason.as_deref().unwrap_or_default(), @"when.paths is base/**; what changed is not known, so that it runs");
    assert!(plan.release.left_out.is_empty());
}

#[test]
fn a_tag_and_a_schedule() {
    insta::assert_snapshot!(tree(SHOP, &on_tag("v1.2.3")), @r#"
    base
    ├─  1 ● build shop/base
    │       when.paths is base/**; what changed is not known, so that it runs
    └─ 10 ● push shop/base: 0123456 v1.2.3 1.2.3 1.2 1
            after every test of the build
    web
    ├─  2 ● pre make
    │       after base: its "needs"
    ├─  3 ○ pre make docs
    │       skipped: when.branch is main, this is the tag v1.2.3
    ├─  4 ● pre make more
    ├─  5 ● build shop/web
    ├─  8 ● test make check
    │       when.paths is web/**, wbe/**; what changed is not known, so that it runs
    ├─  9 ● test docker run shop/base check
    │       after base: it runs shop/base
    └─ 11 ○ push shop/web: 0123456 v1.2.3 1.2.3 1.2 1
            skipped: push names no tags, this is the tag v1.2.3
    tools
    ├─  6 ○ pre make tools
    │       skipped: when.event is schedule, manual, this is tag
    ├─  7 ○ build shop/tools
    │       skipped: when.event is schedule, manual, this is tag
    └─ 12 ○ push shop/tools: v1.2.3 1.2.3 1.2 1
            skipped: when.event is schedule, manual, this is tag
    no release: no environment takes tags
    "#);
    let nightly = situation(Event::Schedule, Reference::Branch("main".to_owned()));
    let plan = planned(SHOP, &nightly);
    let push = plan.steps.last().unwrap();
    insta::assert_snapshot!(push.skipped.as_deref().unwrap_or_default(), @"tags is semver, which gives none for main");
}

#[test]
fn a_pull_request_is_given_no_secrets_and_pushes_nothing() {
    let text = "
web:
  image: shop/web
  secrets: [TOKEN]
  build_secret: [KEY]
  test: [make check]
  services: {db: {image: postgres, secrets: [PASSWORD]}}
";
    let situation = situation(Event::PullRequest, Reference::Branch("main".to_owned()));
    insta::assert_snapshot!(tree(text, &situation), @"
    web
    ├─   service db: postgres
    ├─ 1 ● build shop/web
    │      without its secrets: a pull request is given none
    ├─ 2 ● test make check (with db)
    │      without its secrets: a pull request is given none
    └─ 3 ○ push shop/web: 0123456
           skipped: a pull request pushes nothing
    ");
    let shown = serde_json::to_string(&planned(text, &situation)).unwrap();
    assert!(!["TOKEN", "KEY", "PASSWORD"].iter().any(|name| shown.contains(name)), "{shown}");
}

#[test]
fn what_is_left_out_may_have_texts_that_this_build_has_no_values_for() {
    let text = "
web: {image: 'shop/web-${SLIPWAY_TAG}', when: {tag: 'v*'}}
api: {image: shop/api}
";
    insta::assert_snapshot!(tree(text, &on_branch("main")), @"
    web
    ├─ 1 ○ build shop/web-
    │      skipped: when.tag is v*, this is main
    └─ 3 ○ push shop/web-: 0123456 main latest
           skipped: when.tag is v*, this is main
    api
    ├─ 2 ● build shop/api
    └─ 4 ● push shop/api: 0123456 main latest
           once everything is built
    ");
}

#[test]
fn a_test_that_no_push_waits_for_is_warned_of() {
    let warnings = |text: &str| planned(text, &on_branch("main")).warnings.join("\n");
    insta::assert_snapshot!(warnings("a: {image: x/a, push: false, test: [x]}"), @"no push waits for the tests of a: no app is ever pushed");
    insta::assert_snapshot!(
        warnings("a: {image: x/a, push: {branches: [main]}, test: [{run: x, when: {tag: 'v*'}}]}"),
        @"no push waits for a test of a whose when.tag is v*: no app is pushed for tags"
    );
    assert_eq!(warnings("a: {image: x/a, test: [x]}"), "");
}
