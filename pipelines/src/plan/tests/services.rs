use super::{on_branch, planned, tree};
use crate::plan::{Goal, Scope, Situation};

const SHOP: &str = r#"
web:
  image: shop/web
  pre: [make]
  services:
    db: {image: "postgres:16", env: {POSTGRES_PASSWORD: "p${SLIPWAY_BUILD_NUMBER}"}}
  post: [make notes]
  test:
    - {image: curlimages/curl, run: "curl -f http://web/health", start: [web]}
  release: {port: 8080, env: {LEVEL: info}, secrets: [DATABASE_URL], health: {http: /health, start: 90s}}
api:
  image: shop/api
  services:
    db: {image: redis}
  test:
    - {run: make check, start: [web]}
"#;

#[test]
fn services_stand_beside_pre_and_test_and_just_built_images_are_started() {
    insta::assert_snapshot!(tree(SHOP, &on_branch("main")), @"
    web
    ├─   service db: postgres:16
    ├─   service web: the image of web
    ├─ 1 ● pre make (with db)
    ├─ 2 ● build shop/web
    ├─ 3 ● post make notes
    ├─ 5 ● test curl -f http://web/health (with db, web)
    └─ 7 ● push shop/web: 0123456 main latest
           after every test of the build
    api
    ├─   service db: redis
    ├─   service web: the image of web
    ├─ 4 ● build shop/api
    ├─ 6 ● test make check (with db, web)
    │      after web: it starts web
    └─ 8 ● push shop/api: 0123456 main latest
           after every test of the build
    no release: no environment takes the branch main
    ");
    let plan = planned(SHOP, &on_branch("main"));
    let web = serde_json::to_string(&plan.services[1]).unwrap();
    insta::assert_snapshot!(web, @r#"{"app":"web","name":"web","image":"","built":"web","env":[["LEVEL","info"]],"secrets":["DATABASE_URL"],"command":null,"ready":{"probe":{"probe":"http","port":8080,"path":"/health"},"start_ms":90000}}"#);
}

#[test]
fn services_that_no_step_waits_for_are_not_planned() {
    let text = "web: {image: shop/web, test: [{run: make, when: {branch: other}}], services: {db: {image: redis}}}";
    assert!(planned(text, &on_branch("main")).services.is_empty());
}

const LATER: &str = "
web: {image: shop/web, test: [make check], services: {api: {image: shop/api}, self: {image: 'shop/web:main'}}}
early: {image: shop/early, pre: [make], test: [make check], services: {api: {image: shop/api}}}
api: {image: shop/api, post: [make notes]}
";

#[test]
fn services_of_tests_run_the_images_of_the_build() {
    insta::assert_snapshot!(tree(LATER, &on_branch("main")), @r#"
    web
    ├─    service api: the image of api
    ├─    service self: the image of web
    ├─  1 ● build shop/web
    ├─  6 ● test make check (with api, self)
    │       after api: its service api runs shop/api
    └─  8 ● push shop/web: 0123456 main latest
            after every test of the build
    early
    ├─    service api: shop/api
    ├─  2 ● pre make (with api)
    ├─  3 ● build shop/early
    ├─  7 ● test make check (with api)
    └─  9 ● push shop/early: 0123456 main latest
            after every test of the build
    api
    ├─  4 ● build shop/api
    ├─  5 ● post make notes
    └─ 10 ● push shop/api: 0123456 main latest
            after every test of the build
    warning: early: the service api runs shop/api as its registry holds it, because "pre" uses it and api is built later; with needs: [api] it would be the one of this build
    "#);
    let scope = Scope { goal: Goal::Test, app: Some("web".to_owned()) };
    insta::assert_snapshot!(tree(LATER, &Situation { scope, ..on_branch("main") }), @"
    web
    ├─   service api: the image of api
    ├─   service self: the image of web
    ├─ 1 ● build shop/web
    └─ 4 ● test make check (with api, self)
           after api: its service api runs shop/api
    api
    ├─ 2 ● build shop/api
    └─ 3 ● post make notes
    ");
}

const ENGINES: &str = "
web: {image: shop/web, test: [{run: [docker network create x, docker run --network x shop/api], engine: true}]}
all: {image: shop/all, test: [{run: docker-compose up, engine: true}]}
api: {image: shop/api}
";

#[test]
fn tests_with_an_engine_wait_for_the_images_that_they_may_want_there() {
    insta::assert_snapshot!(tree(ENGINES, &on_branch("main")), @"
    web
    ├─ 1 ● build shop/web
    ├─ 4 ● test docker network create x… (with an engine)
    │      after api: its engine may run what is built
    └─ 6 ● push shop/web: 0123456 main latest
           after every test of the build
    all
    ├─ 2 ● build shop/all
    ├─ 5 ● test docker-compose up (with an engine)
    │      after web, api: its engine may run what is built
    └─ 7 ● push shop/all: 0123456 main latest
           after every test of the build
    api
    ├─ 3 ● build shop/api
    └─ 8 ● push shop/api: 0123456 main latest
           after every test of the build
    ");
    let scope = Scope { goal: Goal::Test, app: Some("web".to_owned()) };
    insta::assert_snapshot!(tree(ENGINES, &Situation { scope, ..on_branch("main") }), @"
    web
    ├─ 1 ● build shop/web
    └─ 3 ● test docker network create x… (with an engine)
           after api: its engine may run what is built
    api
    └─ 2 ● build shop/api
    ");
}
