//! Bases that captain.yml wants to be pinned: each is asked for at its registry once, and built upon by its digest.

use slipway_pipelines::dockerfile::{Dockerfile, means};

use super::step::Bench;
use crate::{
    images::{self, Base, ImageRequest, dockerfile},
    registry::pinned,
    reporter::StepLog,
    steps::{Patience, StepError},
};

impl Bench<'_> {
    /// The images that a Dockerfile names without a digest, each with the one that its name has in its registry now. The
    /// engine has them afterwards.
    pub(super) async fn pinned(
        &self,
        request: &ImageRequest,
        log: &StepLog,
        patience: &Patience,
    ) -> Result<Vec<Base>, StepError> {
        // What is wrong with the file is for the build to say.
        let Some(text) = dockerfile(request).await else { return Ok(Vec::new()) };
        let read = Dockerfile::read(&text, &request.build_args);
        let refused = |why: &str| {
            let (app, file) = (&request.app, &request.dockerfile);
            StepError::Other(format!(
                "the bases of `{app}` cannot be pinned: {why}. Name each in {file} as it is, or leave `pin` out"
            ))
        };
        if read.hides_images() {
            return Err(refused("an image is named by what is not known before it is built"));
        }
        let mut bases: Vec<Base> = Vec::new();
        for used in read.images(request.target.as_deref()) {
            let image = used.image;
            let is_own = request.bases.iter().any(|base| means(&image, &base.image));
            if is_own || image.contains('@') || bases.iter().any(|base| base.image == image) {
                continue;
            }
            if !read.named().iter().any(|named| named.image == image) {
                return Err(refused(&format!("the name `{image}` goes over the end of a line")));
            }
            let (name, tag) = parts(&image);
            let wanted = format!("{name}:{tag}");
            let asking = Box::pin(async { Ok(self.registry.digest(&wanted).await) });
            let found = patience.bear(asking).await?;
            let digest = found.map_err(|error| refused(&error.to_string()))?;
            let digest = digest.ok_or_else(|| refused(&format!("no registry has `{image}`")))?;
            let local = pinned(name, &digest);
            log.say(format!("{image} is pinned to {digest}")).await;
            let fetched = images::ensure(self.site.engine(), &local, self.site.registries(), log, patience.cancel());
            patience.bear(fetched).await?;
            bases.push(Base { image, local, is_pinned: true });
        }
        Ok(bases)
    }
}

/// The name and the tag of an image.
fn parts(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(parts("busybox"), ("busybox", "latest"));
        assert_eq!(parts("reg:5000/shop/base"), ("reg:5000/shop/base", "latest"));
        assert_eq!(parts("reg:5000/shop/base:1"), ("reg:5000/shop/base", "1"));
    }
}
