//! Signals by name or number.

/// By name; source: signal(7), the numbers that x86 and ARM share.
const SIGNALS: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first realtime signal that a C library leaves to programs.
const FIRST_REALTIME: u8 = 34;
/// The last one.
const LAST: u8 = 64;

/// Returns the number of a signal: `SIGTERM`, `TERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`.
#[must_use]
pub fn signal_number(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return Some(number).filter(|it| (1..=LAST).contains(it));
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let plain = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    plain.or_else(|| realtime(name))
}

fn realtime(name: &str) -> Option<u8> {
    let offset = |rest: &str, sign: char| {
        if rest.is_empty() {
            Some(0)
        } else {
            rest.strip_prefix(sign)?.parse::<u8>().ok()
        }
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => FIRST_REALTIME.checked_add(offset(rest, '+')?)?,
        (None, Some(rest)) => LAST.checked_sub(offset(rest, '-')?)?,
        (None, None) => return None,
    };
    Some(number).filter(|it| (FIRST_REALTIME..=LAST).contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SIGRTMIN", 34),
            ("poll", 29),
        ] {
            assert_eq!(signal_number(text), Some(number), "{text}");
        }
        for text in ["", "SIG", "SIGNONSENSE", "0", "65", "RTMAX-40", "-9", "RTMIN+99", "RTMIN3"] {
            assert_eq!(signal_number(text), None, "{text}");
        }
    }
}
