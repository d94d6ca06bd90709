//! Dockerfiles that build on an image which the same build has just made.
//!
//! Such an image is in no registry yet, and under its own name the engine may hold an older one. So the name is replaced
//! by one that only this build has given.

use slipway_pipelines::dockerfile::Dockerfile;

use super::Base;

/// Replaces the images that a Dockerfile names, where one of the bases is meant. None when nothing was replaced.
pub(super) fn replace(dockerfile: &str, build_args: &[(String, String)], bases: &[Base]) -> Option<String> {
    let read = Dockerfile::read(dockerfile, build_args);
    let mut replaced = dockerfile.to_owned();
    // From the end, so that the places before it stay as they are.
    for named in read.named().iter().rev() {
        if let Some(base) = bases.iter().find(|base| base.is_meant_by(&named.image)) {
            replaced.replace_range(named.place.clone(), &base.local);
        }
    }
    (replaced != dockerfile).then_some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_base(dockerfile: &str) -> Option<String> {
        let base = Base { image: "reg:5000/shop/base".to_owned(), local: "made:1".to_owned(), is_pinned: false };
        replace(dockerfile, &[("VERSION".to_owned(), "latest".to_owned())], &[base])
    }

    #[test]
    fn images_of_the_same_build_are_replaced_where_they_are_named() {
        assert_eq!(
            with_base(
                "# x\nfrom --platform=$BUILDPLATFORM reg:5000/shop/base AS a\n\
                 COPY --chown=1 --from=reg:5000/shop/base:latest /a /b\n\
                 RUN --mount=type=bind,from=reg:5000/shop/base,target=/b true\n"
            )
            .as_deref(),
            Some(
                "# x\nfrom --platform=$BUILDPLATFORM made:1 AS a\nCOPY --chown=1 --from=made:1 /a /b\n\
                 RUN --mount=type=bind,from=made:1,target=/b true\n"
            )
        );
        assert_eq!(
            with_base("ARG VERSION=1\nFROM reg:5000/shop/base:${VERSION}\n").as_deref(),
            Some("ARG VERSION=1\nFROM made:1\n")
        );
    }

    #[test]
    fn a_pinned_image_is_replaced_as_it_is_written() {
        let base = Base { image: "alpine:3".to_owned(), local: "alpine@sha256:aa".to_owned(), is_pinned: true };
        let replaced = replace("FROM alpine:3 AS a\nFROM alpine\nCOPY --from=alpine:3 /a /\n", &[], &[base]);
        let expected = "FROM alpine@sha256:aa AS a\nFROM alpine\nCOPY --from=alpine@sha256:aa /a /\n";
        assert_eq!(replaced.as_deref(), Some(expected));
    }

    #[test]
    fn other_images_tags_and_words_stay() {
        for dockerfile in [
            "FROM busybox:latest\nRUN echo FROM reg:5000/shop/base\n",
            "FROM reg:5000/shop/base:1.2\n",
            "FROM reg:5000/shop/base@sha256:00\n",
            "FROM reg:5000/shop/base-of-another\nCOPY reg:5000/shop/base /x\n",
            "FROM busybox\nRUN <<EOF\nFROM reg:5000/shop/base\nEOF\n",
        ] {
            assert_eq!(with_base(dockerfile), None, "{dockerfile}");
        }
    }
}
