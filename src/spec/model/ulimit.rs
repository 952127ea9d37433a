//! `ulimits`: one number for both limits, or a soft and a hard one.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// One resource limit of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Ulimit {
    /// The same soft and hard limit.
    Single(i64),
    /// A soft limit that a process may raise up to the hard one.
    Pair {
        /// The limit in force.
        #[serde(default)]
        soft: i64,
        /// The ceiling of the soft limit.
        #[serde(default)]
        hard: i64,
    },
}

impl Ulimit {
    /// The soft and the hard limit.
    #[must_use]
    pub fn bounds(self) -> (i64, i64) {
        match self {
            Self::Single(both) => (both, both),
            Self::Pair { soft, hard } => (soft, hard),
        }
    }
}

impl Serialize for Ulimit {
    /// Leaves zeros out of the pair; docker compose writes a single 0 as an empty pair too, and hashes it so.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (soft, hard) = match *self {
            Self::Single(both) if both != 0 => return serializer.serialize_i64(both),
            Self::Single(_) => (0, 0),
            Self::Pair { soft, hard } => (soft, hard),
        };
        let mut map = serializer.serialize_map(None)?;
        if soft != 0 {
            map.serialize_entry("soft", &soft)?;
        }
        if hard != 0 {
            map.serialize_entry("hard", &hard)?;
        }
        map.end()
    }
}
