//! Small images made by the engine and pushed to a registry fixture.

use bollard::query_parameters::{BuildImageOptionsBuilder, PushImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::TryStreamExt;
use slipway_runner::{
    engine::Engine,
    registry::{Registry, engine_login},
};

use crate::registry::RegistryFixture;

/// Builds an image from `files` (a Dockerfile among them) and pushes it as `name:tag`; answers with its digest.
///
/// A label keeps its layers apart from those of other tests, which may remove theirs at the same time.
///
/// # Panics
/// When the engine or the registry refuses.
pub async fn publish(
    engine: &Engine,
    registry: &RegistryFixture,
    name: &str,
    tag: &str,
    files: &[(&str, &str)],
) -> String {
    let image = registry.image(name);
    let reference = format!("{image}:{tag}");
    let options = BuildImageOptionsBuilder::default().t(&reference).rm(true).forcerm(true).build();
    let label = format!("\nLABEL slipway.test={}\n", registry.host());
    let own = |path: &str, text: &str| match path {
        "Dockerfile" => text.replacen('\n', &label, 1),
        _ => text.to_owned(),
    };
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, own(path, text))).collect();
    let context = bollard::body_full(archive(&files).into());
    let built: Vec<_> = engine.build_image(options, None, Some(context)).try_collect().await.expect("the image builds");
    let error = built.iter().find_map(|info| info.error_detail.clone());
    assert!(error.is_none(), "the image does not build: {error:?}");

    let options = PushImageOptionsBuilder::default().tag(tag).build();
    let login = engine_login(&image, &registry.credentials());
    let _: Vec<_> = engine.push_image(&image, Some(options), login).try_collect().await.expect("the image is pushed");
    let digest = Registry::new(&registry.credentials()).digest(&reference).await.expect("the registry answers");
    digest.expect("the registry has the image")
}

/// Has the BuildKit of the engine behind a unix socket build an image, which leaves layers in its build cache.
///
/// # Panics
/// When the engine cannot be asked.
pub async fn build_by_buildkit(host: &str, name: &str, dockerfile: &str) {
    slipway_runner::tls::provide();
    let socket = host.strip_prefix("unix://").expect("a unix socket");
    let http = reqwest::Client::builder().unix_socket(socket).build().expect("a client");
    let context = archive(&[("Dockerfile", dockerfile.to_owned())]);
    let address = format!("http://docker/build?version=2&networkmode=none&t={name}");
    let request = http.post(address).header("content-type", "application/x-tar");
    let said = request.body(context).send().await.expect("the engine").text().await.expect("all that it says");
    assert!(said.contains("Successfully tagged"), "the image does not build: {said}");
}

/// Removes an image from the engine, under every name that the registry fixture gave it.
pub async fn forget(engine: &Engine, reference: &str) {
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    // Gone already is fine.
    let _ = engine.remove_image(reference, Some(options), None).await;
}

/// The files of an app that serves its version over HTTP on port 8080, and `/health` while it is well. A request for
/// `/cgi-bin/slow` takes a second. It writes a line when it starts and ends at once when asked to.
#[must_use]
pub fn web_app(version: &str, healthy: bool) -> Vec<(&'static str, String)> {
    let health = if healthy { "RUN echo ok > /www/health\n" } else { "" };
    let start = "trap 'exit 0' TERM; echo serving; httpd -f -p 8080 -h /www & wait";
    let dockerfile = format!(
        "FROM busybox:latest\nCOPY index.html /www/\nCOPY slow /www/cgi-bin/slow\nRUN chmod +x /www/cgi-bin/slow\n\
         {health}CMD [\"sh\", \"-c\", \"{start}\"]\n"
    );
    let slow = format!("#!/bin/sh\nsleep 1\nprintf 'Content-Type: text/plain\\r\\n\\r\\n{version}\\n'\n");
    vec![("Dockerfile", dockerfile), ("index.html", format!("{version}\n")), ("slow", slow)]
}

/// The same app in a version that starts and is healthy, but answers every visitor with status 500.
#[must_use]
pub fn failing_app(version: &str) -> Vec<(&'static str, String)> {
    let broken = format!("printf 'Status: 500 Broken\\r\\nContent-Type: text/plain\\r\\n\\r\\n{version}\\n'");
    scripted_app(version, &broken)
}

/// The same app in a version that starts and is healthy, but takes a third of a second to answer a visitor.
#[must_use]
pub fn slow_app(version: &str) -> Vec<(&'static str, String)> {
    scripted_app(version, &format!("sleep 0.3\nprintf 'Content-Type: text/plain\\r\\n\\r\\n{version}\\n'"))
}

/// The failing app, whose health check is answered once and never again: at `/cgi-bin/health`.
#[must_use]
pub fn silent_app(version: &str) -> Vec<(&'static str, String)> {
    let mut files = failing_app(version);
    let health = "#!/bin/sh\nmkdir /asked || sleep 3600\nprintf 'Content-Type: text/plain\\r\\n\\r\\nok\\n'\n";
    files.push(("health", health.to_owned()));
    for (_, dockerfile) in files.iter_mut().filter(|(path, _)| *path == "Dockerfile") {
        let copied = "COPY health /www/cgi-bin/health\nRUN chmod +x /www/cgi-bin/health\nCMD ";
        *dockerfile = dockerfile.replace("CMD ", copied);
    }
    files
}

/// The same app, whose visitors are answered by a script.
fn scripted_app(version: &str, script: &str) -> Vec<(&'static str, String)> {
    let mut files = web_app(version, true);
    for (path, text) in &mut files {
        match *path {
            // The server runs this one for the root where there is no page.
            "Dockerfile" => {
                *text = text.replace(
                    "COPY index.html /www/",
                    "COPY index.cgi /www/cgi-bin/index.cgi\nRUN chmod +x /www/cgi-bin/index.cgi",
                );
            }
            "index.html" => {
                *path = "index.cgi";
                *text = format!("#!/bin/sh\n{script}\n");
            }
            _ => {}
        }
    }
    files
}

fn archive(files: &[(&str, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, text.as_bytes()).expect("a file is added to the build context");
    }
    archive.into_inner().expect("the build context is complete")
}
