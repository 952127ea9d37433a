//! Frames of a log segment: a head of [`HEAD`] bytes, then the bytes of one stream. Pure.
//!
//! A head is written before its bytes, so a segment may end in a head cut short, or in a frame whose bytes are still to come.

/// First bytes of a segment: what it is, and its version.
pub(crate) const MAGIC: [u8; 8] = *b"rclog\x001\n";
/// Length of a frame's head.
pub(crate) const HEAD: usize = 20;
/// Most bytes of one frame; what the kernel lets a pipe hold without rights (`/proc/sys/fs/pipe-max-size`).
pub(crate) const MOST: u32 = 1 << 20;

const MARK: u8 = 0xA7;

/// Which stream bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The terminal.
    Terminal,
}

impl Stream {
    const ALL: [Self; 3] = [Self::Out, Self::Err, Self::Terminal];

    fn number(self) -> u8 {
        match self {
            Self::Out => 1,
            Self::Err => 2,
            Self::Terminal => 3,
        }
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Where its bytes came from.
    pub stream: Stream,
    /// When they were read: nanoseconds since 1970.
    pub at: u64,
    /// How many bytes follow.
    pub length: u32,
}

/// Why bytes are no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// They end too soon: the head is still being written, or its writer was killed.
    Short,
    /// They are something else.
    Damaged,
}

impl Head {
    /// Returns the head as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[0] = MARK;
        bytes[1] = self.stream.number();
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.to_le_bytes());
        let sum = check(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the head at the beginning of the bytes.
    ///
    /// # Errors
    /// There is none, or not all of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Bad> {
        let Some(bytes) = bytes.first_chunk::<HEAD>() else {
            return Err(Bad::Short);
        };
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let stream = Stream::ALL.into_iter().find(|it| it.number() == bytes[1]);
        let length = number(4);
        match stream {
            Some(stream) if bytes[0] == MARK && length <= MOST && number(16) == check(&bytes[..16]) => {
                Ok(Self { stream, at: u64::from(number(8)) | u64::from(number(12)) << 32, length })
            }
            _ => Err(Bad::Damaged),
        }
    }
}

/// FNV-1a, 32 bits: tells a head from zeros that a file system put at the end after a loss of power.
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn streams() -> impl Strategy<Value = Stream> {
        prop::sample::select(&Stream::ALL[..])
    }

    proptest! {
        #[test]
        fn a_head_is_read_as_it_is_written(stream in streams(), at in any::<u64>(), length in 0..=MOST) {
            let head = Head { stream, at, length };
            prop_assert_eq!(Head::parse(&head.to_bytes()), Ok(head));
        }

        #[test]
        fn a_torn_head_is_short_and_a_changed_one_damaged(at in any::<u64>(), cut in 0..HEAD, bit in 0..HEAD * 8) {
            let mut bytes = Head { stream: Stream::Err, at, length: 77 }.to_bytes();
            prop_assert_eq!(Head::parse(&bytes[..cut]), Err(Bad::Short));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Head::parse(&bytes), Err(Bad::Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(head) = Head::parse(&bytes) {
                prop_assert!(head.length <= MOST);
            }
        }
    }

    #[test]
    fn zeros_are_no_head() {
        assert_eq!(Head::parse(&[0; 64]), Err(Bad::Damaged));
    }
}
