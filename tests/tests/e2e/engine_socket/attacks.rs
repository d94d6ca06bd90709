//! What a hostile step tries with the docker client.

use slipway_tests::engine::docker;

use super::{captain, house, remains};

/// Each line must fail with the text after the arrow.
const REFUSED: &[(&str, &str)] = &[
    ("docker run --rm -v /:/host busybox ls /host", "nothing of the host"),
    ("docker run --rm -v /var/run/docker.sock:/var/run/docker.sock busybox true", "nothing of the host"),
    ("docker run --rm -v /workspace/../etc:/x busybox true", "nothing of the host"),
    ("docker run --rm -v /workspace/link:/x busybox ls /x", "symbolic link"),
    ("docker run --rm -v /workspace/link/deeper:/x busybox ls /x", "symbolic link"),
    ("docker run --rm --mount type=bind,source=/etc,target=/x busybox true", "nothing of the host"),
    ("docker run --rm --mount type=bind,source=/workspace,target=/x,bind-propagation=shared busybox true", "propagate"),
    (
        "docker run --rm --mount type=volume,target=/x,volume-driver=local,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/ busybox true",
        "any path of the host",
    ),
    ("docker volume create -o type=none -o o=bind -o device=/ all", "any path of the host"),
    ("docker run --rm --privileged busybox true", "whole host"),
    ("docker run --rm --cap-add SYS_ADMIN busybox true", "power over the host"),
    ("docker run --rm --cap-add ALL busybox true", "power over the host"),
    ("docker run --rm --device /dev/null busybox true", "devices"),
    ("docker run --rm --device-cgroup-rule 'c *:* rwm' busybox true", "devices"),
    ("docker run --rm --gpus all busybox true", "devices"),
    ("docker run --rm --cgroupns host busybox true", "CgroupnsMode"),
    ("docker run --rm --volume-driver other -v /x busybox true", "any path of the host"),
    ("docker run --rm --link FOREIGN busybox true", "No such container"),
    ("docker run --rm --storage-opt size=100g busybox true", "torage"),
    ("docker run --rm -v /workspace:/x:shared busybox true", "the option `shared`"),
    ("docker service create --mount type=bind,source=/,target=/host busybox true", "not for steps"),
    ("docker config create all /etc/passwd", "not for steps"),
    ("docker run --rm --pid host busybox true", "namespace"),
    ("docker run --rm --ipc host busybox true", "IpcMode"),
    ("docker run --rm --uts host busybox true", "namespaces"),
    ("docker run --rm --userns host busybox true", "namespaces"),
    ("docker run --rm --network host busybox true", "host's network"),
    ("docker run --rm --security-opt seccomp=unconfined busybox true", "guards"),
    ("docker run --rm --cgroup-parent / busybox true", "cgroups"),
    ("docker run --rm --sysctl net.ipv4.ip_forward=1 busybox true", "settings"),
    ("docker run --rm --runtime other busybox true", "runtime"),
    ("docker run --rm --network container:FOREIGN busybox true", "No such container"),
    ("docker run --rm --volumes-from FOREIGN busybox true", "No such container"),
    ("docker run --rm --network FOREIGN busybox true", "No such network"),
    ("docker inspect FOREIGN", "o such"),
    ("docker exec FOREIGN true", "No such container"),
    ("docker logs FOREIGN", "No such container"),
    ("docker rm FOREIGN", "No such container"),
    ("docker cp FOREIGN:/etc/passwd /tmp/passwd", "No such container"),
    ("docker kill FOREIGNID", "No such container"),
    ("docker attach FOREIGNID", "No such container"),
    ("docker network connect bridge FOREIGNID", "No such container"),
    ("docker exec $(hostname) true", "No such container"),
    ("docker rmi busybox", "other builds may use"),
    ("docker push busybox", "pushed by Slipway"),
    ("docker login -u a -p b 127.0.0.1:1", "docker login"),
    ("docker commit mine x", "docker commit"),
    ("docker update --memory 100g mine", "not for steps"),
    ("docker export mine", "not for steps"),
    ("docker save busybox", "not for steps"),
    ("docker system prune -f", "prune"),
    ("docker swarm init", "not for steps"),
    ("docker plugin ls", "not for steps"),
    ("docker network create -d macvlan x", "macvlan"),
    ("docker network create --subnet 10.0.0.0/8 x", "IPAM"),
    ("docker build --network host .", "host's network"),
    ("docker build --cgroup-parent / .", "cgroupparent"),
    ("docker build --security-opt seccomp=unconfined .", "securityopt"),
    ("docker build http://127.0.0.1:1/context.tar", "127.0.0.1"),
    ("DOCKER_BUILDKIT=1 docker build .", "buildx"),
    ("docker build onbuild/image", "takes nothing from a third"),
    ("docker build onbuild/flag", "takes nothing from a third"),
    ("docker build onbuild/escaped", "with quotes"),
    ("docker build onbuild/base", "with quotes"),
    ("docker exec --privileged mine true", "--privileged"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_step_reaches_neither_the_host_nor_others() {
    let (mut house, cli) = house().await;
    let foreign = format!("foreign-{}", house.config.id);
    let id = docker(&["run", "-d", "--name", &foreign, "busybox:latest", "sleep", "600"]).remove(0);
    let _removed = Foreign(foreign.clone());
    let trap = Trap::lay(&house.image("trap"));
    let mut script = String::from("docker run -d --name mine busybox sleep 600 >/dev/null\nln -s /etc link\n");
    for (number, (line, _)) in REFUSED.iter().enumerate() {
        let line = line.replace("FOREIGNID", &id).replace("FOREIGN", &foreign);
        script.push_str(&format!("if said=$({line} 2>&1 </dev/null); then echo \"{number} ESCAPED $said\"; else echo \"{number} refused $said\" | tr '\\n\\r' '  '; echo; fi\n"));
    }
    script.push_str("echo ps: $(docker ps -a --format '{{.Names}}')\necho networks: $(docker network ls -q)\necho volumes: $(docker volume ls -q)\necho images: $(docker images --format '{{.Repository}}')\n");
    let steps = "  pre:\n    - {run: \"sh attacks.sh\", engine: true}\n    - {run: \"ls /var/run/docker.sock\", name: without}\n";
    let files = [
        ("attacks.sh", script.as_str()),
        ("onbuild/image/Dockerfile", "FROM busybox\nONBUILD FROM busybox\n"),
        ("onbuild/flag/Dockerfile", "FROM busybox\nONBUILD COPY --from=busybox / /x\n"),
        ("onbuild/escaped/Dockerfile", "FROM busybox\nONBUILD COPY --fr\\om=busybox / /x\n"),
        ("onbuild/base/Dockerfile", &format!("FROM {}\n", trap.0)),
    ];
    let commit = house.commit(&captain(&cli, steps), &files);
    let build = house.build(&commit).await;

    let text = build.step("attacks.sh").text();
    let wrong: Vec<_> = REFUSED
        .iter()
        .enumerate()
        .filter_map(|(number, (line, reason))| {
            let start = format!("{number} ");
            let told = text.lines().find(|told| told.starts_with(&start)).unwrap_or("nothing was said");
            let fine = told.starts_with(&format!("{number} refused")) && told.contains(reason);
            (!fine).then(|| format!("{line}\n  {told}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(text.contains("ps: mine\nnetworks:\nvolumes:\nimages: busybox\n"), "{text}");
    assert!(build.failure().contains("(without) failed"), "{}", build.failure());
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &foreign]), ["true"]);
    house.leaves_nothing().await;
    assert_eq!(remains::of(&house), [] as [String; 0]);
}

/// How many containers try to win the race.
const TRIES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_cannot_be_swapped_for_a_link_to_the_host_while_it_is_mounted() {
    let (mut house, cli) = house().await;
    let script = format!(
        "mkdir p; touch p/inside; ln -s /etc l\ndocker run --rm -v /workspace/p:/data busybox ls /data\n(while :; do mv p a; mv l p; usleep 100000; mv p l; mv a p; usleep 300000; done) >/dev/null 2>&1 &\n\
         for i in $(seq {TRIES}); do docker run --rm -v /workspace/p:/data busybox ls /data 2>&1; done\necho done\n"
    );
    let steps = "  pre:\n    - {run: \"sh race.sh\", engine: true}\n";
    let commit = house.commit(&captain(&cli, steps), &[("race.sh", &script)]);
    let build = house.build(&commit).await;
    let text = build.step("race.sh").text();
    assert!(text.contains("done") && !text.contains("passwd"), "{text}");
    assert!(text.contains("inside"), "before the race, the folder is mounted: {text}");
    house.leaves_nothing().await;
}

/// An image in the registry that takes files out of another when one begins with it.
struct Trap(String);

impl Trap {
    fn lay(image: &str) -> Self {
        let context = tempfile::tempdir().expect("a temporary directory");
        let dockerfile = "FROM busybox:latest\nONBUILD COPY --fr\\om=busybox:latest / /x\n";
        std::fs::write(context.path().join("Dockerfile"), dockerfile).expect("the context is written");
        docker(&["build", "--quiet", "--tag", image, &context.path().display().to_string()]);
        docker(&["push", "--quiet", image]);
        docker(&["rmi", image]);
        Trap(image.to_owned())
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.0]).output();
    }
}

struct Foreign(String);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rm", "-f", "-v", &self.0]).output();
    }
}
