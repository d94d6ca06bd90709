//! `/connect`: connecting a repository.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{ConnectPage, SetupPage},
};

use super::{Html, setup, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{api, errors::Problem, extract::Filled},
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/connect", Permission::Administer, show).post("/connect", Permission::Administer, connect)
}

#[derive(Debug, Deserialize)]
struct Connect {
    name: String,
    clone_url: String,
    default_branch: String,
}

async fn show(principal: Principal) -> Html<ConnectPage> {
    let empty = Connect { name: String::new(), clone_url: String::new(), default_branch: "main".to_owned() };
    Html::ok(form(&principal, empty, None))
}

async fn connect(
    State(state): State<AppState>,
    principal: Principal,
    Filled(asked): Filled<Connect>,
) -> Result<Response, Problem> {
    let asked = Connect {
        name: asked.name.trim().to_owned(),
        clone_url: asked.clone_url.trim().to_owned(),
        default_branch: asked.default_branch.trim().to_owned(),
    };
    let connected = api::connect_repository(&state, &principal, &asked.name, &asked.clone_url, &asked.default_branch);
    let connected = match connected.await {
        Ok(connected) => connected,
        // What a person can better in the form is said above it, with all that was typed.
        Err(problem) if problem.status().is_client_error() => {
            let page = form(&principal, asked, Some(problem.detail().to_owned()));
            return Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
        Err(problem) => return Err(problem),
    };
    let page = setup::page(&state, &principal, &connected.repository, None).await?;
    let page = SetupPage { secret: Some(connected.secret.reveal().to_owned()), ..page };
    Ok(Html::with_status(StatusCode::CREATED, page).into_response())
}

fn frame(principal: &Principal) -> Frame {
    Frame::new("Connect a repository", Section::Repositories, viewer(principal)).under("Repositories", "/")
}

fn form(principal: &Principal, asked: Connect, error: Option<String>) -> ConnectPage {
    ConnectPage {
        frame: frame(principal),
        name: asked.name,
        clone_url: asked.clone_url,
        default_branch: asked.default_branch,
        error,
    }
}

/// GitHub's form for a new webhook of the repository, where the clone address is GitHub's.
pub(super) fn forge_settings(clone_url: &str) -> Option<String> {
    let path = clone_url.strip_prefix("https://github.com/").or_else(|| clone_url.strip_prefix("git@github.com:"))?;
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let (owner, name) = path.split_once('/')?;
    Some(format!("https://github.com/{}/{}/settings/hooks/new", links::encode(owner), links::encode(name)))
}

#[cfg(test)]
mod tests {
    use super::forge_settings;

    #[test]
    fn githubs_form_is_found_from_either_address() {
        let form = Some("https://github.com/acme/shop/settings/hooks/new".to_owned());
        assert_eq!(forge_settings("https://github.com/acme/shop.git"), form);
        assert_eq!(forge_settings("git@github.com:acme/shop.git"), form);
        assert_eq!(forge_settings("https://git.example.com/acme/shop"), None);
    }
}
