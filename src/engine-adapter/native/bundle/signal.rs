//! Signals by name and number.

use rcompose_engine_adapter::Result;

use super::invalid;

/// Names in the order of their numbers, from 1; source: signal(7), the numbers that x86 and ARM share.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
    "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Real-time signals that a C library leaves to programs.
const FIRST_REAL_TIME: u8 = 34;
const LAST_REAL_TIME: u8 = 64;

/// Reads a signal: a number, or a name with or without `SIG`, as `SIGTERM`, `term`, `RTMIN+3`.
///
/// # Errors
/// It is none.
pub(crate) fn parse(text: &str) -> Result<u8> {
    number(text).ok_or_else(|| invalid(format!("`{text}` is no signal")))
}

fn number(text: &str) -> Option<u8> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |text: &str, sign: char| {
        if text.is_empty() {
            Some(0)
        } else {
            text.strip_prefix(sign)?.parse::<u8>().ok()
        }
    };
    let number = if let Some(more) = name.strip_prefix("RTMIN") {
        FIRST_REAL_TIME.checked_add(offset(more, '+')?)?
    } else if let Some(less) = name.strip_prefix("RTMAX") {
        LAST_REAL_TIME.checked_sub(offset(less, '-')?).filter(|it| *it >= FIRST_REAL_TIME)?
    } else if let Some(at) = NAMES.iter().position(|it| *it == name) {
        u8::try_from(at + 1).ok()?
    } else {
        text.parse().ok()?
    };
    (1..=LAST_REAL_TIME).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("quit", 3),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMIN", 34),
            ("RTMAX-1", 63),
            ("SYS", 31),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for text in ["", "SIG", "0", "65", "-1", "RTMIN+31", "RTMIN-1", "RTMAX-31", "FOO", "SIG9"] {
            assert!(parse(text).unwrap_err().message.contains(text), "{text}");
        }
    }
}
