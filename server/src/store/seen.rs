//! Which repositories a list shows.

/// Which repositories a list shows: those that its reader may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of them.
    All,
    /// Those of these names.
    These(Vec<String>),
}

impl Seen {
    /// Whether a repository is among them.
    #[must_use]
    pub fn holds(&self, repository: &str) -> bool {
        match self {
            Seen::All => true,
            Seen::These(names) => names.iter().any(|name| name == repository),
        }
    }

    /// The names as a JSON list, for statements; `*`, which no repository is called, stands for all of them.
    pub(super) fn names(&self) -> String {
        match self {
            Seen::All => r#"["*"]"#.to_owned(),
            Seen::These(names) => serde_json::json!(names).to_string(),
        }
    }
}
