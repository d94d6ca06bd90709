//! Which images a tag shares with the branch whose commit it is on.

use super::*;

/// The recipe of the app `web`, for the branch main and for a tag.
fn recipes(app: &str) -> (Option<String>, Option<String>) {
    let text =
        format!("base: {{build: base/Dockerfile, image: r/base}}\nweb: {{build: Dockerfile, image: r/web, {app}}}\n");
    let recipe = |situation: &Situation| {
        let plan = planned(&text, situation);
        let build = |step: &&PlannedStep| step.app == "web" && matches!(step.action, Action::Build { .. });
        plan.recipe(plan.steps.iter().find(build).unwrap().index)
    };
    (recipe(&on_branch("main")), recipe(&on_tag("v1.0.0")))
}

#[test]
fn a_branch_and_a_tag_want_the_same_image() {
    for app in [
        "needs: [base]",
        "pre: [mvn -q package, 'docker run --rm -v \"$PWD\":/app maven:3.9 mvn package']",
        "build_arg: {COMMIT: \"${SLIPWAY_COMMIT}\"}",
        "post: ['echo $SLIPWAY_TAG'], test: ['echo $SLIPWAY_TAG']",
    ] {
        let (branch, tag) = recipes(app);
        assert!(branch.is_some() && branch == tag, "{app}: {branch:?} {tag:?}");
    }
}

#[test]
fn what_depends_on_the_tag_is_made_anew() {
    for app in [
        "build_arg: {VERSION: \"${SLIPWAY_TAG}\"}",
        "pre: ['echo $SLIPWAY_TAG > version']",
        "pre: [{run: mvn package, when: {event: tag}}]",
        "env: {VERSION: \"${SLIPWAY_TAG}\"}, pre: ['echo $VERSION > version']",
    ] {
        let (branch, tag) = recipes(app);
        assert!(tag.is_none() || branch != tag, "{app}: {tag:?}");
    }
}

#[test]
fn what_is_built_upon_counts() {
    let with = |base: &str| {
        let text = format!(
            "base: {{build: Dockerfile.{base}, image: r/base}}\nweb: {{build: D, image: r/web, needs: [base]}}\n"
        );
        let plan = planned(&text, &on_branch("main"));
        let last = plan.steps.iter().rfind(|step| matches!(step.action, Action::Build { .. })).unwrap();
        plan.recipe(last.index).unwrap()
    };
    assert_ne!(with("one"), with("two"));
    assert_eq!(planned("web: {build: D, image: r/web}\n", &on_branch("main")).recipe(99), None);
}
