//! captain's flags. A switch may be written as captain's flag library reads it, too: `--force`, `--force=true`.

use clap::{ArgAction, Args};

use crate::cli::environment;

/// The flags that captain takes before the command as well as after it.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Common {
    /// Tells also what is sent to the engine.
    #[arg(short = 'D', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    pub(super) debug: bool,
    /// The namespace of images that have no name of their own [default: $USER].
    #[arg(short = 'N', long)]
    pub(in crate::cli) namespace: Option<String>,
    /// No colours.
    #[arg(short = 'n', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    pub(super) no_color: bool,
    /// The whole commit in tags, in place of its first seven digits.
    #[arg(short = 'l', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    pub(super) long_sha: bool,
}

impl Common {
    /// These flags with those that stood before the command.
    pub(in crate::cli) fn or(self, before: Common) -> Common {
        Common {
            debug: self.debug || before.debug,
            namespace: self.namespace.or(before.namespace),
            no_color: self.no_color || before.no_color,
            long_sha: self.long_sha || before.long_sha,
        }
    }

    /// Whether none was given.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        !self.debug && self.namespace.is_none() && !self.no_color && !self.long_sha
    }

    /// The namespace: the one given, else the name of whoever calls, as captain has it.
    pub(in crate::cli) fn namespace(&self) -> String {
        self.namespace.clone().or_else(|| environment::variable("USER")).unwrap_or_default()
    }
}

/// Which names images get.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Names {
    /// Every branch that stands at the commit, not only the one that is checked out.
    #[arg(short = 'B', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    pub(super) all_branches: bool,
    /// One more tag.
    #[arg(short = 't', long, value_name = "TAG")]
    pub(super) tag: Option<String>,
}

/// Which tags are pushed and pulled besides `latest`.
#[derive(Debug, Clone, Args)]
pub(super) struct Selection {
    /// The tags of the branch and of the git tags at the commit; -b=false leaves them out.
    #[arg(short = 'b', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = true, hide_default_value = true, hide_possible_values = true)]
    pub(super) branch_tags: bool,
    /// The tag of the commit.
    #[arg(short = 'c', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    pub(super) commit_tags: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Selection { branch_tags: true, commit_tags: false }
    }
}
