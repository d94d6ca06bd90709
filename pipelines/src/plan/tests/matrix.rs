use super::{Action, on_branch, planned, step, tree};

const LIBRARY: &str = r#"
lib:
  image: shop/lib-${NODE}
  matrix: {NODE: ["18", "20"]}
  env: {LEVEL: "n${NODE}"}
  build_arg: {NODE: "${NODE}", LEVEL: "${LEVEL}"}
  test:
    - docker run shop/lib-${NODE} check
    - {image: "node:${NODE}-${OS}", run: "make", matrix: {OS: [alpine, slim]}}
api: {image: shop/api, needs: [lib]}
"#;

#[test]
fn an_app_and_a_step_are_repeated_for_every_combination() {
    insta::assert_snapshot!(tree(LIBRARY, &on_branch("main")), @r#"
    lib (NODE=18)
    ├─  1 ● build shop/lib-18
    ├─  4 ● test docker run shop/lib-${NODE} check
    ├─  5 ● test make (OS=alpine)
    ├─  6 ● test make (OS=slim)
    └─ 10 ● push shop/lib-18: 0123456 main latest
            after every test of the build
    lib (NODE=20)
    ├─  2 ● build shop/lib-20
    ├─  7 ● test docker run shop/lib-${NODE} check
    ├─  8 ● test make (OS=alpine)
    ├─  9 ● test make (OS=slim)
    └─ 11 ● push shop/lib-20: 0123456 main latest
            after every test of the build
    api
    ├─  3 ● build shop/api
    │       after lib (NODE=18): its "needs"; after lib (NODE=20): its "needs"
    └─ 12 ● push shop/api: 0123456 main latest
            after every test of the build
    "#);
}

#[test]
fn the_variables_of_a_matrix_reach_texts_and_environments() {
    let plan = planned(LIBRARY, &on_branch("main"));
    let Action::Build { build_args, .. } = &step(&plan, "build shop/lib-20").action else { unreachable!("a build") };
    assert_eq!(build_args, &[("NODE".to_owned(), "20".to_owned()), ("LEVEL".to_owned(), "n20".to_owned())]);
    let Action::Run { run, .. } = &step(&plan, "make (OS=slim)").action else { unreachable!("a test") };
    let shown = serde_json::to_value(run).unwrap();
    assert_eq!(shown["image"], "node:18-slim");
    for pair in [["NODE", "18"], ["LEVEL", "n18"], ["OS", "slim"]] {
        assert!(shown["env"].as_array().unwrap().contains(&serde_json::json!(pair)), "{shown}");
    }
}

#[test]
fn too_many_combinations_are_refused() {
    let mut config = super::config("a: {image: 'x/a-${N}', matrix: {N: ['1']}}");
    config.apps[0].matrix[0].1 = (0..65).map(|n| n.to_string()).collect();
    let error = crate::plan::plan(&config, &on_branch("main")).unwrap_err();
    insta::assert_snapshot!(error, @"a has a matrix of 65 combinations; the limit is 64");
    config.apps[0].matrix[0].1 = vec!["1".to_owned(), "1".to_owned()];
    config.apps[0].matrix.push(("M".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
    let error = crate::plan::plan(&config, &on_branch("main")).unwrap_err();
    insta::assert_snapshot!(error, @r#"a (N=1, M=a) and a (N=1, M=b) both build the image "x/a-1"; put ${M} into "image""#);
}

#[test]
fn which_of_several_is_started_must_be_plain() {
    let text = "
lib: {image: 'x/lib-${N}', matrix: {N: ['1', '2']}}
api: {image: x/api, test: [{image: curl, run: x}]}
";
    let mut config = super::config(text);
    config.apps[1].test[0].start = vec!["lib".to_owned()];
    let error = crate::plan::plan(&config, &on_branch("main")).unwrap_err();
    insta::assert_snapshot!(error, @r#"api starts "lib", of which this build makes several: lib (N=1), lib (N=2); a service needs one"#);
}
