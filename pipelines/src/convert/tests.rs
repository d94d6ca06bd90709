#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;

use super::*;
use crate::{
    config::{Command, Config},
    detect::RepositoryFacts,
    parse,
};

fn parsed(text: &str) -> Config {
    parse::parse("captain.yml", text, &RepositoryFacts { repository: "harbur/hello" }).unwrap().config
}

#[test]
fn a_whole_file_is_converted() {
    let converted = modernise(
        r#"# The example of the readme.

build:
  # All of them are public.
  images:
    # What is released.
    Dockerfile: harbur/hello-world
    docker/Dockerfile.test: harbur/hello-world-test
test:
  unit:
    # Fast ones first.
    - docker run -e NODE_ENV=TEST harbur/hello-world-test node mochaTest
    - docker run harbur/hello-world:latest --version
    - "echo one: two"
    - |
      set -e
      # Not a comment of the file.
      make check
  # Nobody ever ran these.
  slow:
    - make slow
# The end.
"#,
    )
    .unwrap();
    insta::assert_snapshot!(converted, @r#"
    # The example of the readme.
    # All of them are public.
    # What is released.
    hello-world:
      image: harbur/hello-world
      test:
        - docker run harbur/hello-world:latest --version
    hello-world-test:
      build: docker/Dockerfile.test
      image: harbur/hello-world-test
      test:
        # Fast ones first.
        - docker run -e NODE_ENV=TEST harbur/hello-world-test node mochaTest
        - "echo one: two"
        - |
          set -e
          # Not a comment of the file.
          make check
    # The end.
    "#);
    let config = parsed(&converted);
    assert_eq!(config.apps[1].dockerfile, "docker/Dockerfile.test");
    assert!(matches!(&config.apps[1].test[2].command, Command::Shell { line, .. } if line.ends_with("make check")));
}

#[test]
fn a_list_of_images_is_converted() {
    let converted = modernise("build:\n  images:\n    - Dockerfile=harbur/hello\n    - dev/Dockerfile=registry.example.com/dev/hello\n    - test/Dockerfile=harbur/test:1\n").unwrap();
    insta::assert_snapshot!(converted, @r#"
    hello:
      image: harbur/hello
    hello-2:
      build: dev/Dockerfile
      image: registry.example.com/dev/hello
    test:
      build: test/Dockerfile
      image: harbur/test:1
    "#);
}

#[test]
fn what_else_is_in_the_file_stays() {
    let converted = modernise("build: {images: {Dockerfile: harbur/hello}}\nother:\n  # Its own.\n  image: harbur/other # here\ntest: {unit: [make test]}\n").unwrap();
    insta::assert_snapshot!(converted, @r#"
    hello:
      image: harbur/hello
      test:
        - make test
    other:
      # Its own.
      image: harbur/other # here
    "#);
    assert_eq!(parsed(&converted).apps.len(), 2);
}

#[test]
fn other_files_are_left_alone() {
    for text in
        ["", "web: {image: a/b}", "build: {image: a/b}", "test: {unit: [make]}", "build: {images: }", "[", "- a"]
    {
        assert_eq!(modernise(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn every_command_is_what_it_was(command in "\\PC{1,60}", image in "[a-z][a-z0-9-]{0,20}") {
        prop_assume!(!command.trim().is_empty());
        let quoted = serde_json::Value::from(command.as_str());
        let old = format!("build: {{images: {{Dockerfile: harbur/{image}}}}}\ntest: {{unit: [{quoted}]}}\n");
        let converted = modernise(&old).unwrap();
        let mut report = Report::new("", &converted);
        let root = document::read(&converted, &mut report);
        prop_assert!(root.is_some(), "{converted}");
        let text = format!("{root:?}");
        prop_assert!(text.contains(&format!("Scalar({:?})", command)), "{converted}");
    }

    #[test]
    fn no_text_makes_it_panic(text in "(build|test|images|unit|[a-z:{}\\[\\]\\-'\"&*!|>#%@= \n$.<]){0,60}") {
        let _ = modernise(&text);
        let _ = modernise(&format!("build:\n  images:\n{text}"));
    }
}
