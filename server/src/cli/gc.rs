//! `slipway gc`: what goes by the limits of retention, said and removed.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, say};

#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

impl Gc {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let query = [("dry_run", if self.dry_run { "true" } else { "false" })];
        let answer: Value = self.client.asking(&query).call(Method::POST, &["gc"], None::<&Value>).await?;
        if self.json {
            return Ok(say(&answer)?);
        }
        let items = list(&answer["items"]);
        let rows: Vec<[String; 4]> = items.iter().map(row).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (what, name, bytes) = (width(0), width(1), width(2));
        for [kind, named, size, reason] in &rows {
            say(format_args!("{kind:what$}  {named:name$}  {size:>bytes$}  {reason}"))?;
        }
        if let Some(unnamed) = answer["unnamed"].as_u64().filter(|unnamed| *unnamed > 0) {
            say(format_args!("and {unnamed} more"))?;
        }
        let total = in_words(answer["bytes"].as_i64().unwrap_or(0));
        say(match (self.dry_run, answer["done"].as_bool().unwrap_or(false)) {
            (true, _) => format!("{total} would go; nothing was removed."),
            (false, true) => format!("{total} went."),
            (false, false) => format!("{total} go; the server is at it."),
        })?;
        if let Some(paused) = answer["paused"].as_str() {
            say(format_args!("Nothing goes now: {paused}."))?;
        }
        for runner in list(&answer["runners"]) {
            say_runner(runner, self.dry_run)?;
        }
        Ok(())
    }
}

/// What a runner keeps between jobs, and what of it goes.
fn say_runner(runner: &Value, dry_run: bool) -> Result<(), Failure> {
    let name = runner["runner"].as_str().unwrap_or_default();
    if runner["answered"] != true {
        say(format_args!("Runner {name} did not answer; it collects by itself every hour."))?;
        return Ok(());
    }
    say(format_args!("Runner {name}:"))?;
    if let Some(paused) = list(&runner["stored"]).iter().find_map(|stored| stored["paused"].as_str()) {
        say(format_args!("  {paused}"))?;
    }
    for stored in list(&runner["stored"]) {
        let (what, going) = (stored["what"].as_str().unwrap_or_default(), list(&stored["going"]));
        if let Some(hindrance) = stored["hindrance"].as_str() {
            say(format_args!("  {what}: cannot be looked at: {hindrance}"))?;
            continue;
        }
        let number = |field: &str| stored[field].as_u64().unwrap_or(0);
        let size = |field: &str| in_words(i64::try_from(number(field)).unwrap_or(i64::MAX));
        let goes = if dry_run { "would go" } else { "went" };
        let (count, gone) = (number("count"), going.len() as u64 + number("unnamed"));
        say(format_args!("  {what}: {count} ({}), {gone} ({}) {goes}", size("bytes"), size("going_bytes")))?;
        for [_, name, size, reason] in going.iter().map(row) {
            say(format_args!("    {name}  {size}  {reason}"))?;
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row(item: &Value) -> [String; 4] {
    let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    let name = if name.is_empty() { item["count"].to_string() } else { name };
    [text("what"), name, in_words(item["bytes"].as_i64().unwrap_or(0)), text("reason")]
}

/// A size for people, rounded down.
fn in_words(bytes: i64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let Some(power) = (1..=units.len()).rev().find(|power| bytes >> (10 * power) > 0) else {
        return format!("{bytes} B");
    };
    format!("{} {}", bytes >> (10 * power), units[power - 1])
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn sizes_read_well() {
        assert_eq!(in_words(0), "0 B");
        assert_eq!(in_words(1_023), "1023 B");
        assert_eq!(in_words(1_024), "1 KiB");
        assert_eq!(in_words(5 << 30), "5 GiB");
    }
}
