//! `slipway registry`.

use std::io;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say};

#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    /// Sets the login for a registry; the password is read from standard input.
    Login(Login),
    /// Forgets the login for a registry.
    Logout(Logout),
}

#[derive(Debug, Args)]
pub(super) struct Login {
    /// The registry's host and port, as it stands in image names.
    host: String,
    /// The user name.
    #[arg(long, value_name = "NAME")]
    username: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    /// The registry's host and port, as it stands in image names.
    host: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: RegistryCommand) -> Result<(), Failure> {
    match command {
        RegistryCommand::Login(login) => {
            let mut password = String::new();
            io::stdin().read_line(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(Failure::new("no password came on standard input"));
            }
            let body = json!({"username": login.username, "password": password});
            login.client.call::<Value>(Method::PUT, &["registries", &login.host], Some(&body)).await?;
            say(format_args!("The login for {} is set.", login.host))?;
        }
        RegistryCommand::Logout(logout) => {
            logout.client.call::<Value>(Method::DELETE, &["registries", &logout.host], None::<&Value>).await?;
            say(format_args!("The login for {} is forgotten.", logout.host))?;
        }
    }
    Ok(())
}
