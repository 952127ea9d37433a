//! Output that the engine recorded, as whole lines with their times.

use bytes::{Buf, Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, LogLine, LogOptions, Result};

use crate::containers;
use crate::error::while_trying;
use crate::produce::produce;
use crate::transport::{Api, Call, path};

pub(crate) fn logs(api: &Api, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
    let (api, name, options) = (api.clone(), name.clone(), options.clone());
    produce(move |mut out| async move {
        let what = format!("cannot read the logs of container {name}");
        let trying = |error| while_trying(&what, error);
        let found = containers::inspect(&api, &name).await.map_err(trying)?;
        let tty = found.config.and_then(|config| config.tty).unwrap_or_default();
        let mut pieces = api.stream(call(&name, &options));
        let mut lines = if tty { Lines::of_terminal() } else { Lines::of_frames() };
        while let Some(piece) = pieces.try_next().await.map_err(trying)? {
            for line in lines.push(&piece) {
                out.send(line).await;
            }
        }
        for line in lines.finish() {
            out.send(line).await;
        }
        Ok(())
    })
}

fn call(name: &ContainerName, options: &LogOptions) -> Call {
    let LogOptions { follow, since, until, tail } = options;
    let mut call = Call::get(path("containers", name.as_str(), "/logs"));
    call = call.query("stdout", "1").query("stderr", "1").query("timestamps", "1").patient();
    if *follow {
        call = call.query("follow", "1");
    }
    if let Some((seconds, nanos)) = since {
        call = call.query("since", &format!("{seconds}.{nanos:09}"));
    }
    if let Some((seconds, nanos)) = until {
        call = call.query("until", &format!("{seconds}.{nanos:09}"));
    }
    call.query("tail", &tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()))
}

/// Puts lines together from what the engine sends.
///
/// Without a terminal each message is a frame: a byte for the stream, three zeros, the length, the message. With one the
/// messages follow each other as they are. A line longer than [`PIECE`] comes as several messages, each with a time of its own.
/// Source: Docker API, "Attach to a container", stream format.
#[derive(Debug)]
struct Lines {
    buffer: BytesMut,
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
const HEADER: usize = 8;

impl Lines {
    fn of_frames() -> Self {
        Self { buffer: BytesMut::new(), terminal: false, begun: [None, None] }
    }

    fn of_terminal() -> Self {
        Self { terminal: true, ..Self::of_frames() }
    }

    /// Takes in a piece and returns the lines that it ends.
    fn push(&mut self, piece: &[u8]) -> Vec<LogLine> {
        self.buffer.extend_from_slice(piece);
        let mut lines = Vec::new();
        if self.terminal {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1).freeze();
                lines.push(terminal_line(&line[..end]));
            }
        } else {
            while let Some((stderr, message)) = self.frame() {
                lines.extend(self.message(stderr, &message));
            }
        }
        lines
    }

    fn frame(&mut self) -> Option<(bool, Bytes)> {
        let header: [u8; HEADER] = self.buffer.get(..HEADER)?.try_into().ok()?;
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if self.buffer.len() < HEADER + length {
            return None;
        }
        self.buffer.advance(HEADER);
        Some((header[0] == 2, self.buffer.split_to(length).freeze()))
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
    fn finish(mut self) -> Vec<LogLine> {
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
    use proptest::prelude::*;

    use super::*;

    const TIME: &str = "2026-11-20T18:00:00.000000001Z";

    fn frame(stderr: bool, message: &[u8]) -> Vec<u8> {
        let mut frame = vec![if stderr { 2 } else { 1 }, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(message.len()).expect("short").to_be_bytes());
        frame.extend_from_slice(message);
        frame
    }

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
