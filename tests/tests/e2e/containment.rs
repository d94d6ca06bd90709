//! What a hostile repository tries, on the real engine: to reach the host, its networks, and other repositories and builds.

mod guard;

use std::fmt::Write as _;

use slipway_runner::{StepLimits, StepNetwork};
use slipway_tests::{build_house::BuildHouse, engine::docker, house::LONG};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// How many apps try to win the race at once; without a defence, nearly every run of the test is lost.
const RACERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_left_in_the_background_cannot_swap_a_mounted_folder_for_a_link_to_the_host() {
    let mut house = BuildHouse::new().await;
    let mut captain = "defaults: {step_image: \"busybox:latest\"}\n".to_owned();
    for racer in 0..RACERS {
        // The first command returns at once, and what it started goes on.
        let _ = write!(
            captain,
            "app{racer}:\n  build: Dockerfile\n  image: IMAGE{racer}\n  pre:\n    - |\n      mkdir p{racer}; touch p{racer}/inside; ln -s /etc l{racer}\n      \
             (while :; do mv p{racer} a{racer}; mv l{racer} p{racer}; usleep 150000; mv p{racer} l{racer}; mv a{racer} p{racer}; usleep 150000; done) >/dev/null 2>&1 &\n    \
             - docker run --rm -v ./p{racer}:/data busybox:latest ls /data\n"
        );
    }
    let commit = house.commit(&captain, &[]);
    let build = house.build(&commit).await;

    let mounted: Vec<_> = build
        .0
        .steps
        .values()
        .filter(|step| step.declaration.name.starts_with("docker run"))
        .map(|s| s.text())
        .collect();
    assert_eq!(mounted.len(), RACERS);
    let escaped: Vec<_> = mounted.iter().filter(|log| log.contains("passwd")).collect();
    assert!(escaped.is_empty(), "the host's /etc was mounted into {} of {RACERS} steps", escaped.len());
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_may_not_push_an_image_leaves_the_engines_image_of_that_name_alone() {
    let mut house = BuildHouse::new().await;
    // Nobody listens there, as little as a registry would take an image that is not this repository's.
    let tool = format!("127.0.0.1:1/{}/tool", house.name());
    let named = format!("{tool}:latest");
    let _ = docker(&["tag", "busybox:latest", &named]);
    let captain = format!("web: {{build: Dockerfile, image: \"{tool}\"}}\n");
    let commit = house.commit(&captain, &[]);
    let build = house.build(&commit).await;
    let found = docker(&["images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", &tool]);
    let busybox = docker(&["image", "inspect", "--format", "latest {{.Id}}", "busybox:latest"]);
    let _ = docker(&["rmi", &named]);

    assert!(build.failure().contains("the registry 127.0.0.1:1 does not answer"), "{}", build.failure());
    assert_eq!(found, busybox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_reach_the_containers_of_another_build() {
    let mut house = BuildHouse::new().await;
    let waits = "defaults: {step_image: \"busybox:latest\"}\n\
         web: {build: Dockerfile, image: IMAGE, pre: ['mkdir /w; echo secret > /w/index.html; httpd -h /w; hostname -i; echo there; sleep 600']}\n";
    let commit = house.commit(waits, &[]);
    let victim = house.queue(&commit);
    house.logged(&victim, "there").await;
    let address = {
        let record = house.server.wait_for(&victim, LONG, |_| true).await;
        let text: String = record.steps.values().map(|step| step.text()).collect();
        text.lines().find(|line| line.split('.').count() == 4).unwrap().trim().to_owned()
    };
    let tries = format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web: {{build: Dockerfile, image: IMAGE, pre: ['nc -w 2 {address} 80 </dev/null && echo reached it || echo not reached']}}\n"
    );
    let commit = house.commit(&tries, &[]);
    let build = house.build(&commit).await;
    let said = build.step("nc -w").text();
    assert!(said.contains("not reached\n") && !said.contains("reached it"), "{said}");
    house.server.cancel(&victim);
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_writes_more_than_it_may_is_ended_in_words_wherever_it_writes() {
    let mut house = BuildHouse::new().await;
    house.config.limits.steps = StepLimits { disk: Some(64 * 1024 * 1024), ..StepLimits::default() };
    for place in [".", ""] {
        // Half of it twice: what is measured is the build's, not the command's.
        let fill = |name| format!("dd if=/dev/zero of={place}/{name} bs=1M count=40 && echo wrote {name}");
        let captain = format!(
            "defaults: {{step_image: \"busybox:latest\"}}\nweb:\n  build: Dockerfile\n  image: IMAGE\n  \
             pre: ['{}', '{} && sleep 600']\n",
            fill("one"),
            fill("two"),
        );
        let commit = house.commit(&captain, &[]);
        let build = house.build(&commit).await;
        let failure = build.failure();
        assert!(failure.contains("its build took more than the 64 MiB of disk"), "in {place}: {failure}");
        assert!(failure.ends_with("(runner.step_disk_bytes)"), "it names the setting: {failure}");
        assert!(build.step("two").text().contains("wrote two"), "it was the second that was too much");
    }
    house.leaves_nothing().await;
}

/// What a step finds of what contains it, in a line each.
const BOUNDS: &str = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; echo core $(ulimit -c); \
     ls /var/run/docker.sock /run/docker.sock 2>/dev/null; echo sockets: done";

/// A Dockerfile that tells what network its commands have, and that no earlier build has in its layers.
fn interfaces(house: &BuildHouse) -> String {
    format!("FROM busybox:latest\nRUN echo {}; echo interfaces: $(ls /sys/class/net)\nCOPY . /app\n", house.name())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_runner_without_a_network_reaches_its_services_and_nothing_else() {
    // What listens on every address of the machine, as a server may that is not behind a proxy.
    let (machine, port) = (machine(), says("the machine").await);
    let mut house = BuildHouse::new().await;
    house.config.limits.steps = StepLimits { network: StepNetwork::None, pids: 77, ..StepLimits::default() };
    let captain = format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: IMAGE\n  services:\n    db: {{image: \"busybox:latest\", \
         command: [sh, -c, \"mkdir /w; echo of the service > /w/index.html; httpd -f -h /w\"], health: {{command: \"test -e /w/index.html\"}}}}\n  \
         pre:\n    - |\n      {BOUNDS}\n      cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null || true\n    - |\n      \
         for there in {machine}:{port} 169.254.169.254:80 1.1.1.1:80; do\n        \
         if nc -w 2 ${{there%:*}} ${{there#*:}} </dev/null; then echo \"reached $there\"; else echo \"not reached: $there\"; fi\n      done\n    \
         - docker run --rm busybox:latest wget -qO- http://db/\n"
    );
    let commit = house.commit(&captain, &[("Dockerfile", &interfaces(&house))]);
    let build = house.build(&commit).await;
    let all: String = build.0.steps.values().map(|step| step.text()).collect();
    assert_eq!(build.artifacts().len(), 1, "images are pushed all the same");
    for expected in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "core 0",
        "sockets: done",
        "\n77\n",
        "of the service",
        "interfaces: lo\n",
        "not reached: 169.254.169.254:80",
        "not reached: 1.1.1.1:80",
    ] {
        assert!(all.contains(expected), "{expected:?} in {all}");
    }
    assert!(
        !all.contains("docker.sock") && !all.contains("\nreached ") && all.matches("not reached").count() >= 3,
        "{all}"
    );
    house.leaves_nothing().await;
}

/// An address of the engine's machine that containers know.
fn machine() -> String {
    docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]).concat()
}

/// A server on every address of the machine that answers with one word; its port.
async fn says(word: &'static str) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{word}\n", word.len() + 1);
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_runner_with_a_list_of_hosts_reaches_these_and_nothing_else() {
    let (listed, other) = (says("listed").await, says("another").await);
    let machine = machine();
    let mut house = BuildHouse::new().await;
    house.config.limits.steps = StepLimits { network: StepNetwork::Registries, ..StepLimits::default() };
    house.config.step_hosts = vec![format!("{machine}:{listed}"), "localhost".to_owned()];
    let captain = format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: IMAGE\n  services:\n    db: {{image: \"busybox:latest\", \
         command: [sh, -c, \"mkdir /w; echo of the service > /w/index.html; httpd -f -h /w\"], health: {{command: \"test -e /w/index.html\"}}}}\n  \
         pre:\n    - docker run --rm busybox:latest wget -qO- http://{machine}:{listed}/\n    - |\n      \
         wget -qO- http://{machine}:{listed}/; wget -Y off -qO- http://db/; echo without $no_proxy\n      \
         for there in {machine}:{other} 169.254.169.254:80 localhost:80 elsewhere.example:80; do\n        \
         if wget -qO- http://$there/; then echo \"reached $there\"; fi\n        \
         printf 'CONNECT %s HTTP/1.1\\r\\n\\r\\n' $there | nc -w 9 slipway-relay 3128 || true\n      done\n      \
         for there in {machine}:{listed} {machine}:{other} 169.254.169.254:80; do\n        \
         if nc -w 2 ${{there%:*}} ${{there#*:}} </dev/null; then echo \"reached $there\"; else echo \"not directly: $there\"; fi\n      done\n"
    );
    let commit = house.commit(&captain, &[("Dockerfile", &interfaces(&house))]);
    let build = house.build(&commit).await;
    let all: String = build.0.steps.values().map(|step| step.text()).collect();
    assert_eq!(build.artifacts().len(), 1, "{all}");
    assert_eq!(all.matches("listed\n").count(), 2, "{all}");
    assert_eq!(all.matches("error: HTTP/1.1 403").count(), 4, "{all}");
    assert_eq!(all.matches("runner.step_hosts").count(), 4, "each refusal says what helps: {all}");
    assert_eq!(all.matches("not directly: ").count(), 3, "{all}");
    for expected in ["of the service", "without localhost,127.0.0.1,::1,db\n", "localhost is at ", "interfaces: lo\n"] {
        assert!(all.contains(expected), "{expected:?} in {all}");
    }
    assert!(!all.contains("another\n") && !all.contains("\nreached "), "{all}");
    house.leaves_nothing().await;
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("label=slipway.runner={}", house.config.id)]).concat(), "");
}
