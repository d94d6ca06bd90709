//! Everything that an image is made of, as one key: two builds with the same key make the same image.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
};

use serde::Serialize;
use sha2::{Digest, Sha256};
use slipway_pipelines::dockerfile::Dockerfile;

use super::{ContextLimits, ImageRequest, context::Context};
use crate::{
    engine::Engine,
    workspace::{Entry, EntryKind},
};

/// Raised when keys are made otherwise, so that no older one is taken for a new one.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Inputs<'a> {
    version: u32,
    platform: String,
    dockerfile: String,
    context: String,
    target: Option<&'a str>,
    build_args: BTreeMap<&'a str, &'a str>,
    /// Their names: as for BuildKit's own cache, a secret's value is no input, and a key must not tell of it.
    secrets: Vec<&'a str>,
    /// The ids of the images that it builds on, by the names that it uses.
    bases: BTreeMap<String, String>,
}

/// The key of what is asked for; none where something goes into the image that nobody can know beforehand.
pub(crate) async fn input_key(engine: &Engine, request: &ImageRequest) -> Option<String> {
    let (read, platform) = tokio::join!(contents(request), platform(engine));
    let ((dockerfile, context), platform) = (read?, platform?);
    let text = String::from_utf8_lossy(&dockerfile);
    let known = Dockerfile::read(&text, &request.build_args);
    if known.takes_unknown() {
        return None;
    }
    let mut bases = BTreeMap::new();
    for used in known.images(request.target.as_deref()) {
        let own = request.bases.iter().find(|base| base.is_meant_by(&used.image));
        let id = base_id(engine, own.map_or(used.image.as_str(), |base| base.local.as_str())).await?;
        bases.insert(used.image, id);
    }
    let inputs = Inputs {
        version: VERSION,
        platform,
        dockerfile: hex(&Sha256::digest(&dockerfile)),
        context,
        target: request.target.as_deref(),
        build_args: request.build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        secrets: request.secrets.iter().map(|(name, _)| name.as_str()).collect(),
        bases,
    };
    Some(hex(&Sha256::digest(serde_json::to_vec(&inputs).ok()?)))
}

/// The Dockerfile as it is committed; none where it cannot be read, which is for the build to say.
pub(crate) async fn dockerfile(request: &ImageRequest) -> Option<String> {
    let request = ImageRequest { bases: Vec::new(), ..request.clone() };
    let reading = tokio::task::spawn_blocking(move || {
        let context = Context::open(&request, ContextLimits::default()).ok()?;
        Some(String::from_utf8_lossy(context.dockerfile()).into_owned())
    });
    reading.await.ok().flatten()
}

/// The Dockerfile as it is committed, and a digest over the context. What is wrong with either is for the build to say.
async fn contents(request: &ImageRequest) -> Option<(Vec<u8>, String)> {
    // Bases are among the inputs by their ids; the names that this build gave them are its own.
    let request = ImageRequest { bases: Vec::new(), ..request.clone() };
    let reading = tokio::task::spawn_blocking(move || {
        let context = Context::open(&request, ContextLimits::default()).ok()?;
        let dockerfile = context.dockerfile().to_vec();
        let mut digest = Sha256::new();
        context.each(|| false, |entry| add(&mut digest, entry)).ok()?;
        Some((dockerfile, hex(&digest.finalize())))
    });
    reading.await.ok().flatten()
}

/// Times are left out, as BuildKit leaves them out: a checkout makes all of them anew. Every part says how long it is, so
/// that no two trees read alike.
fn add(digest: &mut Sha256, entry: Entry) -> io::Result<()> {
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(entry.path.as_os_str().as_bytes());
    part(&entry.mode.to_le_bytes());
    match entry.kind {
        EntryKind::Folder => part(b"folder"),
        EntryKind::Link(target) => {
            part(b"link");
            part(target.as_os_str().as_bytes());
        }
        EntryKind::File(file, size) => {
            part(b"file");
            digest.update(size.to_le_bytes());
            let read = io::copy(&mut file.take(size), digest)?;
            if read != size {
                return Err(io::Error::other("a file of the context changed while it was read"));
            }
        }
    }
    Ok(())
}

/// The id of an image that the engine has, which is what it would build on. None when it would have to be fetched first:
/// what a tag means then is not known yet. None, too, when the image brings instructions of its own that may fetch.
async fn base_id(engine: &Engine, image: &str) -> Option<String> {
    let found = engine.inspect_image(image).await.ok()?;
    let triggers = found.config.and_then(|config| config.on_build).unwrap_or_default();
    if triggers.is_empty() { found.id } else { None }
}

/// What the engine builds for, such as `linux/amd64`.
async fn platform(engine: &Engine) -> Option<String> {
    let version = engine.version().await.ok()?;
    Some(format!("{}/{}", version.os?, version.arch?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;
    use crate::workspace::Workspace;

    async fn digest(root: &Path) -> String {
        let request = ImageRequest {
            app: "web".to_owned(),
            dockerfile: "Dockerfile".to_owned(),
            context: ".".to_owned(),
            ..ImageRequest::of(Workspace::open(root.to_owned()).unwrap())
        };
        contents(&request).await.unwrap().1
    }

    #[tokio::test]
    async fn every_name_mode_and_byte_counts_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
        fs::write(path(".dockerignore"), "notes\n").unwrap();
        fs::write(path("a"), "one").unwrap();
        let mut seen = vec![digest(root.path()).await];
        fs::write(path("notes"), "ignored").unwrap();
        assert_eq!(digest(root.path()).await, seen[0], "what is ignored is no input");
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(path("a"), "two").unwrap(),
            &|| fs::rename(path("a"), path("b")).unwrap(),
            &|| fs::set_permissions(path("b"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap(),
            &|| fs::create_dir(path("empty")).unwrap(),
            &|| symlink("b", path("link")).unwrap(),
        ];
        for change in changes {
            change();
            let now = digest(root.path()).await;
            assert!(!seen.contains(&now));
            seen.push(now);
        }
        fs::write(path("b"), "two").unwrap();
        assert_eq!(Some(&digest(root.path()).await), seen.last(), "when it was written is no input");
    }
}
