//! Making everything that is live anew: what matters is that all of it is back soon.

use futures_util::{StreamExt as _, stream};

use super::{Rollout, Setback};
use crate::{reporter::StepLog, targets::docker::Replica};

/// How many containers are started at once: the engine gets no faster with more.
const AT_ONCE: usize = 16;

impl Rollout<'_> {
    /// Starts the new containers of every app side by side, and waits until all of them are healthy. The others
    /// are started also where one does not become so: whoever returns from here needs them no less.
    pub(super) async fn start_all(&self, log: &StepLog) -> Result<(), Setback> {
        let release = &self.work.release;
        let mut starting = Vec::new();
        for app in &release.apps {
            for number in 1..=app.run.replicas {
                starting.push(async move { self.bring_up(Replica { release, app, number }, log).await.map(drop) });
            }
        }
        let mut started = stream::iter(starting).buffer_unordered(AT_ONCE);
        let mut problem = Ok(());
        while let Some(one) = started.next().await {
            if one.is_err() && problem.is_ok() {
                problem = one;
            }
        }
        problem
    }
}
