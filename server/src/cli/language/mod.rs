//! The commands about the language: `slipway lint`, `plan`, `detect`, `schema`.

mod detect;
mod digests;
mod lint;
mod plan;
mod schema;

pub(super) use detect::Detect;
pub(super) use lint::Lint;
pub(super) use plan::PlanCommand;
pub(super) use schema::Schema;
use slipway_pipelines::{config::Config, convert::modernise, detect::RepositoryFacts, parse, plan::PlanError};

use super::{Failure, exit};

/// Reads a captain.yml for a command that wants to go on with it.
pub(super) fn read(file: &str, text: &str, facts: &RepositoryFacts<'_>) -> Result<Config, Failure> {
    match parse::parse(file, text, facts) {
        Ok(parsed) => Ok(parsed.config),
        Err(problems) => {
            let code = if modernise(text).is_some() { exit::OLD_FORMAT } else { exit::INVALID };
            Err(Failure::new(format!("{file} cannot be used\n{problems}")).with_code(code))
        }
    }
}

/// Why there is no plan, with the exit code that says whether the file or the command line is to blame.
pub(super) fn unplanned(error: &PlanError) -> Failure {
    let code = if matches!(error, PlanError::UnknownApp { .. }) { exit::USAGE } else { exit::INVALID };
    Failure::new(error.to_string()).with_code(code)
}
