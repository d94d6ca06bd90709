//! Judging the answers of what is live while it bakes: its requests take a lane of their own meanwhile, where the proxy counts
//! them.

use std::{collections::BTreeMap, time::Duration};

use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use super::{
    ailment::Ailment,
    keeper::{Case, Keeper, Which},
};
use crate::{
    proxy::{Lane, Proxy, ProxyError},
    rollouts::answers::judge_alone,
};

/// How often the proxy is asked what it counted.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Answers are judged by those of at least so long, and of at most twice that: what went well for days must not outweigh what
/// fails now.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// What was counted of the apps' answers.
#[derive(Debug)]
pub(super) struct Answers {
    by_app: BTreeMap<String, Counted>,
    ask_after: Instant,
}

impl Answers {
    pub(super) fn new() -> Self {
        Answers { by_app: BTreeMap::new(), ask_after: Instant::now() }
    }
}

/// What had been counted at two moments, which later ones take the place of.
#[derive(Debug)]
struct Counted {
    earlier: Lane,
    later: Lane,
    /// What was counted at the last look.
    last: Lane,
    /// When the later one was.
    at: Instant,
}

impl Counted {
    fn begin(lane: Lane, now: Instant) -> Self {
        Counted { earlier: lane.clone(), later: lane.clone(), last: lane, at: now }
    }

    /// What was counted since the earlier moment.
    fn recent(&mut self, lane: Lane, now: Instant) -> Lane {
        if lane.requests < self.last.requests {
            // The proxy counts from the beginning again: marks of before mean nothing.
            (self.earlier, self.later, self.at) = (Lane::default(), Lane::default(), now);
        }
        self.last = lane.clone();
        let recent = lane.since(&self.earlier);
        if now - self.at >= WINDOW {
            self.earlier = std::mem::replace(&mut self.later, lane);
            self.at = now;
        }
        recent
    }
}

impl Keeper {
    /// Whether the proxy is to count the answers of what is live.
    pub(super) fn counts_answers(&self) -> bool {
        let limits = self.baking.as_ref().filter(|baking| !baking.is_over()).map(|baking| *baking.limits());
        limits.is_some_and(|limits| limits.max_errors.is_some() || limits.max_latency.is_some())
    }

    /// What is wrong with the answers of one of the apps.
    pub(super) async fn judge_answers(&mut self, limits: &Limits, cases: &BTreeMap<Which, Case>) -> Option<String> {
        let proxy = self.means.proxy.clone()?;
        let now = Instant::now();
        if now < self.answers.ask_after {
            return None;
        }
        self.answers.ask_after = now + ASK_EVERY;
        let wanted = self.wanted.clone();
        for app in wanted.release.apps.iter().filter(|app| app.run.domain.is_some()) {
            // What other hands do to its containers is no fault of the release's.
            let is_disturbed = |(which, (ailment, _)): (&Which, &Case)| {
                which.0 == app.app && !matches!(ailment, Ailment::Unhealthy(_))
            };
            if cases.iter().any(is_disturbed) {
                self.answers.by_app.remove(&app.app);
                continue;
            }
            let lane = match counted(proxy.as_ref(), &self.target.names().route(&app.app)).await {
                Ok(Some(lane)) => lane,
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(%error, "the answers of what bakes are not known; trying again");
                    continue;
                }
            };
            let known = self.answers.by_app.entry(app.app.clone());
            let recent = known.or_insert_with(|| Counted::begin(lane.clone(), now)).recent(lane, now);
            if let Some(breach) = judge_alone(limits, &recent) {
                return Some(format!("{}: {breach}", app.app));
            }
        }
        None
    }
}

/// What was counted of a route; none where it is not counted.
async fn counted(proxy: &dyn Proxy, id: &str) -> Result<Option<Lane>, ProxyError> {
    if proxy.route(id).await?.is_some_and(|route| route.counted) {
        Ok(Some(proxy.traffic(id).await?.stable))
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Instant, Lane, WINDOW};

    #[test]
    fn what_went_well_long_ago_does_not_outweigh_what_fails_now() {
        let lane = |requests: u64, errors: u64| Lane { requests, errors, within: Vec::new() };
        let start = Instant::now();
        let mut counted = Counted::begin(lane(10, 0), start);
        assert_eq!(counted.recent(lane(1_000, 0), start + WINDOW).requests, 990);
        assert_eq!(counted.recent(lane(2_000, 0), start + WINDOW * 2).requests, 1_990);
        let recent = counted.recent(lane(2_100, 100), start + WINDOW * 2);
        assert_eq!((recent.requests, recent.errors), (1_100, 100), "since the moment before the last");
    }
}
