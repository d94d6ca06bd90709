//! Files that are refused, and what a person reads then.

use insta::assert_snapshot;

use super::{FACTS, message};
use crate::parse::{MAX_BYTES, parse};

const APP: &str = "web:\n  image: harbur/web\n  release: {port: 80}\n";

fn environments(text: &str) -> String {
    message(&format!("{APP}environments:\n{text}"))
}

fn release(text: &str) -> String {
    message(&format!("web:\n  image: harbur/web\n  release: {text}\n"))
}

#[test]
fn invalid_yaml() {
    assert_snapshot!(message("web:\n  image: [a, b\n  build: Dockerfile\n"), @r#"
    captain.yml:3:8: invalid YAML: illegal placement of ':' indicator
      3 |   build: Dockerfile
        |        ^
    "#);
    assert_snapshot!(message("web:\n\timage: a\n"), @r#"
    captain.yml:2:2: invalid YAML: tabs disallowed within this context (block indentation)
      2 |  image: a
        |  ^
    "#);
    assert_snapshot!(message("web: *base\n"), @r#"
    captain.yml:1:6: invalid YAML: while parsing node, found unknown anchor
      1 | web: *base
        |      ^
    "#);
    assert_snapshot!(message("web: &base {image: *base}\n"), @r#"
    captain.yml:1:20: this alias stands inside the value that it refers to
      1 | web: &base {image: *base}
        |                    ^
    "#);
    assert_snapshot!(message("web:\n  image: !env NAME\n"), @r#"
    captain.yml:2:15: the YAML tag "!env" means nothing here
      2 |   image: !env NAME
        |               ^
    "#);
    assert_snapshot!(message("web: {image: a}\n---\nweb: {image: a}\n"), @r#"
    captain.yml:2:1: a second document begins here; expected one YAML document in the file
      2 | ---
        | ^
    "#);
}

#[test]
fn keys() {
    assert_snapshot!(message("web:\n  image: harbur/web\n  biuld: Dockerfile\n  colour: red\n"), @r#"
    captain.yml:3:3: unknown key "biuld" in an app; did you mean "build"?
      3 |   biuld: Dockerfile
        |   ^
      see docs/captain-yml.md#apps
    captain.yml:4:3: unknown key "colour" in an app; expected one of build, context, target, image, needs, build_arg, build_secret, build_cache, pin, step_image, env, secrets, pre, post, test, services, when, timeout, matrix, tags, commit_length, latest, push, attest, release
      4 |   colour: red
        |   ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  image: a/b\n  image: a/c\nweb:\n  image: a/d\n"), @r#"
    captain.yml:3:3: duplicate key "image": it is already given on line 2
      3 |   image: a/c
        |   ^
    captain.yml:4:1: duplicate key "web": it is already given on line 1
      4 | web:
        | ^
    "#);
    assert_snapshot!(message("web:\n  image: a/b\n  services: {}\n  servics: {}\n  tags: [latest]\nschedules: {}\ndefaults: {timeout: 1m}\n"), @r#"
    captain.yml:4:3: unknown key "servics" in an app; did you mean "services"?
      4 |   servics: {}
        |   ^
      see docs/captain-yml.md#apps
    "#);
}

#[test]
fn keys_at_the_top() {
    assert_snapshot!(message("web: {image: a/b}\nenviroments:\n  dev: {from: {branch: main}}\n"), @r#"
    captain.yml:2:1: unknown key "enviroments" in a captain.yml; did you mean "environments"?
      2 | enviroments:
        | ^
      see docs/captain-yml.md#the-file
    "#);
    let colon = message("web:\n  image: a/b\n  pre: echo: hi\n");
    assert!(colon.contains("; expected a text that holds \": \" to stand in quotes, such as"), "{colon}");
    assert!(parse("captain.yml", "default: {image: a/b}\n", &FACTS).is_ok(), "an app may be called so");
}

#[test]
fn missing_things() {
    assert_snapshot!(message(""), @r#"
    captain.yml: there is no app in the file; expected at least one, such as "web: {build: Dockerfile, image: harbur/hello}"
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("environments: {dev: {from: {branch: main}}}"), @r#"
    captain.yml: there is no app in the file; expected at least one, such as "web: {build: Dockerfile, image: harbur/hello}"
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  build: services/web/Dockerfile\n"), @r#"
    captain.yml:1:1: the app "web" has no image; expected the name to push it under, such as "image: harbur/web"
      1 | web:
        | ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n"), @r#"
    captain.yml:1:1: the app "web" has no image; expected the name to push it under, such as "image: harbur/hello"
      1 | web:
        | ^
      see docs/captain-yml.md#apps
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(message("just text"), @r#"
    captain.yml:1:1: the file holds a single value; expected a map of apps, each with an image
      1 | just text
        | ^
      see docs/captain-yml.md#the-file
    "#);
    assert_snapshot!(message("web:\n  image: [a]\n  build: {a: b}\n  pre: {a: b}\n  build_arg: [A=b]\napi: text\n"), @r#"
    captain.yml:2:10: there is a list here; expected the image's name, such as harbur/hello-world
      2 |   image: [a]
        |          ^
      see docs/captain-yml.md#apps
    captain.yml:3:10: there is a map here; expected the Dockerfile's path, relative to the repository's root
      3 |   build: {a: b}
        |          ^
      see docs/captain-yml.md#apps
    captain.yml:4:8: the step has nothing to run; expected "run", a line or a list of lines; or "image", whose own command runs
      4 |   pre: {a: b}
        |        ^
      see docs/captain-yml.md#steps
    captain.yml:4:9: unknown key "a" in a step; expected one of name, image, run, env, secrets, cache, start, when, timeout, matrix, engine
      4 |   pre: {a: b}
        |         ^
      see docs/captain-yml.md#steps
    captain.yml:5:14: there is a list here; expected build arguments as a map of keys and values
      5 |   build_arg: [A=b]
        |              ^
      see docs/captain-yml.md#apps
    captain.yml:6:6: there is a single value here; expected an app as a map of keys and values
      6 | api: text
        |      ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  image: harbur/web\n  pre:\n    - [a, b]\n    -\n"), @r#"
    captain.yml:4:7: there is a list here; expected a command, or a step as a map
      4 |     - [a, b]
        |       ^
      see docs/captain-yml.md#steps
    captain.yml:5:6: there is nothing here; expected a command, or a step as a map
      5 |     -
        |      ^
      see docs/captain-yml.md#steps
    "#);
    assert_snapshot!(message("web:\n  image: harbur/web\n  pre:\n    - echo one: two\n"), @r#"
    captain.yml:4:7: a command with ": " in it is read as a map; expected the command in quotes
      4 |     - echo one: two
        |       ^
      see docs/captain-yml.md#steps
    "#);
}

#[test]
fn images_and_paths() {
    assert_snapshot!(message("web:\n  image: harbur/web:1.0\n"), @r#"
    captain.yml:2:10: the image "harbur/web:1.0" has a tag of its own; expected the name alone, "harbur/web": a build adds its tags
      2 |   image: harbur/web:1.0
        |          ^
      see docs/captain-yml.md#tags
    "#);
    assert_snapshot!(message("web:\n  image: Harbur/Web\n"), @r#"
    captain.yml:2:10: "Web" cannot be part of an image's name; image names are in lower case
      2 |   image: Harbur/Web
        |          ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  image: harbur/${SLIPWAY_BRANSH}\n  build_arg: {A: '${NOPE}'}\n"), @r#"
    captain.yml:2:10: unknown variable "${SLIPWAY_BRANSH}"; did you mean "SLIPWAY_BRANCH"?
      2 |   image: harbur/${SLIPWAY_BRANSH}
        |          ^
      see docs/captain-yml.md#variables
    captain.yml:3:18: unknown variable "${NOPE}"; expected one of SLIPWAY_COMMIT, SLIPWAY_COMMIT_SHORT, SLIPWAY_BRANCH, SLIPWAY_TAG, SLIPWAY_REF, SLIPWAY_BUILD_NUMBER, SLIPWAY_REPOSITORY, SLIPWAY_EVENT
      3 |   build_arg: {A: '${NOPE}'}
        |                  ^
      see docs/captain-yml.md#variables
    "#);
    assert_snapshot!(message("web:\n  image: harbur/web\n  build: ../Dockerfile\n"), @r#"
    captain.yml:3:10: "../Dockerfile" holds "..", which could lead out of the repository
      3 |   build: ../Dockerfile
        |          ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  image: harbur/web\n  build: /Dockerfile\n"), @r#"
    captain.yml:3:10: "/Dockerfile" is an absolute path; paths are relative to the repository's root
      3 |   build: /Dockerfile
        |          ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("web:\n  image: harbur/web\n  build: docker/\n"), @r#"
    captain.yml:3:10: "docker/" is a folder; expected the Dockerfile's path, relative to the repository's root
      3 |   build: docker/
        |          ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("a:\n  image: harbur/web\nb:\n  image: docker.io/harbur/web\n"), @r#"
    captain.yml:3:1: the apps "a" and "b" have the same image "docker.io/harbur/web"; expected an image for each app
      3 | b:
        | ^
      see docs/captain-yml.md#apps
    "#);
}

#[test]
fn commands() {
    assert_snapshot!(message("web:\n  image: harbur/web\n  test:\n    - docker run --privileged harbur/web\n    - docker run -v /var/run/docker.sock:/s harbur/web\n    - docker run harbur/web | grep ok\n"), @r#"
    captain.yml:4:7: --privileged is refused: it would give the step power over the host
      4 |     - docker run --privileged harbur/web
        |       ^
      see docs/captain-yml.md#docker-run
    captain.yml:5:7: -v /var/run/docker.sock is refused: the Docker socket gives power over the host; expected a step as a map with "engine: true", which finds a Docker engine of the build's own
      5 |     - docker run -v /var/run/docker.sock:/s harbur/web
        |       ^
      see docs/captain-yml.md#docker-run
    "#);
}

#[test]
fn names() {
    assert_snapshot!(message("my app:\n  image: harbur/web\n"), @r#"
    captain.yml:1:1: "my app" cannot be an app's name; expected letters, digits, "_", ".", "-" and "/", at most 128, beginning with a letter or digit
      1 | my app:
        | ^
      see docs/captain-yml.md#apps
    "#);
    assert_snapshot!(message("My_App:\n  image: harbur/web\n  release: {}\n"), @r#"
    captain.yml:1:1: "My_App" cannot be the name of an app that is released; expected lower-case letters, digits and "-", at most 63: the name is its address where it runs
      1 | My_App:
        | ^
      see docs/captain-yml.md#release
    "#);
    assert_snapshot!(message("build:\n  images:\n    Dockerfile: harbur/web\n"), @r#"
    captain.yml:1:1: this is captain's old format, from before apps had names; expected the same in today's form, which slipway lint --fix writes:

        web:
          image: harbur/web

      1 | build:
        | ^
      see docs/captain-yml.md#captains-old-format
    "#);
}

#[test]
fn environments_of_nowhere() {
    assert_snapshot!(environments("  production: {from: stagin}\n  staging: {from: {branch: main}}\n"), @r#"
    captain.yml:5:22: unknown environment "stagin"; did you mean "staging"?
      5 |   production: {from: stagin}
        |                      ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(environments("  dev: {from: main}\n"), @r#"
    captain.yml:5:15: unknown environment "main"; expected another environment; a branch is written {branch: NAME}
      5 |   dev: {from: main}
        |               ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(environments("  dev: {}\n"), @r#"
    captain.yml:5:3: the environment "dev" does not say where its releases come from; expected "from": {branch: NAME}, or the name of another environment
      5 |   dev: {}
        |   ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(environments("  dev: {from: {branch: 'release/*'}}\n"), @r#"
    captain.yml:5:24: "release/*" cannot be a branch's name; expected the name of one branch, such as main
      5 |   dev: {from: {branch: 'release/*'}}
        |                        ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(environments("  Dev: {from: {branch: main}, auto: true}\n"), @r#"
    captain.yml:5:3: "Dev" cannot be an environment's name; expected lower-case letters, digits and "-", at most 63
      5 |   Dev: {from: {branch: main}, auto: true}
        |   ^
      see docs/captain-yml.md#environments
    "#);
}

#[test]
fn environments_in_a_circle() {
    assert_snapshot!(environments("  a: {from: b}\n  b: {from: c}\n  c: {from: b}\n"), @r#"
    captain.yml:6:13: these environments come from each other: b from c from b; expected one of them with from: {branch: NAME}
      6 |   b: {from: c}
        |             ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(environments("  a: {from: a}\n"), @r#"
    captain.yml:5:13: these environments come from each other: a from a; expected one of them with from: {branch: NAME}
      5 |   a: {from: a}
        |             ^
      see docs/captain-yml.md#environments
    "#);
}

#[test]
fn environments_with_unknown_apps() {
    assert_snapshot!(environments("  dev: {from: {branch: main}, apps: {wbe: {replicas: 2}}}\n"), @r#"
    captain.yml:5:38: unknown app "wbe"; did you mean "web"?
      5 |   dev: {from: {branch: main}, apps: {wbe: {replicas: 2}}}
        |                                      ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(message("job:\n  image: harbur/job\nenvironments:\n  dev:\n    from: {branch: main}\n    apps: {job: {replicas: 2}}\n"), @r#"
    captain.yml:6:12: the app "job" is not released; expected "release" at the app before an environment can change it
      6 |     apps: {job: {replicas: 2}}
        |            ^
      see docs/captain-yml.md#environments
    "#);
}

#[test]
fn release_settings() {
    assert_snapshot!(release("{port: 70000, replicas: 0, drain: 10, domain: 'http://x'}"), @r#"
    captain.yml:3:19: "70000" is not such a number; expected a number from 1 to 65535
      3 |   release: {port: 70000, replicas: 0, drain: 10, domain: 'http://x'}
        |                   ^
      see docs/captain-yml.md#release
    captain.yml:3:36: "0" is not such a number; expected a number from 1 to 1000
      3 |   release: {port: 70000, replicas: 0, drain: 10, domain: 'http://x'}
        |                                    ^
      see docs/captain-yml.md#release
    captain.yml:3:46: "10" is not a duration; expected a duration such as 500ms, 2s, 5m or 1h, at most 24h
      3 |   release: {port: 70000, replicas: 0, drain: 10, domain: 'http://x'}
        |                                              ^
      see docs/captain-yml.md#release
    captain.yml:3:58: "http://x" is not a host name; expected a host name such as shop.example.com, without a scheme or port
      3 |   release: {port: 70000, replicas: 0, drain: 10, domain: 'http://x'}
        |                                                          ^
      see docs/captain-yml.md#release
    "#);
    for (written, named) in [
        ("/api/", "/api/"),
        ("/a//b", "/a//b"),
        ("/../b", "/../b"),
        ("/a*", "/a*"),
        ("/{http.vars.x}", "/{http.vars.x}"),
    ] {
        let told = release(&format!("{{port: 80, domain: 'shop.example.com{written}'}}"));
        let expected = format!(
            "captain.yml:3:31: \"{named}\" is not a path of a host; expected a path such as shop.example.com/api"
        );
        assert!(told.starts_with(&expected), "{told}");
    }
    assert_snapshot!(release("{domain: shop.example.com}"), @r#"
    captain.yml:3:13: "domain" without "port": the proxy would not know where to send requests; expected the port that the app listens on, such as "port: 8080"
      3 |   release: {domain: shop.example.com}
        |             ^
      see docs/captain-yml.md#release
    "#);
    assert_snapshot!(release("{port: 80, health: {http: health, tcp: yes, interval: 0s}}"), @r#"
    captain.yml:3:38: "health" is not a path; expected a path such as /health
      3 |   release: {port: 80, health: {http: health, tcp: yes, interval: 0s}}
        |                                      ^
      see docs/captain-yml.md#health
    captain.yml:3:46: more than one of "http", "tcp" and "command"; expected one of them
      3 |   release: {port: 80, health: {http: health, tcp: yes, interval: 0s}}
        |                                              ^
      see docs/captain-yml.md#health
    captain.yml:3:51: "yes" cannot stand here; expected true
      3 |   release: {port: 80, health: {http: health, tcp: yes, interval: 0s}}
        |                                                   ^
      see docs/captain-yml.md#health
    captain.yml:3:66: a time of nothing; expected a duration above 0
      3 |   release: {port: 80, health: {http: health, tcp: yes, interval: 0s}}
        |                                                                  ^
      see docs/captain-yml.md#health
    "#);
    assert_snapshot!(release("{health: {http: /health}}"), @r#"
    captain.yml:3:22: "http" needs the app's "port"; expected "port" among the release settings
      3 |   release: {health: {http: /health}}
        |                      ^
      see docs/captain-yml.md#health
    "#);
    for place in ["/.slipway", "//.slipway/told", "/proc/x", "/"] {
        let refused = release(&format!("{{volumes: ['data:{place}']}}"));
        let why = format!("nothing can be mounted over \"{place}\" of the container");
        assert!(refused.contains(&why), "{refused}");
    }
    assert_snapshot!(release("{resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}"), @r#"
    captain.yml:3:31: "lots" is not such a number; expected a number from 0.01 to 1024
      3 |   release: {resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}
        |                               ^
      see docs/captain-yml.md#release
    captain.yml:3:45: "1" is not a size of memory; expected a size such as 64M or 1G, at least 6M
      3 |   release: {resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}
        |                                             ^
      see docs/captain-yml.md#release
    captain.yml:3:59: "/data:/data" is not a volume: paths of the host are not mounted into releases; expected NAME:/PATH, such as uploads:/data
      3 |   release: {resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}
        |                                                           ^
      see docs/captain-yml.md#release
    captain.yml:3:74: "data:data" is not a volume: "data" is not an absolute path; expected NAME:/PATH, such as uploads:/data
      3 |   release: {resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}
        |                                                                          ^
      see docs/captain-yml.md#release
    captain.yml:3:97: the command is empty; expected a program and its arguments
      3 |   release: {resources: {cpus: lots, memory: 1}, volumes: ['/data:/data', 'data:data'], command: []}
        |                                                                                                 ^
      see docs/captain-yml.md#release
    "#);
    assert_snapshot!(message("a: {image: x/a, release: {port: 1, domain: d.org}}\nb: {image: x/b, release: {port: 1}}\nenvironments: {dev: {from: {branch: main}, apps: {b: {domain: D.org}}}}\n"), @r#"
    captain.yml:3:16: the apps "a" and "b" share the domain "d.org" here; expected a domain, or a path of it, for each app
      3 | environments: {dev: {from: {branch: main}, apps: {b: {domain: D.org}}}}
        |                ^
      see docs/captain-yml.md#environments
    "#);
    assert_snapshot!(release("{command: 'serve \"x'}"), @r#"
    captain.yml:3:22: a " is not closed
      3 |   release: {command: 'serve "x'}
        |                      ^
      see docs/captain-yml.md#release
    "#);
}

#[test]
fn what_would_take_forever_is_refused_at_once() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert_snapshot!(message(bomb), @r#"
    captain.yml:5:8: the file is too large once its aliases are expanded: more than 20000 values or 1048576 bytes
      5 | e: [*d,*d,*d,*d,*d,*d,*d,*d,*d]
        |        ^
    "#);
    let long = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(20));
    assert!(message(&long).contains("too large once its aliases are expanded"));
    let large = parse("captain.yml", &"#".repeat(MAX_BYTES + 1), &FACTS).map_err(|error| error.to_string());
    assert_snapshot!(large.unwrap_err(), @"captain.yml: the file has 262145 bytes; the limit is 262144");
    for deep in [
        "[".repeat(10_000),
        "- ".repeat(10_000),
        format!("a: {}", "{a: ".repeat(1_000)),
        "[".repeat(20) + &"- ".repeat(20),
    ] {
        assert!(parse("captain.yml", &deep, &FACTS).is_err());
    }
    let many: String = (0..9_000).map(|number| format!("k{number}:\n")).collect();
    assert_snapshot!(message(&many), @"captain.yml: the file has 9000 apps; the limit is 200");
    let many: String = (0..9_000).map(|number| format!("  k{number}:\n")).collect();
    let problems = message(&format!("web:\n{many}"));
    assert_snapshot!(problems.lines().last().unwrap_or_default(), @"captain.yml: there are more problems; these are the first 50 found");
    let long = "x".repeat(60);
    let apps: String = (0..190).map(|number| format!("{long}{number}: {{image: x/{number}}}\n")).collect();
    let unknown: String = (0..4_000).map(|number| format!("      {long}-{number}: {{}}\n")).collect();
    let text = format!("{apps}environments:\n  dev:\n    from: {{branch: main}}\n    apps:\n{unknown}");
    assert!(parse("captain.yml", &text, &FACTS).is_err());
}

mod properties {
    use proptest::prelude::*;

    use super::{FACTS, parse};

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-z:{}\\[\\]\\-'\"&*!|>#%@ \n$.<]{0,200}") {
            let _ = parse("captain.yml", &text, &FACTS).map_err(|error| error.to_string());
        }

        #[test]
        fn no_value_makes_the_parser_panic(value in "\\PC{0,60}", key in "(build|context|target|image|needs|pre|test|services|when|timeout|matrix|tags|push|secrets|env|release|build_arg)") {
            let text = format!("web:\n  {key}: {}\n", serde_json::Value::from(value));
            let _ = parse("captain.yml", &text, &FACTS).map_err(|error| error.to_string());
        }

        #[test]
        fn no_environment_makes_the_parser_panic(
            value in "\\PC{0,30}",
            key in "(from|auto|bake|approvals|strategy|window|target|apps)",
            inner in "(canary|bake|max_cpu|max_errors|max_latency|days|hours|timezone|count|author|branch|cron)",
        ) {
            let value = serde_json::Value::from(value);
            for text in [
                format!("web: {{image: a/b, release: }}\nenvironments:\n  dev:\n    from: {{branch: main}}\n    {key}: {value}\n"),
                format!("web: {{image: a/b, release: }}\nenvironments:\n  dev:\n    {key}: {{{inner}: {value}}}\n"),
                format!("web: {{image: a/b}}\nschedules:\n  daily:\n    {inner}: {value}\n"),
            ] {
                let _ = parse("captain.yml", &text, &FACTS).map_err(|error| error.to_string());
            }
        }

        #[test]
        fn no_time_makes_the_parser_panic(value in "[0-9*/,@a-z -]{0,40}", hours in "[0-9: -]{0,14}", days in "[a-zA-Z, -]{0,14}") {
            let text = format!("web: {{image: a/b}}\nschedules: {{a: {{cron: '{value}'}}}}\nenvironments: {{a: {{from: {{branch: b}}, window: {{hours: '{hours}', days: '{days}'}}}}}}\n");
            let _ = parse("captain.yml", &text, &FACTS).map_err(|error| error.to_string());
        }

        #[test]
        fn no_command_makes_the_parser_panic(line in "(docker run )?((--|-)(mount|tmpfs|add-host|memory|cpus|link|user|name|v|e|p|u|w)[ =])?[a-z0-9:/~$(){}'\"\\\\|&;.,=\\- ]{0,60}") {
            let _ = crate::docker_run::command(&line, crate::docker_run::Surroundings::default());
        }
    }
}
