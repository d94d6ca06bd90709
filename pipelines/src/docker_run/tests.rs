#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use super::*;
use crate::config::{Mount, MountSource, Tmpfs};

fn read(line: &str) -> Line {
    command(line, Surroundings { variables: &["NODE"], environment: &["NPM_TOKEN"] }).unwrap()
}

fn run(line: &str) -> ContainerRun {
    match read(line).command {
        Command::Container { run, .. } => *run,
        other => panic!("not a container: {other:?}"),
    }
}

fn said(problems: Vec<Problem>) -> String {
    let sentence = |problem: Problem| match (problem.nearest, problem.expected) {
        (Some(nearest), _) => format!("{}; did you mean {nearest}?", problem.message),
        (None, Some(expected)) => format!("{}; expected {expected}", problem.message),
        (None, None) => problem.message,
    };
    problems.into_iter().map(sentence).collect::<Vec<_>>().join("\n    ")
}

fn refused(line: &str) -> String {
    said(command(line, Surroundings::default()).unwrap_err())
}

fn workspace(path: &str, target: &str) -> Mount {
    Mount { source: MountSource::Workspace { path: path.to_owned() }, target: target.to_owned(), read_only: false }
}

fn cache(name: &str, target: &str) -> Mount {
    Mount { source: MountSource::Cache { name: name.to_owned() }, target: target.to_owned(), read_only: false }
}

#[test]
fn the_line_of_the_talk_runs_verbatim() {
    let run = run(r#"docker run -it --rm -v ~/.m2:/root/.m2 -v "$PWD":/app -w /app maven:3.3.3 mvn clean install"#);
    assert_eq!(run.image, "maven:3.3.3");
    assert_eq!(run.args, ["mvn", "clean", "install"]);
    assert_eq!(run.mounts, [cache("~/.m2", "/root/.m2"), workspace(".", "/app")]);
    assert_eq!(run.workdir.as_deref(), Some("/app"));
}

#[test]
fn every_spelling_of_an_option_is_the_same() {
    let expected = [("A".to_owned(), "b c".to_owned())];
    for line in [
        "docker run -e 'A=b c' x",
        "docker run -eA='b c' x",
        "docker run --env=A=b\\ c x",
        "docker run -ite \"A=b c\" x",
    ] {
        assert_eq!(run(line).env, expected, "{line}");
    }
    let run = run(
        "docker container run --user=1:2 --entrypoint sh --network=bridge --name db --env-file ./ci.env -- x -c 'a; b'",
    );
    assert_eq!(
        (run.user.as_deref(), run.entrypoint.as_deref(), run.name.as_deref()),
        (Some("1:2"), Some("sh"), Some("db"))
    );
    assert_eq!(run.env_files, ["ci.env"]);
    assert_eq!(run.args, ["-c", "a; b"]);
}

#[test]
fn every_spelling_of_the_workspace_is_the_same() {
    for source in ["$PWD", "${PWD}", "\"$PWD\"", "$(pwd)", "`pwd`", "\"$(pwd)\"", ".", "./", "$PWD/"] {
        assert_eq!(run(&format!("docker run -v {source}:/app x")).mounts, [workspace(".", "/app")], "{source}");
    }
    assert_eq!(run("docker run -v $PWD/a/./b:/c -v d/e:/f x").mounts, [workspace("a/b", "/c"), workspace("d/e", "/f")]);
    assert_eq!(
        run("docker run -v $HOME/.npm:/n -v gems:/g:ro x").mounts,
        [cache("~/.npm", "/n"), Mount { read_only: true, ..cache("gems", "/g") }]
    );
    let same_path = run("docker run -v $PWD:$PWD -w $PWD x");
    assert_eq!((same_path.mounts, same_path.workdir), (vec![workspace(".", WORKSPACE)], Some(WORKSPACE.to_owned())));
}

#[test]
fn dollars_are_templates_or_stay_for_the_container() {
    let run = run(r#"docker run -e "B=$SLIPWAY_BRANCH" x:${SLIPWAY_COMMIT} sh -c 'echo $HOME' "\$1" 5$$"#);
    assert_eq!(run.env, [("B".to_owned(), "${SLIPWAY_BRANCH}".to_owned())]);
    assert_eq!(run.image, "x:${SLIPWAY_COMMIT}");
    assert_eq!(run.args, ["sh", "-c", "echo $$HOME", "$$1", "5$$"]);
}

#[test]
fn a_line_may_go_on_and_have_a_comment() {
    let run = run("docker run -e A=1 \\\n  x sh -c \"a && b\" # tests; all of them\n");
    assert_eq!((run.image.as_str(), run.args.join(" ").as_str()), ("x", "sh -c a && b"));
}

#[test]
fn other_lines_are_the_shells() {
    for line in [
        "mvn package",
        "echo 'docker run x'",
        "which docker || true",
        "./docker.sh",
        "echo docker; ls",
        "echo 'a | docker b' # ; docker",
    ] {
        let read = read(line);
        assert!(matches!(read.command, Command::Shell { .. }) && !read.engine, "{line}");
    }
}

#[test]
fn what_a_step_may_not_have_is_refused_with_the_reason() {
    let lines = [
        "docker run -v /var/run/docker.sock:/var/run/docker.sock x",
        "docker run -v /etc:/etc x",
        "docker run -v $PWD/../..:/x x",
        "docker run -v ~:/root x",
        "docker run -v .:/proc x",
        "docker run -v .:/a:exec x",
        "docker run --privileged x",
        "docker run --network host x",
        "docker run --pid=host x",
        "docker run --cap-add SYS_ADMIN x",
        "docker run --device /dev/kvm x",
        "docker run -d x",
        "docker run --volum .:/x x",
        "docker run -e TOKEN x",
        "docker run x $UID",
        "docker run x $(whoami) `date` $NOPE",
        "docker run --privileged -d --net host -e A -v /:/host --link db:database Web $(id -u)",
        "docker run",
        "docker run 'x",
        "docker run Web",
        "docker run --volumes-from data x",
        "docker run --restart always x",
        "docker run --add-host docker:host-gateway x",
        "docker run --mount type=bind,source=/var,target=/var x",
        "docker run --cpus lots x",
        "docker run --memory 1k x",
    ];
    let messages: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", refused(line))).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn what_a_line_may_ask_of_its_container() {
    let run = run(
        "docker run --memory 512m --cpus=1.5 --shm-size 64m --tmpfs /tmp:size=1g,mode=1777 --tmpfs /run --read-only --init \
        -h box --network-alias api --add-host db:10.0.0.7 --add-host six:[::1] --entrypoint=\"\" node:$NODE",
    );
    assert_eq!((run.memory, run.nano_cpus, run.shm_size), (Some(512 << 20), Some(1_500_000_000), Some(64 << 20)));
    assert_eq!((run.read_only, run.init, run.hostname.as_deref()), (true, true, Some("box")));
    let folders = [("/tmp", Some(1 << 30)), ("/run", None)].map(|(path, size)| Tmpfs { path: path.to_owned(), size });
    assert_eq!((run.tmpfs, run.aliases), (folders.to_vec(), vec!["api".to_owned()]));
    assert_eq!(run.hosts, [("db".to_owned(), "10.0.0.7".parse().unwrap()), ("six".to_owned(), "::1".parse().unwrap())]);
    assert_eq!((run.entrypoint.as_deref(), run.image.as_str()), (Some(""), "node:${NODE}"));
}

#[test]
fn a_mount_is_said_in_either_way() {
    let run = run(
        "docker run --mount type=bind,src=\"$(pwd)\",dst=/app,readonly --mount source=gems,target=/g --mount type=tmpfs,target=/t x",
    );
    assert_eq!(run.mounts, [Mount { read_only: true, ..workspace(".", "/app") }, cache("gems", "/g")]);
    assert_eq!(run.tmpfs, [Tmpfs { path: "/t".to_owned(), size: None }]);
}

#[test]
fn what_is_left_out_is_said() {
    let lines = [
        "docker run -itp 80:80 x",
        "docker run --rm -u $(id -u):$(id -g) x",
        "docker run --user \"$UID\" --platform linux/amd64 --pull always x",
        "docker run -v ~/.ssh:/root/.ssh x",
        "docker run --ulimit nofile=1024 --log-driver none --dns 8.8.8.8 x",
    ];
    let warnings: Vec<String> = lines.iter().map(|line| format!("{line}\n    {}", said(read(line).warnings))).collect();
    insta::assert_snapshot!(warnings.join("\n"));
    for line in [
        "docker run -e NPM_TOKEN -e CI -e SLIPWAY_COMMIT x",
        "docker run --privileged=false --detach=false --restart=no --link db --link db:db x",
        "docker run --security-opt no-new-privileges --cap-drop ALL --label a=b x",
        "sudo docker run x",
    ] {
        let read = read(line);
        assert!(matches!(read.command, Command::Container { .. }) && read.warnings.is_empty(), "{line}");
    }
}

#[test]
fn a_terminal_among_other_commands_is_warned_of() {
    for (line, warned) in [
        ("docker run -it --rm x | grep ok", true),
        ("make && sudo docker exec --tty db psql", true),
        ("docker run --rm -i x | grep ok", false),
        ("docker run x ls -t | head", false),
        ("docker run -it x", false),
    ] {
        assert_eq!(!read(line).warnings.is_empty(), warned, "{line}");
    }
}

#[test]
fn a_line_that_calls_docker_gets_an_engine() {
    for line in [
        "docker run x | grep ok",
        "cd a && docker build .",
        "docker-compose up -d",
        "docker compose run tests",
        "sudo docker build .",
        "set -e\ndocker run -d --name db postgres\ndocker rm -f db",
        "if docker inspect x; then echo yes; fi",
        "OUT=$(docker run x)",
    ] {
        let read = read(line);
        assert!(matches!(read.command, Command::Shell { .. }) && read.engine, "{line}");
    }
}
