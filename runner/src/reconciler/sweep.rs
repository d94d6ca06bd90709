//! A closer look at containers that are well: what other hands changed of them that neither their state nor their labels
//! show. The engine tells of a change; without that, all are looked at once a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use super::{
    ailment::Ailment,
    keeper::{AT_ONCE, Case, Keeper, Which, replicas, which},
};
use crate::targets::{
    Target,
    docker::{Instance, Replica, TargetError},
};

/// How often all are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// Who is to be looked at closely.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The names of containers that were heard to be changed, or could not be set right yet.
    pub(super) suspects: BTreeSet<String>,
    /// When all are.
    due: Instant,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Sweep { suspects: BTreeSet::new(), due: Instant::now() }
    }

    /// Whose turn it is now.
    fn take(&mut self) -> impl Fn(&str) -> bool + use<> {
        let (now, suspects) = (Instant::now(), std::mem::take(&mut self.suspects));
        let is_full = now >= self.due;
        if is_full {
            self.due = now + EVERY;
        }
        move |name| is_full || suspects.contains(name)
    }
}

impl Keeper {
    /// Sets right what can be while the container runs, and finds the others ill.
    pub(super) async fn sweep(
        &mut self,
        instances: &[Instance],
        cases: &mut BTreeMap<Which, Case>,
    ) -> Result<(), TargetError> {
        let Target::Docker(docker) = self.target.clone() else { return Ok(()) };
        let has_turn = self.sweep.take();
        let wanted = self.wanted.clone();
        let is_well = |replica: &Replica<'_>| {
            self.is_well(&replica.app.app, replica.number) && !cases.contains_key(&which(*replica))
        };
        let mut asked = Vec::new();
        for replica in replicas(&wanted).into_iter().filter(is_well) {
            let (docker, name) = (&docker, docker.container_name(replica));
            if has_turn(&name) {
                asked.push(async move {
                    let altered = docker.alteration(&name, replica).await?;
                    Ok::<_, TargetError>((replica, name, altered))
                });
            }
        }
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        for (replica, name, altered) in answers {
            let Some(what) = altered else { continue };
            let ailment = Ailment::Altered(what);
            if !self.care(&which(replica)).may_be_treated(Instant::now()) || !self.is_confirmed().await {
                self.sweep.suspects.insert(name);
                continue;
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
            if docker.set_right(&name, replica).await? {
                tracing::info!(container = name, found = %ailment, "a container was set right while it runs");
                self.care(&which(replica)).was_set_right(
                    &ailment,
                    "set it right while it ran".to_owned(),
                    Instant::now(),
                );
            } else {
                let found = instances.iter().find(|instance| instance.name == name).cloned();
                self.sweep.suspects.insert(name);
                if self.wanted.alone {
                    // It ends before another takes its place: nobody is to be led there meanwhile.
                    self.care(&which(replica)).falls_ill(Instant::now());
                }
                cases.insert(which(replica), (ailment, found));
            }
        }
        Ok(())
    }
}
