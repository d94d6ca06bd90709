//! Layers that an engine does not have are taken from what earlier builds pushed, where captain.yml says so.

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase, house::House, own_engine::OwnEngine, registry::RegistryFixture, slipway::Setup,
};

/// A house whose runner works on an engine that may forget what it has built.
struct Place {
    engine: OwnEngine,
    house: House,
}

impl Place {
    async fn new() -> Self {
        let mut engine = OwnEngine::start().await;
        let setup = Setup::new().with("SLIPWAY_RUNNER_DOCKER_HOST", &engine.host());
        let registry = RegistryFixture::protected().await;
        engine.reach(registry.port());
        let house = House::furnished(TestDatabase::sqlite(), registry, setup).await;
        for login in house.registry.credentials() {
            let arguments = ["registry", "login", &login.host, "--username", &login.username, "--all-repositories"];
            let said = house.slipway.command(&arguments, &login.password).await;
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        Place { engine, house }
    }

    /// Builds an image whose first layer nobody makes twice, and which a later one makes a new image. Answers with that
    /// layer's text, and with what the image's step said.
    async fn build(&self, branch: &str, more: &str, text: &str) -> (String, String) {
        let image = self.house.image();
        let captain =
            format!("web: {{build: Dockerfile, image: {image}, test: docker run --rm {image} cat /made{more}}}\n");
        let dockerfile =
            format!("FROM busybox:latest\nRUN cat /proc/sys/kernel/random/uuid > /made # {image}\nCOPY text /text\n");
        let files = [("captain.yml", captain.as_str()), ("Dockerfile", &dockerfile), ("text", text)];
        let number = self.house.push(branch, &files).await;
        let build = self.house.build_in(number, "succeeded").await;
        self.house.is_tidy(0).await;
        (self.said(&build, "test").await, self.said(&build, "build").await)
    }

    async fn said(&self, build: &Value, kind: &str) -> String {
        let steps = build["attempts"][0]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["kind"] == kind).unwrap();
        self.house.log(&format!("builds/{}", build["number"]), 1, step["index"].as_i64().unwrap()).await.join("\n")
    }

    /// The engine loses every image but busybox, and every layer of what it has built.
    fn forget(&self) {
        let images = self.engine.docker(&["images", "--all", "--quiet", "--no-trunc"]);
        let base = self.engine.docker(&["image", "inspect", "--format", "{{.Id}}", "busybox:latest"]);
        for image in images.iter().filter(|image| !base.contains(image)) {
            // One that is built on another goes with it.
            drop(std::process::Command::new("docker").args(["-H", &self.engine.host(), "rmi", "-f", image]).output());
        }
        let _ = self.engine.docker(&["builder", "prune", "--all", "--force"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_is_taken_from_the_registry_when_the_engine_does_not_have_it_and_only_when_asked() {
    let place = Place::new().await;
    let shared = ", build_cache: registry";
    let (made, _) = place.build("main", shared, "one").await;
    // 1. An engine that has nothing of it takes what the last build pushed, with the login that the registry asks for.
    place.forget();
    let (taken, said) = place.build("main", shared, "two").await;
    assert_eq!(taken, made, "{said}");
    assert!(said.contains("importing cache manifest from") && said.contains(" CACHED"), "{said}");
    let build = place.house.build(2).await;
    let steps = build["attempts"][0]["steps"].as_array().unwrap();
    let facts = &steps.iter().find(|step| step["kind"] == "build").unwrap()["output"];
    assert_eq!((&facts["layers"], &facts["layers_cached"]), (&json!("2"), &json!("1")), "the RUN, and not the COPY");
    // 2. So does a build of another branch: they trust each other as far as they push to the same image.
    place.forget();
    let (taken, said) = place.build("feature", shared, "three").await;
    assert_eq!(taken, made, "{said}");
    // 3. Unasked, it is made anew.
    place.forget();
    let (anew, said) = place.build("main", "", "four").await;
    assert_ne!(anew, made, "{said}");
}
