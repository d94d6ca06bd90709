//! The secrets of a local build: from the environment variables of their names, or from files.

use std::{collections::BTreeSet, path::PathBuf};

use slipway_pipelines::plan::{Action, Plan};
use slipway_runner::coordinator::SecretValue;

use crate::cli::{Failure, environment, exit};

/// The largest secret, in bytes; as much as one variable may hold on Linux.
const MAX_BYTES: u64 = 128 * 1024;

/// Where a secret is read from.
#[derive(Debug, Clone)]
pub(super) struct SecretFile {
    name: String,
    path: PathBuf,
}

impl std::str::FromStr for SecretFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(SecretFile { name: name.to_owned(), path: path.into() })
            }
            _ => Err("expected NAME=FILE".to_owned()),
        }
    }
}

/// Reads the secrets that the plan's steps name.
pub(super) fn read(plan: &Plan, files: &[SecretFile]) -> Result<Vec<SecretValue>, Failure> {
    let mut values = Vec::new();
    let mut missing = Vec::new();
    for name in wanted(plan) {
        let value = match files.iter().find(|file| file.name == name) {
            Some(file) => Some(read_file(file)?),
            None => environment::variable(name),
        };
        match value {
            Some(value) => values.push(SecretValue { name: name.to_owned(), version: None, value }),
            None => missing.push(name),
        }
    }
    if let Some(first) = missing.first() {
        let text = format!(
            "not set: {}. Set secrets as environment variables, or give --secret {first}=FILE",
            missing.join(", ")
        );
        return Err(Failure::new(text).with_code(exit::FAILED));
    }
    Ok(values)
}

/// The names that steps which run, and the services beside them, ask for.
fn wanted(plan: &Plan) -> BTreeSet<&str> {
    let of_steps = plan.steps.iter().filter(|step| step.skipped.is_none()).flat_map(|step| match &step.action {
        Action::Run { secrets, .. } | Action::Build { secrets, .. } => secrets.as_slice(),
        Action::Push { .. } => &[],
    });
    of_steps.chain(plan.services.iter().flat_map(|service| &service.secrets)).map(String::as_str).collect()
}

/// A file's text; the line ending that editors put at its end is none of it.
fn read_file(file: &SecretFile) -> Result<String, Failure> {
    let failed = |reason: String| Failure::new(format!("the secret {}: {}: {reason}", file.name, file.path.display()));
    let size = std::fs::metadata(&file.path).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(failed(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(&file.path).map_err(|error| failed(error.to_string()))?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned())
}
