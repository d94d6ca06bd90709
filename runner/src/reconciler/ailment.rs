//! What is not as it should be with a replica, and what helps.

use crate::targets::docker::{Instance, InstanceState};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ailment {
    /// There is no container of its name.
    Removed,
    /// Its container ended, or was stopped, and the engine does not start it again.
    Stopped,
    /// Somebody froze it.
    Paused,
    /// The engine cannot get rid of it.
    Broken,
    /// It runs another image than the release has.
    OtherImage(String),
    /// It carries Slipway's labels, and not the right ones.
    OtherLabels,
    /// A container that is not Slipway's has its name.
    Foreign,
    /// It was taken out of the environment's network.
    Detached,
    /// It is in the environment's network, but not under its app's name: somebody took it out and put it back.
    Nameless,
    /// It serves, but this of its container is not as it was made.
    Altered(String),
    /// The engine waits before it starts it once more.
    Restarting,
    /// The same, as what it begins with is lost from its container.
    Untold,
    /// Swarm does not run it at the moment, for this reason.
    Waits(String),
    /// It does not pass its health check.
    Unhealthy(String),
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Making it, starting it or letting it go on: whichever its container needs.
    Run,
    /// Another container in its place at once.
    Replace,
    /// Another container in its place, while this one finishes what it is at.
    Relieve,
    /// Moving the intruder aside, and making it.
    MoveAside,
    /// Connecting it again.
    Attach,
    /// Nothing: the engine is at it.
    Wait,
}

/// The container of a replica as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) instance: &'a Instance,
    /// Whether it carries all labels that it should.
    pub(super) is_ours: bool,
    /// Whether it carries any that say that it is Slipway's.
    pub(super) is_slipways: bool,
}

/// What is wrong with a replica whose container should run this image; none where nothing is to be seen.
pub(super) fn diagnose(found: Option<Found<'_>>, image: &str) -> Option<Ailment> {
    let Some(Found { instance, is_ours, is_slipways }) = found else { return Some(Ailment::Removed) };
    match instance.state {
        _ if !is_slipways => Some(Ailment::Foreign),
        _ if !is_ours => Some(Ailment::OtherLabels),
        _ if instance.image != image => Some(Ailment::OtherImage(instance.image.clone())),
        _ if instance.waits.is_some() => instance.waits.clone().map(Ailment::Waits),
        InstanceState::Broken => Some(Ailment::Broken),
        InstanceState::Paused => Some(Ailment::Paused),
        InstanceState::Startable => Some(Ailment::Stopped),
        InstanceState::Coming => Some(Ailment::Restarting),
        InstanceState::Running if !instance.attached => Some(Ailment::Detached),
        InstanceState::Running if instance.address.is_none() => Some(Ailment::Restarting),
        InstanceState::Running if has_lost_its_name(instance) => Some(Ailment::Nameless),
        InstanceState::Running => None,
    }
}

/// Whether the engine says that the container is not found by its app's name.
fn has_lost_its_name(instance: &Instance) -> bool {
    instance.aliases.as_ref().is_some_and(|aliases| !aliases.contains(&instance.app))
}

impl Ailment {
    /// What helps against it.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Ailment::Removed | Ailment::Stopped | Ailment::Paused => Remedy::Run,
            Ailment::Broken | Ailment::OtherImage(_) | Ailment::OtherLabels | Ailment::Untold => Remedy::Replace,
            // To be taken out of the network and put back would cut what it answers at the moment.
            Ailment::Unhealthy(_) | Ailment::Nameless | Ailment::Altered(_) => Remedy::Relieve,
            Ailment::Foreign => Remedy::MoveAside,
            Ailment::Detached => Remedy::Attach,
            Ailment::Restarting | Ailment::Waits(_) => Remedy::Wait,
        }
    }

    /// Whether the container may have done it itself; the rest is other people's doing.
    pub(super) fn is_own_doing(&self) -> bool {
        matches!(
            self,
            Ailment::Stopped | Ailment::Restarting | Ailment::Untold | Ailment::Waits(_) | Ailment::Unhealthy(_)
        )
    }

    /// What was done about it, for people.
    pub(super) fn done(&self) -> &'static str {
        match self {
            Ailment::Removed => "made it again",
            Ailment::Stopped => "started it again",
            Ailment::Paused => "let it go on",
            Ailment::Detached => "connected it again",
            Ailment::Foreign => "gave that one another name, and made its own",
            Ailment::Restarting | Ailment::Waits(_) => "the engine starts it again",
            Ailment::Broken
            | Ailment::OtherImage(_)
            | Ailment::OtherLabels
            | Ailment::Nameless
            | Ailment::Untold
            | Ailment::Altered(_)
            | Ailment::Unhealthy(_) => "replaced it",
        }
    }
}

impl std::fmt::Display for Ailment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Ailment::Removed => "its container was removed",
            Ailment::Stopped => "its container had ended or was stopped",
            Ailment::Paused => "its container was paused",
            Ailment::Broken => "the engine could not end its container",
            Ailment::OtherImage(image) => return write!(f, "its container ran another image: {image}"),
            Ailment::OtherLabels => "its container carried other labels than it should",
            Ailment::Foreign => "a container that is not Slipway's had its name",
            Ailment::Detached => "its container was taken out of the environment's network",
            Ailment::Nameless => "its container was not found by its app's name any more",
            Ailment::Altered(what) => return write!(f, "somebody changed {what}"),
            Ailment::Restarting => "its container ends again and again",
            Ailment::Untold => "its container ends again and again, as it does not find its secrets",
            Ailment::Waits(reason) => return write!(f, "Swarm does not run it: {reason}"),
            Ailment::Unhealthy(reason) => return write!(f, "it was not healthy: {reason}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: InstanceState, change: impl Fn(&mut Instance)) -> Option<Ailment> {
        let mut instance = Instance::for_model("r", "web", 1, state, Some("10.0.0.2".to_owned()), Some(80));
        instance.image = "web@sha256:1".to_owned();
        change(&mut instance);
        diagnose(Some(Found { instance: &instance, is_ours: true, is_slipways: true }), "web@sha256:1")
    }

    #[test]
    fn what_is_seen_is_named() {
        assert_eq!(diagnose(None, "x"), Some(Ailment::Removed));
        assert_eq!(seen(InstanceState::Running, |_| {}), None);
        assert_eq!(seen(InstanceState::Startable, |_| {}), Some(Ailment::Stopped));
        assert_eq!(seen(InstanceState::Coming, |_| {}), Some(Ailment::Restarting));
        assert_eq!(seen(InstanceState::Paused, |_| {}), Some(Ailment::Paused));
        assert_eq!(seen(InstanceState::Broken, |_| {}), Some(Ailment::Broken));
        assert_eq!(seen(InstanceState::Running, |it| it.address = None), Some(Ailment::Restarting));
        let other = seen(InstanceState::Running, |it| it.image = "busybox".to_owned());
        assert_eq!(other.map(|it| it.remedy()), Some(Remedy::Replace));
        assert_eq!((Ailment::Untold.remedy(), Ailment::Untold.is_own_doing()), (Remedy::Replace, true));
        let detached = seen(InstanceState::Running, |it| {
            it.address = None;
            it.attached = false;
        });
        assert_eq!(detached, Some(Ailment::Detached));
        let with_names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            seen(InstanceState::Running, |it| it.aliases = Some(names.clone()))
        };
        assert_eq!(with_names(&["web", "0123456789ab"]), None);
        assert_eq!(with_names(&["0123456789ab"]), Some(Ailment::Nameless));
    }

    #[test]
    fn what_is_not_slipways_is_never_removed() {
        let instance = Instance::for_model("", "", 0, InstanceState::Running, None, None);
        let found = Found { instance: &instance, is_ours: false, is_slipways: false };
        assert_eq!(diagnose(Some(found), "x").map(|it| it.remedy()), Some(Remedy::MoveAside));
    }
}
