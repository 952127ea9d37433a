//! Why a step is taken.

use std::fmt;

use rcompose_engine_adapter::ImageId;
use serde::Serialize;

/// Why a step is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// What is wanted is not there.
    Missing,
    /// The configuration differs in these fields; empty where the hash differs and the engine shows no difference.
    Changed(Vec<FieldChange>),
    /// The image was replaced by a newer one.
    ImageChanged {
        /// The container's image.
        from: ImageId,
        /// The image the reference names now.
        to: ImageId,
    },
    /// It lacks a network or volume that it should have.
    Lacks(String),
    /// It was up when the machine went down.
    Resumed,
    /// Its service is in no file any more.
    Orphan,
    /// More replicas run than are wanted.
    Excess,
    /// It is there but does not run.
    Stopped,
    /// It ended by itself with this status, and `up` runs it again.
    Ended(i64),
    /// A verb or flag asks for it.
    Requested,
    /// It takes the place of what is replaced.
    Replaced,
    /// What it borrows from or depends on is replaced.
    Follows(String),
    /// A service depends on it.
    NeededBy(String),
}

/// One field that differs. Values are `Hidden` where they could be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Dotted path, such as `environment.DEBUG`.
    pub path: String,
    /// What is there.
    pub from: Shown,
    /// What is wanted.
    pub to: Shown,
}

/// A value as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The field is not there.
    Absent,
    /// As text: strings bare, everything else as JSON.
    Value(String),
    /// It could be secret.
    Hidden,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Shown::Hidden, _) | (_, Shown::Hidden) => write!(f, "{}: changed", self.path),
            (Shown::Absent, Shown::Value(to)) => write!(f, "{}: added {to}", self.path),
            (Shown::Value(from), Shown::Absent) => write!(f, "{}: removed {from}", self.path),
            (Shown::Value(from), Shown::Value(to)) => write!(f, "{}: {from} → {to}", self.path),
            (Shown::Absent, Shown::Absent) => write!(f, "{}: same", self.path),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Changed(fields) if fields.is_empty() => f.write_str("configuration changed"),
            Self::Changed(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::ImageChanged { from, to } => write!(f, "image changed: {} → {}", short(from), short(to)),
            Self::Lacks(what) => write!(f, "lacks {what}"),
            Self::Orphan => f.write_str("orphan: its service is in no file"),
            Self::Excess => f.write_str("more replicas than wanted"),
            Self::Stopped => f.write_str("stopped"),
            Self::Resumed => f.write_str("was up"),
            Self::Ended(code) => write!(f, "ended {code}, runs again"),
            Self::Requested => f.write_str("requested"),
            Self::Replaced => f.write_str("replaced"),
            Self::Follows(what) => write!(f, "follows {what}"),
            Self::NeededBy(what) => write!(f, "needed by {what}"),
        }
    }
}

/// The first 12 digits of an id, as Docker shows it.
fn short(id: &ImageId) -> &str {
    let digits = id.as_str().rsplit(':').next().unwrap_or_default();
    digits.get(..12).unwrap_or(digits)
}
