//! Steps with an engine of their own: what real files do with it works, and it leads nowhere else.

mod attacks;
mod compose;
mod logins;
mod remains;
mod requests;

use slipway_tests::{build_house::BuildHouse, docker_cli::DockerCli};

/// A house and the image that its steps run in, with a real docker client.
async fn house() -> (BuildHouse, DockerCli) {
    (BuildHouse::new().await, DockerCli::build())
}

/// A captain.yml whose steps run in the client's image.
fn captain(cli: &DockerCli, steps: &str) -> String {
    format!("defaults: {{step_image: \"{}\"}}\nweb:\n  build: Dockerfile\n  image: IMAGE\n{steps}", cli.name())
}

/// What a repository's own test script may do.
const SCRIPT: &str = r#"#!/bin/sh
set -eu
docker build -t base -f tests/Dockerfile.base tests
docker build -t app:test --build-arg WORD=spoken --build-arg BASE=base tests
docker run --rm app:test | grep 'spoken on a base'
docker run --rm app:test cat /triggered | grep 'a word'
docker tag app:test app:other
docker images app | grep other
docker image inspect -f '{{.Config.Cmd}}' app:other
docker history -q app:test >/dev/null
docker network create lan
docker volume create data
docker run -d --name web --network lan -v data:/data -e X=1 -p 8080:80 app:test sh -c 'echo started; httpd -f -p 80 -h /data & wait'
docker exec web sh -c 'echo content of a volume > /data/index.html'
docker run --rm --network lan busybox wget -q -O - http://web/ | grep 'content of a volume'
docker logs web | grep started
docker ps --format '{{.Names}} {{.Image}}' | grep '^web app:test$'
test "$(docker ps -q | wc -l)" = 1
test "$(docker inspect -f '{{.Name}}' web)" = /web
test "$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' web)" = lan
echo from outside | docker run -i --rm busybox cat | grep 'from outside'
docker run --rm -v "$PWD":/src -w /src busybox cat tests/word | grep 'a word'
(cd tests && docker run --rm -v "$PWD":/src:ro busybox cat /src/word | grep 'a word')
docker run --rm -v "$PWD/made/here":/out busybox sh -c 'echo written > /out/file'
grep written made/here/file
docker run --rm --mount type=bind,source="$PWD/tests",target=/src busybox cat /src/word
docker cp tests/word web:/data/copied
docker cp web:/data/copied - | tar -xO | grep 'a word'
docker run --name failing busybox sh -c 'exit 7' || test $? = 7
docker rename failing failed
docker wait failed | grep 7
docker top web | grep httpd
docker stats --no-stream web | grep web
docker kill web >/dev/null
docker rm -f web failed
docker rmi app:other
docker volume rm data
docker network rm lan
test -z "$(docker ps -aq)"
docker info -f '{{.Name}}' | grep slipway
docker version >/dev/null
echo everything works
"#;

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_scripts_of_real_files_work_and_leave_nothing() {
    let (mut house, cli) = house().await;
    let steps = "  pre:\n    - docker run --rm busybox echo hello | grep hello\n    - {run: \"sh tests/test.sh\", engine: true}\n  \
                 test:\n    - docker run --rm IMAGE cat /app/tests/word | grep 'a word'\n";
    let base = "FROM busybox\nRUN echo on a base > /base\nONBUILD COPY word /triggered\n";
    let app = "ARG BASE\nFROM busybox AS tools\nRUN echo > /tool\nFROM ${BASE}\nARG WORD\nCOPY --from=tools /tool /tool\nRUN echo \"$WORD $(cat /base)\" > /said\nCMD [\"cat\", \"/said\"]\n";
    let commit = house.commit(
        &captain(&cli, steps),
        &[
            ("tests/test.sh", SCRIPT),
            ("tests/word", "a word\n"),
            ("tests/Dockerfile.base", base),
            ("tests/Dockerfile", app),
        ],
    );
    let build = house.build(&commit).await;

    assert_eq!(build.artifacts().len(), 1);
    assert_eq!(build.step("docker run --rm busybox").text().trim(), "hello");
    assert!(build.step("tests/test.sh").text().contains("everything works"));
    house.leaves_nothing().await;
    assert_eq!(remains::of(&house), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_use_the_same_names_at_once() {
    let (mut house, cli) = house().await;
    let script = "set -e; docker build -t db --build-arg NUMBER=$SLIPWAY_BUILD_NUMBER db; docker network create lan; \
                  docker run -d --name db --network lan -v data:/data db sleep 600; echo it is up; \
                  docker exec db sh -c 'while ! test -e /go; do usleep 50000; done'; docker exec db cat /number; docker ps --format '{{.Names}}'";
    let dockerfile = ("db/Dockerfile", "FROM busybox\nARG NUMBER\nRUN echo $NUMBER > /number\n");
    // Both are of one branch, and their pushes under its tag would meet.
    let steps = format!("  push: false\n  pre:\n    - {{run: \"{script}\", name: together, engine: true}}\n");
    let first = house.commit(&captain(&cli, &steps), &[dockerfile]);
    let second = house.commit(&captain(&cli, &steps), &[dockerfile, ("more", "")]);
    let jobs = [house.queue(&first), house.queue(&second)];
    for job in &jobs {
        house.logged(job, "it is up").await;
    }
    let named = remains::containers(&house, ".db");
    assert_eq!(named.len(), 2, "{named:?}");
    for container in &named {
        let _ = slipway_tests::engine::docker(&["exec", container, "touch", "/go"]);
    }
    for (number, job) in (1..).zip(&jobs) {
        let build = house.ended(job).await;
        let text = build.step("together").text();
        assert!(text.ends_with(&format!("{number}\ndb\n")), "{text}");
        assert_eq!(build.artifacts().len(), 0, "it succeeded, and pushed nothing");
    }
    house.leaves_nothing().await;
    assert_eq!(remains::of(&house), [] as [String; 0]);
}
