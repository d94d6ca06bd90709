//! Approving builds of strangers, and saying whose pull requests need that.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use slipway_runner::coordinator::Look;

use super::{lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    builds::{self, ApprovalRule, ApprovalState, Approving},
    deliveries::{AUTHOR_CHARS, Account},
    events::NewEvent,
    forge,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    store::{
        Conn, StoreError,
        approvals::{self, TrustedAccount},
        audit,
        builds::Build,
        pull_requests,
        repositories::Repository,
        user_identities,
    },
};

/// The most accounts that a repository trusts.
const MOST_TRUSTED: usize = 200;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Approvals")
        .post(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/approve",
            Permission::Develop,
            "approveBuild",
            "Lets a build run that waits for an approval: that one commit of it.",
            approve,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/refuse",
            Permission::Develop,
            "refuseBuild",
            "Ends a build that waits for an approval.",
            refuse,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/approvals",
            Permission::Read,
            "getApprovals",
            "Whose pull requests need an approval, and whose need none.",
            show,
        )
        .put(
            "/api/v1/repositories/{owner}/{name}/approvals",
            Permission::Administer,
            "setApprovals",
            "Sets whose pull requests need an approval.",
            set,
        )
        .put(
            "/api/v1/repositories/{owner}/{name}/approvals/accounts/{account}",
            Permission::Administer,
            "trustAccount",
            "Lets pull requests of an account of the forge run without an approval.",
            trust,
        )
        .delete(
            "/api/v1/repositories/{owner}/{name}/approvals/accounts/{account}",
            Permission::Administer,
            "distrustAccount",
            "Has pull requests of an account approved again.",
            distrust,
        )
}

/// An account at the forge.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ForgeAccount")]
struct AccountView {
    /// The forge's id of it, which is verified and stays.
    id: i64,
    /// Its name.
    login: String,
}

/// The approval that a build needs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BuildApproval")]
pub(super) struct ApprovalView {
    state: ApprovalState,
    /// The one commit that it is for.
    commit: String,
    /// Who opened the pull request.
    opened_by: Option<AccountView>,
    /// The repository that it comes from, where that is another one.
    fork: Option<String>,
    /// The forge's page that shows what it changes.
    difference: Option<String>,
    asked_at: Time,
    decided_at: Option<Time>,
    decided_by: Option<String>,
    /// What would run, once that is known.
    look: Option<Look>,
}

/// The approval that a build needs; none where it needs none.
pub(super) async fn of_build(
    conn: &mut Conn<'_>,
    repository: &Repository,
    build: &Build,
) -> Result<Option<ApprovalView>, StoreError> {
    let Some(approval) = approvals::of_build(conn, &build.id).await? else { return Ok(None) };
    let proposer = pull_requests::proposer(conn, &build.id).await?;
    let pull = pull_requests::of_build(conn, &build.id).await?;
    Ok(Some(ApprovalView {
        state: approval.state,
        commit: approval.commit_sha,
        opened_by: proposer.opener.map(|Account { id, login }| AccountView { id, login }),
        fork: proposer.fork,
        difference: pull.and_then(|pull| forge::difference(&repository.clone_url, pull.number)),
        asked_at: Time(approval.asked_at),
        decided_at: approval.decided_at.map(Time),
        decided_by: approval.decided_by,
        look: approval.look.map(|look| look.0),
    }))
}

/// What is approved.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "BuildApproving")]
#[serde(deny_unknown_fields)]
struct Approved {
    /// The commit that was looked at, with all of its 40 digits: another one is not approved by it.
    #[schemars(length(min = 40, max = 40))]
    commit: String,
}

/// A build that was decided on.
#[derive(Serialize, JsonSchema)]
struct DecidedBuild {
    number: i64,
    approval: ApprovalState,
}

async fn approve(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
    Body(asked): Body<Approved>,
) -> Result<Json<DecidedBuild>, Problem> {
    approve_build(&state, &principal, (&owner, &name, number), &asked.commit).await?;
    Ok(Json(DecidedBuild { number, approval: ApprovalState::Given }))
}

/// Approves one commit of a build, for the API and for the page.
pub(in crate::http) async fn approve_build(
    state: &AppState,
    principal: &Principal,
    (owner, name, number): (&str, &str, i64),
    commit: &str,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let build = lookup::build(&mut tx.conn(), &repository, number).await?;
    let commit = commit.to_ascii_lowercase();
    let own = own_accounts(&mut tx.conn(), state, principal).await?;
    match builds::approve(&mut tx, &build, &commit, principal.name(), &own).await? {
        Approving::Already => return Ok(()),
        Approving::Refused(why) => {
            return Err(Problem::conflict(format!("Build {number} cannot be approved: {why}.")));
        }
        Approving::Given => {}
    }
    let subject = format!("{} #{number}", repository.name);
    let detail = json!({"commit": commit, "ref": build.git_ref});
    audit::append(&mut tx, &principal.actor(), "build.approve", &subject, detail).await?;
    Ok(tx.commit().await?)
}

/// The ids of the accounts at GitHub by which somebody logs in.
pub(in crate::http) async fn own_accounts(
    conn: &mut Conn<'_>,
    state: &AppState,
    principal: &Principal,
) -> Result<Vec<i64>, StoreError> {
    let Some(person) = principal.person() else { return Ok(Vec::new()) };
    let mut own = Vec::new();
    for provider in state.providers.iter().filter(|provider| provider.is_github()) {
        let subjects = user_identities::subjects(conn, person, provider.issuer()).await?;
        own.extend(subjects.iter().filter_map(|subject| subject.parse::<i64>().ok()));
    }
    Ok(own)
}

async fn refuse(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Json<DecidedBuild>, Problem> {
    refuse_build(&state, &principal, (&owner, &name, number)).await?;
    Ok(Json(DecidedBuild { number, approval: ApprovalState::Refused }))
}

/// Ends a build that waits for an approval, for the API and for the page.
pub(in crate::http) async fn refuse_build(
    state: &AppState,
    principal: &Principal,
    (owner, name, number): (&str, &str, i64),
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let build = lookup::build(&mut tx.conn(), &repository, number).await?;
    match builds::refuse(&mut tx, &build, principal.name()).await? {
        Approving::Already => return Ok(()),
        Approving::Refused(why) => return Err(Problem::conflict(format!("Build {number} cannot be refused: {why}."))),
        Approving::Given => {}
    }
    let subject = format!("{} #{number}", repository.name);
    let detail = json!({"commit": build.commit_sha, "ref": build.git_ref});
    audit::append(&mut tx, &principal.actor(), "build.refuse", &subject, detail).await?;
    Ok(tx.commit().await?)
}

/// Whose pull requests need an approval, and whose need none.
#[derive(Serialize, JsonSchema)]
struct Approvals {
    rule: ApprovalRule,
    trusted: Vec<TrustedView>,
}

/// An account whose pull requests need no approval.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TrustedAccount")]
struct TrustedView {
    /// The forge's id of it, by which it is known.
    account: i64,
    /// Its name when it was added.
    login: String,
    added_at: Time,
    added_by: String,
}

impl From<TrustedAccount> for TrustedView {
    fn from(trusted: TrustedAccount) -> Self {
        TrustedView {
            account: trusted.account_id,
            login: trusted.login,
            added_at: Time(trusted.added_at),
            added_by: trusted.added_by,
        }
    }
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Approvals>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let trusted = approvals::trusted(conn, &repository.id).await?;
    let rule = approvals::rule(conn, &repository.id).await?;
    Ok(Json(Approvals { rule, trusted: trusted.into_iter().map(TrustedView::from).collect() }))
}

/// Whose pull requests need an approval.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ApprovalSetting")]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: ApprovalRule,
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(asked): Body<Rule>,
) -> Result<Json<Approvals>, Problem> {
    set_approvals(&state, &principal, (&owner, &name), asked.rule).await?;
    show(State(state), Named((owner, name))).await
}

/// Sets whose pull requests need an approval, for the API and for the page. What waits for one, waits on.
pub(in crate::http) async fn set_approvals(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    rule: ApprovalRule,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    if approvals::rule(&mut tx.conn(), &repository.id).await? == rule {
        return Ok(());
    }
    approvals::set_rule(&mut tx, &repository.id, rule).await?;
    tx.emit(NewEvent::new("repository.changed").repository(&repository.id));
    let detail = json!({"approvals": rule});
    audit::append(&mut tx, &principal.actor(), "repository.approvals", &repository.name, detail).await?;
    Ok(tx.commit().await?)
}

/// What an account of the forge is called.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AccountName")]
#[serde(deny_unknown_fields)]
struct Called {
    /// Its name, for people.
    #[schemars(length(min = 1, max = 200))]
    login: String,
}

async fn trust(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, account)): Named<(String, String, i64)>,
    Body(asked): Body<Called>,
) -> Result<Json<Approvals>, Problem> {
    trust_account(&state, &principal, (&owner, &name), Account { id: account, login: asked.login }).await?;
    show(State(state), Named((owner, name))).await
}

/// Lets the pull requests of an account run without an approval, for the API and for the page.
pub(in crate::http) async fn trust_account(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    account: Account,
) -> Result<(), Problem> {
    let is_name = !account.login.trim().is_empty()
        && account.login.chars().count() <= AUTHOR_CHARS
        && !account.login.chars().any(char::is_control);
    if account.id < 1 || !is_name {
        return Err(Problem::unprocessable(
            "An account of the forge is a number from 1 and a name: GitHub tells both at https://api.github.com/users/NAME.",
        ));
    }
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let known = approvals::trusted(&mut tx.conn(), &repository.id).await?;
    let before = known.iter().find(|known| known.account_id == account.id);
    if before.is_some_and(|before| before.login == account.login) {
        return Ok(());
    }
    if before.is_none() && known.len() >= MOST_TRUSTED {
        return Err(Problem::conflict(format!(
            "A repository trusts at most {MOST_TRUSTED} accounts: remove one first."
        )));
    }
    approvals::trust(&mut tx, &repository.id, &account, principal.name()).await?;
    let detail = json!({"account": account.id, "login": account.login});
    audit::append(&mut tx, &principal.actor(), "repository.trust", &repository.name, detail).await?;
    Ok(tx.commit().await?)
}

async fn distrust(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, account)): Named<(String, String, i64)>,
) -> Result<Json<Approvals>, Problem> {
    distrust_account(&state, &principal, (&owner, &name), account).await?;
    show(State(state), Named((owner, name))).await
}

/// Has the pull requests of an account approved again, for the API and for the page.
pub(in crate::http) async fn distrust_account(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    account: i64,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    if !approvals::distrust(&mut tx, &repository.id, account).await? {
        return Err(Problem::not_found(format!("{} does not trust the account {account}.", repository.name)));
    }
    let detail = json!({"account": account});
    audit::append(&mut tx, &principal.actor(), "repository.distrust", &repository.name, detail).await?;
    Ok(tx.commit().await?)
}
