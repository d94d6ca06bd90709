//! The names that a step gives and the ones that the engine has for them.
//!
//! Two builds that run at once may use one name: each has a prefix of its own on the engine, which nobody in the build sees.

use super::refusal::Refusal;

/// The longest name that a step may give.
const NAME_LIMIT: usize = 128;

/// The names of one build.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    network: String,
    workspace: String,
}

impl Names {
    /// `build` is the name that only this build's objects begin with; `network` the name of its network on the engine,
    /// `workspace` the path of its checkout on the host.
    pub(super) fn new(build: &str, network: &str, workspace: &str) -> Self {
        Names { prefix: format!("{build}."), network: network.to_owned(), workspace: workspace.to_owned() }
    }

    /// The engine's name for what a step calls by this name.
    pub(super) fn real(&self, asked: &str) -> Result<String, Refusal> {
        let legal = asked.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
            && asked.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !legal || asked.len() > NAME_LIMIT {
            return Err(Refusal::bad(format!(
                "`{asked}` is no name: letters, digits, `_`, `.` and `-` make one, at most {NAME_LIMIT} of them"
            )));
        }
        Ok(format!("{}{asked}", self.prefix))
    }

    /// What a step calls this name of the engine's.
    pub(super) fn asked<'a>(&self, real: &'a str) -> &'a str {
        let real = real.strip_prefix('/').unwrap_or(real);
        real.strip_prefix(&self.prefix).unwrap_or(real)
    }

    /// Puts the step's names into a text of the engine's, and its view of the workspace.
    pub(super) fn disguise(&self, text: &str, images: &[(String, String)]) -> String {
        let mut text = text.replace(&self.prefix, "");
        // The build's network is what a step knows as the default one.
        text = text.replace(&format!("\"{}\"", self.network), "\"bridge\"");
        if text.contains(&self.workspace) {
            text = text.replace(&self.workspace, super::WORKSPACE);
        }
        for (real, asked) in images {
            if text.contains(real) {
                text = text.replace(real, asked);
            }
        }
        text
    }
}

/// Whether a name is one of those asked for with `--filter name=…`. Anchors are understood, other patterns are not.
pub(super) fn is_wanted(name: &str, patterns: &[String]) -> bool {
    patterns.is_empty()
        || patterns.iter().any(|pattern| {
            let (from_start, rest) = pattern.strip_prefix('^').map_or((false, pattern.as_str()), |rest| (true, rest));
            let (to_end, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            match (from_start, to_end) {
                (true, true) => name == rest,
                (true, false) => name.starts_with(rest),
                (false, true) => name.ends_with(rest),
                (false, false) => name.contains(rest),
            }
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn names() -> Names {
        Names::new("slipway-abc-1", "slipway-abc-1", "/data/checkouts/slipway-abc-1")
    }

    #[test]
    fn names_go_to_the_engine_and_come_back() {
        let names = names();
        assert_eq!(names.real("web_1").unwrap(), "slipway-abc-1.web_1");
        assert_eq!(names.asked("/slipway-abc-1.web_1"), "web_1");
        assert_eq!(names.asked("/other"), "other");
        for wrong in ["", "-x", ".x", "a b", "a/b", "ä", "a:b", &"x".repeat(129)] {
            assert!(names.real(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_hold_the_steps_names_only() {
        let text = r#"{"Name":"/slipway-abc-1.web","Networks":{"slipway-abc-1":{},"slipway-abc-1.n":{}},"Source":"/data/checkouts/slipway-abc-1/app","Image":"slipway-abc-1:r.i-s1"}"#;
        let images = [("slipway-abc-1:r.i-s1".to_owned(), "web:latest".to_owned())];
        assert_eq!(
            names().disguise(text, &images),
            r#"{"Name":"/web","Networks":{"bridge":{},"n":{}},"Source":"/workspace/app","Image":"web:latest"}"#
        );
    }

    #[test]
    fn filters_find_parts_and_whole_names() {
        let wanted = |name, pattern: &str| is_wanted(name, &[pattern.to_owned()]);
        assert!(wanted("web_1", "web") && wanted("web_1", "^/web_1$") && wanted("web_1", "^web"));
        assert!(!wanted("web_1", "^web$") && !wanted("web_1", "db"));
        assert!(is_wanted("anything", &[]));
    }
}
