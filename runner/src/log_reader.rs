//! Reading what the containers of this runner's releases write, where a person asks.
//!
//! A question comes from the server, which may be in anybody's hands: only containers are read that carry this runner's own
//! labels of a release in the environment that is named.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    coordinator::{ContainerLine, ContainerLog, Coordinator, CoordinatorError, LogAnswer, LogQuestion},
    engine::Engine,
    targets::{
        Target, Window,
        docker::{EnvironmentNames, Placement},
    },
};

/// How many questions may wait; whoever asks one more hears that there was no answer.
pub(crate) const MOST_WAITING: usize = 16;
/// How many are answered at once.
const AT_ONCE: usize = 4;
/// How long the engine may take; nobody waits much longer.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How often an answer is sent that the server does not take.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// The longest name that a container or a service has.
const LONGEST_NAME: usize = 255;

/// Answers the questions for logs.
pub(crate) struct LogReader {
    pub(crate) coordinator: Arc<dyn Coordinator>,
    /// Whose containers they are: nobody else's are read.
    pub(crate) runner: String,
    pub(crate) docker_host: Option<String>,
}

impl LogReader {
    /// Answers until `stop` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, questions: mpsc::Receiver<LogQuestion>, stop: CancellationToken) {
        let next =
            |mut questions: mpsc::Receiver<LogQuestion>| async move { Some((questions.recv().await?, questions)) };
        let asked = stream::unfold(questions, next);
        let answering = asked.for_each_concurrent(AT_ONCE, |question| self.clone().answer(question));
        stop.run_until_cancelled(answering).await;
    }

    async fn answer(self: Arc<Self>, question: LogQuestion) {
        let log = match tokio::time::timeout(READ_WITHIN, self.read(&question)).await {
            Ok(Ok(log)) => log,
            Ok(Err(reason)) => unreadable(&reason),
            Err(_) => unreadable("the Docker engine did not hand it out in time"),
        };
        let answer = LogAnswer { runner: self.runner.clone(), question: question.id, log };
        for _ in 0..TRIES {
            match self.coordinator.answer_log(answer.clone()).await {
                Err(CoordinatorError::Unavailable { .. }) => tokio::time::sleep(PAUSE).await,
                Err(error) => return tracing::warn!(%error, "the server did not take a container's log"),
                Ok(()) => return,
            }
        }
    }

    /// What the container wrote, if it is one that may be read; an error says why the engine does not tell.
    async fn read(&self, question: &LogQuestion) -> Result<ContainerLog, String> {
        if !is_name(&question.container) {
            return Ok(ContainerLog::Refused);
        }
        let engine = Engine::connect(self.docker_host.as_deref()).await.map_err(|error| error.to_string())?;
        let placement = Placement {
            runner: self.runner.clone(),
            environment: question.environment.clone(),
            names: EnvironmentNames::new(&question.environment, &question.environment_name),
        };
        let target = Target::new(question.target, engine, placement, Vec::new(), Vec::new());
        let found = target.find(&question.container).await.map_err(|error| error.to_string())?;
        match found {
            None => Ok(ContainerLog::Gone),
            Some(found) if target.is_of_environment(&found) && target.is_own(&found) => {
                let log = target.recent_log(&found, Window::of(question)).await;
                log.map_err(|error| error.to_string())
            }
            Some(_) => Ok(ContainerLog::Refused),
        }
    }
}

fn unreadable(reason: &str) -> ContainerLog {
    let mut reason = reason.to_owned();
    let mut end = reason.len().min(ContainerLine::MOST_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    ContainerLog::Unreadable { reason }
}

/// Whether it can be a container's name, and nothing else where the engine reads it in an address.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAME, is_name, unreadable};
    use crate::coordinator::{ContainerLine, ContainerLog};

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(
            is_name("slipway-dev-web-r1-1-ab") && is_name("slipway-ab-web-r1.2") && is_name(&"a".repeat(LONGEST_NAME))
        );
        for other in
            ["", "..", "../images", "web/json?a=b", "web%2f", "-web", "web\n", "wéb", &"a".repeat(LONGEST_NAME + 1)]
        {
            assert!(!is_name(other), "{other}");
        }
    }

    #[test]
    fn a_reason_is_bounded_too() {
        let ContainerLog::Unreadable { reason } = unreadable(&"é".repeat(5_000)) else { panic!("not unreadable") };
        assert_eq!(reason.len(), ContainerLine::MOST_BYTES);
    }
}
