//! The keys of how an app runs where it is released.

use super::{Key, Map, Shape, Source};

/// `release` of an app, and the settings of an app in an environment.
pub(crate) static RELEASE: Map = Map {
    of: "release settings",
    anchor: "release",
    keys: &[
        Key {
            name: "port",
            shape: Shape::Whole(1, 65535),
            default: "none",
            what: "The port that the app listens on; without it nothing is routed to the app.",
            source: Source::Slipway,
        },
        Key {
            name: "replicas",
            shape: Shape::Whole(1, 1000),
            default: "1",
            what: "How many containers run.",
            source: Source::Slipway,
        },
        Key {
            name: "env",
            shape: Shape::Pairs,
            default: "none",
            what: "Environment variables, taken as they are written.",
            source: Source::Docker,
        },
        Key {
            name: "secrets",
            shape: Shape::Texts,
            default: "none",
            what: "Secrets among its environment variables.",
            source: Source::Slipway,
        },
        Key {
            name: "command",
            shape: Shape::Texts,
            default: "the image's own",
            what: "The command: a list of words, or a line that is split at spaces, quotes respected; nothing is expanded.",
            source: Source::Docker,
        },
        Key {
            name: "health",
            shape: Shape::Map(&HEALTH),
            default: "see [health](#health)",
            what: "How to tell that a container is ready.",
            source: Source::Slipway,
        },
        Key {
            name: "resources",
            shape: Shape::Map(&RESOURCES),
            default: "`pids: 4096`",
            what: "Limits of CPU, memory and processes.",
            source: Source::Docker,
        },
        Key {
            name: "placement",
            shape: Shape::Map(&PLACEMENT),
            default: "any node",
            what: "On which nodes of a Swarm the containers run; in environments with `target: swarm`.",
            source: Source::Docker,
        },
        Key {
            name: "domain",
            shape: Shape::TextLike("shop.example.com"),
            default: "none",
            what: "The host name whose requests the proxy sends to the app, all of them or those under a path as in `shop.example.com/api`; it needs `port`.",
            source: Source::Slipway,
        },
        Key {
            name: "preview",
            shape: Shape::TextLike("next.shop.example.com"),
            default: "none",
            what: "The host name under which a blue-green release is reached before its switch; it needs `port`.",
            source: Source::Slipway,
        },
        Key {
            name: "volumes",
            shape: Shape::Texts,
            default: "none",
            what: "Named volumes of the environment, each `NAME:/PATH`.",
            source: Source::Docker,
        },
        Key {
            name: "drain",
            shape: Shape::Duration,
            default: "`10s`",
            what: "How long old containers may finish their requests once traffic has left them.",
            source: Source::Slipway,
        },
        Key {
            name: "before",
            shape: Shape::Either(&[Shape::Texts, Shape::Map(&COMMANDS)]),
            default: "none",
            what: "What is run in the new image before anything of a release takes traffic, such as migrations.",
            source: Source::Slipway,
        },
        Key {
            name: "after",
            shape: Shape::Either(&[Shape::Texts, Shape::Map(&COMMANDS)]),
            default: "none",
            what: "What is run in the new image once a release has all the traffic.",
            source: Source::Slipway,
        },
    ],
};

/// `before` and `after` of a release, as a map.
pub(crate) static COMMANDS: Map = Map {
    of: "commands of a release",
    anchor: "before-and-after",
    keys: &[
        Key {
            name: "run",
            shape: Shape::Texts,
            default: "required",
            what: "The commands, one after the other: each a line that is split at spaces, quotes respected; nothing is expanded.",
            source: Source::Slipway,
        },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            default: "`30m`",
            what: "How long each of them may take.",
            source: Source::Slipway,
        },
    ],
};

/// `health` of a release.
pub(crate) static HEALTH: Map = Map {
    of: "\"health\"",
    anchor: "health",
    keys: &[
        Key {
            name: "http",
            shape: Shape::TextLike("/health"),
            default: "none",
            what: "A GET of this path on `port` answers 200 to 399.",
            source: Source::Slipway,
        },
        Key {
            name: "tcp",
            shape: Shape::OneOf(&["true"]),
            default: "when there is a `port`",
            what: "`port` accepts a connection.",
            source: Source::Slipway,
        },
        Key {
            name: "command",
            shape: Shape::Texts,
            default: "none",
            what: "The engine runs this in the container, and it ends with 0: a list of words, or a line that is split at spaces.",
            source: Source::Docker,
        },
        Key {
            name: "interval",
            shape: Shape::Duration,
            default: "`2s`",
            what: "The time between two probes.",
            source: Source::Docker,
        },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            default: "`1s`",
            what: "How long one probe may take.",
            source: Source::Docker,
        },
        Key {
            name: "retries",
            shape: Shape::Whole(1, 100),
            default: "3",
            what: "How many probes in a row must fail before a healthy container counts as sick.",
            source: Source::Docker,
        },
        Key {
            name: "start",
            shape: Shape::Duration,
            default: "`30s`",
            what: "How long a container may take until its first success.",
            source: Source::Docker,
        },
    ],
};

/// `resources` of a release.
pub(crate) static RESOURCES: Map = Map {
    of: "\"resources\"",
    anchor: "resources",
    keys: &[
        Key {
            name: "cpus",
            shape: Shape::Number(0.01, 1024.0),
            default: "no limit",
            what: "In CPUs: 0.5 is half of one.",
            source: Source::Docker,
        },
        Key {
            name: "memory",
            shape: Shape::Size,
            default: "no limit",
            what: "At least `6M`; units are powers of 1024.",
            source: Source::Docker,
        },
        Key {
            name: "pids",
            shape: Shape::Whole(16, 4_194_304),
            default: "`4096`",
            what: "How many processes and threads there may be at once.",
            source: Source::Docker,
        },
        Key {
            name: "reserve",
            shape: Shape::Map(&RESERVE),
            default: "nothing",
            what: "What a node of a Swarm must have left for each container; in environments with `target: swarm`.",
            source: Source::Docker,
        },
    ],
};

/// `reserve` of the resources.
pub(crate) static RESERVE: Map = Map {
    of: "\"reserve\"",
    anchor: "resources",
    keys: &[
        Key {
            name: "cpus",
            shape: Shape::Number(0.01, 1024.0),
            default: "none",
            what: "In CPUs.",
            source: Source::Docker,
        },
        Key {
            name: "memory",
            shape: Shape::Size,
            default: "none",
            what: "At least `6M`; units are powers of 1024.",
            source: Source::Docker,
        },
    ],
};

/// `placement` of a release.
pub(crate) static PLACEMENT: Map = Map {
    of: "\"placement\"",
    anchor: "placement",
    keys: &[
        Key {
            name: "constraints",
            shape: Shape::Texts,
            default: "none",
            what: "What a node must be like, each `KEY==VALUE` or `KEY!=VALUE`, such as `node.labels.zone==a`.",
            source: Source::Docker,
        },
        Key {
            name: "preferences",
            shape: Shape::Texts,
            default: "none",
            what: "Over what the containers are spread evenly, the most important first, each `spread=KEY`, such as `spread=node.labels.zone`.",
            source: Source::Docker,
        },
    ],
};
