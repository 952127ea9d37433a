//! How a container ended.

use serde::{Deserialize, Serialize};

/// How a container ended. What nobody saw is [`Exit::Unknown`], never 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is gone, and who could have told its status is gone too.
    Unknown,
    /// It never ran, for this reason.
    NotStarted(String),
}

/// Statuses of a program that could not be run: not found, found and not executable, any other reason. Source: Docker, "exit status" of
/// `docker run`, which tells them apart by the runtime's words as well.
const NOT_STARTED: [(&[&str], i32); 3] = [
    (&["executable file not found", "no such file or directory"], 127),
    (&["permission denied", "is a directory", "not a directory", "exec format error"], 126),
    (&[""], 128),
];

impl Exit {
    /// Reads a status as wait(2) gives it.
    #[must_use]
    pub fn from_wait(status: i32) -> Self {
        // Source: wait(2); the low seven bits are the signal, the next byte the status.
        match status & 0x7f {
            0 => Self::Code((status >> 8) & 0xff),
            signal => Self::Signal(signal),
        }
    }

    /// Returns the status as shells have it, 128 and the number of the signal; nothing where it is unknown.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Signal(signal) => Some(128 + signal),
            Self::NotStarted(reason) => {
                let found = NOT_STARTED.iter().find(|(words, _)| words.iter().any(|it| reason.contains(it)));
                found.map(|(_, status)| *status)
            }
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ran_has_the_status_that_docker_gives() {
        for (reason, status) in [
            ("exec: \"x\": executable file not found in $PATH", 127),
            ("exec: \"/x\": stat /x: no such file or directory", 127),
            ("exec: \"/etc\": permission denied", 126),
            ("linux.cgroupsPath", 128),
        ] {
            assert_eq!(Exit::NotStarted(reason.to_owned()).status(), Some(status), "{reason}");
        }
    }

    #[test]
    fn wait_statuses_are_read() {
        assert_eq!(Exit::from_wait(0), Exit::Code(0));
        assert_eq!(Exit::from_wait(7 << 8), Exit::Code(7));
        assert_eq!(Exit::from_wait(0xff00), Exit::Code(255));
        assert_eq!(Exit::from_wait(9), Exit::Signal(9));
        assert_eq!(Exit::from_wait(11 | 0x80), Exit::Signal(11), "with a core");
        assert_eq!((Exit::Signal(9).status(), Exit::Unknown.status()), (Some(137), None));
    }
}
