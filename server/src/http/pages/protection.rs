//! The form by which an administrator says what the server asks of an environment's releases.

use std::{fmt::Display, str::FromStr};

use axum::{extract::State, response::Redirect};
use serde::Deserialize;
use slipway_pipelines::parse::Unreadable;
use slipway_web::{links, pages};

use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::{Protection, Written},
    http::{
        api::decisions as api,
        errors::{Problem, sentence},
        extract::{Filled, Named},
    },
    signing::{Signer, SignerError},
};

pub(super) fn routes() -> Routes {
    Routes::new().post(
        "/repositories/{owner}/{name}/environments/{environment}/protection",
        Permission::Administer,
        protect,
    )
}

/// What the form says.
#[derive(Debug, Deserialize)]
struct Asked {
    approvals: u32,
    #[serde(default)]
    approvers: String,
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    author: bool,
    #[serde(default)]
    branches: String,
    #[serde(default)]
    bake: String,
    #[serde(default)]
    window: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    strategy: String,
    #[serde(default)]
    signed_by: String,
    #[serde(default)]
    reason: String,
}

impl TryFrom<Asked> for Protection {
    type Error = Problem;

    fn try_from(asked: Asked) -> Result<Self, Problem> {
        Ok(Protection {
            approvals: asked.approvals,
            approvers: parted(&asked.approvers),
            author: asked.author,
            branches: parted(&asked.branches),
            bake: read(&asked.bake)?,
            window: read(&asked.window)?,
            from: read(&asked.from)?,
            strategy: read(&asked.strategy)?,
            signed_by: signers(&asked.signed_by)?,
        })
    }
}

/// What a field says, if it says something.
fn read<T: FromStr<Err = Unreadable>>(text: &str) -> Result<Option<Written<T>>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let read = text.parse().map_err(|wrong: Unreadable| Problem::unprocessable(sentence(&wrong.to_string())))?;
    Ok(Some(Written(read)))
}

/// The signers of a field: the word for the server, and keys, one after the other.
fn signers(text: &str) -> Result<Vec<Written<Signer>>, Problem> {
    let mut signers = Vec::new();
    let mut key = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        key += line;
        key += "\n";
        // A key goes on to its last line.
        if !key.starts_with("-----BEGIN") || line.starts_with("-----END") {
            let signer = key.parse().map_err(|wrong: SignerError| Problem::unprocessable(sentence(&wrong)))?;
            signers.push(Written(signer));
            key.clear();
        }
    }
    if key.is_empty() { Ok(signers) } else { Err(Problem::unprocessable("The last key has no end.")) }
}

async fn protect(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Filled(asked): Filled<Asked>,
) -> Result<Redirect, Problem> {
    let reason = asked.reason.clone();
    api::protect(&state, &principal, (&owner, &name, &environment), &asked.try_into()?, Some(&reason)).await?;
    Ok(Redirect::to(&links::environment(&format!("{owner}/{name}"), &environment)))
}

/// The form with what is asked for now.
pub(super) fn form(protection: &Protection) -> pages::Protection {
    pages::Protection {
        approvals: protection.approvals,
        approvers: protection.approvers.join(", "),
        author: protection.author,
        branches: protection.branches.join(", "),
        bake: shown(protection.bake.as_ref()),
        window: shown(protection.window.as_ref()),
        from: shown(protection.from.as_ref()),
        strategy: shown(protection.strategy.as_ref()),
        signed_by: protection.signed_by.iter().map(|signer| format!("{}\n", signer.0.to_string().trim_end())).collect(),
    }
}

fn shown<T: Display>(written: Option<&Written<T>>) -> String {
    written.map_or_else(String::new, |written| written.0.to_string())
}

/// What a field with commas says.
pub(super) fn parted(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::config::Window;

    use super::*;

    /// A public key as cosign prints it.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8nXRh950IZbRj8Ra/N9sbqOPZrfM\n\
        5/KAQN0/KjHcorm/J5yctVd7iEcnessRQjU917hmKO6JWVGHpDguIyakZA==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn what_the_form_shows_is_what_it_sends() {
        let protection = Protection {
            approvals: 2,
            approvers: vec!["Ana Ruiz".to_owned(), "bo".to_owned()],
            author: true,
            branches: vec!["main".to_owned(), "release/*".to_owned()],
            bake: read("time: 10m, max_cpu: 90%").ok().flatten(),
            window: read("Mon,Tue 09:00-16:00 Europe/Madrid").ok().flatten(),
            from: read("staging").ok().flatten(),
            strategy: read("canary: [20%], bake: 1m").ok().flatten(),
            signed_by: signers(&format!("server\n{KEY}")).unwrap_or_default(),
        };
        assert!(protection.bake.is_some() && protection.window.is_some());
        assert_eq!(protection.signed_by.len(), 2);
        assert!(protection.from.is_some() && protection.strategy.is_some());
        let pages::Protection { approvals, approvers, author, branches, bake, window, from, strategy, signed_by } =
            form(&protection);
        let reason = String::new();
        let asked = Asked { approvals, approvers, author, branches, bake, window, from, strategy, signed_by, reason };
        assert_eq!(Protection::try_from(asked).ok(), Some(protection));
        assert!(read::<Window>("noon").is_err());
        assert_eq!(parted(" , "), Vec::<String>::new());
    }
}
