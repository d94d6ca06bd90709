//! Runners come with a token of their own, go with it, and rest meanwhile where somebody says so.

use serde_json::json;

use super::{Labels, RunnerError, check_labels};
use crate::{
    access::token::{hash, mint_runner_token},
    events::NewEvent,
    ids::{RunnerId, TokenId},
    queue,
    secrets::Secret,
    store::{
        Tx,
        access_tokens::{self, NewToken},
        audit,
        runners::{self, Runner},
    },
};

const LONGEST_NAME: usize = 100;
/// How its token stands in the list of tokens.
const ROLE: &str = "runner";

/// Admits a runner on another machine: it has a name, the labels that it is given here, and a token, whose value is in
/// the answer and nowhere else.
///
/// # Errors
/// When the name is taken or the labels are none.
pub async fn admit(tx: &mut Tx, name: &str, labels: &Labels, actor: &str) -> Result<(RunnerId, Secret), RunnerError> {
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(RunnerError::BadName);
    }
    check_labels(labels).map_err(RunnerError::BadLabels)?;
    if runners::named(&mut tx.conn(), name).await?.is_some() {
        return Err(RunnerError::NameTaken(name.to_owned()));
    }
    let id = RunnerId::new();
    let token = mint_runner_token(&id);
    runners::admit(tx, id.as_str(), name, labels).await?;
    let token_hash = hash(token.reveal());
    let of_runner = NewToken {
        id: &TokenId::new(),
        name,
        role: ROLE,
        token_hash: &token_hash,
        runner: Some(id.as_str()),
        repository: None,
        environment: None,
        expires_at: None,
        user: None,
        made_by: None,
    };
    access_tokens::insert(tx, of_runner).await?;
    audit::append(tx, actor, "runner.create", name, json!({"runner": id, "labels": labels})).await?;
    Ok((id, token))
}

/// Dismisses a runner by its name or id: its token opens nothing any more, and what it works on goes back to the queue.
///
/// # Errors
/// When there is no such runner.
pub async fn revoke(tx: &mut Tx, name: &str, actor: &str) -> Result<Runner, RunnerError> {
    let found = called(tx, name).await?;
    runners::revoke(tx, &found.id).await?;
    access_tokens::revoke_of_runner(tx, &found.id).await?;
    queue::give_back_all(tx, &found.id, "its runner was revoked").await?;
    tx.emit(NewEvent::new("runner.revoked").with("runner", &found.id).with("name", &found.name));
    audit::append(tx, actor, "runner.revoke", &found.name, json!({"runner": found.id})).await?;
    Ok(found)
}

/// Lets a runner finish what it has and take nothing new, over its restarts too, until somebody lets it again.
///
/// # Errors
/// When there is no such runner.
pub async fn drain(tx: &mut Tx, name: &str, actor: &str) -> Result<(), RunnerError> {
    let found = called(tx, name).await?;
    if runners::drain(tx, &found.id, actor).await? {
        tx.emit(NewEvent::new("runner.drained").with("runner", &found.id).with("name", &found.name).with("by", actor));
        audit::append(tx, actor, "runner.drain", &found.name, json!({"runner": found.id})).await?;
    }
    Ok(())
}

/// Lets a runner take jobs again.
///
/// # Errors
/// When there is no such runner.
pub async fn undrain(tx: &mut Tx, name: &str, actor: &str) -> Result<(), RunnerError> {
    let found = called(tx, name).await?;
    if runners::undrain(tx, &found.id).await? {
        tx.emit(
            NewEvent::new("runner.undrained").with("runner", &found.id).with("name", &found.name).with("by", actor),
        );
        // What waits may be this one's now.
        tx.ring_queue();
        audit::append(tx, actor, "runner.undrain", &found.name, json!({"runner": found.id})).await?;
    }
    Ok(())
}

/// The runner of that name or id that was not revoked.
async fn called(tx: &mut Tx, name: &str) -> Result<Runner, RunnerError> {
    let found = match runners::named(&mut tx.conn(), name).await? {
        Some(found) => Some(found),
        None => runners::find(&mut tx.conn(), name).await?.filter(|found| found.revoked_at.is_none()),
    };
    found.ok_or_else(|| RunnerError::Unknown(name.to_owned()))
}
