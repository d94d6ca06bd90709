//! An environment that a compose file of the repository describes.

use slipway_tests::{engine::docker, house::House, images::web_app};

/// Pushes the web app with an environment that runs it as this service says.
async fn push(house: &House, version: &str, service: &str) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  \
         release: {{env: {{FROM: captain, ALSO: captain}}, resources: {{memory: 32M, pids: 200}}}}\n\
         environments:\n  dev:\n    from: {{branch: main}}\n    compose: deploy/stack.yml\n    \
         apps: {{web: {{domain: dev.localhost, resources: {{cpus: 0.5}}}}}}\n"
    );
    let stack = format!("services:\n  frontend:\n    image: {image}:any\n{service}");
    let mut files = web_app(version, true);
    files.extend([("captain.yml", captain), ("deploy/stack.yml", stack)]);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await
}

#[tokio::test]
async fn a_stack_file_says_how_the_pushed_images_run_and_what_it_cannot_say_fails_with_its_line() {
    let house = House::open().await;
    let service = "    expose: [8080]\n    environment: [FROM=stack]\n    container_name: shop\n    volumes: [data:/data]\n    \
                   healthcheck: {test: wget -qO /dev/null http://127.0.0.1:8080/health, interval: 200ms}\n    \
                   deploy: {replicas: 2, resources: {limits: {memory: 64M}}}\nvolumes: {data: }\n";
    push(&house, "one", service).await;
    let live = house.live("dev", 1).await;
    assert!(house.visit("dev.localhost").await.contains("one"));
    let containers = house.released_containers();
    assert_eq!(containers.len(), 2, "{containers:?}");
    let asked = "{{.Config.Image}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.State.Health.Status}} {{json .Config.Env}} {{(index .Mounts 0).Destination}}";
    let told = docker(&["inspect", "-f", asked, &containers[0]]).concat();
    let digest = live["apps"][0]["digest"].as_str().unwrap();
    for part in [digest, " 67108864 500000000 200 healthy ", "\"FROM=stack\"", "\"ALSO=captain\"", " /data"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let checkout = house.log("builds/1", 1, 0).await.join("\n");
    let warning = "deploy/stack.yml:6:5: warning: \"container_name\" changes nothing: Slipway sees to it";
    assert!(checkout.contains(warning), "{checkout}");

    let number = push(&house, "two", "    privileged: true\n").await;
    let failed = house.build_in(number, "failed").await;
    let wanted = "the environment dev: deploy/stack.yml:4:5: ";
    assert!(failed.to_string().contains(wanted), "{failed:#}");
    assert!(house.visit("dev.localhost").await.contains("one"), "what is live stays");
    house.is_tidy(2).await;
}
