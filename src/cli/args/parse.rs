//! From words to [`Cli`], as cobra reads them: `--flag=false`, repeated flags, and everything after the service of `run`.

use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, CommandFactory, FromArgMatches};

use super::{ABSENT, Cli};
use crate::failure::Failure;

/// What the words came to.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A verb, or the version that is asked for.
    Run(Box<Cli>),
    /// Help, as asked for, to print.
    Help(String),
}

/// Reads the words, the first being the program's name.
pub(crate) fn parse(words: &[OsString], color: bool) -> Result<Parsed, Failure> {
    let command = loosened(Cli::command());
    match command.try_get_matches_from(words).and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) if cli.verb.is_none() && !cli.globals.version => Ok(Parsed::Help(help_of(&[OsString::from("rcompose")], color))),
        Ok(cli) => Ok(Parsed::Run(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Parsed::Help(help_of(words, color))),
            _ => Err(failure(&error, color)),
        },
    }
}

/// Lets every switch take `=true` and `=false`, as cobra does.
fn loosened(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, loosened));
    command.args_override_self(true).mut_args(|arg| {
        let switch = matches!(arg.get_action(), ArgAction::SetTrue)
            || (arg.get_default_values().iter().any(|value| value == "true") && arg.get_long().is_some());
        if !switch {
            return arg;
        }
        let default = arg
            .get_default_values()
            .first()
            .map_or("false", |value| if value == "true" { "true" } else { "false" });
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value(default)
            .value_parser(BoolishValueParser::new())
    })
}

/// Renders help from the command as it is written, where switches show no value.
fn help_of(words: &[OsString], color: bool) -> String {
    let mut command = Cli::command();
    let asked = match command.clone().try_get_matches_from(words) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => error.render(),
        _ => command.render_help(),
    };
    if color { asked.ansi().to_string() } else { asked.to_string() }
}

fn failure(error: &clap::Error, color: bool) -> Failure {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand)
        && ABSENT.contains(&verb.as_str())
    {
        return Failure::NotInThisVersion(format!("the verb `{verb}`"));
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some(name) = ["--file", "--project-name", "--parallel", "-f", "-p"].into_iter().find(|it| flag.starts_with(it))
    {
        return Failure::usage(format!("`{name}` stands before the verb"), format!("write `rcompose {name} … VERB`"));
    }
    let text = error.render();
    let text = if color { text.ansi().to_string() } else { text.to_string() };
    Failure::Clap(text)
}
