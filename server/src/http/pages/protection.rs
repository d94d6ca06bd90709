//! The form by which an administrator says what the server asks of an environment's releases.

use axum::{Form, extract::State, response::Redirect};
use serde::Deserialize;
use slipway_web::{links, pages};

use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::Protection,
    http::{api::decisions as api, errors::Problem, extract::Named},
};

pub(super) fn routes() -> Routes {
    Routes::new().post(
        "/repositories/{owner}/{name}/environments/{environment}/protection",
        Permission::Change,
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
}

impl From<Asked> for Protection {
    fn from(asked: Asked) -> Self {
        Protection {
            approvals: asked.approvals,
            approvers: parted(&asked.approvers),
            author: asked.author,
            branches: parted(&asked.branches),
        }
    }
}

async fn protect(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Form(asked): Form<Asked>,
) -> Result<Redirect, Problem> {
    api::protect(&state, &principal, (&owner, &name, &environment), &asked.into()).await?;
    Ok(Redirect::to(&links::environment(&format!("{owner}/{name}"), &environment)))
}

/// The form with what is asked for now.
pub(super) fn form(protection: &Protection) -> pages::Protection {
    pages::Protection {
        approvals: protection.approvals,
        approvers: protection.approvers.join(", "),
        author: protection.author,
        branches: protection.branches.join(", "),
    }
}

fn parted(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_form_shows_is_what_it_sends() {
        let protection = Protection {
            approvals: 2,
            approvers: vec!["Ana Ruiz".to_owned(), "bo".to_owned()],
            author: true,
            branches: vec!["main".to_owned(), "release/*".to_owned()],
        };
        let pages::Protection { approvals, approvers, author, branches } = form(&protection);
        assert_eq!(Protection::from(Asked { approvals, approvers, author, branches }), protection);
        assert_eq!(parted(" , "), Vec::<String>::new());
    }
}
