//! `slipway token list` and `slipway token revoke`.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, releases::text, say};

/// More tokens than any server has.
const MOST: usize = 10_000;
/// The role of what a runner shows to the server.
const OF_A_RUNNER: &str = "runner";
/// Where the tokens are that people make for themselves.
const OWN: &[&str] = &["account", "tokens"];

#[derive(Debug, Args)]
pub(super) struct List {
    /// Also those that were revoked.
    #[arg(long)]
    all: bool,
    /// Those of one's own: of whoever made the token that is sent.
    #[arg(long)]
    mine: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The token's name, or its id, as `slipway token list` shows them.
    name: String,
    /// Whether it is one of one's own.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    client: Client,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut tokens = self.client.items(if self.mine { OWN } else { &["tokens"] }, &[], MOST).await?;
        tokens.retain(|token| self.all || is_living(token));
        if self.json {
            return Ok(say(Value::Array(tokens))?);
        }
        let width = tokens.iter().map(|token| text(token, "name").chars().count()).max().unwrap_or(0);
        for token in &tokens {
            let place = match (token["repository"].as_str(), token["environment"].as_str()) {
                (None, _) => String::new(),
                (Some(repository), None) => format!(" in {repository}"),
                (Some(repository), Some(environment)) => format!(" in {environment} of {repository}"),
            };
            let at = |word: &str, field: &str| match token[field].as_str() {
                Some(time) => format!("  {word} {time}"),
                None => String::new(),
            };
            let (id, name, role) = (text(token, "id"), text(token, "name"), text(token, "role"));
            let times = [at("used", "last_used_at"), at("expires", "expires_at"), at("revoked", "revoked_at")].concat();
            let owner = token["user"].as_str().map(|owner| format!(", {owner}'s own")).unwrap_or_default();
            say(format_args!("{id}  {name:width$}  {role}{place}{owner}{times}"))?;
        }
        Ok(())
    }
}

impl Revoke {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let tokens = self.client.items(if self.mine { OWN } else { &["tokens"] }, &[], MOST).await?;
        let is_meant = |token: &&Value| {
            is_living(token)
                && (text(token, "id") == self.name || (text(token, "name") == self.name && !is_of_runner(token)))
        };
        let meant: Vec<&Value> = tokens.iter().filter(is_meant).collect();
        let [token] = meant[..] else { return Err(self.not_one(&tokens, &meant)) };
        if is_of_runner(token) {
            return Err(Failure::new("that is the token of a runner: `slipway runner revoke NAME` dismisses it"));
        }
        let id = text(token, "id");
        self.client
            .call::<Value>(
                Method::DELETE,
                &[if self.mine { OWN } else { &["tokens"] }, &[id.as_str()]].concat(),
                None::<&Value>,
            )
            .await?;
        Ok(say(format_args!("The token “{}” opens nothing any more.", text(token, "name")))?)
    }

    /// Why it is not known which one is meant.
    fn not_one(&self, tokens: &[Value], meant: &[&Value]) -> Failure {
        if !meant.is_empty() {
            let ids: Vec<String> = meant.iter().map(|token| text(token, "id")).collect();
            return Failure::new(format!(
                "several tokens are called “{}”: name one by its id, {}",
                self.name,
                ids.join(" or ")
            ));
        }
        let names = tokens.iter().filter(|token| is_living(token) && !is_of_runner(token));
        let names: Vec<String> = names.map(|token| text(token, "name")).take(10).collect();
        Failure::new(format!(
            "no token is called “{}”; there are {}; `slipway token list` shows all of them",
            self.name,
            names.join(", ")
        ))
    }
}

fn is_living(token: &Value) -> bool {
    token["revoked_at"].is_null()
}

fn is_of_runner(token: &Value) -> bool {
    token["role"] == OF_A_RUNNER
}
