//! Which old containers leave when a new one has come, and who is in the route meanwhile.

use crate::{proxy::Route, targets::docker::Instance};

/// One app's change from old containers to new ones, as it stands.
#[derive(Debug)]
pub(super) struct Turnover {
    /// How many old containers there are, stopped ones included: those are kept until the rollout is over.
    old_total: usize,
    /// The old ones that still run, in the order in which they leave.
    staying: Vec<Instance>,
    /// The old ones that a Swarm is about to run once more. They leave with the last.
    coming: Vec<Instance>,
    /// The upstreams of new containers that take traffic.
    fresh: Vec<String>,
    /// The upstreams of new containers that were routed by a run before this one and are not asked again yet.
    inherited: Vec<String>,
    /// The host names that the route had and those it is to have.
    hosts: Vec<String>,
    /// Whether the new containers are routed at all.
    routed: bool,
    /// The upstreams that the route had.
    before: Vec<String>,
}

impl Turnover {
    /// From the app's containers, the release that is to run, the domain it is to have, and the route as it stands.
    pub(super) fn new(instances: &[Instance], release: &str, domain: Option<&str>, route: Option<&Route>) -> Self {
        let before: Vec<String> = route.into_iter().flat_map(|route| route.all_upstreams().cloned()).collect();
        let in_route =
            |instance: &Instance| instance.upstream.as_ref().is_some_and(|upstream| before.contains(upstream));
        let (new, old): (Vec<&Instance>, Vec<&Instance>) =
            instances.iter().partition(|instance| instance.release == release);
        let mut staying: Vec<Instance> = old.iter().copied().filter(|old| old.is_running()).cloned().collect();
        let coming = old.iter().filter(|old| old.is_up() && !old.is_running()).map(|old| (*old).clone()).collect();
        // One without traffic leaves first: a run before this one has switched it off already.
        staying.sort_by_key(|old| (in_route(old), old.replica));
        Turnover {
            old_total: old.len(),
            staying,
            coming,
            fresh: Vec::new(),
            inherited: new.into_iter().filter(|new| in_route(new)).filter_map(|new| new.upstream.clone()).collect(),
            hosts: hosts(domain, route),
            routed: domain.is_some(),
            before,
        }
    }

    /// The old containers and their route as they stand by now: what ended meanwhile may have been started again elsewhere.
    pub(super) fn renew(&mut self, instances: &[Instance], route: Option<&Route>) {
        for old in &mut self.staying {
            if let Some(now) = instances.iter().find(|it| it.name == old.name) {
                *old = now.clone();
            }
        }
        self.before = route.into_iter().flat_map(|route| route.all_upstreams().cloned()).collect();
    }

    /// A new container is ready: it takes traffic from now on.
    pub(super) fn gain(&mut self, ready: &Instance) {
        if let Some(upstream) = ready.upstream.clone().filter(|_| self.routed) {
            self.inherited.retain(|inherited| *inherited != upstream);
            self.fresh.push(upstream);
        }
    }

    /// How many more containers may run now, with `ready` new ones of `wanted` there and `surge` more than either version
    /// has of its own; one at least.
    pub(super) fn room(&self, ready: u32, wanted: u32, surge: u32) -> u32 {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let limit = count(self.old_total).max(wanted).saturating_add(surge);
        limit.saturating_sub(count(self.staying.len()).saturating_add(ready)).max(1)
    }

    /// Takes out the old containers that are replaced once `ready` new ones of `wanted` are there: one for each, as many
    /// more as may be `missing`, and all that are left with the last.
    pub(super) fn lose(&mut self, ready: u32, missing: u32, wanted: u32) -> Vec<Instance> {
        let keep = if ready >= wanted {
            self.inherited.clear();
            0
        } else {
            self.old_total.saturating_sub(usize::try_from(ready.saturating_add(missing)).unwrap_or(usize::MAX))
        };
        let leaving = self.staying.len().saturating_sub(keep);
        let mut leaving: Vec<Instance> = self.staying.drain(..leaving).collect();
        if ready >= wanted {
            leaving.append(&mut self.coming);
        }
        leaving
    }

    /// Whether old containers stay for now.
    pub(super) fn has_others(&self) -> bool {
        !self.staying.is_empty()
    }

    /// Takes back those that were to leave, until it is known which do.
    pub(super) fn give_back(&mut self, leaving: Vec<Instance>) {
        self.staying.splice(..0, leaving);
    }

    /// Takes out the old containers that do not run any more, of all the app's.
    pub(super) fn part(&mut self, instances: &[Instance]) -> Vec<Instance> {
        let runs = |old: &Instance| instances.iter().any(|it| it.name == old.name && it.is_running());
        let (staying, gone) = std::mem::take(&mut self.staying).into_iter().partition(runs);
        self.staying = staying;
        gone
    }

    /// The route that fits, with those that leave still counted.
    pub(super) fn route(&self, leaving: &[Instance]) -> Route {
        let staying =
            self.staying.iter().filter_map(|old| old.upstream.clone()).filter(|old| self.before.contains(old));
        let mut upstreams = self.fresh.clone();
        upstreams.extend(self.inherited.iter().cloned());
        upstreams.extend(staying);
        let draining = leaving.iter().filter_map(|old| old.upstream.clone()).filter(|old| self.before.contains(old));
        Route { hosts: self.hosts.clone(), upstreams, draining: draining.collect(), ..Route::default() }
    }
}

/// The host names of a route while it changes: the domain that it is to have, and those that it had.
pub(super) fn hosts(domain: Option<&str>, route: Option<&Route>) -> Vec<String> {
    let before = route.into_iter().flat_map(|route| &route.hosts).filter(|host| Some(host.as_str()) != domain);
    domain.map(str::to_owned).into_iter().chain(before.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::Turnover;
    use crate::{
        proxy::Route,
        targets::docker::{Instance, InstanceState},
    };

    fn instance(release: &str, replica: u32, running: bool) -> Instance {
        let address = running.then(|| format!("10.0.{}.{replica}", release.len()));
        let state = if running { InstanceState::Running } else { InstanceState::Startable };
        Instance::for_model(release, "web", replica, state, address, Some(80))
    }

    fn route(instances: &[&Instance]) -> Route {
        let upstreams = instances.iter().filter_map(|instance| instance.upstream.clone()).collect();
        Route { hosts: vec!["a.test".into()], upstreams, ..Route::default() }
    }

    fn names(instances: &[Instance]) -> Vec<u32> {
        instances.iter().map(|instance| instance.replica).collect()
    }

    #[test]
    fn each_new_container_takes_the_place_of_one_old_one() {
        let (old1, old2) = (instance("o", 1, true), instance("o", 2, true));
        let (new1, new2) = (instance("new", 1, true), instance("new", 2, true));
        let before = route(&[&old1, &old2]);
        let mut turnover = Turnover::new(&[old1.clone(), old2.clone()], "new", Some("a.test"), Some(&before));
        turnover.gain(&new1);
        let leaving = turnover.lose(1, 0, 2);
        assert_eq!(names(&leaving), [1]);
        assert_eq!(
            turnover.route(&leaving),
            Route { draining: vec![old1.upstream.unwrap_or_default()], ..route(&[&new1, &old2]) }
        );
        turnover.gain(&new2);
        let leaving = turnover.lose(2, 0, 2);
        assert_eq!(
            turnover.route(&leaving),
            Route { draining: vec![old2.upstream.unwrap_or_default()], ..route(&[&new1, &new2]) }
        );
    }

    #[test]
    fn fewer_replicas_let_the_rest_go_with_the_last_and_more_let_nobody_go_twice() {
        let old: Vec<Instance> = (1..=4).map(|replica| instance("o", replica, true)).collect();
        let mut down = Turnover::new(&old, "new", None, None);
        assert_eq!(down.lose(1, 0, 2).len(), 1);
        assert_eq!(down.lose(2, 0, 2).len(), 3);
        let mut up = Turnover::new(&old[..1], "new", None, None);
        assert_eq!(up.lose(1, 0, 3).len(), 1);
        assert_eq!(up.lose(2, 0, 3).len(), 0);
    }

    #[test]
    fn a_pace_says_how_many_come_and_go_at_once() {
        let old: Vec<Instance> = (1..=4).map(|replica| instance("o", replica, true)).collect();
        let mut faster = Turnover::new(&old, "new", None, None);
        assert_eq!((faster.room(0, 4, 2), faster.lose(2, 0, 4).len(), faster.room(2, 4, 2)), (2, 2, 2));
        let mut tighter = Turnover::new(&old, "new", None, None);
        assert_eq!((tighter.room(0, 4, 0), tighter.lose(0, 2, 4).len(), tighter.room(0, 4, 0)), (1, 2, 2));
        assert_eq!((tighter.lose(2, 2, 4).len(), tighter.room(2, 4, 0)), (2, 2), "the rest goes as far as it may");
    }

    #[test]
    fn those_that_another_chose_leave_instead() {
        let old: Vec<Instance> = (1..=3).map(|replica| instance("o", replica, true)).collect();
        let before = route(&old.iter().collect::<Vec<_>>());
        let mut turnover = Turnover::new(&old, "new", Some("a.test"), Some(&before));
        let leaving = turnover.lose(1, 0, 3);
        assert!(turnover.has_others());
        turnover.give_back(leaving);
        assert_eq!(turnover.route(&[]), before, "nobody leaves before it is known who does");
        let left = [instance("o", 1, true), instance("o", 2, false), instance("o", 3, true)];
        let gone = turnover.part(&left);
        assert_eq!(names(&gone), [2]);
        let draining = vec![old[1].upstream.clone().unwrap_or_default()];
        assert_eq!(turnover.route(&gone), Route { draining, ..route(&[&old[0], &old[2]]) });
    }

    #[test]
    fn those_that_a_swarm_starts_again_leave_with_the_last() {
        let mut ends_always = instance("o", 2, false);
        ends_always.state = InstanceState::Coming;
        let all = [instance("o", 1, true), ends_always, instance("o", 3, false)];
        let mut turnover = Turnover::new(&all, "new", None, None);
        assert_eq!(names(&turnover.lose(2, 0, 3)), [0; 0]);
        assert_eq!(names(&turnover.lose(3, 0, 3)), [1, 2], "and nobody is asked to end who does not run");
    }

    #[test]
    fn a_second_run_goes_on_where_the_first_one_ended() {
        // The first run had switched old 1 off without stopping it, and had both new ones in the route.
        let (old1, old2) = (instance("o", 1, true), instance("o", 2, false));
        let (new1, new2) = (instance("new", 1, true), instance("new", 2, true));
        let before = route(&[&new1, &new2]);
        let all = [new1.clone(), new2.clone(), old1, old2];
        let mut turnover = Turnover::new(&all, "new", Some("a.test"), Some(&before));
        turnover.gain(&new1);
        let leaving = turnover.lose(1, 0, 2);
        assert!(leaving.is_empty(), "one old container of two may stay while one of two new ones is ready");
        assert_eq!(turnover.route(&leaving), route(&[&new1, &new2]), "nobody who serves is switched off");
        turnover.gain(&new2);
        let leaving = turnover.lose(2, 0, 2);
        assert_eq!(names(&leaving), [1]);
        assert_eq!(turnover.route(&leaving), route(&[&new1, &new2]));
    }

    #[test]
    fn an_app_that_loses_its_domain_keeps_it_until_its_last_old_container_leaves() {
        let old = instance("o", 1, true);
        let new = instance("new", 1, true);
        let mut turnover = Turnover::new(std::slice::from_ref(&old), "new", None, Some(&route(&[&old])));
        turnover.gain(&new);
        assert!(turnover.route(&[]).serves());
        let leaving = turnover.lose(1, 0, 1);
        assert!(!turnover.route(&leaving).serves());
    }

    #[test]
    fn a_changed_domain_is_served_under_both_names_meanwhile() {
        let old = instance("o", 1, true);
        let turnover = Turnover::new(std::slice::from_ref(&old), "new", Some("b.test"), Some(&route(&[&old])));
        assert_eq!(turnover.route(&[]).hosts, ["b.test", "a.test"]);
    }
}
