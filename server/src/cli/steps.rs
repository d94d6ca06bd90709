//! The steps of a build or of a rollout, for people.

use serde_json::Value;

use super::releases::text;

/// The steps of an attempt, each in a line behind its number; the last attempt's, unless one is named.
pub(super) fn lines(job: &Value, attempt: Option<u32>) -> Vec<String> {
    let attempts = job["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = match attempt {
        Some(number) => attempts.iter().find(|one| one["attempt"] == number),
        None => attempts.last(),
    };
    found.and_then(|one| one["steps"].as_array()).into_iter().flatten().map(line).collect()
}

/// The numbers of the attempts that there are.
pub(super) fn attempts(job: &Value) -> Vec<String> {
    job["attempts"].as_array().into_iter().flatten().map(|one| one["attempt"].to_string()).collect()
}

/// What failed in the last attempt, each with the number of its step.
pub(super) fn failed(job: &Value) -> Vec<(i64, String)> {
    let attempts = job["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let steps = attempts.last().and_then(|one| one["steps"].as_array()).into_iter().flatten();
    let failed = steps.filter(|step| step["state"] == "failed");
    failed.filter_map(|step| Some((step["index"].as_i64()?, line(step)))).collect()
}

fn line(step: &Value) -> String {
    let app = step["app"].as_str().map(|app| format!("{app}: ")).unwrap_or_default();
    let reason = step["reason"].as_str().and_then(|reason| reason.lines().next());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let number = step["index"].to_string();
    format!("{number:>3}  {:9}  {app}{} {}{reason}", text(step, "state"), text(step, "kind"), text(step, "name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{attempts, failed, lines};

    #[test]
    fn the_last_attempt_counts_unless_one_is_named() {
        let step = |state: &str, reason: Option<&str>| json!({"index": 2, "app": "web", "kind": "test", "name": "unit", "state": state, "reason": reason});
        let job = json!({"attempts": [
            {"attempt": 1, "steps": [step("failed", Some("exit code 1\nand more"))]},
            {"attempt": 2, "steps": [step("succeeded", None)]},
        ]});
        assert_eq!(lines(&job, None), ["  2  succeeded  web: test unit"]);
        assert_eq!(lines(&job, Some(1)), ["  2  failed     web: test unit (exit code 1)"]);
        assert!(lines(&job, Some(3)).is_empty() && failed(&job).is_empty());
        assert_eq!(attempts(&job), ["1", "2"]);
    }
}
