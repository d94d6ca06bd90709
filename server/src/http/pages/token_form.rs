//! The form that asks for a token: one of the server's, or one of somebody's own.

use serde::Deserialize;
use slipway_web::pages::TokenForm;

use super::settings::filled;
use crate::{
    access::Role,
    http::{api::tokens::TokenRights, errors::Problem},
    secrets::Secret,
};

/// What was typed.
#[derive(Debug, Deserialize)]
pub(super) struct WantedToken {
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    days: String,
    /// By which whoever makes one of their own shows that they are themselves.
    pub(super) password: Option<Secret>,
}

impl WantedToken {
    /// What it is to be called.
    pub(super) fn name(&self) -> &str {
        self.name.trim()
    }

    /// What it is to allow, and for how long.
    pub(super) fn rights(&self) -> Result<TokenRights, Problem> {
        let role = Role::named(&self.role).ok_or_else(|| Problem::unprocessable("Choose what the token may do."))?;
        let days = filled(&self.days).map(|days| days.parse()).transpose();
        Ok(TokenRights {
            role,
            repository: filled(&self.repository),
            environment: filled(&self.environment),
            expires_in_days: days.map_err(|_| Problem::unprocessable("The days are a whole number, such as 90."))?,
        })
    }

    /// The form as it was filled in, without the password.
    pub(super) fn form(self) -> TokenForm {
        TokenForm {
            role: Role::named(&self.role).unwrap_or(Role::Viewer).name(),
            name: self.name,
            repository: self.repository,
            environment: self.environment,
            days: self.days,
        }
    }
}
