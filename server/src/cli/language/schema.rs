//! `slipway schema`: of captain.yml, and of the API.

use clap::Args;
use slipway_pipelines::schema::json_schema;

use crate::{
    cli::{Failure, say},
    http::openapi,
};

/// Prints the JSON Schema of captain.yml, for editors.
#[derive(Debug, Args)]
pub(in crate::cli) struct Schema {
    /// Print the OpenAPI document of the server's API instead, for programs that use it.
    #[arg(long)]
    api: bool,
}

impl Schema {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        if self.api {
            return Ok(say(serde_json::to_string_pretty(&openapi::document())?)?);
        }
        Ok(say(serde_json::to_string_pretty(&json_schema())?)?)
    }
}
