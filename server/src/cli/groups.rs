//! `slipway --help`: the commands in groups, as there are too many for one list.

use clap::Command;

/// The groups, in the order in which somebody comes to need them, with their commands.
const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["demo", "server", "runner", "repository", "version"]),
    (
        "In a working tree, without a server",
        &["lint", "plan", "detect", "schema", "build", "test", "push", "pull", "purge"],
    ),
    ("Builds", &["builds", "trigger", "logs", "retry", "approve-build", "refuse-build", "schedule", "delivery"]),
    (
        "Releases",
        &[
            "environments",
            "releases",
            "promote",
            "rollback",
            "approve",
            "reject",
            "pause",
            "resume",
            "cancel",
            "freeze",
            "unfreeze",
        ],
    ),
    ("What runs", &["services", "container", "measurements", "restore", "environment", "alert", "channel"]),
    ("Set up", &["secret", "registry", "forge", "signing", "protect", "user", "token", "gc"]),
];

/// The command line with its help in groups.
pub(super) fn grouped(command: Command) -> Command {
    let line = |name: &&str| Some(format!("  {name:<14}{}\n", command.find_subcommand(name)?.get_about()?));
    let group = |(heading, names): &(&str, &[&str])| {
        let lines: String = names.iter().filter_map(line).collect();
        format!("{heading}:\n{lines}\n")
    };
    let help: String = GROUPS.iter().map(group).collect();
    let help = format!("{help}`slipway help COMMAND` says more of each.");
    command.help_template("{about}\n\n{usage-heading} {usage}\n\n{after-help}\n\n{options}").after_help(help)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_is_in_one_group() {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name);
        let mut shown: Vec<&str> = shown.collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        shown.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, shown);
    }

    #[test]
    fn help_has_the_groups_and_the_options() {
        let help = super::grouped(Cli::command()).render_help().to_string();
        for part in ["Usage: slipway", "Builds:\n  builds", "  trigger       Has the server build", "--version"] {
            assert!(help.contains(part), "{part} in {help}");
        }
        assert!(!help.contains("self-update"), "{help}");
    }
}
