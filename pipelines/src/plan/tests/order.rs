use super::{config, on_branch, on_tag};
use crate::{
    parse,
    plan::{Action, Phase, Plan, PlanError, StepRun, plan},
};

const SHOP: &str = r#"
base:
  image: shop/base
web:
  build: web/Dockerfile
  image: shop/web
  build_arg: {COMMIT: "${SLIPWAY_COMMIT}", PRICE: "5$$"}
  pre:
    - make assets
    - docker run -v "$PWD/src":/src -e CI=no -e WHO=$SLIPWAY_BRANCH shop/base:1 "$SLIPWAY_BRANCH"
  post: [make notes]
  test:
    - docker run shop/web check
    - docker run docker.io/shop/api:v1 check
  release: {port: 80}
api:
  image: shop/api
  post: [make api-notes]
environments:
  dev: {from: {branch: main}}
"#;

fn branch(text: &str, name: &str) -> Result<Plan, PlanError> {
    plan(&config(text), &on_branch(name))
}

#[test]
fn steps_come_in_an_order_that_keeps_every_promise() {
    let plan = branch(SHOP, "main").unwrap();
    let lines: Vec<String> =
        plan.steps.iter().map(|step| format!("{} {}: {} {:?}", step.index, step.app, step.name, step.needs)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    1 base: build shop/base []
    2 web: make assets []
    3 web: docker run -v "$PWD/src":/src -e CI=no -e WHO=$SLIPWAY_BRANCH shop/base:1 "$SLIPWAY_BRANCH" [1, 2]
    4 web: build shop/web [3]
    5 web: make notes [4]
    6 api: build shop/api []
    7 api: make api-notes [6]
    8 web: docker run shop/web check [5]
    9 web: docker run docker.io/shop/api:v1 check [7, 8]
    10 base: push shop/base [9]
    11 web: push shop/web [9]
    12 api: push shop/api [9]
    "#);
    assert_eq!(plan.release.apps.keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(plan.release.environments[0].name, "dev");
    for step in &plan.steps {
        assert!(step.needs.iter().all(|needed| *needed < step.index));
    }
}

#[test]
fn templates_are_filled_in_as_data() {
    let plan = branch(SHOP, "a/$(b)").unwrap();
    let Action::Run { run: StepRun::Container { built, container }, .. } = &plan.steps[2].action else {
        unreachable!("the second command of web")
    };
    assert_eq!(built.as_deref(), Some("base"));
    assert_eq!(container.args, ["a/$(b)"]);
    let values = |wanted: &str| -> Vec<&str> {
        container.env.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(values("WHO"), ["a/$(b)"]);
    assert_eq!(values("CI"), ["no"]);
    assert_eq!(values("SLIPWAY_REF"), ["refs/heads/a/$(b)"]);
    let Action::Build { build_args, dockerfile, context, .. } = &plan.steps[3].action else {
        unreachable!("the build")
    };
    assert_eq!(build_args[0].1, "0123456789abcdef0123456789abcdef01234567");
    assert_eq!(build_args[1].1, "5$");
    assert_eq!((dockerfile.as_str(), context.as_str()), ("web/Dockerfile", "web"));
}

#[test]
fn plain_commands_have_slipways_variables() {
    let plan = branch(SHOP, "main").unwrap();
    let Action::Run { run: StepRun::Shell { image, line, env, .. }, phase, .. } = &plan.steps[1].action else {
        unreachable!("the first command of web")
    };
    assert_eq!((image.as_str(), line.as_str(), *phase), (parse::DEFAULT_STEP_IMAGE, "make assets", Phase::Pre));
    let names: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [crate::variables::NAMES.as_slice(), &crate::variables::ENVIRONMENT_ONLY, &["CI"]].concat());
}

#[test]
fn an_image_that_is_not_built_yet_comes_from_its_registry() {
    let plan = branch("a:\n  image: x/a\n  pre: [docker run x/a, docker run x/b]\nb:\n  image: x/b\n  test: ['docker run x/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef']\n", "main").unwrap();
    for step in plan.steps {
        if let Action::Run { run: StepRun::Container { built, .. }, .. } = step.action {
            assert_eq!(built, None, "{}", step.name);
        }
    }
}

#[test]
fn tags_of_a_version_are_pushed() {
    let plan = plan(&config("a:\n  image: x/a\n"), &on_tag("v1.2.3"));
    let last = plan.unwrap().steps.pop().unwrap();
    let Action::Push { image, tags, .. } = last.action else { unreachable!("the push") };
    assert_eq!((image.as_str(), tags.join(" ").as_str()), ("x/a", "0123456 v1.2.3 1.2.3 1.2 1"));
}

#[test]
fn values_that_cannot_stand_where_they_come_are_errors() {
    let message = |text: &str, name: &str| branch(text, name).unwrap_err().to_string();
    insta::assert_snapshot!(message("a:\n  image: x/${SLIPWAY_BRANCH}\n", "Fix#1"), @r#"a: the image "x/${SLIPWAY_BRANCH}" gives "x/Fix#1" for this build: "Fix#1" cannot be part of an image's name"#);
    insta::assert_snapshot!(message("a:\n  image: x/main\nb:\n  image: x/${SLIPWAY_BRANCH}\n", "main"), @r#"a and b both build the image "x/main" in this build; give each its own name"#);
    insta::assert_snapshot!(message("a:\n  image: x/a\n  build: d${SLIPWAY_TAG}/../${SLIPWAY_BRANCH}\n".replace("/../", "/").as_str(), "a\\b"), @r#"a: the Dockerfile's path "d${SLIPWAY_TAG}/${SLIPWAY_BRANCH}" gives "d/a\b" for this build: "d/a\\b" holds a character that no path may hold"#);
}

#[test]
fn a_build_has_a_limit_of_steps() {
    let text = format!("a:\n  image: x/a\n  pre: [{}]\n", "x,".repeat(1_000));
    insta::assert_snapshot!(branch(&text, "main").unwrap_err(), @"the build has 1002 steps; the limit is 1000");
}
