//! A JSON object of a request, field by field: what is not taken out of it by name must be empty.
//!
//! The engine finds fields without regard to upper and lower case and takes the last of two; here both are fields like any
//! other, and what goes to the engine is written anew from what was taken.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The fields of one object that were not looked at yet.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    /// Where it stands, such as `HostConfig.`; empty for the whole body.
    place: &'static str,
}

impl Fields {
    /// The body of a request; none at all counts as an empty object.
    pub(super) fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields { map: Map::new(), place: "" });
        }
        let value = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad(format!("the body of this request is not JSON: {error}")))?;
        Self::of(value, "")
    }

    pub(super) fn of(value: Value, place: &'static str) -> Result<Self, Refusal> {
        match value {
            Value::Null => Ok(Fields { map: Map::new(), place }),
            Value::Object(map) => Ok(Fields { map, place }),
            _ => Err(Refusal::bad(format!("{place} of this request is not an object"))),
        }
    }

    /// Takes a field; none where it is missing or null.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text; none where it is missing or empty.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// Takes a list of texts; empty where it is missing.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        let wrong = || Refusal::bad(format!("{name} of this request is not a list of texts"));
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .into_iter()
                .map(|item| if let Value::String(text) = item { Ok(text) } else { Err(wrong()) })
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// Takes a whole number; none where it is missing.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// Takes an object's fields; none of them where it is missing.
    pub(super) fn object(&mut self, name: &str, place: &'static str) -> Result<Fields, Refusal> {
        Fields::of(self.take(name).unwrap_or_default(), place)
    }

    /// Takes texts by name; none of them where it is missing.
    pub(super) fn map(&mut self, name: &str) -> Result<Map<String, Value>, Refusal> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// Takes fields over as they are.
    pub(super) fn keep(&mut self, names: &[&str], into: &mut Map<String, Value>) {
        for &name in names {
            if let Some(value) = self.take(name) {
                into.insert(name.to_owned(), value);
            }
        }
    }

    /// Refuses whatever was not taken and says something.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        let place = self.place;
        match self.map.iter().find(|(_, value)| !is_empty(value)) {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::forbidden(match in_words(name) {
                Some(words) => format!("{words} ({place}{name})"),
                None => format!("{place}{name} may not be set"),
            })),
        }
    }

    pub(super) fn wrong(&self, name: &str, what: &str) -> Refusal {
        Refusal::bad(format!("{}{name} of this request is not {what}", self.place))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// What people know a field by.
fn in_words(name: &str) -> Option<&'static str> {
    Some(match name {
        "Privileged" => "--privileged opens the whole host to a container",
        "Devices" | "DeviceRequests" | "DeviceCgroupRules" => "the host's devices are not for steps",
        "PidMode" | "IpcMode" | "UTSMode" | "UsernsMode" | "CgroupnsMode" => "the host's namespaces are not for steps",
        "Runtime" => "another runtime than the engine's own",
        "CgroupParent" | "Cgroup" => "the runner decides on cgroups",
        "Sysctls" => "--sysctl changes the kernel's settings",
        "VolumeDriver" | "DriverConfig" | "DriverOpts" => {
            "a volume with a driver's options can be any path of the host"
        }
        _ => return None,
    })
}
