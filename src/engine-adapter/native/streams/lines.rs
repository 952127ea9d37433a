//! Frames of a log as lines. Pure.

use bytes::Bytes;
use jiff::Timestamp;
use rcompose_engine_adapter::{LogLine, LogOptions};
use rcompose_supervise::{Frame, Stream};

/// Most bytes of a line that are waited for; what is longer comes in pieces.
const MOST: usize = 1 << 20;

/// Puts lines together, for each stream apart.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Standard output or terminal, and standard error: bytes without a newline yet, and when the first of them came.
    open: [(Vec<u8>, u64); 2],
}

/// A line, and when its first byte came, in nanoseconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) stderr: bool,
    pub(super) bytes: Vec<u8>,
}

impl Lines {
    /// Takes a frame in; returns the lines that it ends.
    pub(super) fn take(&mut self, frame: &Frame) -> Vec<Line> {
        let stderr = frame.head.stream == Stream::Err;
        let (open, began) = &mut self.open[usize::from(stderr)];
        let mut ended = Vec::new();
        for piece in frame.bytes.split_inclusive(|it| *it == b'\n') {
            if open.is_empty() {
                *began = frame.head.at;
            }
            let (text, is_end) = piece.strip_suffix(b"\n").map_or((piece, false), |it| (it, true));
            open.extend_from_slice(text);
            if is_end || open.len() >= MOST {
                ended.push(Line { at: *began, stderr, bytes: std::mem::take(open) });
            }
        }
        ended
    }

    /// Returns what never got its newline.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let mut rest = Vec::new();
        for (number, (open, began)) in self.open.iter_mut().enumerate() {
            if !open.is_empty() {
                rest.push(Line { at: *began, stderr: number == 1, bytes: std::mem::take(open) });
            }
        }
        rest
    }
}

/// Tells whether a line lies in the time asked for.
pub(super) fn is_wanted(line: &Line, options: &LogOptions) -> bool {
    let at = (
        i64::try_from(line.at / 1_000_000_000).unwrap_or(i64::MAX),
        u32::try_from(line.at % 1_000_000_000).unwrap_or(0),
    );
    options.since.is_none_or(|since| at >= since) && options.until.is_none_or(|until| at <= until)
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        Self { timestamp: timestamp(line.at), stderr: line.stderr, line: Bytes::from(line.bytes) }
    }
}

/// RFC 3339 with nanoseconds, as Docker writes it.
fn timestamp(at: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.9}")
}

#[cfg(test)]
mod tests {
    use rcompose_supervise::Head;

    use super::*;

    fn frame(stream: Stream, at: u64, text: &str) -> Frame {
        Frame { head: Head { stream, at, length: text.len() as u32 }, bytes: text.into() }
    }

    fn line(at: u64, stderr: bool, text: &str) -> Line {
        Line { at, stderr, bytes: text.into() }
    }

    #[test]
    fn lines_are_put_together_for_each_stream() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(&frame(Stream::Out, 1, "one\ntw")), [line(1, false, "one")]);
        assert_eq!(lines.take(&frame(Stream::Err, 2, "bad\n")), [line(2, true, "bad")]);
        assert_eq!(lines.take(&frame(Stream::Out, 3, "o\n\nx")), [line(1, false, "two"), line(3, false, "")]);
        assert_eq!(lines.rest(), [line(3, false, "x")]);
        assert_eq!(lines.rest(), []);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let mut lines = Lines::default();
        let taken = lines.take(&frame(Stream::Out, 1, &"x".repeat(MOST)));
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn times_are_dockers() {
        assert_eq!(timestamp(1_764_278_000_000_000_005), "2025-11-27T21:13:20.000000005Z");
        let options = LogOptions { since: Some((5, 10)), until: Some((6, 0)), ..LogOptions::default() };
        for (at, wanted) in [(5_000_000_009, false), (5_000_000_010, true), (6_000_000_000, true), (6_000_000_001, false)] {
            assert_eq!(is_wanted(&line(at, false, ""), &options), wanted, "{at}");
        }
    }
}
