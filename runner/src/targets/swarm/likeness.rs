//! Whether a service is still what it was asked to be. Swarm adds to what it is given, and which defaults depends on its
//! version: what was asked for has to be there, and what more is there does not count.

use bollard::models::ServiceSpec;
use serde_json::Value;

/// The first setting that is not as it is wanted, by the name that Swarm has for it; none where all of them are.
pub(super) fn difference(mut wanted: ServiceSpec, found: &ServiceSpec) -> Option<String> {
    if let Some(task) = &mut wanted.task_template {
        // Swarm says a network's id where it was told a name; the app's name in it tells that it is the one.
        for network in task.networks.iter_mut().flatten() {
            network.target = None;
        }
        // Older engines forget that there are to be no new ones.
        if let Some(container) = &mut task.container_spec {
            container.privileges = None;
        }
    }
    let (Ok(wanted), Ok(found)) = (serde_json::to_value(wanted), serde_json::to_value(found)) else { return None };
    let path = unlike(&wanted, &found)?;
    Some(path.join("."))
}

/// The way to the first value that is not as it is wanted.
fn unlike(wanted: &Value, found: &Value) -> Option<Vec<String>> {
    let is_like = match (wanted, found) {
        (Value::Object(fields), _) => {
            return fields.iter().find_map(|(key, wanted)| {
                let mut path = unlike(wanted, found.get(key).unwrap_or(&Value::Null))?;
                path.insert(0, key.clone());
                Some(path)
            });
        }
        (Value::Array(items), Value::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| unlike(item, other).is_none())
        }
        _ => wanted == found || (is_nothing(wanted) && is_nothing(found)),
    };
    (!is_like).then(Vec::new)
}

/// Whether it is what Swarm leaves away.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: Value) -> ServiceSpec {
        serde_json::from_value(value).unwrap()
    }

    fn wanted() -> ServiceSpec {
        spec(json!({
            "Labels": {"slipway": "release"},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "web@sha256:abc", "Env": ["A=1"], "Mounts": [],
                    "Privileges": {"NoNewPrivileges": true}},
                "Resources": {"Limits": {"NanoCPUs": 0, "MemoryBytes": 64}},
                "Networks": [{"Target": "net", "Aliases": ["web"]}],
            },
            "Mode": {"Replicated": {"Replicas": 4}},
        }))
    }

    fn found(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut found = json!({
            "Name": "web",
            "Labels": {"slipway": "release", "other": "label"},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "web@sha256:abc", "Env": ["A=1"], "Isolation": "default",
                    "Privileges": {"SELinuxContext": null}},
                "Resources": {"Limits": {"MemoryBytes": 64}},
                "Networks": [{"Target": "u2o1", "Aliases": ["web"]}],
                "ForceUpdate": 1,
            },
            "Mode": {"Replicated": {"Replicas": 4}},
        });
        change(&mut found);
        difference(wanted(), &spec(found))
    }

    #[test]
    fn what_swarm_adds_leaves_away_or_names_in_its_way_is_no_difference() {
        assert_eq!(found(|_| {}), None);
    }

    #[test]
    fn what_other_hands_change_add_or_take_away_is_named() {
        let at = |path: &'static str, value: Value| found(|it| *it.pointer_mut(path).unwrap() = value);
        assert_eq!(at("/Mode/Replicated/Replicas", json!(2)).as_deref(), Some("Mode.Replicated.Replicas"));
        assert_eq!(at("/Labels", json!({})).as_deref(), Some("Labels.slipway"));
        assert_eq!(at("/TaskTemplate/Networks", json!([])).as_deref(), Some("TaskTemplate.Networks"));
        let limits = json!({"MemoryBytes": 64, "NanoCPUs": 5});
        let limited = at("/TaskTemplate/Resources/Limits", limits);
        assert_eq!(limited.as_deref(), Some("TaskTemplate.Resources.Limits.NanoCPUs"));
        let container = |value| at("/TaskTemplate/ContainerSpec", value);
        let mounts = json!([{"Target": "/data", "Source": "data", "Type": "volume"}]);
        let mounted = container(json!({"Image": "web@sha256:abc", "Env": ["A=1"], "Mounts": mounts}));
        assert_eq!(mounted.as_deref(), Some("TaskTemplate.ContainerSpec.Mounts"));
        let env = container(json!({"Image": "web@sha256:abc", "Env": ["A=1", "B=2"]}));
        assert_eq!(env.as_deref(), Some("TaskTemplate.ContainerSpec.Env"));
    }
}
