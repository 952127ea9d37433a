//! The end of what a process put out, kept for the message about its failure.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

/// So many lines say what went wrong without hiding the message itself.
pub(crate) const TAIL_LINES: usize = 10;
/// A longer line is cut here (bytes): it is shown to people.
const LINE_LIMIT: usize = 4096;

/// The last lines that a process put out before it failed; the source of the error that tells of the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastOutput {
    /// At most 10, oldest first.
    pub lines: Vec<String>,
}

impl fmt::Display for LastOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its last output:")?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Error for LastOutput {}

/// Keeps the last lines.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    pub(crate) fn push(&mut self, line: String) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// Returns what was kept; `None` where nothing was put out.
    pub(crate) fn finish(self) -> Option<LastOutput> {
        (!self.0.is_empty()).then(|| LastOutput { lines: self.0.into() })
    }
}

/// Cuts pieces of output into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes in a piece and hands out the lines that are whole now.
    pub(crate) fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(String)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.keep(&piece[..end]);
            each(text(&std::mem::take(&mut self.0)));
            piece = &piece[end + 1..];
        }
        self.keep(piece);
    }

    /// Returns the last line, where it has no newline.
    pub(crate) fn finish(self) -> Option<String> {
        (!self.0.is_empty()).then(|| text(&self.0))
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_LIMIT.saturating_sub(self.0.len());
        self.0.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

/// Makes a line readable.
pub(crate) fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(&line[..line.len().min(LINE_LIMIT)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["a", "b\r\nc\n", "", "\nlast"] {
            lines.push(piece.as_bytes(), |line| seen.push(line));
        }
        assert_eq!(seen, ["ab", "c", ""]);
        assert_eq!(lines.finish().as_deref(), Some("last"));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.push(&[b'x'; 1000], |_| {});
        }
        assert_eq!(lines.finish().map(|line| line.len()), Some(LINE_LIMIT));
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        (0..25).for_each(|number| tail.push(number.to_string()));
        let lines = tail.finish().map(|output| output.lines).unwrap_or_default();
        assert_eq!((lines.len(), lines.first().map(String::as_str)), (TAIL_LINES, Some("15")));
        assert_eq!(Tail::default().finish(), None);
    }
}
