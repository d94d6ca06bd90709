//! What a Dockerfile is built from.

use slipway_tests::build_house::BuildHouse;

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_built_from_a_context_outside_of_the_dockerfiles_folder() {
    let mut house = BuildHouse::new().await;
    let captain = "web: {build: docker/Dockerfile, context: ., target: small, image: IMAGE, test: [\"docker run --rm IMAGE cat /data\"]}\n";
    let dockerfile = "FROM busybox:latest AS small\nCOPY src/data /data\nFROM small\nRUN exit 7\n";
    let commit = house.commit(captain, &[("docker/Dockerfile", dockerfile), ("src/data", "of the root\n")]);
    let build = house.build(&commit).await;
    assert_eq!(build.step("docker run").text(), "of the root\n", "{build:#?}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_the_same_build_are_taken_wherever_a_dockerfile_names_them() {
    let mut house = BuildHouse::new().await;
    let image = house.image("web");
    // The file names the user before what it uses: the order comes from the Dockerfiles.
    let captain = "app: {build: app/Dockerfile, image: IMAGE-app, test: [\"docker run --rm IMAGE-app cat /a /b\"]}\n\
                   base: {build: base/Dockerfile, image: IMAGE, push: false}\n";
    let app = format!(
        "ARG BASE={image}\nFROM ${{BASE}}:latest AS base\nFROM busybox:latest\n\
         COPY --chmod=644 --from={image} \\\n  /made-by /a\nRUN --mount=type=bind,from={image},target=/mnt cp /mnt/made-by /b\n"
    );
    for made_by in ["the first build", "the second build"] {
        let base = format!("FROM busybox:latest\nRUN echo {made_by} > /made-by\n");
        let commit = house.commit(captain, &[("base/Dockerfile", &base), ("app/Dockerfile", &app)]);
        let build = house.build(&commit).await;
        assert_eq!(build.step("docker run").text(), format!("{made_by}\n{made_by}\n"), "{build:#?}");
        assert_eq!(build.artifacts().len(), 1, "`push: false` keeps the base to the build");
    }
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_image_is_fetched_from_a_registry_that_asks_for_a_login() {
    let mut house = BuildHouse::protected().await;
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[]);
    let base = house.build(&commit).await.artifacts()[0].clone();
    let dockerfile = format!("FROM {}@{}\nRUN echo on top\n", base.image, base.digest);
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE-top}\n", &[("Dockerfile", &dockerfile)]);
    assert_eq!(house.build(&commit).await.artifacts().len(), 1);
    house.credentials = vec![house.registry.credential("wrong")];
    let other = format!("{dockerfile}RUN echo again\n");
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE-top}\n", &[("Dockerfile", &other)]);
    assert!(house.build(&commit).await.failure().contains("failed"));
    house.leaves_nothing().await;
}
