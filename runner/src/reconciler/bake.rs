//! Judging what is live while it bakes, by what the canaries of its strategy are judged by: exits, health, CPU and memory;
//! `answers` has those.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use super::{ailment::Ailment, keeper::Which};
use crate::{
    coordinator::{Bake, Usual},
    rollouts::judge::{Patient, Stable},
    targets::{
        Target,
        docker::{Instance, TargetError, Vitals},
    },
};

/// How many containers are asked of at once.
const AT_ONCE: usize = 8;

/// What is known of a release that bakes.
#[derive(Debug)]
pub(super) struct Baking {
    since: Instant,
    /// How much longer it bakes from then on.
    time: Duration,
    /// How long it bakes altogether, however late this began.
    whole: Duration,
    limits: Limits,
    usual: BTreeMap<String, Usual>,
    patients: BTreeMap<Which, Patient>,
}

impl Baking {
    /// It bakes from now on.
    pub(super) fn begin(bake: &Bake) -> Self {
        Baking {
            since: Instant::now(),
            time: Duration::from_millis(bake.left_ms),
            whole: Duration::from_millis(bake.whole_ms),
            limits: bake.limits,
            usual: bake.usual.clone(),
            patients: BTreeMap::new(),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= self.time
    }

    /// What is wrong with one of the containers that run.
    pub(super) async fn judge(
        &mut self,
        target: &Target,
        instances: &[Instance],
    ) -> Result<Option<String>, TargetError> {
        let running = instances.iter().filter(|instance| instance.replica > 0 && instance.is_running());
        let mut asked = Vec::new();
        for instance in running {
            asked.push(async move { Ok::<_, TargetError>((instance, target.vitals(&instance.name).await?)) });
        }
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        for (instance, vitals) in answers {
            // What other people stop or remove is no fault of the release.
            let Some(vitals) = vitals.filter(|vitals| vitals.runs || has_ended_by_itself(vitals)) else { continue };
            let stable = self.usual.get(&instance.app).map(stable).unwrap_or_default();
            let patient = self.patients.entry((instance.app.clone(), instance.replica)).or_default();
            if let Some(found) = patient.examine(Some(&vitals), &self.limits, &stable, self.whole) {
                return Ok(Some(breach(&instance.app, instance.replica, &found)));
            }
        }
        Ok(None)
    }
}

fn stable(usual: &Usual) -> Stable {
    Stable { cpu: Some(usual.cpu), memory: Some(usual.memory) }
}

fn has_ended_by_itself(vitals: &Vitals) -> bool {
    vitals.restarts > 0 || vitals.out_of_memory
}

/// What an ailment says against a release that bakes; none where it may be other people's doing.
pub(super) fn speaks_against(which: &Which, ailment: &Ailment) -> Option<String> {
    match ailment {
        Ailment::Unhealthy(met) => Some(breach(&which.0, which.1, &format!("is sick: {met}"))),
        _ => None,
    }
}

fn breach(app: &str, replica: u32, found: &str) -> String {
    format!("{app}: replica {replica} {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_its_own_doing_speaks_against_a_release() {
        let which = ("web".to_owned(), 2);
        let sick = Ailment::Unhealthy("GET /health answered 500".to_owned());
        let said = speaks_against(&which, &sick);
        assert_eq!(said.as_deref(), Some("web: replica 2 is sick: GET /health answered 500"));
        assert_eq!(speaks_against(&which, &Ailment::Removed), None);
        assert_eq!(speaks_against(&which, &Ailment::Stopped), None);
    }
}
