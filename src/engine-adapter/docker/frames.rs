//! The frames that carry standard output and standard error on one connection.
//!
//! Each is a byte for the stream (1 output, 2 error), three zeros, the length as four bytes, and the message.
//! Source: Docker API, "Attach to a container", stream format.

use bytes::{Buf, Bytes, BytesMut};

const HEADER: usize = 8;

/// Bytes received, and the frames in them.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// Takes out the next whole frame: whether it is of standard error, and its message.
    pub(crate) fn take(&mut self) -> Option<(bool, Bytes)> {
        let header: [u8; HEADER] = self.0.get(..HEADER)?.try_into().ok()?;
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if self.0.len() - HEADER < length {
            return None;
        }
        self.0.advance(HEADER);
        Some((header[0] == 2, self.0.split_to(length).freeze()))
    }
}

#[cfg(test)]
pub(crate) fn frame(stderr: bool, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![if stderr { 2 } else { 1 }, 0, 0, 0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let mut frames = Frames::default();
        let bytes = [frame(false, b"one"), frame(true, b"")].concat();
        for byte in &bytes[..bytes.len() - 1] {
            frames.push(&[*byte]);
        }
        assert_eq!(frames.take(), Some((false, Bytes::from_static(b"one"))));
        assert_eq!(frames.take(), None);
        frames.push(&bytes[bytes.len() - 1..]);
        assert_eq!(frames.take(), Some((true, Bytes::new())));
    }
}
