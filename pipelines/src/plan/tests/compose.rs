use super::{config as config_of, on_branch};
use crate::{
    plan::{PlanError, compose_files, plan},
    release::{Probe, RunSpec},
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
    let config = config_of(HOUSE);
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
fn limits_and_health_are_merged_setting_by_setting() {
    let own = "{port: 80, resources: {cpus: 1, pids: 100}, health: {interval: 1s, timeout: 2s}}";
    let over = "{resources: {cpus: 1}, health: {timeout: 2s}}";
    let config = HOUSE.replace("{port: 80, env: {FROM: captain, ALL: captain}}", own);
    let config = config_of(&config.replace("{env: {FROM: environment}}", over));
    let mut situation = on_branch("main");
    let file = "services:\n  web: {image: x/web, cpus: 2, mem_limit: 64M, healthcheck: {test: ./well, interval: 7s}}\n";
    situation.tree.compose.insert("deploy/compose.yml".to_owned(), file.to_owned());
    let plan = plan(&config, &situation).unwrap();
    assert_eq!(plan.warnings, [] as [&str; 0]);
    let (_, composed) = &plan.release.environments[1].apps[0];
    let RunSpec { resources, health, .. } = RunSpec::resolve(&[&plan.release.apps["web"], composed]);
    assert_eq!((resources.cpus, resources.memory, resources.pids), (Some(1.0), Some(64 << 20), Some(100)));
    assert_eq!((health.interval_ms, health.timeout_ms), (7_000, 2_000), "the environment goes over the file");
    assert!(matches!(health.probe, Probe::Command { .. }));
}

#[test]
fn a_domain_may_lead_to_a_port_that_the_compose_file_alone_names() {
    let text = HOUSE.replace("port: 80, ", "").replace("{env: {FROM: environment}}", "{domain: shop.example.com}");
    let config = config_of(&text);
    let mut situation = on_branch("main");
    let mut planned = |file: &str| {
        situation.tree.compose.insert("deploy/compose.yml".to_owned(), file.to_owned());
        plan(&config, &situation)
    };
    let found = planned("services:\n  web: {image: x/web, expose: [8080]}\n").unwrap();
    let (_, composed) = &found.release.environments[1].apps[0];
    assert_eq!((composed.port, composed.domain.as_deref()), (Some(8_080), Some("shop.example.com")));
    let refused = planned("services:\n  web: {image: x/web}\n").unwrap_err().to_string();
    let expected = "the environment production: deploy/compose.yml: \"domain\" of the app \"web\" needs its port, which neither this file nor captain.yml names";
    assert_eq!(refused, expected);
}

#[test]
fn a_file_that_is_not_there_or_wrong_is_no_plan() {
    let config = config_of(HOUSE);
    let mut situation = on_branch("main");
    let missing = plan(&config, &situation).unwrap_err();
    let expected =
        "the environment production: deploy/compose.yml: this compose file is not in the commit, or cannot be read";
    assert_eq!(missing.to_string(), expected);
    situation.tree.compose.insert("deploy/compose.yml".to_owned(), "services: []".to_owned());
    assert!(matches!(plan(&config, &situation), Err(PlanError::Compose { .. })));
}

#[test]
fn what_a_swarm_cannot_keep_of_a_compose_file_is_no_plan() {
    let config = config_of(&HOUSE.replace("from: dev\n", "from: dev\n    target: swarm\n"));
    let mut situation = on_branch("main");
    let mut read = |fields: &str| {
        let file = format!("services:\n  web: {{image: x/web, {fields}}}\n");
        situation.tree.compose.insert("deploy/compose.yml".to_owned(), file);
        plan(&config, &situation)
    };
    let refused = read("volumes: [\"data:/data\"]").unwrap_err().to_string();
    assert_eq!(
        refused,
        "the environment production: deploy/compose.yml: \"volumes\" of the app \"web\" in \"production\": on a Swarm each \
         node has a volume of its own, and a container that moves would find another one; expected \"volumes: []\" for it \
         under \"apps\" of this environment, and its data in a service of its own"
    );
    let planned = read("deploy: {placement: {constraints: [node.role==worker]}}").unwrap();
    let (_, settings) = &planned.release.environments[1].apps[0];
    assert_eq!(settings.placement.as_ref().unwrap().constraints, ["node.role==worker"]);
}
