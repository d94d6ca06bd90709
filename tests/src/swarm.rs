//! A Swarm of two engines of a test's own, on a network that reaches this machine: a manager and a worker.

use std::process::Command;

use ulid::Ulid;

use crate::{own_engine::OwnEngine, processes};

/// Two engines that are one Swarm; gone with all that they had when it is dropped.
#[derive(Debug)]
pub struct OwnSwarm {
    /// The one that is asked for services; its nodes' label `zone` is `a`.
    pub manager: OwnEngine,
    /// The one that only runs tasks; its label is `b`.
    pub worker: OwnEngine,
    network: u8,
    link: String,
}

impl OwnSwarm {
    /// Starts both and joins them. The manager holds the bridge of their network, so that the worker's end cuts nobody else
    /// off; a node that does not answer counts as lost after a few seconds.
    ///
    /// # Panics
    /// When one does not start, or does not join.
    pub async fn start() -> Self {
        let (manager, worker) = tokio::join!(OwnEngine::start(), OwnEngine::start());
        let random = Ulid::generate().random().to_be_bytes();
        let link = format!("slip{:02x}{:02x}{:02x}", random[13], random[14], random[15]);
        let swarm = OwnSwarm { manager, worker, network: 1 + random[15] % 250, link };
        swarm.connect();
        let (manager, worker) = (swarm.address(1), swarm.address(2));
        let init = ["swarm", "init", "--advertise-addr", &manager, "--dispatcher-heartbeat", "1s"];
        drop(swarm.manager.docker(&init));
        let token = swarm.manager.docker(&["swarm", "join-token", "--quiet", "worker"]).remove(0);
        let manager = format!("{manager}:2377");
        drop(swarm.worker.docker(&["swarm", "join", "--token", &token, "--advertise-addr", &worker, &manager]));
        for node in swarm.manager.docker(&["node", "ls", "--format", "{{.ID}} {{.ManagerStatus}}"]) {
            let (id, manages) = node.split_once(' ').expect("an id and whether it manages");
            let zone = if manages.is_empty() { "zone=b" } else { "zone=a" };
            drop(swarm.manager.docker(&["node", "update", "--label-add", zone, id]));
        }
        swarm
    }

    /// The address that the tasks of the manager's node are reached at.
    #[must_use]
    pub fn of_manager(&self) -> String {
        self.address(1)
    }

    /// The address that the tasks of the worker's node are reached at.
    #[must_use]
    pub fn of_worker(&self) -> String {
        self.address(2)
    }

    /// Lets both engines reach what listens on this port of 127.0.0.1, under the same address.
    pub fn reach(&mut self, port: u16) {
        self.manager.reach(port);
        self.worker.reach(port);
    }

    /// The names of the running tasks of all services.
    #[must_use]
    pub fn tasks(&self) -> Vec<String> {
        let services = self.services();
        let mut ask =
            vec!["service", "ps", "--filter", "desired-state=running", "--format", "{{.Name}} {{.CurrentState}}"];
        ask.extend(services.iter().map(String::as_str));
        let tasks = if services.is_empty() { Vec::new() } else { self.manager.docker(&ask) };
        let running = tasks.iter().filter_map(|task| task.split_once(" Running"));
        running.map(|(name, _)| name.to_owned()).collect()
    }

    /// The names of all services.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        self.manager.docker(&["service", "ls", "--format", "{{.Name}}"])
    }

    /// How many nodes are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        let nodes = self.manager.docker(&["node", "ls", "--format", "{{.Status}}"]);
        nodes.iter().filter(|status| *status == "Ready").count()
    }

    fn address(&self, host: u8) -> String {
        format!("10.213.{}.{host}", self.network)
    }

    /// A bridge at the manager, with a link to the worker and one to this machine.
    fn connect(&self) {
        let (manager, worker) = (self.manager.holder().to_string(), self.worker.holder().to_string());
        let at_manager = |arguments: &[&str]| self.manager.within("ip", arguments);
        let at_worker = |arguments: &[&str]| self.worker.within("ip", arguments);
        let (own, first, second) = (self.address(254), self.address(1), self.address(2));
        let (own, first, second) = (format!("{own}/24"), format!("{first}/24"), format!("{second}/24"));
        at_manager(&["link", "add", "lan", "type", "bridge"]);
        at_manager(&["address", "add", &first, "dev", "lan"]);
        processes::run(
            "ip",
            &["link", "add", &self.link, "type", "veth", "peer", "name", "machine", "netns", &manager],
        );
        at_manager(&["link", "add", "worker", "type", "veth", "peer", "name", "lan", "netns", &worker]);
        for link in ["machine", "worker"] {
            at_manager(&["link", "set", link, "master", "lan", "up"]);
        }
        at_manager(&["link", "set", "lan", "up"]);
        at_worker(&["address", "add", &second, "dev", "lan"]);
        at_worker(&["link", "set", "lan", "up"]);
        processes::run("ip", &["address", "add", &own, "dev", &self.link]);
        processes::run("ip", &["link", "set", &self.link, "up"]);
    }
}

impl Drop for OwnSwarm {
    fn drop(&mut self) {
        // It goes with the namespaces, too, once nothing holds them any more.
        drop(Command::new("ip").args(["link", "delete", &self.link]).output());
    }
}
