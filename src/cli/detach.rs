//! Keys that detach a terminal from a container. Source: Docker's documentation of `docker attach`, "Override the detach sequence".

use crate::failure::Failure;

/// The keys where none are asked for.
const USUAL: &str = "ctrl-p,ctrl-q";

/// A sequence of keys that is looked for in what is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were typed last, and are held back.
    typed: usize,
}

impl DetachKeys {
    /// Reads a sequence: letters and other characters of ASCII, or `ctrl-` with a letter or one of `@[\]^_`, joined by commas.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let text = text.filter(|it| !it.is_empty()).unwrap_or(USUAL);
        let keys = text.split(',').map(|word| key(word).ok_or(word)).collect::<Result<Vec<u8>, &str>>();
        let keys = keys.map_err(|word| {
            let hint = "write characters or `ctrl-` with a letter or one of @[\\]^_, joined by commas, such as ctrl-p,ctrl-q";
            Failure::usage(format!("`{word}` in `{text}` is no key"), hint)
        })?;
        Ok(Self { keys, typed: 0 })
    }

    /// Takes in what was typed; returns what goes to the container, and whether the keys were among it.
    pub(crate) fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            let mut held = self.keys[..self.typed].to_vec();
            held.push(*byte);
            // The most of it that the keys may go on from is held back; what comes before was meant for the container.
            let kept = (0..=held.len()).rev().find(|kept| held.ends_with(&self.keys[..*kept])).unwrap_or(0);
            passed.extend_from_slice(&held[..held.len() - kept]);
            self.typed = kept;
            if kept == self.keys.len() {
                self.typed = 0;
                return (passed, true);
            }
        }
        (passed, false)
    }
}

fn key(word: &str) -> Option<u8> {
    match word.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        [before @ .., byte] if before == b"ctrl-" => match byte {
            b'a'..=b'z' => Some(byte - b'a' + 1),
            b'@' => Some(0),
            b'[' => Some(27),
            b'\\' => Some(28),
            b']' => Some(29),
            b'^' => Some(30),
            b'_' => Some(31),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        let keys = |text: &str| DetachKeys::parse(Some(text)).map(|it| it.keys).ok();
        assert_eq!(keys("ctrl-p,ctrl-q"), Some(vec![16, 17]));
        assert_eq!(keys(""), keys("ctrl-p,ctrl-q"));
        assert_eq!(keys("a,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,Z"), Some(vec![b'a', 0, 27, 28, 29, 30, 31, b'Z']));
        for text in ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,,b", "\u{e9}"] {
            assert_eq!(keys(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_whole_sequence_detaches() {
        let mut keys = DetachKeys::parse(Some("x,x,y")).unwrap();
        assert_eq!(keys.pass(b"axb"), (b"axb".to_vec(), false));
        assert_eq!(keys.pass(b"x"), (b"".to_vec(), false), "it is held back");
        assert_eq!(keys.pass(b"x"), (b"".to_vec(), false));
        assert_eq!(keys.pass(b"x"), (b"x".to_vec(), false), "the last two may still be the first two");
        assert_eq!(keys.pass(b"yz"), (b"".to_vec(), true));
        let mut usual = DetachKeys::parse(None).unwrap();
        assert_eq!(usual.pass(b"ls\x10\x10\x11"), (b"ls\x10".to_vec(), true));
    }
}
