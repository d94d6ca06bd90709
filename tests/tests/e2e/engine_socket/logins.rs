//! Images behind a login: whoever was not given it gets none of them, also not what the engine has already.

use slipway_tests::{build_house::BuildHouse, engine::docker, registry::RegistryFixture};

use super::{captain, house};

/// What is said to whoever has no right to an image.
const REFUSED: &str = "the registry does not give it to everybody";

/// An image in a registry that asks for a login, and on the engine, as somebody who has the login left it there.
struct Private {
    registry: RegistryFixture,
    /// Its name.
    image: String,
    id: String,
}

impl Private {
    async fn make() -> Self {
        let registry = RegistryFixture::protected().await;
        let image = registry.image("shop/secret:v1");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| folder.path().join(name);
        // Of its own for each test: an image of the same content has the same id, and may be another test's by right.
        let dockerfile = format!("FROM busybox:latest\nRUN echo a word > /word && : {image}\n");
        std::fs::write(path("Dockerfile"), dockerfile).expect("a Dockerfile");
        docker(&["build", "--quiet", "--tag", &image, &folder.path().display().to_string()]);
        let login = registry.credentials().remove(0);
        let login = slipway_tests::registry::basic(&login);
        let config = serde_json::json!({"auths": {(registry.host()): {"auth": login}}});
        std::fs::write(path("config.json"), config.to_string()).expect("a client's logins");
        docker(&["--config", &folder.path().display().to_string(), "push", "--quiet", &image]);
        let id = docker(&["image", "inspect", "--format", "{{.Id}}", &image]).remove(0);
        Private { registry, image, id }
    }

    /// Whether the house fails to build this, for want of the login.
    async fn is_refused(&self, house: &mut BuildHouse, captain: &str, files: &[(&str, &str)]) {
        let commit = house.commit(captain, files);
        let build = house.build(&commit).await;
        assert!(build.failure().contains(REFUSED), "{captain}\n{}", build.failure());
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.image]).output();
    }
}

/// Tries each line; says which came through, and otherwise what was said.
fn script(lines: &[String]) -> String {
    let attempt = |line: &String| {
        format!(
            "if said=$({line} 2>&1 </dev/null); then echo \"ESCAPED {line} $said\"; else echo \"refused $said\" | tr '\\n\\r' '  '; echo; fi\n"
        )
    };
    lines.iter().map(attempt).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_login_gets_nothing_that_was_fetched_with_it() {
    let (mut house, cli) = house().await;
    let private = Private::make().await;
    house.server.withhold(&private.registry.host());
    let Private { image, id, .. } = &private;

    // What a script tries with its engine.
    let lines = [
        format!("docker pull {image}"),
        format!("docker run --rm {image} cat /word"),
        format!("docker run --rm {id} cat /word"),
        format!("docker image inspect {image}"),
        format!("docker tag {image} mine"),
        "docker build from".to_owned(),
        "docker build copy".to_owned(),
    ];
    let from = format!("FROM {image}\n");
    let copy = format!("FROM busybox\nCOPY --from={image} /word /word\n");
    let attacks = script(&lines);
    let steps = "  push: false\n  pre:\n    - {run: \"sh attacks.sh\", engine: true}\n";
    let files = [("attacks.sh", attacks.as_str()), ("from/Dockerfile", &from), ("copy/Dockerfile", &copy)];
    let commit = house.commit(&captain(&cli, steps), &files);
    let build = house.build(&commit).await;
    let text = build.step("attacks.sh").text();
    assert!(!text.contains("ESCAPED") && !text.contains("a word"), "{text}");
    assert_eq!(text.matches("refused ").count(), lines.len(), "{text}");
    assert_eq!(text.matches(REFUSED).count(), lines.len() - 1, "an id is said to be of no image: {text}");

    // What a captain.yml tries.
    let plain = format!(
        "web:\n  build: Dockerfile\n  image: IMAGE\n  push: false\n  pre: [docker run --rm {image} cat /word]\n"
    );
    private.is_refused(&mut house, &plain, &[]).await;
    let service = format!(
        "web:\n  build: Dockerfile\n  image: IMAGE\n  push: false\n  services: {{db: {{image: \"{image}\"}}}}\n  pre: [{{image: busybox:latest, run: echo}}]\n"
    );
    private.is_refused(&mut house, &service, &[]).await;
    let plain = "web: {build: Dockerfile, image: IMAGE, push: false}\n";
    private.is_refused(&mut house, plain, &[("Dockerfile", &from)]).await;
    private.is_refused(&mut house, plain, &[("Dockerfile", &copy)]).await;
    let frontend = house.commit(plain, &[("Dockerfile", "# syntax=evil/frontend\nFROM busybox:latest\n")]);
    let build = house.build(&frontend).await;
    assert!(build.failure().contains("`evil/frontend`, which may use any image"), "{}", build.failure());
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_fetches_what_the_plan_names_and_nothing_that_a_script_thinks_of() {
    let (mut house, cli) = house().await;
    let private = Private::make().await;
    let Private { image, registry, .. } = &private;
    house.credentials.extend(registry.credentials());
    let other = registry.image("shop/other:v1");
    let lines =
        [format!("docker pull {other}"), format!("docker run --rm {other} true"), "docker build from".to_owned()];
    let attacks = script(&lines) + &format!("docker run --rm {image} cat /word\n");
    let steps = format!(
        "  push: false\n  pre:\n    - docker run --rm {image} cat /word\n    - {{run: \"sh attacks.sh\", engine: true}}\n"
    );
    let from = format!("FROM {other}\n");
    let files = [("attacks.sh", attacks.as_str()), ("from/Dockerfile", &from)];
    let commit = house.commit(&captain(&cli, &steps), &files);
    docker(&["rmi", image]);
    let build = house.build(&commit).await;
    assert!(build.0.result.as_ref().is_some_and(|result| format!("{result:?}").starts_with("Built")), "{:#?}", build.0);
    assert_eq!(build.step("docker run").text().lines().last(), Some("a word"), "the plan's image is fetched");
    let text = build.step("attacks.sh").text();
    assert_eq!(text.matches(REFUSED).count(), lines.len(), "{text}");
    assert_eq!(text.lines().last(), Some("a word"), "what the plan names is a script's, too: {text}");
    house.leaves_nothing().await;
}
