//! `slipway schema`.

use clap::Args;
use slipway_pipelines::schema::json_schema;

use crate::cli::{Failure, say};

/// Prints the JSON Schema of captain.yml, for editors.
#[derive(Debug, Args)]
pub(in crate::cli) struct Schema {}

impl Schema {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        Ok(say(serde_json::to_string_pretty(&json_schema())?)?)
    }
}
