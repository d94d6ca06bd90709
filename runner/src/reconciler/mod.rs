//! Keeping what is live as it should be: what the server wants against what the engine runs, and what is done about the
//! difference.
//!
//! The server says what the runner's environments are to run ([`Hosting`]). For each of them a keeper looks at its containers:
//! at once when the engine tells of a change, and every few seconds anyway. It is never at work while a rollout of its
//! environment is: a rollout begins by sending it away ([`Reconciler::make_way`]), and the next keeper begins from an answer
//! that the server gave after the rollout's end. A runner that has not heard from its server for longer than its lease changes
//! nothing any more: somebody else may have been given the environment.

mod ailment;
mod answers;
mod bake;
mod care;
mod hearing;
mod keeper;
mod leaving;
mod routes;
mod swarm;
mod sweep;
mod symptoms;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    coordinator::{Bake, Coordinator, HostedEnvironment, Hosting, HostingQuestion},
    proxy::Proxy,
    targets::docker::EnvironmentNames,
};
use keeper::Keeper;

/// How often the server is asked although nothing happened that this runner knows of.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// By how much two answers about the same bake may differ in its end.
const BAKE_ROUNDING: Duration = Duration::from_secs(60);
/// How long one answer of the server's may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a keeper works with.
pub(crate) struct Means {
    pub(crate) coordinator: Arc<dyn Coordinator>,
    pub(crate) proxy: Option<Arc<dyn Proxy>>,
    /// The runner's id.
    pub(crate) runner: String,
    /// Its life.
    pub(crate) incarnation: String,
    /// Its engine.
    pub(crate) docker_host: Option<String>,
}

/// Looks after the environments that the runner hosts.
pub(crate) struct Reconciler {
    means: Arc<Means>,
    state: Mutex<State>,
    /// Rung when the server has something else to say, perhaps.
    look: Notify,
}

#[derive(Default)]
struct State {
    /// Raised whenever a rollout begins or ends: an answer that was asked for before is out of date then.
    turn: u64,
    /// How many rollouts of an environment are under way here.
    rolling: BTreeMap<String, u32>,
    keepers: BTreeMap<String, Keeping>,
    lease: Lease,
}

/// Until when the last answer of the server's holds, shared with the keepers.
#[derive(Debug, Clone, Default)]
struct Lease(Arc<Mutex<Option<Instant>>>);

impl Lease {
    fn extend(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    fn holds(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }
}

/// An environment that is being looked after.
struct Keeping {
    wanted: HostedEnvironment,
    begun: Instant,
    stop: CancellationToken,
    heard: mpsc::UnboundedSender<Heard>,
    task: JoinHandle<()>,
}

impl Keeping {
    fn is_of(&self, wanted: &HostedEnvironment) -> bool {
        self.wanted.release == wanted.release
            && self.wanted.secrets == wanted.secrets
            && self.wanted.registries == wanted.registries
            && self.bakes_as(wanted)
            && !self.task.is_finished()
    }

    /// Whether it judges what bakes as is wanted. People may ask for a bake, or for more of it, of what is live already.
    fn bakes_as(&self, wanted: &HostedEnvironment) -> bool {
        let Some(bake) = &wanted.bake else { return true };
        let left = |known: &Bake| Duration::from_millis(known.left_ms).saturating_sub(self.begun.elapsed());
        self.wanted.bake.as_ref().is_some_and(|known| {
            let left = left(known);
            (known.limits, &known.strategy) == (bake.limits, &bake.strategy)
                && !left.is_zero()
                && Duration::from_millis(bake.left_ms) < left + BAKE_ROUNDING
        })
    }
}

/// What the engine tells of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// The container of this name ended.
    Ended(String),
    /// The container of this id was taken out of a network, or put into it.
    Connected(String),
    /// What the container of this name may use was changed, or whether it is started again.
    Updated(String),
    /// Something else changed.
    Changed,
}

/// A rollout's hold on its environment: nobody else touches it until this is dropped.
#[must_use]
pub(crate) struct RolloutTurn {
    reconciler: Arc<Reconciler>,
    environment: String,
}

impl Drop for RolloutTurn {
    fn drop(&mut self) {
        let mut state = self.reconciler.state();
        state.turn += 1;
        if let Some(count) = state.rolling.get_mut(&self.environment) {
            *count -= 1;
            if *count == 0 {
                state.rolling.remove(&self.environment);
            }
        }
        drop(state);
        self.reconciler.look.notify_one();
    }
}

impl Reconciler {
    /// Looks after nothing yet.
    pub(crate) fn new(means: Means) -> Arc<Self> {
        Arc::new(Reconciler { means: Arc::new(means), state: Mutex::default(), look: Notify::new() })
    }

    /// Looks after the runner's environments until `ended` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, ended: CancellationToken) {
        let hearing = tokio::spawn(ended.clone().run_until_cancelled_owned(hearing::listen(self.clone())));
        while !ended.is_cancelled() {
            self.ask().await;
            tokio::select! {
                () = ended.cancelled() => {}
                () = self.look.notified() => {}
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
        let keepers = std::mem::take(&mut self.state().keepers);
        for keeping in keepers.values() {
            keeping.stop.cancel();
        }
        for keeping in keepers.into_values() {
            let _ = keeping.task.await;
        }
        let _ = hearing.await;
    }

    /// Sends the environment's keeper away, and returns once it has gone.
    pub(crate) async fn make_way(self: &Arc<Self>, environment: &str) -> RolloutTurn {
        let turn = RolloutTurn { reconciler: self.clone(), environment: environment.to_owned() };
        let keeping = {
            let mut state = self.state();
            state.turn += 1;
            *state.rolling.entry(environment.to_owned()).or_insert(0) += 1;
            state.keepers.remove(environment)
        };
        if let Some(keeping) = keeping {
            keeping.stop.cancel();
            let _ = keeping.task.await;
        }
        turn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server what is to run, and goes by it. Without an answer, what was known goes on as long as the lease holds.
    async fn ask(self: &Arc<Self>) {
        loop {
            let (turn, asked) = (self.state().turn, Instant::now());
            match self.means.ask().await {
                // Else a rollout began or ended meanwhile: the answer may be of before.
                Ok(hosting) => {
                    if self.go_by(turn, asked, hosting) {
                        return;
                    }
                }
                Err(reason) => {
                    tracing::debug!(reason, "the server does not say what is to run");
                    return;
                }
            }
        }
    }

    /// Begins to keep what is wanted, and stops keeping what is not; false when the answer is out of date.
    fn go_by(self: &Arc<Self>, turn: u64, asked: Instant, hosting: Hosting) -> bool {
        let mut state = self.state();
        if state.turn != turn {
            return false;
        }
        state.lease.extend(asked + Duration::from_millis(hosting.lease_ms));
        let wanted: BTreeSet<&String> = hosting.environments.iter().map(|wanted| &wanted.environment).collect();
        state.keepers.retain(|environment, keeping| {
            let stays = wanted.contains(environment);
            if !stays {
                keeping.stop.cancel();
            }
            stays
        });
        for wanted in hosting.environments {
            let known = state.keepers.get(&wanted.environment);
            if state.rolling.contains_key(&wanted.environment) || known.is_some_and(|keeping| keeping.is_of(&wanted)) {
                continue;
            }
            let before = state.keepers.remove(&wanted.environment);
            let keeping = self.begin(wanted.clone(), state.lease.clone(), before);
            state.keepers.insert(wanted.environment, keeping);
        }
        true
    }

    /// Begins to look after an environment, once the keeper before has gone.
    fn begin(self: &Arc<Self>, wanted: HostedEnvironment, lease: Lease, before: Option<Keeping>) -> Keeping {
        let stop = CancellationToken::new();
        let (heard, hears) = mpsc::unbounded_channel();
        let opening = Keeper::open(wanted.clone(), self.means.clone(), lease, stop.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.stop.cancel();
                let _ = before.task.await;
            }
            if let Some(keeper) = opening.await {
                keeper.run(hears).await;
            }
        });
        Keeping { wanted, begun: Instant::now(), stop, heard, task }
    }

    /// Tells the keeper of an environment what the engine told.
    fn tell(&self, environment: &str, heard: Heard) {
        if let Some(keeping) = self.state().keepers.get(environment) {
            // One that has gone needs to hear nothing.
            let _ = keeping.heard.send(heard);
        }
    }

    /// Tells whoever keeps the environment with this network that a container was taken out of it, or put into it.
    fn tell_of_network(&self, network: &str, container: &str) {
        for keeping in self.state().keepers.values() {
            let names = EnvironmentNames::new(&keeping.wanted.environment, &keeping.wanted.environment_name);
            if names.network() == network {
                let _ = keeping.heard.send(Heard::Connected(container.to_owned()));
            }
        }
    }

    fn tell_all(&self) {
        for keeping in self.state().keepers.values() {
            let _ = keeping.heard.send(Heard::Changed);
        }
    }
}

impl Means {
    /// What the server wants; an error says why it does not tell.
    async fn ask(&self) -> Result<Hosting, String> {
        let question = HostingQuestion { runner: self.runner.clone(), incarnation: self.incarnation.clone() };
        match tokio::time::timeout(ANSWER_WITHIN, self.coordinator.hosting(question)).await {
            Ok(Ok(hosting)) => Ok(hosting),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {

    use super::*;
    use crate::{
        coordinator::ReleaseContent,
        remote::{RemoteCoordinator, ServerAddress},
    };

    /// A reconciler whose server and engine are nowhere.
    fn reconciler() -> Arc<Reconciler> {
        let server = ServerAddress::check("http://127.0.0.1:1", false).unwrap();
        Reconciler::new(Means {
            coordinator: Arc::new(RemoteCoordinator::new(vec![server], "token").unwrap()),
            proxy: None,
            runner: "runner".to_owned(),
            incarnation: "life".to_owned(),
            docker_host: Some("unix:///nonexistent/docker.sock".to_owned()),
        })
    }

    fn hosting(release: &str) -> Hosting {
        let environment = HostedEnvironment {
            environment: "ENV".to_owned(),
            environment_name: "dev".to_owned(),
            repository_name: "acme/shop".to_owned(),
            release: ReleaseContent { release: release.to_owned(), number: 1, apps: Vec::new() },
            alone: false,
            secrets: Vec::new(),
            registries: Vec::new(),
            known: Vec::new(),
            bake: None,
        };
        Hosting { lease_ms: 60_000, environments: vec![environment] }
    }

    fn baking(left_ms: u64) -> Hosting {
        let mut hosting = hosting("one");
        let (limits, strategy, usual) = Default::default();
        hosting.environments[0].bake = Some(Bake { left_ms, whole_ms: 0, limits, strategy, usual });
        hosting
    }

    #[tokio::test]
    async fn a_bake_that_is_asked_for_of_what_is_live_is_kept_too() {
        let reconciler = reconciler();
        let keeps = |hosting: Hosting| {
            let turn = reconciler.state().turn;
            assert!(reconciler.go_by(turn, Instant::now(), hosting));
            let state = reconciler.state();
            state.keepers["ENV"].wanted.bake.as_ref().map(|bake| bake.left_ms)
        };
        assert_eq!(keeps(hosting("one")), None);
        assert_eq!(keeps(baking(600_000)), Some(600_000), "it is asked for only now");
        assert_eq!(keeps(baking(590_000)), Some(600_000), "the same, a while later");
        assert_eq!(keeps(baking(3_600_000)), Some(3_600_000), "more of it");
        assert_eq!(keeps(hosting("one")), Some(3_600_000), "what is over needs no other keeper");
    }

    fn kept(reconciler: &Reconciler) -> Vec<String> {
        reconciler.state().keepers.values().map(|keeping| keeping.wanted.release.release.clone()).collect()
    }

    #[tokio::test]
    async fn a_rollout_sends_the_keeper_away_and_no_answer_of_before_brings_it_back() {
        let reconciler = reconciler();
        let asked = Instant::now();
        let before = reconciler.state().turn;
        assert!(reconciler.go_by(before, asked, hosting("one")));
        assert_eq!(kept(&reconciler), ["one"]);

        let rollout = reconciler.make_way("ENV").await;
        assert!(kept(&reconciler).is_empty(), "its keeper has gone");
        assert!(!reconciler.go_by(before, asked, hosting("one")), "it was asked for before");
        let during = reconciler.state().turn;
        assert!(reconciler.go_by(during, asked, hosting("one")));
        assert!(kept(&reconciler).is_empty(), "whatever the server says, the rollout goes on");

        drop(rollout);
        assert!(!reconciler.go_by(during, asked, hosting("one")));
        let after = reconciler.state().turn;
        assert!(reconciler.go_by(after, asked, hosting("two")));
        assert_eq!(kept(&reconciler), ["two"]);
        assert!(reconciler.go_by(after, asked, Hosting::default()));
        assert!(kept(&reconciler).is_empty(), "it is not this runner's any more");
    }

    #[tokio::test]
    async fn an_answer_holds_as_long_as_its_lease() {
        let reconciler = reconciler();
        let lease = reconciler.state().lease.clone();
        assert!(!lease.holds(), "nobody has said anything");
        let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        assert!(reconciler.go_by(0, long_ago, hosting("one")));
        assert!(!lease.holds(), "somebody else may have the environment by now");
        assert!(reconciler.go_by(0, Instant::now(), hosting("one")));
        assert!(lease.holds());
    }
}
