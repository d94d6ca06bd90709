//! The part of a container's description that decides what it may do to the host.

use std::collections::HashSet;

use bollard::models::HostConfig;
use serde_json::{Map, Value, json};

use super::{fields::Fields, refusal::Refusal};

/// What may be asked for on top of what every step's container has. The others of Docker's default set are left out: a
/// container could make devices and forge packets with them.
/// <https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities>
const MORE_CAPABILITIES: [&str; 4] = ["AUDIT_WRITE", "SETFCAP", "SETPCAP", "SYS_CHROOT"];
/// The limits of processes that cannot harm others.
const ULIMITS: [&str; 9] = ["nofile", "nproc", "core", "memlock", "stack", "fsize", "data", "cpu", "as"];
/// The most open files of a process.
const NOFILE_LIMIT: i64 = 1_048_576;
/// The share of the CPU that a container has when it asks for nothing.
const CPU_SHARES: i64 = 1024;
/// What is fine as it is: it concerns the container alone.
const KEPT: [&str; 13] = [
    "AutoRemove",
    "CapDrop",
    "CpusetCpus",
    "CpusetMems",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "ExtraHosts",
    "GroupAdd",
    "Init",
    "ReadonlyRootfs",
    "ShmSize",
    "Tmpfs",
];
/// What a client says that changes nothing, or what is not for a build: nothing is published on the host, and nothing is
/// restarted by the engine.
const DROPPED: [&str; 12] = [
    "PortBindings",
    "PublishAllPorts",
    "RestartPolicy",
    "ConsoleSize",
    "MemorySwappiness",
    "MaskedPaths",
    "ReadonlyPaths",
    "ContainerIDFile",
    "MemoryReservation",
    "MemorySwap",
    "KernelMemory",
    "KernelMemoryTCP",
];

/// What is taken over from an asked `HostConfig`, on top of what contains every container. Left in `asked` is what names
/// other objects: mounts, networks, namespaces.
pub(super) fn contained(asked: &mut Fields, base: &HostConfig) -> Result<Map<String, Value>, Refusal> {
    let Ok(Value::Object(mut host)) = serde_json::to_value(base) else {
        return Err(Refusal::bad("the limits of a step cannot be written down"));
    };
    host.retain(|_, value| !value.is_null());
    asked.keep(&KEPT, &mut host);
    if let Some(servers) = &base.dns {
        // Where containers reach nothing, names are asked of nobody else either.
        host.insert("Dns".to_owned(), Value::from(servers.as_slice()));
    }
    for name in DROPPED {
        asked.take(name);
    }
    capabilities(asked, &mut host)?;
    limits(asked, &mut host)?;
    ulimits(asked, &mut host)?;
    for option in asked.texts("SecurityOpt")? {
        if !matches!(option.as_str(), "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true") {
            return Err(Refusal::forbidden(format!("--security-opt {option} takes a container's guards away")));
        }
    }
    // Both ways of keeping a namespace to oneself.
    for (name, own) in [
        ("IpcMode", &["private", "none", "shareable"][..]),
        ("CgroupnsMode", &["private"]),
        ("Isolation", &["default"]),
    ] {
        if let Some(mode) = asked.text(name)? {
            if !own.contains(&mode.as_str()) {
                return Err(Refusal::forbidden(format!("the mode `{mode}` of HostConfig.{name}")));
            }
            if name != "Isolation" {
                host.insert(name.to_owned(), mode.into());
            }
        }
    }
    let mut log = asked.object("LogConfig", "HostConfig.LogConfig.")?;
    if let Some(driver) = log.text("Type")?
        && !matches!(driver.as_str(), "json-file" | "local" | "default" | "none")
    {
        return Err(Refusal::forbidden(format!("the log driver `{driver}` sends output elsewhere")));
    }
    host.insert(
        "LogConfig".to_owned(),
        json!({ "Type": "json-file", "Config": { "max-size": "16m", "max-file": "2" } }),
    );
    Ok(host)
}

fn capabilities(asked: &mut Fields, host: &mut Map<String, Value>) -> Result<(), Refusal> {
    let known: Vec<String> =
        host.get("CapAdd").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default();
    let mut granted: HashSet<String> = known.iter().cloned().collect();
    for name in asked.texts("CapAdd")? {
        let plain = name.to_ascii_uppercase();
        let plain = plain.strip_prefix("CAP_").unwrap_or(&plain);
        if !known.iter().any(|known| known == plain) && !MORE_CAPABILITIES.contains(&plain) {
            return Err(Refusal::forbidden(format!("--cap-add {name} gives a container power over the host")));
        }
        granted.insert(plain.to_owned());
    }
    // What is dropped by name stays dropped; dropping all leaves what was added by name.
    let dropped: Vec<String> =
        host.get("CapDrop").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default();
    granted
        .retain(|name| !dropped.iter().any(|dropped| dropped.to_ascii_uppercase().trim_start_matches("CAP_") == name));
    let mut granted: Vec<String> = granted.into_iter().collect();
    granted.sort_unstable();
    host.insert("CapAdd".to_owned(), granted.into());
    host.insert("CapDrop".to_owned(), json!(["ALL"]));
    Ok(())
}

fn limits(asked: &mut Fields, host: &mut Map<String, Value>) -> Result<(), Refusal> {
    for name in ["Memory", "PidsLimit", "NanoCpus"] {
        let wanted = asked.number(name)?.filter(|&number| number > 0);
        let most = host.get(name).and_then(Value::as_i64);
        if let Some(least) = [wanted, most].into_iter().flatten().min() {
            host.insert(name.to_owned(), least.into());
        }
    }
    if let Some(memory) = host.get("Memory").cloned() {
        host.insert("MemorySwap".to_owned(), memory);
    }
    let quota = ["CpuPeriod", "CpuQuota"].map(|name| asked.number(name));
    if !host.contains_key("NanoCpus") {
        for (name, value) in ["CpuPeriod", "CpuQuota"].into_iter().zip(quota) {
            if let Some(value) = value?.filter(|&value| value > 0) {
                host.insert(name.to_owned(), value.into());
            }
        }
    }
    if let Some(shares) = asked.number("CpuShares")?.filter(|&shares| shares > 0) {
        host.insert("CpuShares".to_owned(), shares.min(CPU_SHARES).into());
    }
    if let Some(score) = asked.number("OomScoreAdj")? {
        if score < 0 {
            return Err(Refusal::forbidden("--oom-score-adj below 0 lets others be killed in this container's place"));
        }
        host.insert("OomScoreAdj".to_owned(), score.into());
    }
    Ok(())
}

fn ulimits(asked: &mut Fields, host: &mut Map<String, Value>) -> Result<(), Refusal> {
    let list = match asked.take("Ulimits") {
        None => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(asked.wrong("Ulimits", "a list")),
    };
    // Those that every container has cannot be asked away.
    let mut kept = host.get("Ulimits").and_then(Value::as_array).cloned().unwrap_or_default();
    let fixed: Vec<Value> = kept.iter().map(|limit| limit["Name"].clone()).collect();
    for item in list {
        let mut item = Fields::of(item, "HostConfig.Ulimits.")?;
        let name = item.text("Name")?.unwrap_or_default();
        let (soft, hard) = (item.number("Soft")?, item.number("Hard")?);
        item.finish()?;
        let too_many = |number: Option<i64>| number.is_some_and(|number| !(0..=NOFILE_LIMIT).contains(&number));
        if !ULIMITS.contains(&name.as_str()) || (name == "nofile" && (too_many(soft) || too_many(hard))) {
            return Err(Refusal::forbidden(format!("--ulimit {name} of this size reaches beyond the container")));
        }
        if fixed.contains(&Value::from(name.as_str())) {
            continue;
        }
        kept.push(json!({ "Name": name, "Soft": soft.unwrap_or(0), "Hard": hard.unwrap_or(0) }));
    }
    host.insert("Ulimits".to_owned(), kept.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn base() -> HostConfig {
        HostConfig {
            memory: Some(1000),
            memory_swap: Some(1000),
            pids_limit: Some(100),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(vec!["CHOWN".to_owned(), "KILL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }
    }

    fn judged(asked: &str) -> Result<Map<String, Value>, Refusal> {
        let mut fields = Fields::of(serde_json::from_str(asked).unwrap(), "HostConfig.")?;
        let host = contained(&mut fields, &base())?;
        fields.finish()?;
        Ok(host)
    }

    #[test]
    fn what_gives_power_over_the_host_is_refused() {
        for asked in [
            r#"{"Privileged": true}"#,
            r#"{"privileged": true}"#,
            r#"{"PRIVILEGED": true}"#,
            r#"{"Privileged": false, "privileged": true}"#,
            r#"{"Privileged": false, "Privileged": true}"#,
            r#"{"Privileged": "true"}"#,
            r#"{"CapAdd": ["SYS_ADMIN"]}"#,
            r#"{"CapAdd": ["ALL"]}"#,
            r#"{"CapAdd": ["cap_sys_admin"]}"#,
            r#"{"CapAdd": ["MKNOD"]}"#,
            r#"{"CapAdd": ["NET_RAW"]}"#,
            r#"{"capadd": ["SYS_ADMIN"]}"#,
            r#"{"Capabilities": ["SYS_ADMIN"]}"#,
            r#"{"Devices": [{"PathOnHost": "/dev/sda"}]}"#,
            r#"{"DeviceRequests": [{"Count": -1}]}"#,
            r#"{"DeviceCgroupRules": ["a *:* rwm"]}"#,
            r#"{"PidMode": "host"}"#,
            r#"{"IpcMode": "host"}"#,
            r#"{"IpcMode": "container:x"}"#,
            r#"{"UTSMode": "host"}"#,
            r#"{"UsernsMode": "host"}"#,
            r#"{"CgroupnsMode": "host"}"#,
            r#"{"SecurityOpt": ["seccomp=unconfined"]}"#,
            r#"{"SecurityOpt": ["apparmor:unconfined"]}"#,
            r#"{"SecurityOpt": ["no-new-privileges:false"]}"#,
            r#"{"SecurityOpt": ["label=disable"]}"#,
            r#"{"Runtime": "other"}"#,
            r#"{"CgroupParent": "/"}"#,
            r#"{"Sysctls": {"kernel.core_pattern": "|/x"}}"#,
            r#"{"StorageOpt": {"size": "1T"}}"#,
            r#"{"OomKillDisable": true}"#,
            r#"{"OomScoreAdj": -1000}"#,
            r#"{"Ulimits": [{"Name": "rtprio", "Soft": 99, "Hard": 99}]}"#,
            r#"{"Ulimits": [{"Name": "nofile", "Soft": -1, "Hard": -1}]}"#,
            r#"{"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://x"}}}"#,
            r#"{"VolumeDriver": "nfs"}"#,
            r#"{"BlkioWeight": 1000}"#,
            r#"{"CpuRealtimeRuntime": 1}"#,
            r#"{"Annotations": {"a": "b"}}"#,
            r#"{"SomethingNew": "x"}"#,
            r#"{"Links": ["a:b"]}"#,
            r#"{"Binds": ["/:/host"]}"#,
            r#"{"Isolation": "process"}"#,
        ] {
            let refusal = judged(asked).err();
            assert!(refusal.is_some_and(|refusal| refusal.status == 403 || refusal.status == 400), "{asked}");
        }
    }

    #[test]
    fn what_clients_always_say_is_fine() {
        let said = r#"{"ContainerIDFile": "", "LogConfig": {"Type": "", "Config": {}}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "PortBindings": {}, "AutoRemove": true, "ConsoleSize": [24, 80], "CapAdd": null, "Privileged": false, "Devices": [],
            "MemorySwappiness": -1, "OomKillDisable": false, "UTSMode": "", "MaskedPaths": null, "Ulimits": [], "Isolation": ""}"#;
        let host = judged(said).unwrap();
        assert_eq!(host["AutoRemove"], true);
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
        assert_eq!(host["LogConfig"]["Type"], "json-file");
    }

    #[test]
    fn limits_only_get_smaller() {
        let host =
            judged(r#"{"Memory": 100, "MemorySwap": -1, "PidsLimit": -1, "NanoCpus": 5, "CpuShares": 9999}"#).unwrap();
        assert_eq!((&host["Memory"], &host["MemorySwap"], &host["PidsLimit"]), (&json!(100), &json!(100), &json!(100)));
        assert_eq!((&host["NanoCpus"], &host["CpuShares"]), (&json!(5), &json!(1024)));
        assert_eq!(judged(r#"{"Memory": 5000}"#).unwrap()["Memory"], 1000);
        assert_eq!(judged("{}").unwrap()["Memory"], 1000);
    }

    #[test]
    fn capabilities_are_those_of_steps_and_a_few_harmless_ones() {
        let host = judged(r#"{"CapAdd": ["CAP_SYS_CHROOT"], "CapDrop": ["kill"]}"#).unwrap();
        assert_eq!(host["CapAdd"], json!(["CHOWN", "SYS_CHROOT"]));
        assert_eq!(host["CapDrop"], json!(["ALL"]));
    }

    #[test]
    fn what_would_weaken_the_guards_silently_is_not_passed_on() {
        let host = judged(
            r#"{"MaskedPaths": [], "ReadonlyPaths": [], "PortBindings": {"80/tcp": [{"HostPort": "80"}]}, "RestartPolicy": {"Name": "always"}}"#,
        );
        let host = host.unwrap();
        for name in ["MaskedPaths", "ReadonlyPaths", "PortBindings", "RestartPolicy"] {
            assert!(!host.contains_key(name), "{name}");
        }
    }
}
