//! The keys of environments and schedules.

use super::{Key, Map, RELEASE, Shape, Source};

/// How much of something a container may use.
const USAGE: Shape = Shape::Either(&[Shape::Percent, Shape::Times, Shape::OneOf(&["off"])]);

/// One of the `environments`.
pub(crate) static ENVIRONMENT: Map = Map {
    of: "an environment",
    anchor: "environments",
    keys: &[
        Key {
            name: "from",
            shape: Shape::Either(&[Shape::Text, Shape::Map(&FROM)]),
            default: "required",
            what: "Where its releases come from: `{branch: NAME}` releases every successful build of the branch, the name of another environment lets what is live there be promoted.",
            source: Source::Slipway,
        },
        Key {
            name: "apps",
            shape: Shape::MapsByName(&RELEASE),
            default: "none",
            what: "What is different here, by app.",
            source: Source::Slipway,
        },
        Key {
            name: "auto",
            shape: Shape::Bool,
            default: "`false`",
            what: "Whether what is live in the source is promoted by itself.",
            source: Source::Slipway,
        },
        Key {
            name: "bake",
            shape: Shape::Either(&[Shape::Duration, Shape::Map(&BAKE)]),
            default: "none",
            what: "How long a release must have been live in the source before it may enter, at most 30d.",
            source: Source::Slipway,
        },
        Key {
            name: "approvals",
            shape: Shape::Either(&[Shape::Whole(0, 20), Shape::Map(&APPROVALS)]),
            default: "0",
            what: "How many people must agree first.",
            source: Source::Slipway,
        },
        Key {
            name: "strategy",
            shape: Shape::Either(&[
                Shape::OneOf(&["rolling", "blue-green", "recreate", "canary"]),
                Shape::Map(&STRATEGY),
            ]),
            default: "`rolling`",
            what: "How a release replaces the one before.",
            source: Source::Slipway,
        },
        Key {
            name: "window",
            shape: Shape::Map(&WINDOW),
            default: "at any time",
            what: "When releases may begin.",
            source: Source::Slipway,
        },
        Key {
            name: "compose",
            shape: Shape::TextLike("deploy/docker-compose.yml"),
            default: "none",
            what: "A [compose file](#compose-files) of the repository that says how the apps run here.",
            source: Source::Docker,
        },
        Key {
            name: "target",
            shape: Shape::OneOf(&["docker", "swarm"]),
            default: "`docker`",
            what: "What runs the containers.",
            source: Source::Slipway,
        },
    ],
};

/// `from` of an environment, as a map.
pub(crate) static FROM: Map = Map {
    of: "\"from\"",
    anchor: "environments",
    keys: &[Key {
        name: "branch",
        shape: Shape::TextLike("main"),
        default: "required",
        what: "The branch whose successful builds are released.",
        source: Source::Slipway,
    }],
};

/// `bake` of an environment, as a map.
pub(crate) static BAKE: Map = Map {
    of: "\"bake\"",
    anchor: "bake",
    keys: &[
        Key {
            name: "time",
            shape: Shape::Duration,
            default: "required",
            what: "How long, at most 30d.",
            source: Source::Slipway,
        },
        Key {
            name: "max_cpu",
            shape: USAGE,
            default: "`2x`",
            what: "The most CPU that a container may use: a share of its limit, or so many times what the release before used.",
            source: Source::Slipway,
        },
        Key {
            name: "max_memory",
            shape: USAGE,
            default: "`2x`",
            what: "The most memory that a container may use: a share of its limit, or so many times what the release before used.",
            source: Source::Slipway,
        },
        Key {
            name: "max_errors",
            shape: Shape::Percent,
            default: "not judged",
            what: "The largest share of answers 5xx.",
            source: Source::Slipway,
        },
        Key {
            name: "max_latency",
            shape: Shape::Duration,
            default: "not judged",
            what: "The longest that the slowest twentieth of the requests may take.",
            source: Source::Slipway,
        },
    ],
};

/// `approvals` of an environment, as a map.
pub(crate) static APPROVALS: Map = Map {
    of: "\"approvals\"",
    anchor: "approvals",
    keys: &[
        Key {
            name: "count",
            shape: Shape::Whole(0, 20),
            default: "required",
            what: "How many people must agree.",
            source: Source::Slipway,
        },
        Key {
            name: "author",
            shape: Shape::Bool,
            default: "`false`",
            what: "Whether whoever wrote the commit or asked for the release may be one of them.",
            source: Source::Slipway,
        },
    ],
};

/// `strategy` of an environment, as a map.
pub(crate) static STRATEGY: Map = Map {
    of: "\"strategy\"",
    anchor: "strategy",
    keys: &[
        Key {
            name: "rolling",
            shape: Shape::Map(&ROLLING),
            default: "see [rolling](#rolling)",
            what: "How many containers are replaced at a time.",
            source: Source::Slipway,
        },
        Key {
            name: "blue-green",
            shape: Shape::Map(&BLUE_GREEN),
            default: "see [blue-green](#blue-green)",
            what: "How long the new containers stand beside the old ones before the switch.",
            source: Source::Slipway,
        },
        Key {
            name: "canary",
            shape: Shape::Texts,
            default: "`[10%, 50%]`",
            what: "The growing shares of the traffic that the new release gets, step by step.",
            source: Source::Slipway,
        },
        Key {
            name: "bake",
            shape: Shape::Duration,
            default: "`5m`",
            what: "How long each step is watched.",
            source: Source::Slipway,
        },
        Key {
            name: "max_cpu",
            shape: USAGE,
            default: "`2x`",
            what: "The most CPU that a container may use: a share of its limit, or so many times what the stable version uses.",
            source: Source::Slipway,
        },
        Key {
            name: "max_memory",
            shape: USAGE,
            default: "`2x`",
            what: "The most memory that a container may use: a share of its limit, or so many times what the stable version uses.",
            source: Source::Slipway,
        },
        Key {
            name: "max_errors",
            shape: Shape::Percent,
            default: "5 points more than the stable version's",
            what: "The largest share of answers 5xx.",
            source: Source::Slipway,
        },
        Key {
            name: "max_latency",
            shape: Shape::Either(&[Shape::Duration, Shape::Times, Shape::OneOf(&["off"])]),
            default: "`2x`",
            what: "The longest that the slowest twentieth of the requests may take: so long, or so many times as long as the stable version's.",
            source: Source::Slipway,
        },
    ],
};

/// `blue-green` of a strategy.
pub(crate) static BLUE_GREEN: Map = Map {
    of: "\"blue-green\"",
    anchor: "blue-green",
    keys: &[Key {
        name: "bake",
        shape: Shape::Duration,
        default: "none",
        what: "How long the new containers are watched, and can be looked at, before the switch.",
        source: Source::Slipway,
    }],
};

/// `rolling` of a strategy.
pub(crate) static ROLLING: Map = Map {
    of: "\"rolling\"",
    anchor: "rolling",
    keys: &[
        Key {
            name: "surge",
            shape: Shape::Either(&[Shape::Whole(0, 1000), Shape::Percent]),
            default: "1",
            what: "How many more containers than the replicas may run meanwhile; a share is rounded up.",
            source: Source::Slipway,
        },
        Key {
            name: "unavailable",
            shape: Shape::Either(&[Shape::Whole(0, 1000), Shape::Percent]),
            default: "0",
            what: "How many fewer than the replicas may be ready meanwhile; a share is rounded down.",
            source: Source::Slipway,
        },
    ],
};

/// `window` of an environment.
pub(crate) static WINDOW: Map = Map {
    of: "\"window\"",
    anchor: "window",
    keys: &[
        Key {
            name: "days",
            shape: Shape::Texts,
            default: "all",
            what: "The days: names such as `Mon`, and spans such as `Mon-Fri`.",
            source: Source::Slipway,
        },
        Key {
            name: "hours",
            shape: Shape::TextLike("09:00-16:00"),
            default: "all day",
            what: "From when until when; `22:00-04:00` ends on the next day.",
            source: Source::Slipway,
        },
        Key {
            name: "timezone",
            shape: Shape::TextLike("Europe/Madrid"),
            default: "`UTC`",
            what: "The time zone, a name of the IANA database.",
            source: Source::Slipway,
        },
    ],
};

/// One of the `schedules`.
pub(crate) static SCHEDULE: Map = Map {
    of: "a schedule",
    anchor: "schedules",
    keys: &[
        Key {
            name: "cron",
            shape: Shape::TextLike("0 2 * * *"),
            default: "required",
            what: "When: minute, hour, day of the month, month, day of the week; or `@daily` and its kin.",
            source: Source::Cron,
        },
        Key {
            name: "timezone",
            shape: Shape::TextLike("Europe/Madrid"),
            default: "`UTC`",
            what: "The time zone that `cron` is read in, a name of the IANA database.",
            source: Source::Slipway,
        },
        Key {
            name: "branch",
            shape: Shape::TextLike("main"),
            default: "the default branch",
            what: "The branch that is built.",
            source: Source::Slipway,
        },
    ],
};
