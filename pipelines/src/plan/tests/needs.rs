use super::{config, error, tree, with_dockerfiles};
use crate::plan::{dockerfiles, plan};

const HOUSE: &str = "
web: {build: web/Dockerfile, image: shop/web, pre: [make web], test: [docker run shop/web check]}
api: {build: api/Dockerfile, image: shop/api, needs: [proto], pre: [make api]}
base: {build: base/Dockerfile, image: shop/base}
proto: {build: proto/Dockerfile, image: shop/proto, post: [make docs]}
";

#[test]
fn what_a_dockerfile_builds_on_is_built_first_and_the_rest_goes_side_by_side() {
    let situation = with_dockerfiles(&[
        ("web/Dockerfile", "ARG BASE=shop/base\nFROM $BASE\nCOPY --from=shop/web:1.2 /old /old\n"),
        ("api/Dockerfile", "FROM shop/base:1.2\n"),
        ("base/Dockerfile", "FROM debian:bookworm-slim\n"),
    ]);
    insta::assert_snapshot!(tree(HOUSE, &situation), @r#"
    base
    ├─  1 ● build shop/base
    └─  9 ● push shop/base: 0123456 main latest
            after every test of the build
    web
    ├─  2 ● pre make web
    ├─  3 ● build shop/web
    │       after base: FROM shop/base in web/Dockerfile
    ├─  8 ● test docker run shop/web check
    └─ 10 ● push shop/web: 0123456 main latest
            after every test of the build
    proto
    ├─  4 ● build shop/proto
    ├─  5 ● post make docs
    └─ 11 ● push shop/proto: 0123456 main latest
            after every test of the build
    api
    ├─  6 ● pre make api
    │       after proto: its "needs"
    ├─  7 ● build shop/api
    └─ 12 ● push shop/api: 0123456 main latest
            after every test of the build
    warning: api: FROM shop/base:1.2 is what the registry holds; leave the tag off to build on this build's base
    "#);
    let needs: Vec<_> = plan(&config(HOUSE), &situation).unwrap().steps.into_iter().map(|step| step.needs).collect();
    insta::assert_snapshot!(format!("{needs:?}"), @"[[], [], [1, 2], [], [4], [4], [6], [3], [5, 7, 8], [5, 7, 8], [5, 7, 8], [5, 7, 8]]");
}

#[test]
fn the_dockerfiles_to_read_are_known() {
    let paths = dockerfiles(&config(HOUSE), &super::on_branch("main").trigger);
    assert_eq!(paths, ["api/Dockerfile", "base/Dockerfile", "proto/Dockerfile", "web/Dockerfile"]);
}

#[test]
fn a_stage_that_is_not_built_is_not_waited_for() {
    let text = "
a: {image: x/a, build: Dockerfile, target: one}
b: {image: x/b, build: Dockerfile, target: two}
";
    let situation = with_dockerfiles(&[("Dockerfile", "FROM debian AS one\nFROM x/a AS two\nFROM x/b AS three\n")]);
    insta::assert_snapshot!(tree(text, &situation), @"
    a
    ├─ 1 ● build x/a
    └─ 3 ● push x/a: 0123456 main latest
           once everything is built
    b
    ├─ 2 ● build x/b
    │      after a: FROM x/a in Dockerfile
    └─ 4 ● push x/b: 0123456 main latest
           once everything is built
    ");
}

#[test]
fn circles_are_told_with_the_way_round() {
    let text = "
a: {image: x/a, build: a/Dockerfile}
b: {image: x/b, build: b/Dockerfile}
c: {image: x/c, build: c/Dockerfile}
";
    let situation = with_dockerfiles(&[
        ("a/Dockerfile", "FROM x/b"),
        ("b/Dockerfile", "FROM debian\nRUN --mount=type=bind,from=x/c,target=/c true"),
        ("c/Dockerfile", "FROM debian\nCOPY --from=x/b / /"),
    ]);
    insta::assert_snapshot!(error(text, &situation), @"no app can be built first: b needs c (RUN --mount x/c in b/Dockerfile), c needs b (COPY --from x/b in c/Dockerfile)");
}

#[test]
fn the_order_of_the_file_decides_which_image_of_the_build_a_command_can_run() {
    let text = "
a: {image: x/a, pre: [docker run x/b, docker run x/a]}
b: {image: x/b, pre: [docker run x/a], post: [docker run x/b]}
";
    insta::assert_snapshot!(tree(text, &super::on_branch("main")), @r#"
    a
    ├─ 1 ● pre docker run x/b
    ├─ 2 ● pre docker run x/a
    ├─ 3 ● build x/a
    └─ 7 ● push x/a: 0123456 main latest
           once everything is built
    b
    ├─ 4 ● pre docker run x/a
    │      after a: it runs x/a
    ├─ 5 ● build x/b
    ├─ 6 ● post docker run x/b
    └─ 8 ● push x/b: 0123456 main latest
           once everything is built
    warning: a: "docker run x/b" runs x/b as its registry holds it, because b is built later; with needs: [b] it would be the one of this build
    "#);
}

#[test]
fn a_dockerfile_that_lacks_what_the_app_asks_for_is_warned_of() {
    let text = "
a: {image: x/a, target: prod, build_secret: [TOKEN, KEY]}
b: {image: x/b, build: b/Dockerfile}
";
    let mut situation =
        with_dockerfiles(&[("Dockerfile", "FROM a AS build\nRUN --mount=type=secret,id=KEY true\nFROM a AS test\n")]);
    situation.tree.files = Some(vec!["Dockerfile".to_owned()]);
    let plan = plan(&config(text), &situation).unwrap();
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    a: Dockerfile has no stage "prod"; it has build, test
    a: no RUN of Dockerfile mounts the secret "TOKEN", as --mount=type=secret,id=TOKEN would
    b: there is no b/Dockerfile in this commit
    "#);
}

#[test]
fn a_base_that_is_named_by_a_tag_is_told() {
    let text = "web: {image: shop/web}\nbase: {image: shop/base, build: base/Dockerfile}\n";
    let situation = with_dockerfiles(&[("Dockerfile", "FROM shop/base:main\nCOPY --from=shop/web:1 /a /a\n")]);
    let told = plan(&config(text), &situation).unwrap().warnings.join("\n");
    assert_eq!(
        told,
        "web: FROM shop/base:main is what the registry holds; leave the tag off to build on this build's base"
    );
}

#[test]
fn who_builds_on_what_changed_is_built_anew_and_who_is_never_pushed_is_built_for_its_users() {
    let text = "
base: {image: shop/base, build: base/Dockerfile, push: false, when: {paths: [\"base/**\"]}}
web: {image: shop/web, build: web/Dockerfile, when: {paths: [\"web/**\"]}}
api: {image: shop/api, build: api/Dockerfile, when: {paths: [\"api/**\"]}}
shop: {image: shop/shop, build: web/Dockerfile, when: {paths: [\"shop/**\"]}}
";
    let changed = |path: &str| {
        let mut situation = with_dockerfiles(&[
            ("base/Dockerfile", "FROM debian\n"),
            ("web/Dockerfile", "FROM shop/base\n"),
            ("api/Dockerfile", "FROM debian\n"),
        ]);
        situation.trigger.changed = Some(vec![path.to_owned()]);
        let plan = plan(&config(text), &situation).unwrap();
        let runs = plan.steps.iter().filter(|step| step.skipped.is_none());
        runs.map(|step| format!("{}: {}", step.name, step.reason.as_deref().unwrap_or("-")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(changed("base/Dockerfile"), @"
    build shop/base: -
    build shop/web: when.paths is web/**, nothing under it changed, but base, which it builds on, is built anew; after base: FROM shop/base in web/Dockerfile
    build shop/shop: when.paths is shop/**, nothing under it changed, but base, which it builds on, is built anew; after base: FROM shop/base in web/Dockerfile
    push shop/web: once everything is built
    push shop/shop: once everything is built
    ");
    insta::assert_snapshot!(changed("web/Dockerfile"), @"
    build shop/base: when.paths is base/**, nothing under it changed, but web builds on it, and it is never pushed
    build shop/web: after base: FROM shop/base in web/Dockerfile
    push shop/web: once everything is built
    ");
    insta::assert_snapshot!(changed("api/Dockerfile"), @"
    build shop/api: -
    push shop/api: once everything is built
    ");
}
