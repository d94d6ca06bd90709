//! What a container of an environment writes: its runner is asked, and the answer waited for.

use std::time::Duration;

use slipway_runner::coordinator::{ContainerLine, ContainerLog, LogQuestion};
use tokio::time::{Instant, timeout_at};

use crate::{
    runners::Presence,
    store::{self, Store, StoreError, environments::Environment},
};

/// How many questions one runner has at once: it answers a few at a time.
const MOST_WAITING: i64 = 32;

/// Which lines of which container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogWish {
    /// The container's name, or that of a Swarm's slot.
    pub container: String,
    /// How many of its last lines.
    pub lines: u32,
    /// Only those after this moment, in unix nanoseconds.
    pub since: Option<i64>,
}

/// The last lines of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentLog {
    /// The lines, oldest first.
    pub lines: Vec<ContainerLine>,
    /// Whether it had written more within the time asked for.
    pub is_cut: bool,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum RecentLogError {
    /// No runner has it.
    #[error("no runner hosts {0} yet: nothing was released to it")]
    Homeless(String),
    /// The runner is not heard of.
    #[error(
        "the runner {0}, which hosts it, was not heard of for a minute: see that it runs, and that it reaches this server"
    )]
    Silent(String),
    /// Too many ask.
    #[error("too many ask the runner {0} for logs at the same time; try again in a moment")]
    Busy(String),
    /// The runner is heard of, and did not answer.
    #[error(
        "the runner {runner} did not answer within {seconds} s: try again, and if that does not help, see that it has this server's version of Slipway"
    )]
    Unanswered {
        /// The runner's name.
        runner: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The container is not there.
    #[error("there is no container {0} any more; the environment's page and `slipway services` name those that run")]
    Gone(String),
    /// The container is somebody else's.
    #[error(
        "“{container}” is not shown: it is no container of a release that the runner {runner} made in this environment"
    )]
    Refused {
        /// The container's name.
        container: String,
        /// The runner's name.
        runner: String,
    },
    /// The engine does not hand it out.
    #[error("its log cannot be read: {0}")]
    Unreadable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks the runner that hosts the environment for the last lines of a container, and waits for them, at most as long as
/// `patience`. Whether the container is one that may be read, the runner decides.
///
/// The question waits in the database, where whichever server the runner asks for work finds it.
///
/// # Errors
/// When there is no answer, or none with lines.
pub async fn recent_log(
    store: &Store,
    environment: &Environment,
    wish: &LogWish,
    patience: Duration,
) -> Result<RecentLog, RecentLogError> {
    let deadline = Instant::now() + patience;
    let now = store.lease_time().await?;
    let (host, target) = {
        let mut reader = store.read().await?;
        let conn = &mut reader.conn();
        let host = match store::placement::host(conn, &environment.id).await? {
            Some(id) => store::runners::find(conn, &id).await?,
            None => None,
        };
        let live = store::releases::live(conn, &environment.id).await?;
        (host, live.map(|live| live.content().target()).unwrap_or_default())
    };
    let host = host.ok_or_else(|| RecentLogError::Homeless(environment.name.clone()))?;
    if !Presence::of(&host, now).is_there() {
        return Err(RecentLogError::Silent(host.name));
    }
    let question = LogQuestion {
        id: ulid::Ulid::generate().to_string(),
        environment: environment.id.to_string(),
        environment_name: environment.name.clone(),
        target,
        container: wish.container.clone(),
        lines: wish.lines,
        since: wish.since,
    };
    let mut tx = store.write().await?;
    let stale = tx.now() - store::log_questions::STALE_MS;
    if store::log_questions::waiting(&mut tx, &host.id, stale).await? >= MOST_WAITING {
        tx.commit().await?;
        return Err(RecentLogError::Busy(host.name));
    }
    store::log_questions::ask(&mut tx, &host.id, &question).await?;
    tx.commit().await?;
    // Whoever asked may leave: the question is withdrawn all the same.
    let waiting = tokio::spawn(wait(store.clone(), question.id, deadline));
    let unanswered = || RecentLogError::Unanswered { runner: host.name.clone(), seconds: patience.as_secs() };
    match waiting.await.map_err(|_| unanswered())?? {
        Some(ContainerLog::Lines { lines, is_cut }) => Ok(RecentLog { lines, is_cut }),
        Some(ContainerLog::Gone) => Err(RecentLogError::Gone(wish.container.clone())),
        Some(ContainerLog::Unreadable { reason }) => Err(RecentLogError::Unreadable(reason)),
        Some(ContainerLog::Refused) => {
            Err(RecentLogError::Refused { container: wish.container.clone(), runner: host.name })
        }
        None => Err(unanswered()),
    }
}

/// The answer to a question, which is withdrawn then; none when there is none in time.
async fn wait(store: Store, question: String, deadline: Instant) -> Result<Option<ContainerLog>, StoreError> {
    let mut bell = store.bells().queue();
    let answer = loop {
        bell.borrow_and_update();
        let answer = {
            let mut reader = store.read().await?;
            store::log_questions::answered(&mut reader.conn(), &question).await?
        };
        if answer.is_some() || !matches!(timeout_at(deadline, bell.changed()).await, Ok(Ok(()))) {
            break answer;
        }
    };
    let mut tx = store.write().await?;
    store::log_questions::withdraw(&mut tx, &question).await?;
    tx.commit().await?;
    Ok(answer)
}
