//! What other hands changed of a container that carries the right labels and runs the right image, and how it is set right.

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerUpdateBody, HostConfig, RestartPolicyNameEnum,
};

use super::{DockerTarget, Replica, TargetError, container};

impl DockerTarget {
    /// What differs of a replica's container, which has been healthy, from what it was made as, in words such as `its memory
    /// limit`; none where nothing does, or it is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn alteration(&self, name: &str, replica: Replica<'_>) -> Result<Option<String>, TargetError> {
        let wanted = self.placement.container(replica);
        match self.engine.inspect_container(name, None).await {
            Ok(found) => Ok(compare(&found, &wanted)),
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                if error.is_not_found() { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// Sets right what can be while the container runs; whether that was all.
    ///
    /// # Errors
    /// When the engine cannot be asked what came of it.
    pub async fn set_right(&self, name: &str, replica: Replica<'_>) -> Result<bool, TargetError> {
        let wanted = self.placement.container(replica).host_config.unwrap_or_default();
        let update = ContainerUpdateBody {
            memory: wanted.memory,
            // As much again of swap, which the engine gives by itself only when it makes a container.
            memory_swap: wanted.memory.map(|memory| memory.saturating_mul(2)),
            nano_cpus: wanted.nano_cpus,
            pids_limit: wanted.pids_limit,
            restart_policy: Some(container::restart_policy(RestartPolicyNameEnum::UNLESS_STOPPED)),
            ..ContainerUpdateBody::default()
        };
        if let Err(failure) = self.engine.update_container(name, update).await {
            let error = self.engine.error(format!("set the limits of {name}"), &failure);
            tracing::debug!(%error, "a container cannot be set right while it runs");
            return Ok(false);
        }
        Ok(self.alteration(name, replica).await?.is_none())
    }
}

fn compare(found: &ContainerInspectResponse, wanted: &ContainerCreateBody) -> Option<String> {
    let none = HostConfig::default();
    let has = found.host_config.as_ref().unwrap_or(&none);
    let should = wanted.host_config.as_ref().unwrap_or(&none);
    // The engine writes nothing as 0.
    let number = |value: Option<i64>| value.unwrap_or(0);
    // An engine that cannot limit something, such as one without the memory cgroup, makes the container without the limit; nobody
    // takes one away by an update, to which 0 is no change.
    let other = |has: Option<i64>, should: Option<i64>| number(has) != 0 && number(has) != number(should);
    let policy = has.restart_policy.as_ref().and_then(|policy| policy.name);
    let variables = found.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    let has_cpus = number(has.cpu_quota) > 0 || number(has.cpu_shares) > 0;
    let is_pinned = has.cpuset_cpus.as_ref().is_some_and(|cpus| !cpus.is_empty());
    let differs = [
        (other(has.memory, should.memory), "its memory limit"),
        (number(has.nano_cpus) != number(should.nano_cpus) || has_cpus || is_pinned, "its CPU limit"),
        (other(has.pids_limit, should.pids_limit), "its limit of processes"),
        (policy != Some(RestartPolicyNameEnum::UNLESS_STOPPED), "its restart policy"),
        // An image may bring more.
        (wanted.env.iter().flatten().any(|variable| !variables.contains(variable)), "its variables"),
    ];
    let what: Vec<&str> = differs.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect();
    (!what.is_empty()).then(|| what.join(" and "))
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerConfig, RestartPolicy};

    use super::*;

    fn altered(change: impl Fn(&mut HostConfig, &mut ContainerConfig)) -> Option<String> {
        let limits = HostConfig { memory: Some(64), pids_limit: Some(100), ..HostConfig::default() };
        let wanted = ContainerCreateBody {
            env: Some(vec!["LOG=info".to_owned()]),
            host_config: Some(limits.clone()),
            ..ContainerCreateBody::default()
        };
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::UNLESS_STOPPED), maximum_retry_count: None };
        let mut host = HostConfig { restart_policy: Some(policy), nano_cpus: Some(0), ..limits };
        let variables = vec!["PATH=/bin".to_owned(), "LOG=info".to_owned()];
        let mut config = ContainerConfig { env: Some(variables), ..ContainerConfig::default() };
        change(&mut host, &mut config);
        let found = ContainerInspectResponse {
            host_config: Some(host),
            config: Some(config),
            ..ContainerInspectResponse::default()
        };
        compare(&found, &wanted)
    }

    #[test]
    fn what_other_hands_changed_is_named() {
        assert_eq!(altered(|_, _| {}), None, "the image's own variables are no change");
        assert_eq!(altered(|host, _| host.memory = Some(32)).as_deref(), Some("its memory limit"));
        let unable = altered(|host, _| (host.memory, host.pids_limit) = (Some(0), None));
        assert_eq!(unable, None, "the engine has no such limits");
        assert_eq!(altered(|host, _| host.nano_cpus = Some(1)).as_deref(), Some("its CPU limit"));
        assert_eq!(altered(|host, _| host.cpu_shares = Some(2)).as_deref(), Some("its CPU limit"));
        let both = altered(|host, _| {
            host.restart_policy = None;
            host.pids_limit = Some(-1);
        });
        assert_eq!(both.as_deref(), Some("its limit of processes and its restart policy"));
        assert_eq!(altered(|_, config| config.env = None).as_deref(), Some("its variables"));
    }
}
