//! Whole files, good and bad, in the likeness of those in the wild, with exactly what a person reads of them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use slipway_pipelines::{
    config::Event,
    convert,
    detect::RepositoryFacts,
    parse::{self, Parsed},
    plan::{self, Reference, Refs, Scope, Situation, Tree, Trigger},
    schema,
};

const FACTS: RepositoryFacts<'static> = RepositoryFacts { repository: "acme/shop" };
/// Far more than any file takes, in a build without optimisation on a busy machine; a bomb that goes off takes minutes.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The files of a folder with their names, in order.
fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn read(text: &str) -> Result<Parsed, String> {
    let started = Instant::now();
    let result = parse::parse("captain.yml", text, &FACTS).map_err(|problems| problems.to_string());
    assert!(started.elapsed() < TIME_LIMIT, "{:?} for {}", started.elapsed(), begin(text));
    result
}

fn begin(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What an editor makes of a file.
fn validated(text: &str) -> Result<(), String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("captain.json", schema::json_schema()).unwrap();
    let schema = compiler.compile("captain.json", &mut schemas).unwrap();
    let value: Value = serde_saphyr::from_str(text).unwrap();
    schemas.validate(&value, schema).map_err(|error| format!("{error:#}"))
}

fn situation(reference: Reference, event: Event) -> Situation {
    let trigger = Trigger {
        repository: "acme/shop".to_owned(),
        number: 7,
        event,
        reference,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed: Some(vec!["web/index.html".to_owned()]),
        author: "Ada <ada@example.com>".to_owned(),
        message: "Add a shop".to_owned(),
        pull_request: None,
    };
    Situation { trigger, refs: Refs::default(), tree: Tree::default(), scope: Scope::default() }
}

#[test]
fn there_are_enough() {
    assert!(samples("good").len() + samples("bad").len() >= 60);
}

#[test]
fn good_files_are_read_and_planned() {
    for (name, text) in samples("good") {
        let parsed = read(&text).unwrap_or_else(|problems| unreachable!("{name} is refused:\n{problems}"));
        insta::assert_snapshot!(format!("good-{name}"), parsed.warnings);
        let branch = |name: &str| Reference::Branch(name.to_owned());
        for (reference, event) in [
            (branch("main"), Event::Push),
            (branch("feature/x"), Event::PullRequest),
            (Reference::Tag("v1.2.3".to_owned()), Event::Tag),
        ] {
            let planned = plan::plan(&parsed.config, &situation(reference, event));
            assert!(planned.is_ok(), "{name} is not planned: {planned:?}");
        }
    }
}

#[test]
fn every_key_is_read_into_its_place() {
    const WHOLE: [&str; 8] =
        ["defaults", "mapping-steps", "services", "needs-and-context", "matrix", "tags-and-push", "promotion", "swarm"];
    for (name, text) in samples("good").into_iter().filter(|(name, _)| WHOLE.contains(&name.as_str())) {
        let config = serde_json::to_value(read(&text).unwrap().config).unwrap();
        insta::assert_snapshot!(
            format!("config-{name}"),
            serde_json::to_string_pretty(&without_absent(config)).unwrap()
        );
    }
}

/// The value without the keys that hold nothing.
fn without_absent(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let whole = object.into_iter().map(|(key, value)| (key, without_absent(value)));
            let is_there = |value: &Value| match value {
                Value::Null | Value::Bool(false) => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(object) => !object.is_empty(),
                _ => true,
            };
            Value::Object(whole.filter(|(_, value)| is_there(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_absent).collect()),
        other => other,
    }
}

#[test]
fn good_files_are_what_the_schema_says() {
    for (name, text) in samples("good") {
        validated(&text).unwrap_or_else(|error| unreachable!("{name}: {error}"));
    }
}

#[test]
fn bad_files_are_refused_in_sentences() {
    for (name, text) in samples("bad") {
        let problems = read(&text).err().unwrap_or_else(|| unreachable!("{name} is read"));
        insta::assert_snapshot!(format!("bad-{name}"), problems);
    }
}

#[test]
fn the_schema_refuses_what_an_editor_can_see() {
    for (name, text) in samples("bad") {
        if matches!(name.as_str(), "keys" | "keys-release" | "types" | "caprover" | "compose" | "canary" | "no-image") {
            assert!(validated(&text).is_err(), "{name}");
        }
    }
}

#[test]
fn examples_of_the_reference_are_what_the_schema_says() {
    let reference = include_str!("../../docs/captain-yml.md");
    for example in reference.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")) {
        validated(example.0).unwrap_or_else(|error| unreachable!("{error}\n{}", example.0));
    }
}

#[test]
fn old_files_are_read_once_they_are_converted() {
    for (name, text) in samples("bad").into_iter().filter(|(name, _)| name.starts_with("old-format")) {
        match convert::modernise(&text) {
            Some(converted) => assert!(read(&converted).is_ok(), "{name}:\n{converted}"),
            None => assert_eq!(name, "old-format-without-images"),
        }
    }
}

#[test]
fn bombs_do_not_go_off() {
    let aliases = (1..200).fold("a0: &a0 [x, x]\n".to_owned(), |text, number| {
        format!("{text}a{number}: &a{number} [*a{0}, *a{0}]\n", number - 1)
    });
    let merges = (1..200).fold("a0: &a0 {image: x/y}\n".to_owned(), |text, number| {
        format!("{text}a{number}: &a{number} {{<<: [*a{0}, *a{0}, *a{0}]}}\n", number - 1)
    });
    let needs: String = (0..200)
        .map(|app| {
            let needs: Vec<String> = (0..90).map(|other| format!("a{}", (app + other) % 200)).collect();
            format!("a{app}: {{image: x/a{app}, needs: [{}]}}\n", needs.join(","))
        })
        .collect();
    let values = vec!["x"; 64].join(", ");
    let bombs = [
        aliases,
        merges,
        needs,
        format!("web: {{image: x/y, matrix: {{A: [{values}], B: [{values}], C: [{values}]}}}}"),
        format!(
            "web: {{image: x/y, matrix: {{{}}}}}",
            (0..4_000).map(|at| format!("A{at}: [x], ")).collect::<String>()
        ),
        format!("web: {{image: x/y, when: {{paths: ['{}']}}}}", "{a,".repeat(60_000)),
        format!("web: {{image: x/y, when: {{branch: [{}]}}}}", "'**/*a*b*c*', ".repeat(9_000)),
        format!("web: {{image: '{}'}}", "${".repeat(100_000)),
        format!("web: {{image: x/y, test: '{}'}}", "docker run -v ".repeat(15_000)),
        format!("web: {{image: x/y, test: [{}]}}", "'docker run $(a', ".repeat(9_000)),
        format!("schedules: {{a: {{cron: '{}'}}}}", "*/1,".repeat(60_000)),
        format!(
            "web: {{image: x/y, env: {{{}}}}}",
            (0..9_000).map(|at| format!("A{at}: '${{B}}', ")).collect::<String>()
        ),
        "web:\n".to_owned() + &"  kye: 1\n".repeat(20_000),
        "[".repeat(200_000),
        "a: ".repeat(80_000),
        "? ".repeat(100_000),
        "build:\n  images:\n".to_owned() + &(0..9_000).map(|at| format!("    D{at}: x/y\n")).collect::<String>(),
    ];
    for bomb in bombs {
        assert!(read(&bomb).is_err(), "{}", begin(&bomb));
        let started = Instant::now();
        let _ = convert::modernise(&bomb);
        assert!(started.elapsed() < TIME_LIMIT, "{}", begin(&bomb));
    }
}
