//! The other strategies, on a Swarm.

use serde_json::Value;
use slipway_tests::{
    images::{failing_app, web_app},
    load::Load,
};

use super::{DOMAIN, Place, expect_none_lost};

impl Place {
    pub(super) async fn is_tried_as_a_canary(&self) {
        let strategy = ", strategy: {canary: [50%], bake: 2s}";
        self.push(failing_app("broken"), strategy).await;
        let load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        let reason = self.failed(5).await;
        assert!(reason.contains("at 50 % of the traffic") && reason.contains("answers were 5xx"), "{reason}");
        drop(load.finish().await);
        self.push(web_app("three", true), strategy).await;
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        self.house.live("dev", 6).await;
        load.sees("three").await;
        expect_none_lost("a canary", &load.finish().await);
        let steps = self.house.log("environments/dev/releases/6", 1, 1).await.join("\n");
        assert!(steps.contains(&format!("50 % of {DOMAIN} now leads to")), "{steps}");
        assert_eq!(self.settled().await, self.both(), "the node that came back has its part again");
    }

    /// What eats the CPU is caught by the part of it that runs on the manager's node; the log says which does not.
    pub(super) async fn is_caught_by_what_it_uses(&self) {
        let mut files = web_app("hungry", true);
        for (path, text) in &mut files {
            if *path == "Dockerfile" {
                *text = text
                    .replace("httpd -f -p 8080 -h /www & wait", "httpd -p 8080 -h /www; sleep 2; while :; do :; done");
            }
        }
        // It has no processor left to answer its health check with in time.
        let health = "{http: /health, interval: 500ms, timeout: 60s, retries: 3, start: 1m}";
        let app = format!("apps: {{web: {{resources: {{cpus: 0.1}}, health: {health}}}}}");
        self.push(files, &format!(", strategy: {{canary: [50%], bake: 10m, max_cpu: 50%}}, {app}")).await;
        let reason = self.failed(13).await;
        assert!(reason.contains("% of its CPU (allowed 50 %)"), "{reason}");
        let path = "environments/dev/releases/13";
        let release: Value = self.house.ask(path).await.expect(200).json();
        let steps = release["attempts"].as_array().and_then(|all| all.last()?["steps"].as_array()).map_or(0, Vec::len);
        let mut said = Vec::new();
        for index in 0..steps {
            said.extend(self.house.log(path, 1, i64::try_from(index).expect("a small number")).await);
        }
        let worker = self.swarm.of_worker();
        let told = format!("runs on {worker}, which nobody measures: its CPU and memory are not judged");
        assert!(said.iter().any(|line| line.ends_with(&told)), "{said:#?}");
        assert_eq!(self.swarm.services().len(), 1, "{:?}", self.swarm.services());
    }

    /// Blue-green: everything new stands beside everything old before the one switch.
    pub(super) async fn is_replaced_at_once(&self) {
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        load.answers(10).await;
        self.push(web_app("green", true), ", strategy: {blue-green: {bake: 1s}}").await;
        self.house.live("dev", 7).await;
        load.sees("green").await;
        expect_none_lost("blue-green", &load.finish().await);
        assert_eq!(self.settled().await, self.both());
        assert_eq!(self.swarm.services().len(), 1, "{:?}", self.swarm.services());
    }

    /// Recreate: nothing new starts before all of the old has ended.
    pub(super) async fn is_ended_before_it_is_replaced(&self) {
        self.push(web_app("anew", true), ", strategy: recreate").await;
        self.house.live("dev", 8).await;
        assert!(self.house.visit(DOMAIN).await.contains("anew"));
        let said = self.house.log("environments/dev/releases/8", 1, 1).await;
        let starts = said.iter().position(|line| line.starts_with("starting replica 1 ")).expect("a start");
        let ended = said[..starts].iter().filter(|line| line.starts_with("stopping the old ")).count();
        assert_eq!(ended, super::REPLICAS, "{said:#?}");
        assert_eq!(self.settled().await, self.both());
        assert_eq!(self.swarm.services().len(), 1, "{:?}", self.swarm.services());
    }
}
