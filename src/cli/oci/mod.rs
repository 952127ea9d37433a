//! The program as an OCI runtime: `rcompose oci …`, or under the name `rcompose-oci`. One thread, and no async runtime.

mod control;
mod exec;
mod journal;
mod make;
mod show;
mod update;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use rcompose_runtime::{RuntimeError, Store};

use crate::output;
use journal::Journal;
use words::Words;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OciError {
    /// The words are wrong.
    #[error("{0}; see `rcompose oci --help`")]
    Words(String),
    /// The container.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A file or socket of the caller's.
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The terminal or standard output.
    #[error("{0}")]
    Streams(&'static str, #[source] std::io::Error),
}

impl OciError {
    fn file(doing: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { doing, path: path.into(), source }
    }

    /// The error and its causes in one line.
    fn chain(&self) -> String {
        match self {
            Self::Runtime(error) => error.chain(),
            Self::File { source, .. } | Self::Streams(_, source) => format!("{self}: {source}"),
            Self::Words(_) => self.to_string(),
        }
    }
}

type Result<T, E = OciError> = std::result::Result<T, E>;

/// What every verb has.
struct Face {
    store: Store,
    journal: Journal,
    words: Words,
}

impl Face {
    /// Returns the name of the container, the only plain word but for `more` others.
    fn id(&self, more: usize) -> Result<&str> {
        match self.words.plain.as_slice() {
            [] => Err(OciError::Words("name the container".to_owned())),
            [id, rest @ ..] if rest.len() <= more => Ok(id),
            [_, rest @ ..] => Err(OciError::Words(format!("`{}` is one word too many", rest.last().map_or("", String::as_str)))),
        }
    }

    fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.journal.warning(warning);
        }
    }
}

/// Runs the program as an OCI runtime. `words` are all of its words, `own` how many of them name it.
pub(crate) fn main(words: &[OsString], own: usize) -> ExitCode {
    let asked = match words::read(words.get(own..).unwrap_or_default()) {
        Ok(asked) => asked,
        Err(reason) => {
            output::err(&format!("error: {}\n", OciError::Words(reason)));
            return ExitCode::FAILURE;
        }
    };
    if asked.globals.has("version") {
        return said(&format!("rcompose-oci version {}\nspec: {}\n", env!("CARGO_PKG_VERSION"), rcompose_runtime::OCI_VERSION));
    }
    let Some(verb) = asked.verb.filter(|_| !asked.globals.has("help")) else {
        return said(&help());
    };
    let journal = match Journal::open(&asked.globals) {
        Ok(journal) => journal,
        Err(error) => {
            output::err(&format!("error: {}\n", error.chain()));
            return ExitCode::FAILURE;
        }
    };
    let refused = refuse(&asked.globals);
    let face = Face { store: Store::new(root(&asked.globals)), journal, words: asked.words };
    // Before a socket is connected or a file made: what enters a container begins here a second time, out of the container's reach.
    let enters = matches!(verb.name, "create" | "run" | "exec");
    let safe = if enters {
        rcompose_runtime::protect(words).map_err(OciError::from)
    } else {
        Ok(())
    };
    match refused.and(safe).and_then(|()| run(verb.name, &face)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            face.journal.error(&error.chain());
            ExitCode::FAILURE
        }
    }
}

fn said(text: &str) -> ExitCode {
    output::out(text).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn help() -> String {
    let mut text = "rcompose oci: an OCI runtime\n\nUsage: rcompose oci [--root FOLDER] [--log FILE] [--log-format text|json] [--debug] VERB [FLAG]... \n\n".to_owned();
    for verb in words::VERBS {
        text.push_str(&format!("  {:<9} {:<21} {}\n", verb.name, verb.words, verb.about));
    }
    text
}

/// Says what of runc's globals cannot be honoured.
fn refuse(globals: &Words) -> Result<()> {
    if globals.has("systemd-cgroup") {
        return Err(OciError::Words(
            "--systemd-cgroup: systemd is not asked for cgroups here; use the driver `cgroupfs`".to_owned(),
        ));
    }
    if globals.value("criu").is_some() {
        return Err(OciError::Words("--criu: containers are not checkpointed here".to_owned()));
    }
    match globals.value("rootless") {
        None | Some("auto" | "false") => Ok(()),
        Some(other) => Err(OciError::Words(format!("--rootless {other}: what the rights allow is found out, use `auto`"))),
    }
}

/// The folder of what is known of containers.
fn root(globals: &Words) -> PathBuf {
    if let Some(root) = globals.path("root") {
        return root;
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|it| !it.is_empty() && !rustix::process::geteuid().is_root());
    own.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join("rcompose/oci")
}

fn run(verb: &str, face: &Face) -> Result<u8> {
    match verb {
        "create" => make::create(face),
        "start" => make::start(face),
        "run" => make::run(face),
        "exec" => exec::exec(face),
        "state" => show::state(face),
        "list" => show::list(face),
        "ps" => show::ps(face),
        "events" => show::events(face),
        "features" => show::features(),
        "spec" => show::spec(face),
        "kill" => control::kill(face),
        "delete" => control::delete(face),
        "pause" => control::pause(face),
        "resume" => control::resume(face),
        "update" => update::update(face),
        other => Err(OciError::Words(format!("no verb `{other}`"))),
    }
}
