//! Lines, out of the bytes that carry them.

use bytes::BytesMut;
use rcompose_engine_adapter::LogLine;

use crate::frames::Frames;

/// Puts lines together from what the engine sends.
///
/// Without a terminal each message is a frame, with one the messages follow each other as they are. A line longer than
/// [`PIECE`] comes as several messages, each with a time of its own.
#[derive(Debug)]
pub(super) struct Lines {
    /// What a terminal showed since the last newline.
    buffer: BytesMut,
    frames: Frames,
    terminal: bool,
    /// The line begun on standard output and on standard error.
    begun: [Option<Begun>; 2],
}

#[derive(Debug)]
struct Begun {
    timestamp: String,
    line: BytesMut,
}

/// Bytes of a message that is not a line's last. Source: moby's log copier.
const PIECE: usize = 16 * 1024;

impl Lines {
    /// Reads the output of a container, with a terminal or without.
    pub(super) fn new(terminal: bool) -> Self {
        if terminal { Self::of_terminal() } else { Self::of_frames() }
    }

    /// Returns the time of the oldest line that is not whole yet.
    pub(super) fn oldest_begun(&self) -> Option<&str> {
        if self.terminal {
            return Some(stamped(&self.buffer).0).filter(|time| !time.is_empty());
        }
        self.begun.iter().flatten().map(|begun| begun.timestamp.as_str()).min()
    }

    fn of_frames() -> Self {
        Self { buffer: BytesMut::new(), frames: Frames::default(), terminal: false, begun: [None, None] }
    }

    fn of_terminal() -> Self {
        Self { terminal: true, ..Self::of_frames() }
    }

    /// Takes in a piece and returns the lines that it ends.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if self.terminal {
            self.buffer.extend_from_slice(piece);
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1).freeze();
                lines.push(terminal_line(&line[..end]));
            }
        } else {
            self.frames.push(piece);
            while let Some((stderr, message)) = self.frames.take() {
                lines.extend(self.message(stderr, &message));
            }
        }
        lines
    }

    fn message(&mut self, stderr: bool, message: &[u8]) -> Option<LogLine> {
        let (timestamp, content) = stamped(message);
        let (content, ends) = content.strip_suffix(b"\n").map_or((content, false), |content| (content, true));
        let slot = &mut self.begun[usize::from(stderr)];
        let begun = slot.get_or_insert_with(|| Begun { timestamp: timestamp.to_owned(), line: BytesMut::new() });
        begun.line.extend_from_slice(content);
        if ends { slot.take().map(|begun| begun.into_line(stderr)) } else { None }
    }

    /// Returns what was begun when the engine stopped sending.
    pub(super) fn finish(mut self) -> Vec<LogLine> {
        let rest = std::mem::take(&mut self.buffer);
        if self.terminal {
            return if rest.is_empty() { Vec::new() } else { vec![terminal_line(&rest)] };
        }
        let [out, err] = self.begun;
        let out = out.map(|begun| begun.into_line(false));
        out.into_iter().chain(err.map(|begun| begun.into_line(true))).collect()
    }
}

impl Begun {
    fn into_line(self, stderr: bool) -> LogLine {
        LogLine { timestamp: self.timestamp, stderr, line: self.line.freeze() }
    }
}

/// Reads a line of a terminal, taking out the times within that begin a further piece of it.
fn terminal_line(text: &[u8]) -> LogLine {
    let (timestamp, mut rest) = stamped(text);
    let mut line = BytesMut::new();
    while rest.len() > PIECE {
        let (piece, next) = rest.split_at(PIECE);
        line.extend_from_slice(piece);
        rest = stamped(next).1;
    }
    line.extend_from_slice(rest);
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    LogLine { timestamp: timestamp.to_owned(), stderr: false, line: line.freeze() }
}

/// Splits off the time that leads a message; none leaves the message as it is.
fn stamped(message: &[u8]) -> (&str, &[u8]) {
    let Some(space) = message.iter().take(40).position(|byte| *byte == b' ') else {
        return ("", message);
    };
    let Ok(text) = std::str::from_utf8(&message[..space]) else {
        return ("", message);
    };
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 20 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && bytes[16] == b':';
    if is_time { (text, &message[space + 1..]) } else { ("", message) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::frames::frame;

    const TIME: &str = "2026-11-20T18:00:00.000000001Z";

    fn line(stderr: bool, text: &str) -> LogLine {
        LogLine { timestamp: TIME.to_owned(), stderr, line: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// Writes lines as the engine does, long ones in pieces.
    fn sent(lines: &[(bool, String)], piece: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (stderr, text) in lines {
            let chunks: Vec<&[u8]> = if text.is_empty() {
                vec![b""]
            } else {
                text.as_bytes().chunks(piece).collect()
            };
            for (index, chunk) in chunks.iter().enumerate() {
                let end: &[u8] = if index + 1 == chunks.len() { b"\n" } else { b"" };
                bytes.extend(frame(*stderr, &[TIME.as_bytes(), b" ", chunk, end].concat()));
            }
        }
        bytes
    }

    #[test]
    fn a_last_line_without_newline_is_kept() {
        let mut lines = Lines::of_frames();
        assert!(lines.push(&frame(true, format!("{TIME} tail").as_bytes())).is_empty());
        assert_eq!(lines.finish(), [line(true, "tail")]);
        let mut lines = Lines::of_terminal();
        assert!(lines.push(format!("{TIME} $ ").as_bytes()).is_empty());
        assert_eq!(lines.finish(), [line(false, "$ ")]);
    }

    #[test]
    fn long_lines_of_a_terminal_lose_their_inner_times() {
        let long = "x".repeat(PIECE);
        let text = format!("{TIME} {long}{TIME} {long}{TIME} end\r\n{TIME} next\r\n");
        let lines = Lines::of_terminal().push(text.as_bytes());
        assert_eq!(lines, [line(false, &format!("{long}{long}end")), line(false, "next")]);
    }

    #[test]
    fn a_long_line_without_inner_times_stays_whole() {
        let long = "y".repeat(PIECE + 100);
        let lines = Lines::of_terminal().push(format!("{TIME} {long}\n").as_bytes());
        assert_eq!(lines, [line(false, &long)]);
    }

    proptest! {
        #[test]
        fn lines_come_whole_however_they_are_cut(
            lines in prop::collection::vec((any::<bool>(), "[ -~äöü]{0,40}"), 0..20),
            piece in 1_usize..20,
            cuts in prop::collection::vec(1_usize..50, 1..40),
        ) {
            // Pieces are bytes; a multi-byte character may be cut too.
            let bytes = sent(&lines, piece);
            let mut decoder = Lines::of_frames();
            let mut found = Vec::new();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
                found.extend(decoder.push(now));
                rest = later;
            }
            found.extend(decoder.finish());
            let expected: Vec<LogLine> = lines.iter().map(|(stderr, text)| line(*stderr, text)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..10), terminal in any::<bool>()) {
            let mut decoder = if terminal { Lines::of_terminal() } else { Lines::of_frames() };
            for piece in &pieces {
                decoder.push(piece);
            }
            decoder.finish();
        }
    }
}
