//! From words to [`Cli`], as cobra reads them: `--flag=false`, repeated flags, and everything after the service of `run`.

use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Command, CommandFactory, FromArgMatches};

use super::{ABSENT, Cli, Globals, Verb};
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
    if let Some(cli) = parse_typed(words) {
        return Ok(Parsed::Run(Box::new(cli)));
    }
    match parse_whole(words) {
        Ok(cli) if cli.verb.is_none() && !cli.globals.version => Ok(Parsed::Help(help_of(&[OsString::from("rcompose")], color))),
        Ok(cli) => Ok(Parsed::Run(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Parsed::Help(help_of(words, color))),
            _ => Err(failure(&error, color)),
        },
    }
}

fn parse_whole(words: &[OsString]) -> Result<Cli, clap::Error> {
    let command = loosened(Cli::command(), words);
    command.try_get_matches_from(words).and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches))
}

/// As [`parse_whole`], with no other verbs than those that are typed: to put all of them together takes longer than to do what is asked. Whatever is
/// wrong is for who knows them all.
fn parse_typed(words: &[OsString]) -> Option<Cli> {
    let verbs = words.iter().filter_map(|word| Verb::named(word.to_str()?));
    let command = verbs.fold(Command::new("rcompose"), |command, verb| {
        if command.find_subcommand(verb.get_name()).is_some() {
            return command;
        }
        command.subcommand(verb)
    });
    let command = loosened(Globals::augment_args(command), words).disable_version_flag(true);
    let cli = Cli::from_arg_matches_mut(&mut command.try_get_matches_from(words).ok()?).ok()?;
    Some(cli).filter(|it| it.verb.is_some())
}

/// Lets every switch take `=true` and `=false`, as cobra does. Verbs that none of the words names are left as they are, for the sake of
/// the time it takes.
fn loosened(command: Command, words: &[OsString]) -> Command {
    let is_named = |sub: &&Command| words.iter().any(|word| sub.get_name() == word || sub.get_all_aliases().any(|it| it == word));
    let names: Vec<String> = command.get_subcommands().filter(is_named).map(|sub| sub.get_name().to_owned()).collect();
    let command = names
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, |sub| loosened(sub, words)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Progress, Verb};

    fn cli(line: &str) -> Cli {
        let words: Vec<OsString> = std::iter::once("rcompose").chain(line.split_whitespace()).map(OsString::from).collect();
        match parse(&words, false) {
            Ok(Parsed::Run(cli)) => *cli,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str) -> String {
        let words: Vec<OsString> = std::iter::once("rcompose").chain(line.split_whitespace()).map(OsString::from).collect();
        parse(&words, false).unwrap_err().to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        let command = Cli::command();
        let nested = command.get_subcommands().flat_map(Command::get_subcommands);
        let words: Vec<OsString> = command.get_subcommands().chain(nested).map(|it| it.get_name().into()).collect();
        loosened(command, &words).debug_assert();
    }

    #[test]
    fn typed_verbs_are_read_as_all_of_them_are() {
        let lines = [
            "up",
            "up -d --build=false web logs",
            "-p up --project-directory ps down -v -t 3",
            "--dry-run logs -f --tail 3 up",
            "convert --format json",
            "config -q --dry-run",
            "run --rm web sh -c true --rm=x",
            "exec -T web -- ps --all",
            "image ls -q",
            "system df --engine docker",
            "--engine=native stop --progress json -t -1 stop",
            "-v up",
            "login -u a registry",
        ];
        for line in lines {
            let words: Vec<OsString> = std::iter::once("rcompose").chain(line.split_whitespace()).map(OsString::from).collect();
            let typed = parse_typed(&words).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(format!("{typed:?}"), format!("{:?}", parse_whole(&words).unwrap()), "{line}");
        }
    }

    #[test]
    fn switches_take_values_and_repeat() {
        let Some(Verb::Up(up)) = cli("up -d -d --build=false --wait=true -V").verb else {
            panic!()
        };
        assert!(up.detach && !up.build && up.wait && up.renew_anon_volumes);
        let Some(Verb::Ps(ps)) = cli("ps").verb else { panic!() };
        assert!(ps.orphans && !ps.all);
        let Some(Verb::Ps(ps)) = cli("ps --orphans=false -aq").verb else {
            panic!()
        };
        assert!(!ps.orphans && ps.all && ps.quiet);
    }

    #[test]
    fn the_same_letter_means_what_its_verb_says() {
        let cli_ = cli("-f a.yaml -f b.yaml -p shop logs -f -n 5 -t web");
        assert_eq!((cli_.globals.file.len(), cli_.globals.project_name.as_deref()), (2, Some("shop")));
        let Some(Verb::Logs(logs)) = cli_.verb else { panic!() };
        assert!(logs.follow && logs.timestamps && logs.tail == "5" && logs.services == ["web"]);
        let Some(Verb::Down(down)) = cli("down -v -t -1").verb else {
            panic!()
        };
        assert!(down.volumes && down.timeout == Some(-1));
        let Some(Verb::Run(run)) = cli("run -v a:/b -p 80:80 -e A=1 -e B -T --no-TTY web").verb else {
            panic!()
        };
        assert_eq!((run.volume, run.publish), (vec!["a:/b".to_owned()], vec!["80:80".to_owned()]));
        assert_eq!(run.env, [("A".into(), Some("1".into())), ("B".into(), None)]);
        assert!(cli("-v").globals.version);
    }

    #[test]
    fn what_follows_the_service_belongs_to_the_command() {
        let Some(Verb::Exec(exec)) = cli("exec -it -T --index 2 web ls -la --help -- -T --dry-run").verb else {
            panic!()
        };
        assert_eq!(exec.words, ["web", "ls", "-la", "--help", "--", "-T", "--dry-run"]);
        assert!(exec.no_tty && exec.index == 2);
        let Some(Verb::Run(run)) = cli("run --rm web sh -c true --rm=x").verb else {
            panic!()
        };
        assert!(run.rm && run.words == ["web", "sh", "-c", "true", "--rm=x"]);
        assert!(refused("exec --bogus web ls").contains("--bogus"));
    }

    #[test]
    fn flags_of_every_verb_stand_on_either_side() {
        for line in ["--progress json --dry-run up", "up --progress json --dry-run", "up --dry-run=true --progress=json"] {
            let cli = cli(line);
            assert!(cli.globals.dry_run && cli.globals.progress == Some(Progress::Json), "{line}");
        }
        let Some(Verb::Create(create)) = cli("create --y --scale web=2 --scale db=1").verb else {
            panic!()
        };
        assert!(create.yes && create.scale == [("web".to_owned(), 2), ("db".to_owned(), 1)]);
        let Some(Verb::Scale(scale)) = cli("scale --no-deps web=2").verb else {
            panic!("not scale");
        };
        let up = super::super::UpArgs::from(scale);
        assert!(up.no_deps && up.detach && up.services == ["web"] && up.scale == [("web".to_owned(), 2)]);
        let Some(Verb::Build(_)) = cli("--parallel 4 build --parallel --progress plain").verb else {
            panic!()
        };
    }

    #[test]
    fn absent_verbs_say_so() {
        for verb in ABSENT {
            assert!(refused(&format!("{verb} --any flag")).contains("not in this version"), "{verb}");
        }
    }
}
