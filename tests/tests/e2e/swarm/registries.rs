//! Nodes get images with the newest login, and return to what they hold already while the registry is down.

use slipway_tests::{house::LONG, images::web_app, registry::ANOTHER_PASSWORD, wait::until};

use super::{DOMAIN, Place, REPLICAS};

impl Place {
    /// A release whose tasks the worker alone has run, which another follows.
    pub(super) async fn moves_with_the_newest_login(&mut self) {
        let stack = format!(
            "services:\n  web:\n    image: {}\n    deploy:\n      replicas: 2\n      placement:\n        \
             constraints: [node.role == worker]\n",
            self.house.image()
        );
        let mut files = web_app("six", true);
        files.push(("stack.yml", stack));
        self.push(files, ", compose: stack.yml").await;
        self.house.live("dev", 14).await;
        self.is_available("manager", "drain");
        self.push(web_app("seven", true), "").await;
        self.house.live("dev", 15).await;
        assert_eq!(self.settled().await, vec![self.swarm.of_worker(); REPLICAS]);

        self.forget_images();
        self.house.registry.change_password().await;
        let login = self.house.registry.credential(ANOTHER_PASSWORD);
        let arguments = ["registry", "login", &login.host, "--username", &login.username, "--all-repositories"];
        let said = self.house.slipway.command(&arguments, &login.password).await;
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        self.is_available("manager", "active");
        self.is_available("worker", "drain");
        let manager = self.swarm.of_manager();
        until("the other node to fetch the image, and to run it", LONG, async || {
            (self.addresses().await == vec![manager.clone(); REPLICAS]).then_some(())
        })
        .await;
        assert!(self.house.visit(DOMAIN).await.contains("seven"));
        self.is_available("worker", "active");
    }

    /// Nobody but the worker holds the image of the release before.
    pub(super) async fn returns_without_the_registry(&mut self) {
        self.forget_images();
        self.house.registry.stop();
        let repository = self.house.webhook.repository.clone();
        let returned = self.house.slipway.command(&["rollback", &repository, "dev", "--wait"], "").await;
        assert!(returned.status.success(), "{returned:?}");
        assert!(self.house.visit(DOMAIN).await.contains("six"));
        let said = self.house.log("environments/dev/releases/16", 1, 0).await.join("\n");
        assert!(said.contains("going on, because other nodes of the Swarm may hold the image"), "{said}");
        self.house.registry.start().await;
    }

    /// What the manager built is no image of its own any more, except of what it runs.
    fn forget_images(&self) {
        drop(self.swarm.manager.docker(&["image", "prune", "--all", "--force"]));
    }

    /// Whether the scheduler may give tasks to the nodes of a role.
    fn is_available(&self, role: &str, availability: &str) {
        let filter = format!("role={role}");
        for node in self.swarm.manager.docker(&["node", "ls", "--quiet", "--filter", &filter]) {
            drop(self.swarm.manager.docker(&["node", "update", "--availability", availability, &node]));
        }
    }
}
