//! Every key of captain.yml as data: the one table that the parser, the JSON Schema and docs/captain-yml.md share.

mod apps;
mod environments;
#[cfg(test)]
pub(crate) mod markdown;
mod release;
mod steps;

pub(crate) use apps::{APP, PUSH};
pub(crate) use environments::{APPROVALS, BAKE, BLUE_GREEN, ENVIRONMENT, FROM, ROLLING, SCHEDULE, STRATEGY, WINDOW};
pub(crate) use release::{COMMANDS, HEALTH, PLACEMENT, RELEASE, RESERVE, RESOURCES};
pub(crate) use steps::{READY, SERVICE, STEP, WHEN};

/// A kind of map that the language has.
#[derive(Debug)]
pub(crate) struct Map {
    /// Whose keys they are, for messages: `an app`.
    pub(crate) of: &'static str,
    /// Its part of the reference.
    pub(crate) anchor: &'static str,
    /// Its keys, in the order in which messages and tables list them.
    pub(crate) keys: &'static [Key],
}

/// One key of a map.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) shape: Shape,
    /// What holds without it, in a word or two; `required` where it must be given.
    pub(crate) default: &'static str,
    /// One sentence.
    pub(crate) what: &'static str,
    /// Whose idea it is: where its meaning comes from.
    pub(crate) source: Source,
}

/// Where the meaning of a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// harbur/captain 1.1.3.
    Captain,
    /// `docker run`, `docker build` or the Dockerfile.
    Docker,
    /// Unix cron.
    Cron,
    /// Slipway itself.
    Slipway,
}

/// The shapes of values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A text; numbers and booleans are texts, as they are written.
    Text,
    /// A text that looks like this one.
    TextLike(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number from and to.
    Whole(u32, u32),
    /// A number from and to.
    Number(f64, f64),
    /// A duration such as `5m`.
    Duration,
    /// A size such as `256M`.
    Size,
    /// A share such as `10%`.
    Percent,
    /// So many times, such as `2x`.
    Times,
    /// A list of texts, or a single one.
    Texts,
    /// A list of these words, or a single one.
    SomeOf(&'static [&'static str]),
    /// A list of these words and of other texts, or a single one.
    TextsWith(&'static [&'static str]),
    /// Texts by name.
    Pairs,
    /// Lists of texts by name.
    Lists,
    /// A list of steps, or a single one.
    Steps,
    /// A map with known keys.
    Map(&'static Map),
    /// Such maps by name.
    MapsByName(&'static Map),
    /// Any of these.
    Either(&'static [Shape]),
}

impl Map {
    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// The reserved top-level keys; every other one is an app's name.
pub(crate) static FILE: Map = Map {
    of: "a captain.yml",
    anchor: "the-file",
    keys: &[
        Key {
            name: "defaults",
            shape: Shape::Map(&DEFAULTS),
            default: "none",
            what: "What holds where an app or a step does not say otherwise.",
            source: Source::Slipway,
        },
        Key {
            name: "environments",
            shape: Shape::MapsByName(&ENVIRONMENT),
            default: "none",
            what: "The places to release to, by name.",
            source: Source::Slipway,
        },
        Key {
            name: "schedules",
            shape: Shape::MapsByName(&SCHEDULE),
            default: "none",
            what: "Builds at set times, by name.",
            source: Source::Slipway,
        },
    ],
};

/// `defaults`.
pub(crate) static DEFAULTS: Map = Map {
    of: "\"defaults\"",
    anchor: "defaults",
    keys: &[
        Key {
            name: "step_image",
            shape: Shape::TextLike("node:20"),
            default: "`debian:bookworm-slim`",
            what: "The image in which plain commands run; it needs a shell at `/bin/sh`. A command that has a Docker engine of its own runs in `docker:cli` unless an image is named.",
            source: Source::Slipway,
        },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            default: "the runner's limit",
            what: "How long a step may take.",
            source: Source::Slipway,
        },
        Key {
            name: "commit_length",
            shape: Shape::OneOf(&["short", "full"]),
            default: "`short`",
            what: "Whether the tag `commit` has the first 7 digits of the commit or all of them.",
            source: Source::Slipway,
        },
        Key {
            name: "latest",
            shape: Shape::OneOf(&["default_branch", "always"]),
            default: "`default_branch`",
            what: "Which builds move the tag `latest`: those of the default branch, or all.",
            source: Source::Captain,
        },
    ],
};

/// Every map of the language, in the order of the reference.
pub(crate) static MAPS: [&Map; 23] = [
    &FILE,
    &DEFAULTS,
    &APP,
    &PUSH,
    &STEP,
    &WHEN,
    &SERVICE,
    &READY,
    &RELEASE,
    &HEALTH,
    &RESOURCES,
    &RESERVE,
    &PLACEMENT,
    &COMMANDS,
    &ENVIRONMENT,
    &FROM,
    &BAKE,
    &APPROVALS,
    &STRATEGY,
    &ROLLING,
    &BLUE_GREEN,
    &WINDOW,
    &SCHEDULE,
];
