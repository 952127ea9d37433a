//! `rcompose`: argv → verb → plan → engine. Only this room prints, reads environment and working folder, or exits.

mod args;
mod ask;
mod attach;
mod bridge;
mod caller;
mod commands;
mod detach;
mod failure;
mod graph;
mod holder;
mod logs;
#[cfg(target_os = "linux")]
mod oci;
mod output;
mod plugin;
mod reexec;
mod render;
mod report;
mod rounds;
mod session;
mod signals;
mod style;
mod table;
mod template;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Cli, Parsed, Verb};
use caller::Caller;
use failure::Failure;
use session::Session;

/// Threads of the async runtime.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    // Before any thread or async runtime exists: these verbs fork.
    if let Some(verb) = reexec::hidden_verb(&words) {
        return reexec::run(verb, &words);
    }
    #[cfg(target_os = "linux")]
    rcompose_runtime::few_heaps();
    if let Some(metadata) = plugin::metadata(&words) {
        return output::line(&metadata).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let unwrapped = plugin::unwrap(words);
    let mut caller = Caller::of_process();
    caller.env.extend(unwrapped.env.into_iter().map(|(key, value)| (key.to_owned(), value)));
    ExitCode::from(start(&unwrapped.words, &caller))
}

/// Reads the words, runs the verb, and returns the exit status.
fn start(words: &[OsString], caller: &Caller) -> u8 {
    let globals = args::Globals::default();
    let plain = style::paint(caller, &globals, caller.stderr_tty);
    match args::parse(words, style::paint(caller, &globals, caller.stdout_tty).color) {
        Err(failure) => told(&failure, caller, plain),
        Ok(Parsed::Help(text)) => match output::out(&text) {
            Ok(()) => 0,
            Err(failure) => told(&failure, caller, plain),
        },
        Ok(Parsed::Run(cli)) => {
            let paint = style::paint(caller, &cli.globals, caller.stderr_tty);
            let as_json = cli.globals.progress == Some(args::Progress::Json);
            match run(*cli, caller) {
                Ok(status) => status,
                Err(failure) if as_json => told_as_json(&failure, caller),
                Err(failure) => told(&failure, caller, paint),
            }
        }
    }
}

fn run(cli: Cli, caller: &Caller) -> Result<u8, Failure> {
    let Cli { globals, verb } = cli;
    // One thread waits for all that happens, beside those for what blocks; to start more is a good part of what short verbs take.
    let mut builder = if matches!(verb, None | Some(Verb::Config(_) | Verb::Graph(_) | Verb::Version(_) | Verb::Up(_) | Verb::Ps(_))) {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    // What computes has threads of its own; one for each processor of a large machine would be made for nothing.
    builder.worker_threads(WORKERS);
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io("cannot start the async runtime", error))?;
    developers_log(globals.verbose);
    let status = runtime.block_on(async {
        match verb {
            None => commands::version::pretty(),
            Some(verb) => {
                let session = Session::new(caller.clone(), globals, verb.name());
                commands::run(&session, verb).await
            }
        }
    });
    // A read of standard input that never ends must not keep the process.
    runtime.shutdown_background();
    status
}

/// Says what went wrong, and returns the exit status.
fn told(failure: &Failure, caller: &Caller, paint: style::Paint) -> u8 {
    let report = report::explain(failure, caller, paint);
    output::err(&report.text);
    report.status
}

/// Says what went wrong as one more object of the stream that `--progress json` is.
fn told_as_json(failure: &Failure, caller: &Caller) -> u8 {
    let report = report::explain(failure, caller, style::Paint::default());
    if !report.text.is_empty() {
        let object = serde_json::json!({ "form": 1, "event": "error", "status": report.status, "text": report.text.trim_end() });
        output::err(&format!("{object}\n"));
    }
    report.status
}

/// Lets developers see more: `--verbose`, or `RCOMPOSE_LOG` in the syntax of `tracing-subscriber`.
fn developers_log(verbose: bool) {
    let filter = match tracing_subscriber::EnvFilter::try_from_env("RCOMPOSE_LOG") {
        Ok(filter) => filter,
        Err(_) if verbose => tracing_subscriber::EnvFilter::new("rcompose=debug"),
        Err(_) => return,
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
