//! `slipway lint`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use slipway_pipelines::{
    config::Config,
    convert::modernise,
    detect::RepositoryFacts,
    diagnostics::{Diagnostic, Diagnostics, Severity},
    parse::{self, FILE_NAME},
    plan::{Scope, plan},
};

use super::digests;
use crate::cli::{
    Failure, exit, say,
    tree::{Assumptions, WorkingTree},
};

/// Of a tree without the file in which nothing is wrong.
const WITHOUT_FILE: &str = "no captain.yml; its Dockerfiles can be planned";

/// Says what is wrong with a captain.yml.
#[derive(Debug, Args)]
pub(in crate::cli) struct Lint {
    /// The captain.yml, or the folder that it is in.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Writes a captain.yml of captain's old format anew in today's.
    #[arg(long)]
    fix: bool,
    /// Also warns of each image without a digest that a Dockerfile builds on, with the digest to write: asks their registries.
    #[arg(long)]
    digests: bool,
    /// How the problems are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines that are meant.
    Text,
    /// A JSON array, for programs.
    Json,
}

impl Lint {
    pub(in crate::cli) async fn run(&self, namespace: &str) -> Result<(), Failure> {
        let usage = |failure: Failure| failure.with_code(exit::USAGE);
        if self.fix {
            self.modernise(namespace).map_err(usage)?;
        }
        let (fine, found) = if self.path.is_dir() {
            let tree = WorkingTree::open(&self.path, namespace).map_err(usage)?;
            let fine = match tree.other_file() {
                _ if tree.has_file() => nothing_of(FILE_NAME),
                Some(hint) => format!("{WITHOUT_FILE}; {hint}"),
                None => WITHOUT_FILE.to_owned(),
            };
            let mut found = of_tree(&tree);
            // Why there is no configuration is told already.
            if let (true, Ok(config)) = (self.digests, tree.config()) {
                found.extend(digests::unpinned(&tree, &config).await?);
            }
            (fine, found)
        } else {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let tree = WorkingTree::open(folder, namespace).map_err(usage)?;
            let name = self.path.display().to_string();
            let text = std::fs::read(&self.path).map_err(|error| usage(Failure::new(format!("{name}: {error}"))))?;
            let is_the_trees = self.path.canonicalize().is_ok_and(|path| path == tree.root.join(FILE_NAME));
            let text = String::from_utf8_lossy(&text);
            let found = of_text(&name, &text, &tree.facts(), is_the_trees.then_some(&tree));
            (nothing_of(&name), found)
        };
        self.tell(&fine, &found)?;
        let is_bad = found.iter().any(|problem| problem.severity == Severity::Error);
        if is_bad { Err(Failure::told(exit::FAILED)) } else { Ok(()) }
    }

    /// Converts the file if it is of the old format; otherwise it stays as it is.
    fn modernise(&self, namespace: &str) -> Result<(), Failure> {
        let path = if self.path.is_dir() {
            WorkingTree::open(&self.path, namespace)?.root.join(FILE_NAME)
        } else {
            self.path.clone()
        };
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        if !path.is_file() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        if let Some(new) = modernise(&text) {
            std::fs::write(&path, new).map_err(failed)?;
            if self.format == Format::Text {
                say(format_args!("{}: written anew in today's format", path.display()))?;
            }
        }
        Ok(())
    }

    /// Prints the problems; `fine` is the line where there are none.
    fn tell(&self, fine: &str, found: &[Diagnostic]) -> Result<(), Failure> {
        match self.format {
            Format::Json => say(serde_json::to_string_pretty(found)?)?,
            Format::Text if found.is_empty() => say(fine)?,
            Format::Text => {
                say(Diagnostics(found.to_vec()))?;
                let errors = found.iter().filter(|problem| problem.severity == Severity::Error).count();
                say(format_args!("{}, {}", counted(errors, "error"), counted(found.len() - errors, "warning")))?;
            }
        }
        Ok(())
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn nothing_of(name: &str) -> String {
    format!("{name}: nothing to complain about")
}

/// What there is to say of a tree: of its captain.yml, or of its Dockerfiles.
fn of_tree(tree: &WorkingTree) -> Vec<Diagnostic> {
    match tree.text() {
        Some(text) => of_text(FILE_NAME, text, &tree.facts(), Some(tree)),
        None => match tree.detected() {
            Ok(config) => of_plan(tree, &config),
            Err(failure) => vec![Diagnostic::of_whole(FILE_NAME, Severity::Error, failure.text)],
        },
    }
}

/// What there is to say of a file; with its tree, also of what a build of it would come to.
fn of_text(name: &str, text: &str, facts: &RepositoryFacts<'_>, tree: Option<&WorkingTree>) -> Vec<Diagnostic> {
    match parse::parse(name, text, facts) {
        Ok(parsed) => {
            let mut found = parsed.warnings.0;
            found.extend(tree.map(|tree| of_plan(tree, &parsed.config)).unwrap_or_default());
            found
        }
        Err(problems) => problems.0,
    }
}

/// What shows only when the file meets the tree: a pattern that matches no file, a circle of needs.
fn of_plan(tree: &WorkingTree, config: &Config) -> Vec<Diagnostic> {
    let trigger = tree.trigger(Assumptions::default());
    match plan(config, &tree.situation(config, trigger, Scope::default())) {
        Ok(plan) => {
            plan.warnings.into_iter().map(|text| Diagnostic::of_whole(FILE_NAME, Severity::Warning, text)).collect()
        }
        Err(error) => vec![Diagnostic::of_whole(FILE_NAME, Severity::Error, error.to_string())],
    }
}
