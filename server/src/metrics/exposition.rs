//! Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>): all that Slipway tells are gauges.

use std::fmt::Write as _;

/// The longest value of a label, in characters: names come from captain.yml and from runners.
const LONGEST_LABEL: usize = 200;

/// A text that grows family by family.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family of gauges; the samples that follow are its.
    pub(super) fn family(&mut self, name: &'static str, help: &str) {
        self.family = name;
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    }

    /// One gauge of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let family = self.family;
        self.add(format_args!("{family}"));
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            self.add(format_args!("{before}{name}=\"{}\"", escaped(value)));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.add(format_args!("{after} {value}\n"));
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars().take(LONGEST_LABEL) {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_labels_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.family("slipway_jobs_waiting", "Jobs that wait.");
        text.sample(&[], 3.0);
        text.family("slipway_app_cpu_cores", "CPUs.");
        text.sample(&[("app", "we\"b\n{}"), ("environment", "a\\b")], 0.25);
        assert_eq!(
            text.finish(),
            "# HELP slipway_jobs_waiting Jobs that wait.\n# TYPE slipway_jobs_waiting gauge\nslipway_jobs_waiting 3\n\
             # HELP slipway_app_cpu_cores CPUs.\n# TYPE slipway_app_cpu_cores gauge\n\
             slipway_app_cpu_cores{app=\"we\\\"b\\n{}\",environment=\"a\\\\b\"} 0.25\n"
        );
        assert_eq!(escaped(&"x".repeat(1_000)).len(), LONGEST_LABEL);
    }
}
