//! One invocation: who called, with which global flags, for which verb.

mod contents;
mod context;
mod engine;
mod key;
mod lock;
#[cfg(target_os = "linux")]
pub(crate) mod native;
mod project;
mod proxy;

use std::num::NonZeroUsize;

use clap::ValueEnum;
use rcompose_spec::model::Project;

use crate::args::{Ansi, Globals, Progress};
use crate::caller::{self, Caller};
use crate::failure::Failure;
use crate::output;
use crate::render::{Display, Look};
use crate::style::{self, Paint};

pub(crate) use engine::{Chosen, Live};
pub(crate) use project::{Disk, Named, Want, known_services};

/// One invocation.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who called.
    pub(crate) caller: Caller,
    /// Flags of every verb.
    pub(crate) globals: Globals,
    /// The verb.
    pub(crate) verb: &'static str,
    /// Colours on standard output.
    pub(crate) out: Paint,
    /// Colours on standard error.
    pub(crate) err: Paint,
    #[cfg(target_os = "linux")]
    ahead: rcompose_native::Ahead,
}

impl Session {
    /// Takes in the global flags.
    pub(crate) fn new(caller: Caller, globals: Globals, verb: &'static str) -> Self {
        let out = style::paint(&caller, &globals, caller.stdout_tty);
        let err = style::paint(&caller, &globals, caller.stderr_tty);
        #[cfg(target_os = "linux")]
        let ahead = native::ahead(&caller, &globals, verb);
        Self {
            caller,
            globals,
            verb,
            out,
            err,
            #[cfg(target_os = "linux")]
            ahead,
        }
    }

    /// Returns the display for the runs of this verb.
    pub(crate) fn display(&self, quiet_pull: bool, quiet_build: bool) -> Result<Display, Failure> {
        let on_stdout = self.caller.says("COMPOSE_STATUS_STDOUT");
        let (is_tty, paint) = if on_stdout {
            (self.caller.stdout_tty, self.out)
        } else {
            (self.caller.stderr_tty, self.err)
        };
        let moves = is_tty && !self.without_movement();
        Ok(Display::new(self.progress()?, moves, self.verb, Look { paint, on_stdout, quiet_pull, quiet_build }))
    }

    /// Returns how progress is shown: the flag, else `COMPOSE_PROGRESS`.
    pub(crate) fn progress(&self) -> Result<Progress, Failure> {
        if let Some(progress) = self.globals.progress {
            return Ok(progress);
        }
        let Some(word) = self.caller.var("COMPOSE_PROGRESS") else {
            return Ok(Progress::Auto);
        };
        Progress::from_str(word, false)
            .map_err(|_| Failure::usage(format!("COMPOSE_PROGRESS is `{word}`"), "set it to auto, tty, plain, json or quiet"))
    }

    /// Tells whether the cursor may be moved.
    #[cfg(target_os = "linux")]
    pub(crate) fn moves(&self) -> bool {
        !self.without_movement()
    }

    fn without_movement(&self) -> bool {
        let never = self.globals.no_ansi
            || match self.globals.ansi {
                Some(ansi) => ansi == Ansi::Never,
                None => self.caller.var("COMPOSE_ANSI") == Some("never"),
            };
        never || self.caller.var("TERM") == Some("dumb")
    }

    /// Returns how many engine calls may be made at the same time: the flag, else `COMPOSE_PARALLEL_LIMIT`.
    pub(crate) fn parallel(&self) -> Result<Option<NonZeroUsize>, Failure> {
        let limit = match (self.globals.parallel, self.caller.var("COMPOSE_PARALLEL_LIMIT")) {
            (Some(limit), _) => limit,
            (None, Some(text)) => text
                .trim()
                .parse()
                .map_err(|_| Failure::usage(format!("COMPOSE_PARALLEL_LIMIT is `{text}`"), "set it to a number, -1 for no limit"))?,
            (None, None) => return Ok(None),
        };
        Ok(usize::try_from(limit).ok().and_then(NonZeroUsize::new))
    }

    /// Reads the docker command's configuration.
    pub(crate) fn docker_config(&self) -> Result<context::DockerConfig, Failure> {
        context::docker_config(&self.caller)
    }

    /// Tells whether a question can be asked and answered.
    pub(crate) fn can_ask(&self) -> bool {
        self.caller.stdin_tty && self.caller.stderr_tty
    }

    /// Tells whether a variable says yes, where the process or the project's `.env` sets it.
    pub(crate) fn says(&self, project: Option<&Project>, key: &str) -> bool {
        if self.caller.env.contains_key(key) {
            return self.caller.says(key);
        }
        project.and_then(|project| project.environment.get(key)).is_some_and(|value| caller::yes(value))
    }

    /// Tells whether container names are joined with `_`.
    pub(crate) fn compatibility(&self) -> bool {
        self.globals.compatibility || self.caller.says("COMPOSE_COMPATIBILITY")
    }

    /// Says something on standard error, unless progress is quiet or JSON.
    pub(crate) fn say(&self, sentence: &str) {
        match self.progress() {
            Ok(Progress::Quiet) => {}
            Ok(Progress::Json) => output::err(&format!("{}\n", serde_json::json!({ "form": 1, "event": "message", "text": sentence }))),
            Ok(Progress::Auto | Progress::Tty | Progress::Plain) | Err(_) => output::err(&format!("{sentence}\n")),
        }
    }
}
