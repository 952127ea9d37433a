//! What is said on a shim's control socket: a length of four bytes (little endian), a version, a kind, and what belongs to it. Pure.

use serde::{Deserialize, Serialize};

/// The version that is spoken.
pub(crate) const VERSION: u8 = 1;
/// Most bytes after the length: words and environment of a further process, or a record with the log of its health.
pub(crate) const MOST: usize = 256 * 1024;
/// Most bytes of standard input that are sent at once.
pub(crate) const INPUT: usize = 32 * 1024;

/// What a client asks of a shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// The output from here on, or all that the log holds: after `Reply::Fine` the shim sends log frames and nothing else.
    Attach {
        /// From the oldest that the log holds.
        from_start: bool,
    },
    /// The size of the terminal.
    Resize {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
    /// A signal for the first process.
    Signal(u8),
    /// Signal, grace, then the end of every process; it is not started again.
    Stop {
        /// The task's own when absent.
        signal: Option<u8>,
        /// Milliseconds; the task's own when absent.
        grace: Option<u32>,
    },
    /// `Reply::Status` when it has ended and stays so.
    Wait,
    /// `Reply::Status` now.
    Status,
    /// Bytes for its standard input.
    Input(Vec<u8>),
    /// The end of its standard input.
    EndInput,
    /// Freeze all processes, or let them go on.
    Pause {
        /// They are to be frozen.
        frozen: bool,
    },
    /// JSON of [`crate::Update`].
    Update(Vec<u8>),
    /// JSON of [`crate::Exec`]; the descriptors of its streams go with the message's first byte. `Reply::Status` with its number, and the
    /// other end of its terminal.
    Exec(Vec<u8>),
    /// `Reply::Status` with [`crate::Exit`] when the further process of that number has ended.
    ExecWait(u64),
    /// Whoever says so does itself what follows from its end, and says when that is done; who is gone before has not done it.
    Follow,
    /// What follows from its end is done.
    Followed,
    /// It is to be removed: output that a full disk does not take is not waited for.
    Discard,
}

/// What a shim answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is done.
    Fine,
    /// What was asked for, in JSON: of [`crate::Record`] mostly.
    Status(Vec<u8>),
    /// It cannot be done, for this reason.
    Refused(String),
}

/// What bytes are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Malformed {
    /// Another version is spoken.
    #[error("version {0} of the control protocol is not spoken here, only version {VERSION}")]
    Version(u8),
    /// There is no message of that kind.
    #[error("kind {0} is no message of the control protocol")]
    Kind(u8),
    /// A message is too long.
    #[error("a message of {0} bytes is longer than {MOST}")]
    Length(u32),
    /// A message holds other than it must.
    #[error("a message of kind {0} holds other than it must")]
    Content(u8),
}

/// A message that was read, and how many bytes it took; nothing while some are missing.
pub(crate) type Read<T> = Result<Option<(T, usize)>, Malformed>;

fn write(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 2).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(content.len() + 6);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(content);
    bytes
}

fn read(bytes: &[u8]) -> Read<(u8, &[u8])> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if !(2..=MOST + 2).contains(&size) {
        return Err(Malformed::Length(length));
    }
    match rest.get(..size) {
        None => Ok(None),
        Some([VERSION, kind, content @ ..]) => Ok(Some(((*kind, content), size + 4))),
        Some(other) => Err(Malformed::Version(other.first().copied().unwrap_or(0))),
    }
}

impl Request {
    /// Returns the message as bytes.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Attach { from_start } => write(1, &[u8::from(*from_start)]),
            Self::Resize { rows, columns } => {
                let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
                write(2, &[a, b, c, d])
            }
            Self::Signal(signal) => write(3, &[*signal]),
            Self::Stop { signal, grace } => {
                let mut content = vec![signal.unwrap_or(0)];
                content.extend(grace.map(u32::to_le_bytes).into_iter().flatten());
                write(4, &content)
            }
            Self::Wait => write(5, &[]),
            Self::Status => write(6, &[]),
            Self::Input(bytes) => write(7, bytes),
            Self::EndInput => write(8, &[]),
            Self::Pause { frozen } => write(9, &[u8::from(*frozen)]),
            Self::Update(json) => write(10, json),
            Self::Exec(json) => write(11, json),
            Self::ExecWait(id) => write(12, &id.to_le_bytes()),
            Self::Follow => write(13, &[]),
            Self::Followed => write(14, &[]),
            Self::Discard => write(15, &[]),
        }
    }

    /// Reads the message at the beginning of the bytes.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn parse(bytes: &[u8]) -> Read<Self> {
        let Some(((kind, content), used)) = read(bytes)? else {
            return Ok(None);
        };
        let request = match (kind, content) {
            (1, [from_start @ 0..=1]) => Self::Attach { from_start: *from_start == 1 },
            (2, [a, b, c, d]) => Self::Resize { rows: u16::from_le_bytes([*a, *b]), columns: u16::from_le_bytes([*c, *d]) },
            (3, [signal @ 1..=64]) => Self::Signal(*signal),
            (4, [signal @ 0..=64]) => Self::Stop { signal: Some(*signal).filter(|it| *it > 0), grace: None },
            (4, [signal @ 0..=64, a, b, c, d]) => {
                Self::Stop { signal: Some(*signal).filter(|it| *it > 0), grace: Some(u32::from_le_bytes([*a, *b, *c, *d])) }
            }
            (5, []) => Self::Wait,
            (6, []) => Self::Status,
            (7, bytes) => Self::Input(bytes.to_vec()),
            (8, []) => Self::EndInput,
            (9, [frozen @ 0..=1]) => Self::Pause { frozen: *frozen == 1 },
            (10, json) => Self::Update(json.to_vec()),
            (11, json) => Self::Exec(json.to_vec()),
            (12, [a, b, c, d, e, f, g, h]) => Self::ExecWait(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (13, []) => Self::Follow,
            (14, []) => Self::Followed,
            (15, []) => Self::Discard,
            (1..=15, _) => return Err(Malformed::Content(kind)),
            _ => return Err(Malformed::Kind(kind)),
        };
        Ok(Some((request, used)))
    }
}

impl Reply {
    /// Returns the message as bytes.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Fine => write(0x80, &[]),
            Self::Status(json) => write(0x81, json),
            Self::Refused(reason) => write(0x82, reason.as_bytes()),
        }
    }

    /// Reads the message at the beginning of the bytes.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn parse(bytes: &[u8]) -> Read<Self> {
        let Some(((kind, content), used)) = read(bytes)? else {
            return Ok(None);
        };
        let reply = match (kind, content) {
            (0x80, []) => Self::Fine,
            (0x81, json) => Self::Status(json.to_vec()),
            (0x82, reason) => Self::Refused(String::from_utf8_lossy(reason).into_owned()),
            (0x80, _) => return Err(Malformed::Content(kind)),
            _ => return Err(Malformed::Kind(kind)),
        };
        Ok(Some((reply, used)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> impl Strategy<Value = Request> {
        prop_oneof![
            any::<bool>().prop_map(|from_start| Request::Attach { from_start }),
            any::<(u16, u16)>().prop_map(|(rows, columns)| Request::Resize { rows, columns }),
            (1u8..=64).prop_map(Request::Signal),
            (prop::option::of(1u8..=64), any::<Option<u32>>()).prop_map(|(signal, grace)| Request::Stop { signal, grace }),
            Just(Request::Wait),
            Just(Request::Status),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Request::Input),
            Just(Request::EndInput),
            any::<bool>().prop_map(|frozen| Request::Pause { frozen }),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Request::Update),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Request::Exec),
            any::<u64>().prop_map(Request::ExecWait),
            Just(Request::Follow),
            Just(Request::Followed),
            Just(Request::Discard),
        ]
    }

    proptest! {
        #[test]
        fn a_request_is_read_as_it_is_written_and_not_before_it_is_whole(request in requests(), cut in any::<prop::sample::Index>()) {
            let bytes = request.to_bytes();
            let used = bytes.len();
            prop_assert_eq!(Request::parse(&bytes[..cut.index(used)]), Ok(None));
            prop_assert_eq!(Request::parse(&bytes), Ok(Some((request, used))));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Request::parse(&bytes);
            let _ = Reply::parse(&bytes);
        }

        #[test]
        fn a_reply_is_read_as_it_is_written(text in ".{0,80}") {
            for reply in [Reply::Fine, Reply::Status(text.clone().into_bytes()), Reply::Refused(text)] {
                let bytes = reply.to_bytes();
                prop_assert_eq!(Reply::parse(&bytes), Ok(Some((reply, bytes.len()))));
            }
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        assert_eq!(Request::parse(&[2, 0, 0, 0, 9, 6]), Err(Malformed::Version(9)));
        assert_eq!(Request::parse(&[2, 0, 0, 0, 1, 99]), Err(Malformed::Kind(99)));
        assert_eq!(Request::parse(&[3, 0, 0, 0, 1, 3, 65]), Err(Malformed::Content(3)));
        assert_eq!(Request::parse(&[255, 255, 255, 255, 1]), Err(Malformed::Length(u32::MAX)));
        assert_eq!(Request::parse(&[0, 0, 0, 0]), Err(Malformed::Length(0)));
    }
}
