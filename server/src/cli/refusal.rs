//! What the command line does not take, with the variable that a value came from: clap names the option alone, which nobody
//! wrote then.

use std::process::ExitCode;

use clap::{
    Command, CommandFactory as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{Cli, exit, listing::note};

/// Tells it, or the help that was asked for.
pub(super) fn tell(error: &clap::Error) -> ExitCode {
    // Where the terminal is gone, the exit code still tells.
    drop(error.print());
    if let Some(variable) = variable(error) {
        note(format_args!("\nthe value is that of the variable {variable}"));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE))
}

/// The variable that an odd value came from.
fn variable(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = argument.split([' ', '=']).next()?;
    let is_written = std::env::args_os().any(|word| word.to_string_lossy().starts_with(option));
    let variable = variable_of(&Cli::command(), option.strip_prefix("--")?)?;
    (!is_written && std::env::var_os(&variable).is_some()).then_some(variable)
}

/// The variable that stands for an option, in whichever command.
fn variable_of(command: &Command, option: &str) -> Option<String> {
    let own = command.get_arguments().find(|argument| argument.get_long() == Some(option));
    let own = own.and_then(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()));
    own.or_else(|| command.get_subcommands().find_map(|command| variable_of(command, option)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, variable_of};

    #[test]
    fn an_option_is_known_by_its_variable() {
        let of = |option| variable_of(&Cli::command(), option);
        assert_eq!(of("runner-capacity").as_deref(), Some("SLIPWAY_RUNNER_CAPACITY"));
        assert_eq!((of("url").as_deref(), of("reason")), (Some("SLIPWAY_URL"), None));
    }
}
