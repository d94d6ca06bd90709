//! What an image was built on, by what its bases were and not by what their names mean today.

use slipway_pipelines::dockerfile::Dockerfile;

use super::{
    provenance::{Identity, Material},
    step::Bench,
};
use crate::{
    engine::Engine,
    images::{ImageRequest, dockerfile},
};

/// The most images that are told of one that is built on them.
const MOST: usize = 100;

impl Bench<'_> {
    /// The images that an image was built on. `fetched` are those whose digests BuildKit asked for: `name:tag@sha256:…`; of
    /// the others the engine tells, which had them.
    pub(super) async fn materials(&self, request: &ImageRequest, fetched: &[String]) -> Vec<Material> {
        let Some(text) = dockerfile(request).await else { return Vec::new() };
        let read = Dockerfile::read(&text, &request.build_args);
        let mut materials: Vec<Material> = Vec::new();
        let used = read.images(request.target.as_deref()).into_iter().map(|used| used.image);
        for image in used.chain(read.frontend().map(str::to_owned)).take(MOST) {
            if materials.iter().any(|known| known.image == image) {
                continue;
            }
            let own = request.bases.iter().find(|base| base.is_meant_by(&image));
            let is = match own {
                Some(base) if base.is_pinned => digest(&base.local, &[]).map(Identity::Digest),
                Some(base) => on_engine(self.site.engine(), &base.local).await,
                None => match digest(&image, fetched) {
                    Some(digest) => Some(Identity::Digest(digest)),
                    None => on_engine(self.site.engine(), &image).await,
                },
            };
            materials.extend(is.map(|is| Material { image, is }));
        }
        materials
    }
}

/// The digest of an image: its own, or that under which it was fetched.
fn digest(image: &str, fetched: &[String]) -> Option<String> {
    let own = std::iter::once(image).filter_map(|image| image.split_once('@'));
    let fetched = fetched.iter().filter_map(|fetched| fetched.split_once('@'));
    let fetched = fetched.filter(|(name, _)| whole(name) == whole(image));
    own.chain(fetched).map(|(_, digest)| digest.to_owned()).next()
}

/// What the engine knows of an image that it has.
async fn on_engine(engine: &Engine, image: &str) -> Option<Identity> {
    let found = engine.inspect_image(image).await.ok()?;
    let name = whole(image);
    let repository = name.rsplit_once(':').map_or(name.as_str(), |(repository, _)| repository);
    let digests = found.repo_digests.unwrap_or_default();
    let digest = digests
        .iter()
        .filter_map(|known| known.split_once('@'))
        .find(|(known, _)| whole(known).rsplit_once(':').is_some_and(|(known, _)| known == repository));
    match digest {
        Some((_, digest)) => Some(Identity::Digest(digest.to_owned())),
        None => found.id.map(Identity::Id),
    }
}

/// A name with all that Docker leaves out of it: its tag, Docker Hub's address and its folder.
fn whole(image: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_under_the_name_that_buildkit_gives_it() {
        let fetched =
            ["docker.io/library/busybox:latest@sha256:aa", "reg:5000/shop/base:1@sha256:bb"].map(str::to_owned);
        let found = |image: &str| digest(image, &fetched);
        assert_eq!(found("busybox").as_deref(), Some("sha256:aa"));
        assert_eq!(found("reg:5000/shop/base:1").as_deref(), Some("sha256:bb"));
        assert_eq!(found("reg:5000/shop/base"), None, "another tag is another image");
        assert_eq!(found("alpine@sha256:cc").as_deref(), Some("sha256:cc"));
    }
}
