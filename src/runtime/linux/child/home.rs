//! HOME by the container's own `/etc/passwd`, as login programs set it.

use crate::linux::sys;

/// Longest line of passwd that is read, and longest HOME.
const LONGEST: usize = 1024;
/// What a user without an entry gets.
const NOWHERE: &[u8] = b"/";
const NAME: &[u8] = b"HOME=";

/// `HOME=` and a path, ended by NUL.
pub(crate) type Home = [u8; LONGEST];

/// Writes the home folder of a user.
pub(super) fn find(uid: u32, place: *mut Home) {
    // SAFETY: the parent made the place for this child alone, which has one thread.
    let place = unsafe { &mut *place };
    *place = [0; LONGEST];
    place[..NAME.len()].copy_from_slice(NAME);
    let mut line = [0u8; LONGEST];
    let length = look_up(uid, &mut line);
    let home = line.get(..length).filter(|it| !it.is_empty() && it.len() + NAME.len() < LONGEST).unwrap_or(NOWHERE);
    place[NAME.len()..NAME.len() + home.len()].copy_from_slice(home);
}

/// Puts the home folder at the front of `line`, and returns its length; 0 if there is none.
fn look_up(uid: u32, line: &mut [u8; LONGEST]) -> usize {
    let Ok(file) = sys::open(c"/etc/passwd", libc::O_RDONLY | libc::O_NONBLOCK) else {
        return 0;
    };
    let found = if sys::stat(file).is_ok_and(|it| sys::is(&it, libc::S_IFREG)) {
        scan(file, uid, line)
    } else {
        0
    };
    sys::close(file);
    found
}

fn scan(file: i32, uid: u32, line: &mut [u8; LONGEST]) -> usize {
    let mut buffer = [0u8; LONGEST];
    let mut length = 0;
    loop {
        let count = match sys::read(file, &mut buffer) {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        for byte in buffer.iter().take(count) {
            if *byte != b'\n' {
                // A line that is too long has no entry that is used.
                if let Some(place) = line.get_mut(length) {
                    *place = *byte;
                }
                length += 1;
                continue;
            }
            if let Some(home) = home_of(line.get(..length).unwrap_or_default(), uid) {
                return keep(line, home);
            }
            length = 0;
        }
    }
    home_of(line.get(..length).unwrap_or_default(), uid).map_or(0, |home| keep(line, home))
}

fn keep(line: &mut [u8; LONGEST], (start, end): (usize, usize)) -> usize {
    line.copy_within(start..end, 0);
    end - start
}

/// Returns where the sixth field of a line lies, if its third is the user.
fn home_of(line: &[u8], uid: u32) -> Option<(usize, usize)> {
    let (mut start, mut matches) = (0, false);
    for field in 0..6 {
        let rest = line.get(start..)?;
        let end = rest.iter().position(|byte| *byte == b':').map_or(line.len(), |at| start + at);
        let text = line.get(start..end)?;
        if field == 2 {
            matches = !text.is_empty() && text.iter().all(u8::is_ascii_digit) && number(text) == u64::from(uid);
        }
        if field == 5 {
            return matches.then_some((start, end));
        }
        start = end + 1;
    }
    None
}

fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_user_counts() {
        let home = |line: &str, uid| home_of(line.as_bytes(), uid).map(|(start, end)| line[start..end].to_owned());
        assert_eq!(home("app:x:1000:1000::/home/app:/bin/sh", 1000), Some("/home/app".to_owned()));
        assert_eq!(home("app:x:1000:1000::/home/app", 1000), Some("/home/app".to_owned()));
        assert_eq!(home("app:x:1000:1000::/home/app:/bin/sh", 100), None);
        assert_eq!(home("app:x::1000::/home/app:/bin/sh", 0), None);
        assert_eq!(home("", 0), None);
    }
}
