//! Extended headers. Source: POSIX.1-2017, pax, "pax Header Block"; `SCHILY.xattr` of star; `GNU.sparse` of GNU tar.

use super::malformed;
use super::sparse::Sparse;
use crate::error::ImageError;

/// What extended headers say of the entry that follows.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) mtime: Option<(i64, u32)>,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: Sparse,
    any: bool,
}

impl Pax {
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Reads records `LENGTH KEY=VALUE\n`.
    pub(crate) fn parse(mut rest: &[u8]) -> Result<Self, ImageError> {
        let mut pax = Self { any: true, ..Self::default() };
        while !rest.is_empty() {
            let blank = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = number(&rest[..blank]).and_then(|it| usize::try_from(it).ok()).ok_or_else(wrong)?;
            let record = rest.get(blank + 1..length).and_then(|it| it.strip_suffix(b"\n")).ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            pax.take(&record[..equals], &record[equals + 1..])?;
            rest = &rest[length..];
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), ImageError> {
        let value_or_none = || (!value.is_empty()).then(|| value.to_vec());
        let digits = || {
            if value.is_empty() {
                Ok(None)
            } else {
                number(value).map(Some).ok_or_else(wrong)
            }
        };
        match key {
            b"path" => self.path = value_or_none(),
            b"linkpath" => self.link = value_or_none(),
            b"size" => self.size = digits()?,
            b"uid" => self.uid = digits()?,
            b"gid" => self.gid = digits()?,
            b"mtime" => self.mtime = if value.is_empty() { None } else { Some(time(value).ok_or_else(wrong)?) },
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.attributes.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(name, value)?;
                }
                // Access times, names of users, comments: nothing that a layer keeps.
            }
        }
        Ok(())
    }
}

/// Reads a decimal number without sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads `[-]SECONDS[.FRACTION]`.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let dot = text.iter().position(|byte| *byte == b'.');
    let seconds = i64::try_from(number(&text[..dot.unwrap_or(text.len())])?).ok()?;
    let fraction = dot.map_or(&text[..0], |dot| &text[dot + 1..]);
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds = (0..9).fold(0, |sum, at| sum * 10 + u32::from(fraction.get(at).map_or(0, |digit| digit - b'0')));
    match (negative, nanoseconds) {
        (false, _) => Some((seconds, nanoseconds)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanoseconds)),
    }
}

fn wrong() -> ImageError {
    malformed("an extended header is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1", Some((1, 0))),
            ("1.5", Some((1, 500_000_000))),
            ("1.0000000019", Some((1, 1))),
            ("-1", Some((-1, 0))),
            ("-1.25", Some((-2, 750_000_000))),
            ("", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for text in ["x", "5 a=b", "99 a=b\n", "6 a=b\nx", "0 a=b\n", "6 a b\n", "12 size=-1\n\n", "3 \n"] {
            assert!(Pax::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        let pax = Pax::parse(b"10 path=a\n23 SCHILY.xattr.x.y=\0=\n").unwrap();
        assert_eq!(
            (pax.path.as_deref(), pax.attributes.as_slice()),
            (Some(b"a".as_slice()), [(b"x.y".to_vec(), b"\0=".to_vec())].as_slice())
        );
    }
}
