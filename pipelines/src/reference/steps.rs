//! The keys of steps, of the conditions and of the services beside them.

use super::{Key, Map, Shape, Source};

/// A step that is written as a map.
pub(crate) static STEP: Map = Map {
    of: "a step",
    anchor: "steps",
    keys: &[
        Key {
            name: "name",
            shape: Shape::Text,
            default: "the command",
            what: "What people read.",
            source: Source::Slipway,
        },
        Key {
            name: "image",
            shape: Shape::TextLike("node:20"),
            default: "the app's `step_image`",
            what: "The image that it runs in.",
            source: Source::Slipway,
        },
        Key {
            name: "run",
            shape: Shape::Texts,
            default: "the image's own command",
            what: "A line or a list of lines for `/bin/sh -ec`, run in the workspace; or a `docker run` line, where the step has no `image`.",
            source: Source::Slipway,
        },
        Key {
            name: "env",
            shape: Shape::Pairs,
            default: "none",
            what: "Variables, over those of the app.",
            source: Source::Slipway,
        },
        Key {
            name: "secrets",
            shape: Shape::Texts,
            default: "none",
            what: "Secrets that it finds in its environment, besides those of the app.",
            source: Source::Slipway,
        },
        Key {
            name: "cache",
            shape: Shape::Texts,
            default: "none",
            what: "Folders that outlive the build: relative ones are the workspace's, absolute ones the container's.",
            source: Source::Slipway,
        },
        Key {
            name: "start",
            shape: Shape::Texts,
            default: "none",
            what: "Apps whose images, just built, run as services first; for tests.",
            source: Source::Slipway,
        },
        Key {
            name: "when",
            shape: Shape::Map(&WHEN),
            default: "always",
            what: "When it runs.",
            source: Source::Slipway,
        },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            default: "the app's `timeout`",
            what: "How long it may take.",
            source: Source::Slipway,
        },
        Key {
            name: "matrix",
            shape: Shape::Lists,
            default: "none",
            what: "Variables with their values: the step is repeated for each combination, at most 64.",
            source: Source::Slipway,
        },
        Key {
            name: "engine",
            shape: Shape::Bool,
            default: "by itself where a plain command calls docker",
            what: "Whether it gets a Docker engine of its own, bounded to the build.",
            source: Source::Slipway,
        },
    ],
};

/// `when` of an app or a step.
pub(crate) static WHEN: Map = Map {
    of: "\"when\"",
    anchor: "conditions",
    keys: &[
        Key {
            name: "branch",
            shape: Shape::Texts,
            default: "any",
            what: "Patterns of branches; of the target for a pull request.",
            source: Source::Slipway,
        },
        Key {
            name: "tag",
            shape: Shape::Texts,
            default: "any",
            what: "Patterns of git tags.",
            source: Source::Slipway,
        },
        Key {
            name: "event",
            shape: Shape::SomeOf(&["push", "tag", "pull_request", "schedule", "manual"]),
            default: "any",
            what: "What caused the build.",
            source: Source::Slipway,
        },
        Key {
            name: "paths",
            shape: Shape::Texts,
            default: "any",
            what: "Patterns of paths: one of the changed files must match.",
            source: Source::Slipway,
        },
    ],
};

/// One of the `services` of an app.
pub(crate) static SERVICE: Map = Map {
    of: "a service",
    anchor: "services",
    keys: &[
        Key {
            name: "image",
            shape: Shape::TextLike("postgres:16"),
            default: "required",
            what: "Its image.",
            source: Source::Slipway,
        },
        Key { name: "env", shape: Shape::Pairs, default: "none", what: "Its variables.", source: Source::Slipway },
        Key {
            name: "secrets",
            shape: Shape::Texts,
            default: "none",
            what: "Secrets that it finds in its environment.",
            source: Source::Slipway,
        },
        Key {
            name: "command",
            shape: Shape::Texts,
            default: "the image's own",
            what: "The command: a list of words, or a line that is split at spaces, quotes respected.",
            source: Source::Docker,
        },
        Key {
            name: "health",
            shape: Shape::Map(&READY),
            default: "the image's HEALTHCHECK, or that it runs",
            what: "How to tell that it is ready; the steps wait for it.",
            source: Source::Slipway,
        },
    ],
};

/// `health` of a service.
pub(crate) static READY: Map = Map {
    of: "\"health\" of a service",
    anchor: "services",
    keys: &[
        Key {
            name: "port",
            shape: Shape::Whole(1, 65535),
            default: "none",
            what: "The port that accepts a connection once it is ready.",
            source: Source::Slipway,
        },
        Key {
            name: "http",
            shape: Shape::TextLike("/health"),
            default: "none",
            what: "A GET of this path on `port` answers 200 to 399 once it is ready.",
            source: Source::Slipway,
        },
        Key {
            name: "command",
            shape: Shape::Texts,
            default: "none",
            what: "The engine runs this in the container, such as `pg_isready`, and it ends with 0 once it is ready.",
            source: Source::Docker,
        },
        Key {
            name: "start",
            shape: Shape::Duration,
            default: "`1m`",
            what: "How long it may take to become ready.",
            source: Source::Slipway,
        },
    ],
};
