//! What is tried with an input, and what must hold of what comes of it. The fuzz targets and the ordinary tests of the
//! crate `pipelines` (`pipelines/tests/mutations.rs`) use the same.

use std::collections::{BTreeMap, BTreeSet};

use slipway_pipelines::{
    config::{CommitLength, Event, Latest, TagRule},
    detect::{self, RepositoryFacts},
    dockerfile::Dockerfile,
    parse,
    plan::{self, Goal, Reference, Refs, Scope, Situation, Tree, Trigger},
    skip,
    tags::{self, Rules},
};

/// What separates a captain.yml from the Dockerfile of all of its apps in one input.
pub const SEPARATOR: &str = "\n---8<---\n";

/// A text is a captain.yml, and after a separator a Dockerfile: read, planned for several situations, and drawn.
pub fn configuration(text: &str) {
    let (text, dockerfile) = text.split_once(SEPARATOR).unwrap_or((text, "FROM shop/base\n"));
    let _ = Dockerfile::read(dockerfile, &[]).images(None);
    let Ok(parsed) = parse::parse("captain.yml", text, &RepositoryFacts { repository: "shop/web" }) else { return };
    let config = parsed.config;
    for situation in situations(text) {
        let paths = plan::dockerfiles(&config, &situation.trigger);
        let dockerfiles: BTreeMap<_, _> = paths.into_iter().take(8).map(|path| (path, dockerfile.to_owned())).collect();
        let tree = Tree { files: situation.tree.files.clone(), dockerfiles, ..Tree::default() };
        let situation = Situation { tree, ..situation };
        if let Ok(plan) = plan::plan(&config, &situation) {
            check(&plan, &situation.trigger);
        }
    }
}

/// What must hold of every plan.
fn check(plan: &plan::Plan, trigger: &Trigger) {
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        assert_eq!(step.index as usize, seen.len() + 1, "steps are numbered in their order");
        assert!(step.needs.iter().all(|need| seen.contains(need)), "step {} needs only earlier ones", step.index);
        seen.insert(step.index);
        if let plan::Action::Push { tags, .. } = &step.action {
            assert!(step.skipped.is_some() || !tags.is_empty(), "what is pushed has a tag");
            assert!(tags.iter().all(|tag| is_tag(tag)), "{tags:?}");
        }
        if let plan::Action::Run { services, .. } = &step.action {
            for name in services {
                let is_planned = plan.services.iter().any(|service| service.app == step.app && service.name == *name);
                assert!(is_planned, "the service {name} of step {}", step.index);
            }
        }
    }
    assert!(!plan::render::tree(plan, trigger).is_empty() || plan.steps.is_empty());
}

/// A `docker run` line, as a step of an app.
pub fn docker_run(line: &str) {
    let quoted: String = line
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => format!("\\x{:02x}", u32::from(c) & 0x7f).chars().collect(),
            c => vec![c],
        })
        .collect();
    configuration(&format!("web:\n  image: shop/web\n  test:\n    - \"docker run {quoted}\"\n    - \"{quoted}\"\n"));
}

/// The names of refs, one in a line: the first is built, the others are there as well.
pub fn tags(text: &str) {
    let names: Vec<String> = text.lines().take(64).map(str::to_owned).collect();
    let _ = skip::asks_to_skip(text);
    let _ = detect::detect(&names, &RepositoryFacts { repository: "shop/web" });
    let Some(name) = names.first() else { return };
    let refs = Refs { branches: names.clone(), tags: names.iter().rev().cloned().collect() };
    let mut rules = TagRule::defaults();
    rules.extend(names.last().map(|text| TagRule::Text(text.clone())));
    for reference in [Reference::Branch(name.clone()), Reference::Tag(name.clone())] {
        let trigger = trigger(Event::Push, reference, None, text);
        let rules =
            Rules { rules: &rules, commit_length: CommitLength::Full, latest: Latest::DefaultBranch, values: &[] };
        if let Ok(tags) = tags::tags(&rules, &trigger, &refs) {
            let distinct: BTreeSet<_> = tags.iter().collect();
            assert!(distinct.len() == tags.len() && tags.iter().all(|tag| is_tag(tag)), "{tags:?}");
        }
    }
}

/// The rule of the distribution project: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

/// A push with everything known, a tag with little known, and a pull request for one app.
fn situations(text: &str) -> [Situation; 3] {
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let refs = Refs { branches: some(&["main", "feature/x", "feature.x"]), tags: some(&["v1.2.3", "v1.3.0-rc.1"]) };
    let files = some(&["README.md", "Dockerfile", "web/Dockerfile", "web/src/main.js", "docs/index.md"]);
    let app = text.split(':').next().map(|name| name.trim().to_owned());
    [
        Situation {
            trigger: trigger(
                Event::Push,
                Reference::Branch("feature/x".to_owned()),
                Some(some(&["web/src/main.js"])),
                "Add a shop",
            ),
            refs: refs.clone(),
            tree: Tree { files: Some(files), ..Tree::default() },
            scope: Scope::default(),
        },
        Situation {
            trigger: trigger(Event::Tag, Reference::Tag("v1.2.4".to_owned()), None, "Release"),
            refs,
            tree: Tree::default(),
            scope: Scope::default(),
        },
        Situation {
            trigger: trigger(Event::PullRequest, Reference::Branch("main".to_owned()), Some(Vec::new()), "[skip ci]"),
            refs: Refs::default(),
            tree: Tree::default(),
            scope: Scope { goal: Goal::Test, app },
        },
    ]
}

fn trigger(event: Event, reference: Reference, changed: Option<Vec<String>>, message: &str) -> Trigger {
    Trigger {
        repository: "shop/web".to_owned(),
        number: 7,
        event,
        reference,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed,
        author: "Ada <ada@example.com>".to_owned(),
        message: message.to_owned(),
        pull_request: None,
    }
}
