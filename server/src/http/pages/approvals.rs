//! What is shown of a build that needs an approval, and the forms that decide on it and say whose do.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_pipelines::plan::{CommitLine, PreviewedStep, Standing};
use slipway_runner::coordinator::Look;
use slipway_web::{
    links,
    pages::{ApprovalPart, ApprovalsForm, ChangedFiles, LookPart, RunRow, RunStanding},
    parts::Commit,
};

use super::settings::told;
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    builds::{ApprovalRule, ApprovalState, BuildState},
    deliveries::Account,
    forge,
    http::{
        api::approvals::{approve_build, distrust_account, own_accounts, refuse_build, set_approvals, trust_account},
        errors::Problem,
        extract::{Filled, Named},
    },
    store::{Conn, approvals, builds::Build, pull_requests, repositories::Repository},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/repositories/{owner}/{name}/builds/{number}/approve", Permission::Develop, approve)
        .post("/repositories/{owner}/{name}/builds/{number}/refuse", Permission::Develop, refuse)
        .post("/repositories/{owner}/{name}/settings/approvals", Permission::Administer, set)
        .post("/repositories/{owner}/{name}/settings/approvals/trust", Permission::Administer, trust)
        .post("/repositories/{owner}/{name}/settings/approvals/distrust", Permission::Administer, distrust)
}

/// The part of a build's page; none where the build needs no approval.
pub(super) async fn part(
    conn: &mut Conn<'_>,
    (state, principal): (&AppState, &Principal),
    repository: &Repository,
    build: &Build,
    may_decide: bool,
) -> Result<Option<ApprovalPart>, Problem> {
    let Some(approval) = approvals::of_build(conn, &build.id).await? else { return Ok(None) };
    let proposer = pull_requests::proposer(conn, &build.id).await?;
    let pull = pull_requests::of_build(conn, &build.id).await?;
    let number = pull.as_ref().map_or(0, |pull| pull.number);
    let is_wanted = approval.state == ApprovalState::Wanted && build.state == BuildState::Awaiting;
    let may_decide = may_decide && is_wanted;
    let is_own = match &proposer.opener {
        Some(opener) if may_decide => own_accounts(conn, state, principal).await?.contains(&opener.id),
        _ => false,
    };
    Ok(Some(ApprovalPart {
        address: links::build(&repository.name, build.number),
        pull: number,
        base: pull.map(|pull| pull.base).unwrap_or_default(),
        opener: proposer.opener.map(|opener| (opener.login, opener.id)),
        fork: proposer.fork,
        difference: forge::difference(&repository.clone_url, number),
        commit: Commit { sha: approval.commit_sha, message: String::new(), author: String::new() },
        is_wanted,
        may_decide,
        is_own,
        decided: match (approval.state, approval.decided_by) {
            (ApprovalState::Given, Some(by)) => Some(format!("Approved by {by}.")),
            (ApprovalState::Refused, Some(by)) => Some(format!("Refused by {by}: nothing of it has run.")),
            _ => None,
        },
        look: approval.look.map(|look| look_part(look.0)),
    }))
}

fn look_part(look: Look) -> LookPart {
    let line = |one: CommitLine| Commit { sha: one.name, message: one.subject, author: one.author };
    let count = look.changed_count;
    LookPart {
        commits: look.commits.into_iter().map(line).collect(),
        more_authors: look.more_authors,
        files: look.changed.map(|paths| ChangedFiles { count, paths }),
        steps: look.preview.steps.into_iter().map(run_row).collect(),
        gone: look.preview.gone,
        left_out: look.preview.left_out,
        not_compared: look.not_compared,
    }
}

fn run_row(step: PreviewedStep) -> RunRow {
    RunRow {
        title: format!("{} · {}", step.app, step.kind),
        name: step.name,
        lines: step.lines.into_iter().map(|line| (line.text, line.is_new)).collect(),
        skipped: step.skipped,
        standing: match step.standing {
            Standing::Same => RunStanding::Same,
            Standing::Changed => RunStanding::Changed,
            Standing::New => RunStanding::New,
        },
    }
}

/// The part of a repository's settings.
pub(super) async fn form(conn: &mut Conn<'_>, repository: &Repository) -> Result<ApprovalsForm, Problem> {
    let rule = approvals::rule(conn, &repository.id).await?;
    let trusted = approvals::trusted(conn, &repository.id).await?;
    let choices = [
        (ApprovalRule::Forks, "Those from other repositories (forks)"),
        (ApprovalRule::PullRequests, "Everybody's"),
        (ApprovalRule::Nobody, "Nobody's: no stranger reaches this forge"),
    ];
    Ok(ApprovalsForm {
        rules: choices.map(|(choice, meaning)| (choice.as_str(), meaning, choice == rule)).to_vec(),
        trusted: trusted.into_iter().map(|one| (one.account_id, one.login, one.added_by)).collect(),
    })
}

/// The commit that was looked at.
#[derive(Deserialize)]
struct Approving {
    commit: String,
}

async fn approve(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
    Filled(asked): Filled<Approving>,
) -> Result<Redirect, Problem> {
    approve_build(&state, &principal, (&owner, &name, number), &asked.commit).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), number)))
}

async fn refuse(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Redirect, Problem> {
    refuse_build(&state, &principal, (&owner, &name, number)).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), number)))
}

fn back(owner: &str, name: &str) -> Response {
    let page = links::settings(&format!("{owner}/{name}"));
    Redirect::to(&format!("{page}?done=approvals#approvals")).into_response()
}

#[derive(Deserialize)]
struct Ruling {
    rule: ApprovalRule,
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Filled(asked): Filled<Ruling>,
) -> Result<Response, Problem> {
    set_approvals(&state, &principal, (&owner, &name), asked.rule).await?;
    Ok(back(&owner, &name))
}

#[derive(Deserialize)]
struct Trusting {
    account: String,
    login: String,
}

async fn trust(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Filled(asked): Filled<Trusting>,
) -> Result<Response, Problem> {
    // What is no number is refused as the account 0 is, with the way to find the number.
    let account = Account { id: asked.account.trim().parse().unwrap_or(0), login: asked.login.trim().to_owned() };
    match trust_account(&state, &principal, (&owner, &name), account).await {
        Ok(()) => Ok(back(&owner, &name)),
        Err(problem) => {
            let problem = told(problem)?;
            super::repository_settings::refused_with(&state, &principal, (owner, name), problem).await
        }
    }
}

#[derive(Deserialize)]
struct Distrusting {
    account: i64,
}

async fn distrust(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Filled(asked): Filled<Distrusting>,
) -> Result<Response, Problem> {
    distrust_account(&state, &principal, (&owner, &name), asked.account).await?;
    Ok(back(&owner, &name))
}
