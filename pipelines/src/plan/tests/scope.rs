use super::{Goal, Scope, Situation, error, on_branch, planned, tree, with_dockerfiles};

const SHOP: &str = "
web: {image: shop/web, test: [docker run shop/tools check], release: {port: 80}}
api: {image: shop/api, needs: [base], test: [make check]}
base: {image: shop/base, build: base/Dockerfile, test: [make base-check]}
tools: {image: shop/tools}
";

fn scoped(goal: Goal, app: Option<&str>) -> Situation {
    Situation { scope: Scope { goal, app: app.map(str::to_owned) }, ..with_dockerfiles(&[]) }
}

#[test]
fn one_app_comes_with_what_it_needs_and_no_more() {
    insta::assert_snapshot!(tree(SHOP, &scoped(Goal::Push, Some("api"))), @r#"
    base
    └─ 1 ● build shop/base
    api
    ├─ 2 ● build shop/api
    │      after base: its "needs"
    ├─ 3 ● test make check
    └─ 4 ● push shop/api: 0123456 main latest
           after every test of the build
    "#);
    insta::assert_snapshot!(tree(SHOP, &scoped(Goal::Test, Some("web"))), @"
    web
    ├─ 1 ● build shop/web
    └─ 3 ● test docker run shop/tools check
           after tools: it runs shop/tools
    tools
    └─ 2 ● build shop/tools
    ");
    insta::assert_snapshot!(tree(SHOP, &scoped(Goal::Build, Some("web"))), @"
    web
    └─ 1 ● build shop/web
    ");
}

#[test]
fn a_goal_ends_the_plan() {
    let plan = planned(SHOP, &scoped(Goal::Build, None));
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["build shop/web", "build shop/base", "build shop/api", "build shop/tools"]);
    assert!(plan.release.apps.is_empty(), "what is not pushed is not released");
    assert_eq!(planned(SHOP, &on_branch("main")).release.apps.keys().collect::<Vec<_>>(), ["web"]);
}

#[test]
fn an_app_that_is_not_there_is_told_with_the_nearest() {
    insta::assert_snapshot!(error(SHOP, &scoped(Goal::Push, Some("tool"))), @r#"this asks for "tool", and there is no such app; did you mean "tools"?"#);
    insta::assert_snapshot!(error(SHOP, &scoped(Goal::Push, Some("database"))), @r#"this asks for "database", and there is no such app; there are web, api, base, tools"#);
}
