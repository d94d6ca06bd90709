use super::{config, on_branch};
use crate::{
    plan::{PlanError, compose_files, plan},
    release::RunSpec,
};

const HOUSE: &str = "\
web:
  image: x/web
  release: {port: 80, env: {FROM: captain, ALL: captain}}
environments:
  dev: {from: {branch: main}}
  production:
    from: dev
    compose: ./deploy/compose.yml
    apps: {web: {env: {FROM: environment}}}
";

#[test]
fn a_compose_file_stands_between_the_app_and_the_environment() {
    let config = config(HOUSE);
    assert_eq!(compose_files(&config), ["deploy/compose.yml"]);
    let mut situation = on_branch("main");
    let file = "services:\n  web:\n    image: x/web:1\n    environment: {FROM: compose, ALL: compose}\n    scale: 4\n    tty: true\n";
    situation.tree.compose.insert("deploy/compose.yml".to_owned(), file.to_owned());
    let plan = plan(&config, &situation).unwrap();
    let run = |environment: usize| {
        let over = plan.release.environments[environment].apps.iter().map(|(_, settings)| settings);
        RunSpec::resolve(&[&plan.release.apps["web"]].into_iter().chain(over).collect::<Vec<_>>())
    };
    let env = |spec: &RunSpec| [spec.env["FROM"].clone(), spec.env["ALL"].clone()];
    assert_eq!((env(&run(0)), run(0).replicas), (["captain", "captain"].map(str::to_owned), 1));
    assert_eq!((env(&run(1)), run(1).replicas), (["environment", "compose"].map(str::to_owned), 4));
    let warning = "deploy/compose.yml:6:5: warning: \"tty\" changes nothing: Slipway sees to it";
    assert_eq!(plan.warnings, [warning]);
}

#[test]
fn limits_that_captain_yml_hides_are_told() {
    let config = config(&HOUSE.replace("{env: {FROM: environment}}", "{resources: {cpus: 1}}"));
    let mut situation = on_branch("main");
    let file = "services:\n  web: {image: x/web, mem_limit: 64M}\n";
    situation.tree.compose.insert("deploy/compose.yml".to_owned(), file.to_owned());
    let told = plan(&config, &situation).unwrap().warnings;
    let expected = "the environment production: \"resources\" of web in captain.yml goes over all that its compose file says of it";
    assert_eq!(told, [expected]);
}

#[test]
fn a_file_that_is_not_there_or_wrong_is_no_plan() {
    let config = config(HOUSE);
    let mut situation = on_branch("main");
    let missing = plan(&config, &situation).unwrap_err();
    let expected =
        "the environment production: deploy/compose.yml: this compose file is not in the commit, or cannot be read";
    assert_eq!(missing.to_string(), expected);
    situation.tree.compose.insert("deploy/compose.yml".to_owned(), "services: []".to_owned());
    assert!(matches!(plan(&config, &situation), Err(PlanError::Compose { .. })));
}
