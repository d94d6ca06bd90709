//! The keys of apps.

use super::{Key, Map, RELEASE, SERVICE, Shape, Source, WHEN};

/// One top-level entry: an image to build, with the steps around it.
pub(crate) static APP: Map = Map {
    of: "an app",
    anchor: "apps",
    keys: &[
        Key {
            name: "build",
            shape: Shape::TextLike("web/Dockerfile"),
            default: "`Dockerfile`",
            what: "The Dockerfile, relative to the repository's root.",
            source: Source::Captain,
        },
        Key {
            name: "context",
            shape: Shape::TextLike("."),
            default: "the Dockerfile's folder",
            what: "The build context: a folder relative to the repository's root.",
            source: Source::Captain,
        },
        Key {
            name: "target",
            shape: Shape::Text,
            default: "the last stage",
            what: "The stage of the Dockerfile to build.",
            source: Source::Docker,
        },
        Key {
            name: "image",
            shape: Shape::TextLike("registry.example.com/shop/web"),
            default: "required",
            what: "The image's name, with its registry, without a tag: a build adds its tags.",
            source: Source::Captain,
        },
        Key {
            name: "needs",
            shape: Shape::Texts,
            default: "none",
            what: "Apps that must be built first, besides those whose images the Dockerfile names in `FROM` and `COPY --from`.",
            source: Source::Slipway,
        },
        Key {
            name: "build_arg",
            shape: Shape::Pairs,
            default: "none",
            what: "Build arguments; a key without a value gives an empty argument.",
            source: Source::Captain,
        },
        Key {
            name: "build_secret",
            shape: Shape::Texts,
            default: "none",
            what: "Secrets that `RUN --mount=type=secret,id=NAME` may read; they are in no layer, argument or log.",
            source: Source::Docker,
        },
        Key {
            name: "build_cache",
            shape: Shape::OneOf(&["engine", "registry"]),
            default: "`engine`",
            what: "Where BuildKit looks for layers that are made already: on its engine, or also in the images that earlier builds pushed.",
            source: Source::Docker,
        },
        Key {
            name: "step_image",
            shape: Shape::TextLike("node:20"),
            default: "that of `defaults`",
            what: "The image in which the app's plain commands run.",
            source: Source::Slipway,
        },
        Key {
            name: "env",
            shape: Shape::Pairs,
            default: "none",
            what: "Variables of all of its steps.",
            source: Source::Slipway,
        },
        Key {
            name: "secrets",
            shape: Shape::Texts,
            default: "none",
            what: "Secrets that all of its steps find in their environment.",
            source: Source::Slipway,
        },
        Key {
            name: "pre",
            shape: Shape::Steps,
            default: "none",
            what: "Steps before the image is built; the first that fails fails the build.",
            source: Source::Captain,
        },
        Key {
            name: "post",
            shape: Shape::Steps,
            default: "none",
            what: "Steps after the image is built; the first that fails fails the build.",
            source: Source::Captain,
        },
        Key {
            name: "test",
            shape: Shape::Steps,
            default: "none",
            what: "Steps that must pass, for every app of the build, before anything is pushed.",
            source: Source::Captain,
        },
        Key {
            name: "services",
            shape: Shape::MapsByName(&SERVICE),
            default: "none",
            what: "Containers beside its `pre` and `test` steps, reached by name.",
            source: Source::Slipway,
        },
        Key {
            name: "when",
            shape: Shape::Map(&WHEN),
            default: "always",
            what: "When the app takes part in a build.",
            source: Source::Slipway,
        },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            default: "that of `defaults`",
            what: "How long each of its steps may take.",
            source: Source::Slipway,
        },
        Key {
            name: "matrix",
            shape: Shape::Lists,
            default: "none",
            what: "Variables with their values: the app is repeated for each combination, at most 64.",
            source: Source::Slipway,
        },
        Key {
            name: "tags",
            shape: Shape::TextsWith(&["branch", "commit", "semver", "latest"]),
            default: "`[branch, commit, semver, latest]`",
            what: "The tags of its image: these words, and texts of its own in which variables stand.",
            source: Source::Slipway,
        },
        Key {
            name: "commit_length",
            shape: Shape::OneOf(&["short", "full"]),
            default: "that of `defaults`",
            what: "Whether the tag `commit` has the first 7 digits of the commit or all of them.",
            source: Source::Slipway,
        },
        Key {
            name: "latest",
            shape: Shape::OneOf(&["default_branch", "always"]),
            default: "that of `defaults`",
            what: "Which builds move the tag `latest`: those of the default branch, or all.",
            source: Source::Captain,
        },
        Key {
            name: "push",
            shape: Shape::Either(&[Shape::Bool, Shape::Map(&PUSH)]),
            default: "`true`",
            what: "Whether its image is pushed: by every build of a branch or tag, by none, or by those that match.",
            source: Source::Slipway,
        },
        Key {
            name: "release",
            shape: Shape::Map(&RELEASE),
            default: "none",
            what: "How the app runs where it is released; without it the app is built and pushed only.",
            source: Source::Slipway,
        },
    ],
};

/// `push` of an app.
pub(crate) static PUSH: Map = Map {
    of: "\"push\"",
    anchor: "push",
    keys: &[
        Key {
            name: "branches",
            shape: Shape::Texts,
            default: "none",
            what: "Patterns of the branches whose builds push.",
            source: Source::Slipway,
        },
        Key {
            name: "tags",
            shape: Shape::Texts,
            default: "none",
            what: "Patterns of the git tags whose builds push.",
            source: Source::Slipway,
        },
    ],
};
