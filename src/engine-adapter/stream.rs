//! What flows: logs, sessions, events.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;

use crate::{ContainerName, NetworkName, Result, VolumeName};

/// Which log lines to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on as lines come.
    pub follow: bool,
    /// Seconds since 1970-01-01 UTC, with a fraction as nanoseconds; nothing earlier.
    pub since: Option<(i64, u32)>,
    /// Nothing later.
    pub until: Option<(i64, u32)>,
    /// Only the last so many lines.
    pub tail: Option<u64>,
}

/// One line of output, or the last piece of one without a newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// RFC 3339 with nanoseconds, as the engine recorded it.
    pub timestamp: String,
    /// From standard error.
    pub stderr: bool,
    /// The bytes without the newline.
    pub line: Bytes,
}

/// A piece of a session's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or the terminal.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
}

/// A two-way connection to a process in a container.
pub struct Session {
    /// Standard input; shutting it down is end of file.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Output until the process ends.
    pub output: BoxStream<'static, Result<Output>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

/// What to attach to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attach {
    /// Standard input.
    pub stdin: bool,
    /// Also what was put out before.
    pub logs: bool,
}

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A process to run in a container that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Exec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables beside the container's own.
    pub environment: BTreeMap<String, String>,
    /// `user[:group]`; `None` is the container's.
    pub user: Option<String>,
    /// `None` is the container's.
    pub working_dir: Option<String>,
    /// All rights of the host.
    pub privileged: bool,
    /// A pseudo terminal.
    pub tty: bool,
    /// Standard input is connected.
    pub stdin: bool,
    /// Nobody listens: start it and return.
    pub detach: bool,
}

/// Names one exec on its engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecId(pub String);

/// An exec that was started.
#[derive(Debug)]
pub struct ExecSession {
    /// For the exit status and for resizing.
    pub id: ExecId,
    /// Absent when detached.
    pub session: Option<Session>,
}

/// From when to when events are told; points in time are seconds since 1970-01-01 UTC, with a fraction as nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// As far back as the engine still knows; `None` is from now on.
    pub since: Option<(i64, u32)>,
    /// The stream ends there; `None` is never.
    pub until: Option<(i64, u32)>,
}

/// Something that happened on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// What it happened to.
    pub subject: EventSubject,
    /// What happened.
    pub action: EventAction,
    /// The engine's id of the subject; empty where the engine does not tell.
    pub id: String,
    /// Labels of the subject.
    pub labels: BTreeMap<String, String>,
    /// What else is told, by the words of the Docker API: `name`, `image`, `exitCode`, `signal`, …
    pub details: BTreeMap<String, String>,
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: i64,
}

/// What an event happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSubject {
    /// A container.
    Container(ContainerName),
    /// A network.
    Network(NetworkName),
    /// A volume.
    Volume(VolumeName),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventAction {
    /// Made.
    Created,
    /// Started.
    Started,
    /// Its process ended with this status.
    Died {
        /// 0 to 255.
        code: i64,
    },
    /// Stopped on request.
    Stopped,
    /// A signal was sent.
    Killed,
    /// Removed.
    Removed,
    /// Renamed.
    Renamed,
    /// Frozen.
    Paused,
    /// Thawed.
    Unpaused,
    /// Out of memory.
    OutOfMemory,
    /// Health changed.
    Health(crate::HealthStatus),
    /// Anything else, by the engine's word.
    Other(String),
}

impl EventAction {
    /// Returns the Docker API's word.
    #[must_use]
    pub fn word(&self) -> std::borrow::Cow<'_, str> {
        use std::borrow::Cow;
        Cow::Borrowed(match self {
            Self::Created => "create",
            Self::Started => "start",
            Self::Died { .. } => "die",
            Self::Stopped => "stop",
            Self::Killed => "kill",
            Self::Removed => "destroy",
            Self::Renamed => "rename",
            Self::Paused => "pause",
            Self::Unpaused => "unpause",
            Self::OutOfMemory => "oom",
            Self::Health(status) => return Cow::Owned(format!("health_status: {}", status.as_str())),
            Self::Other(word) => word,
        })
    }
}
