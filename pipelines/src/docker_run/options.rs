//! The options of `docker run`: those that a step may have, and why it may not have the others.

use std::iter::Peekable;

use crate::diagnostics::Problem;

/// What an accepted option is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AddHost,
    Alias,
    Cpus,
    Entrypoint,
    Env,
    EnvFile,
    Hostname,
    Init,
    Link,
    Memory,
    Mount,
    Name,
    Network,
    ReadOnly,
    ShmSize,
    Tmpfs,
    User,
    Volume,
    Workdir,
}

/// An option with its value; a flag's value is `true` or `false`.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) kind: Kind,
    pub(super) value: String,
}

/// What comes of an option.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It is honoured.
    Take(Kind),
    /// It is true for every step anyway (`--rm`), or without meaning for one (`-t`).
    Ignore,
    /// It is left out, and a person should know why.
    Warn(&'static str),
    /// No step may have it.
    Refuse(&'static str),
    /// The same, with what to write instead.
    Instead(&'static str, &'static str),
}

/// An option as the docker command has it.
#[derive(Debug, Clone, Copy)]
struct Spec {
    long: &'static str,
    short: Option<char>,
    /// Whether a value follows; otherwise it is a flag.
    valued: bool,
    then: Then,
}

const fn valued(long: &'static str, then: Then) -> Spec {
    Spec { long, short: None, valued: true, then }
}

const fn flag(long: &'static str, then: Then) -> Spec {
    Spec { long, short: None, valued: false, then }
}

const fn or(short: char, spec: Spec) -> Spec {
    Spec { short: Some(short), ..spec }
}

const HOST: Then = Then::Refuse("it would give the step power over the host");
const NAMESPACES: Then =
    Then::Refuse("a step may not share the host's or another container's processes, memory or users");
const MOUNTS: Then = Then::Refuse("a step mounts the workspace and caches only, with -v");
const DETACHED: Then = Then::Instead(
    "a step runs to its end",
    "an entry under \"services\" of the app, which runs beside its steps and is reached by its name",
);
const PORTS: Then = Then::Warn(
    "a step publishes no ports on the host; the containers of a build reach each other by name and on any port",
);
const NETWORK: Then = Then::Warn("every container of a build is in the build's own network");
const LIMITS: Then = Then::Warn("the runner's own limits hold");
const LOGS: Then = Then::Warn("the runner keeps the step's log");
const ENDS: Then = Then::Warn("a step ends when its command does, or at its \"timeout\"");

const OPTIONS: [Spec; 84] = [
    flag("rm", Then::Ignore),
    or('i', flag("interactive", Then::Ignore)),
    or('t', flag("tty", Then::Ignore)),
    or('q', flag("quiet", Then::Ignore)),
    flag("sig-proxy", Then::Ignore),
    flag("disable-content-trust", Then::Ignore),
    flag("no-healthcheck", Then::Ignore),
    or('a', valued("attach", Then::Ignore)),
    or('l', valued("label", Then::Ignore)),
    valued("label-file", Then::Ignore),
    valued("detach-keys", Then::Ignore),
    valued("expose", Then::Ignore),
    valued("cap-drop", Then::Ignore),
    or('v', valued("volume", Then::Take(Kind::Volume))),
    or('e', valued("env", Then::Take(Kind::Env))),
    valued("env-file", Then::Take(Kind::EnvFile)),
    or('w', valued("workdir", Then::Take(Kind::Workdir))),
    or('u', valued("user", Then::Take(Kind::User))),
    valued("entrypoint", Then::Take(Kind::Entrypoint)),
    valued("name", Then::Take(Kind::Name)),
    valued("network", Then::Take(Kind::Network)),
    valued("net", Then::Take(Kind::Network)),
    valued("network-alias", Then::Take(Kind::Alias)),
    valued("net-alias", Then::Take(Kind::Alias)),
    or('h', valued("hostname", Then::Take(Kind::Hostname))),
    valued("add-host", Then::Take(Kind::AddHost)),
    valued("link", Then::Take(Kind::Link)),
    valued("mount", Then::Take(Kind::Mount)),
    valued("tmpfs", Then::Take(Kind::Tmpfs)),
    or('m', valued("memory", Then::Take(Kind::Memory))),
    valued("cpus", Then::Take(Kind::Cpus)),
    valued("shm-size", Then::Take(Kind::ShmSize)),
    flag("read-only", Then::Take(Kind::ReadOnly)),
    flag("init", Then::Take(Kind::Init)),
    or('p', valued("publish", PORTS)),
    or('P', flag("publish-all", PORTS)),
    valued("platform", Then::Warn("images are pulled for the platform of the runner's engine")),
    valued("pull", Then::Warn("an image that the engine does not have is pulled")),
    valued("dns", NETWORK),
    valued("dns-search", NETWORK),
    valued("dns-opt", NETWORK),
    valued("dns-option", NETWORK),
    valued("domainname", NETWORK),
    valued("ip", NETWORK),
    valued("ip6", NETWORK),
    valued("mac-address", NETWORK),
    valued("memory-swap", LIMITS),
    valued("memory-reservation", LIMITS),
    valued("memory-swappiness", LIMITS),
    valued("kernel-memory", LIMITS),
    or('c', valued("cpu-shares", LIMITS)),
    valued("cpu-period", LIMITS),
    valued("cpu-quota", LIMITS),
    valued("cpuset-cpus", LIMITS),
    valued("cpuset-mems", LIMITS),
    valued("pids-limit", LIMITS),
    valued("ulimit", LIMITS),
    valued("blkio-weight", LIMITS),
    valued("log-driver", LOGS),
    valued("log-opt", LOGS),
    valued("stop-signal", ENDS),
    valued("stop-timeout", ENDS),
    or('d', flag("detach", DETACHED)),
    valued("restart", DETACHED),
    valued("cidfile", Then::Refuse("the container's id is the runner's affair")),
    valued("volumes-from", MOUNTS),
    valued("volume-driver", MOUNTS),
    valued("storage-opt", MOUNTS),
    valued("group-add", Then::Instead("a step has the groups of its user", "-u USER:GROUP")),
    flag("privileged", HOST),
    valued("cap-add", HOST),
    valued("device", HOST),
    valued("device-cgroup-rule", HOST),
    valued("gpus", HOST),
    valued("security-opt", HOST),
    valued("sysctl", HOST),
    valued("runtime", HOST),
    valued("cgroup-parent", HOST),
    valued("oom-score-adj", HOST),
    flag("oom-kill-disable", HOST),
    valued("pid", NAMESPACES),
    valued("ipc", NAMESPACES),
    valued("uts", NAMESPACES),
    valued("userns", NAMESPACES),
];

/// What a word of options came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) given: Vec<Given>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Whether nobody can tell what the next words are.
    pub(super) lost: bool,
}

/// Reads one word of options, such as `--rm`, `-it`, `-v` or `--env=A=b`, and the values that follow it.
pub(super) fn read<I: Iterator<Item = String>>(word: &str, rest: &mut Peekable<I>) -> Read {
    let mut read = Read::default();
    match word.strip_prefix("--") {
        Some(long) => read.long(long, rest),
        None => read.short(&word[1..], rest),
    }
    read
}

impl Read {
    fn long<I: Iterator<Item = String>>(&mut self, long: &str, rest: &mut Peekable<I>) {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let option = format!("--{name}");
        let Some(spec) = OPTIONS.iter().find(|spec| spec.long == name) else {
            self.lose(name, &option);
            return;
        };
        let value = if spec.valued { value.or_else(|| rest.next()) } else { value.or_else(|| Some("true".to_owned())) };
        self.take(spec, &option, value);
    }

    /// One-letter options may stand together, and the last one's value may follow directly: `-itv .:/app`, `-eA=b`.
    fn short<I: Iterator<Item = String>>(&mut self, letters: &str, rest: &mut Peekable<I>) {
        for (at, letter) in letters.char_indices() {
            let option = format!("-{letter}");
            let Some(spec) = OPTIONS.iter().find(|spec| spec.short == Some(letter)) else {
                self.lose(&letter.to_string(), &option);
                return;
            };
            let attached = &letters[at + letter.len_utf8()..];
            match (spec.valued, attached.strip_prefix('=')) {
                (true, value) => {
                    let attached = value.unwrap_or(attached);
                    let value = if attached.is_empty() { rest.next() } else { Some(attached.to_owned()) };
                    return self.take(spec, &option, value);
                }
                (false, Some(value)) => return self.take(spec, &option, Some(value.to_owned())),
                (false, None) => self.take(spec, &option, Some("true".to_owned())),
            }
        }
    }

    /// Notes an option that is not known, so that it may have a value or not.
    fn lose(&mut self, name: &str, option: &str) {
        self.lost = true;
        self.problems.push(unknown(name, option));
    }

    fn take(&mut self, spec: &Spec, option: &str, value: Option<String>) {
        let Some(value) = value else {
            self.problems.push(Problem::new(format!("{option} needs a value")));
            return;
        };
        if !spec.valued && !matches!(value.as_str(), "true" | "false") {
            self.problems.push(Problem::new(format!("{option} takes no value")));
            return;
        }
        // What is switched off is not asked for; some values ask for what every step has.
        let asks_for_nothing = (!spec.valued && value == "false")
            || matches!(
                (spec.long, value.as_str()),
                ("restart", "no") | ("security-opt", "no-new-privileges" | "no-new-privileges:true")
            );
        if asks_for_nothing {
            return;
        }
        match spec.then {
            Then::Take(kind) => self.given.push(Given { kind, value }),
            Then::Ignore => {}
            Then::Warn(reason) => self.warnings.push(Problem::new(format!("{option} is left out: {reason}"))),
            Then::Refuse(reason) => self.problems.push(Problem::new(format!("{option} is refused: {reason}"))),
            Then::Instead(reason, expected) => {
                self.problems.push(Problem::new(format!("{option} is refused: {reason}")).expected(expected));
            }
        }
    }
}

fn unknown(name: &str, option: &str) -> Problem {
    Problem::new(format!("docker run {option} is not supported in a step"))
        .expected("one of the options that the reference lists")
        .nearest(name, OPTIONS.iter().map(|spec| spec.long).filter(|known| known.len() > 2))
}
