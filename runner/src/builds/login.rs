//! The login that a build's repository is fetched with: lent by the server for the job, and kept nowhere.

use std::time::Duration;

use super::checkout_step::Desk;
use crate::{
    backoff::Backoff,
    coordinator::{CloneLogin, Lending},
    reporter::ReportError,
    steps::StepError,
};

/// How often it is asked for where the forge gives none now.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

impl Desk<'_> {
    /// Asks the server for a login, where it has one. Without it, it may do as well: the commit may have been fetched before, and
    /// anybody may fetch a public repository.
    pub(super) async fn borrow_login(self) -> Result<Option<CloneLogin>, StepError> {
        if !self.work.has_login {
            return Ok(None);
        }
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut tries = 1;
        let why = loop {
            let answer = tokio::select! {
                answer = self.context.reporter.clone_login() => answer,
                () = self.context.cancel.cancelled() => return Err(StepError::Cancelled),
            };
            match answer {
                Ok(Lending::Lent { login }) => return Ok(Some(login)),
                Ok(Lending::NotNow { .. }) if tries < TRIES => {}
                Ok(Lending::NotNow { reason } | Lending::No { reason }) => break reason,
                Err(ReportError::LeaseLost) => return Err(StepError::Cancelled),
                Err(ReportError::Refused { reason }) => break reason,
            }
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                () = self.context.cancel.cancelled() => return Err(StepError::Cancelled),
            }
        };
        self.log.say(format!("there is no login for the repository ({why}): it is fetched without one")).await;
        Ok(None)
    }
}
