//! What registries say about images, and what is said when they do not.

use slipway_runner::{
    engine::Engine,
    registry::{Registry, RegistryError},
};
use slipway_tests::{
    images,
    registry::{PASSWORD, RegistryFixture},
};

const DOCKERFILE: [(&str, &str); 1] = [("Dockerfile", "FROM busybox:latest\nLABEL test=registry\n")];

#[tokio::test]
async fn a_pushed_image_has_the_digest_that_its_registry_states() {
    let engine = Engine::connect(None).await.unwrap();
    let fixture = RegistryFixture::protected().await;
    let digest = images::publish(&engine, &fixture, "shop/web", "v1", &DOCKERFILE).await;
    let image = fixture.image("shop/web");
    images::forget(&engine, &format!("{image}:v1")).await;

    let registry = Registry::new(&fixture.credentials());
    assert!(registry.exists(&image, &digest).await.unwrap());
    assert_eq!(registry.digest(&format!("{image}:v1")).await.unwrap(), Some(digest.clone()));
    assert_eq!(registry.digest(&format!("{image}:v2")).await.unwrap(), None);
    assert!(!registry.exists(&fixture.image("no/such"), &digest).await.unwrap());
    let other = format!("sha256:{}", "0".repeat(64));
    assert!(!registry.exists(&image, &other).await.unwrap());
}

#[tokio::test]
async fn a_tag_is_added_by_the_manifest() {
    let engine = Engine::connect(None).await.unwrap();
    let fixture = RegistryFixture::protected().await;
    let digest = images::publish(&engine, &fixture, "shop/web", "v1", &DOCKERFILE).await;
    let image = fixture.image("shop/web");
    images::forget(&engine, &format!("{image}:v1")).await;

    let registry = Registry::new(&fixture.credentials());
    registry.tag(&image, &digest, "stable").await.unwrap();
    assert_eq!(registry.digest(&format!("{image}:stable")).await.unwrap(), Some(digest));
    let lost = registry.tag(&image, &format!("sha256:{}", "0".repeat(64)), "stable").await.unwrap_err();
    assert!(lost.to_string().contains("does not hold sha256:000"), "{lost}");
    let wrong = Registry::new(&[fixture.credential("wrong")]);
    let refused = wrong.tag(&image, &format!("sha256:{}", "0".repeat(64)), "stable").await.unwrap_err();
    assert!(refused.to_string().contains("refused the login of user `captain`"), "{refused}");
}

#[tokio::test]
async fn a_refused_login_names_the_registry_and_the_user() {
    let fixture = RegistryFixture::protected().await;
    let reference = format!("{}:v1", fixture.image("web"));
    let wrong = Registry::new(&[fixture.credential("wrong")]).digest(&reference).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!(
            "the registry {host} refused the login of user `captain`. Set the credentials of {host} in Slipway",
            host = fixture.host()
        )
    );
    let anonymous = Registry::new(&[]).digest(&reference).await.unwrap_err();
    assert!(anonymous.to_string().contains("refused an anonymous request"), "{anonymous}");
    assert!(!format!("{:?}", fixture.credential(PASSWORD)).contains(PASSWORD), "a password is never printed");
}

#[tokio::test]
async fn a_registry_that_is_down_is_an_outage_until_it_is_back() {
    let mut fixture = RegistryFixture::open().await;
    let reference = format!("{}:v1", fixture.image("web"));
    let registry = Registry::new(&[]);
    fixture.stop();
    let down = registry.digest(&reference).await.unwrap_err();
    assert!(matches!(&down, RegistryError::Unreachable { host, .. } if *host == fixture.host()), "{down}");
    assert!(down.is_outage());
    assert!(down.to_string().contains("Check that it runs"), "{down}");
    fixture.start().await;
    assert_eq!(registry.digest(&reference).await.unwrap(), None);
}
