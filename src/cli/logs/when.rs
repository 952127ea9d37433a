//! Points in time as `--since` and `--until` take them: a date, a Unix time, or how long ago.

use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;

/// Reads a point in time as seconds since 1970 and nanoseconds.
pub(crate) fn point_in_time(flag: &str, text: &str, now: Timestamp) -> Result<(i64, u32), Failure> {
    let found = ago(text).and_then(|ago| now.checked_sub(ago).ok()).or_else(|| unix(text)).or_else(|| date(text));
    let Some(time) = found else {
        return Err(Failure::usage(
            format!("`{text}` of {flag} is no point in time"),
            "write a date such as 2026-01-31T08:30:00Z, a Unix time in seconds, or how long ago, such as 42m or 1h30m",
        ));
    };
    Ok((time.as_second(), u32::try_from(time.subsec_nanosecond()).unwrap_or(0)))
}

/// Reads a length of time as Go writes it. Source: Go `time.ParseDuration`.
fn ago(text: &str) -> Option<SignedDuration> {
    if !text.ends_with(|last: char| last.is_ascii_alphabetic()) || text.contains(['T', 'Z']) {
        return None;
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let tail = rest.get(digits..)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let unit = match tail.get(..end)? {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * unit;
        rest = tail.get(end..)?;
    }
    SignedDuration::try_from_secs_f64(total).ok()
}

fn unix(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = fraction.get(..9).unwrap_or(fraction);
    let nanos: i32 = format!("{digits:0<9}").parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanos).ok()
}

/// Reads a date with a zone, or one that is meant here.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_read() {
        let now = Timestamp::new(1_000_000, 0).unwrap();
        let read = |text| point_in_time("--since", text, now).ok();
        assert_eq!(read("42m"), Some((1_000_000 - 42 * 60, 0)));
        assert_eq!(read("1h30m"), Some((1_000_000 - 5400, 0)));
        assert_eq!(read("1.5s"), Some((999_998, 500_000_000)));
        assert_eq!(read("1136073600.000000001"), Some((1_136_073_600, 1)));
        assert_eq!(read("2013-01-02T13:23:37Z"), Some((1_357_133_017, 0)));
        assert_eq!(read("2013-01-02T13:23:37.5+01:00"), Some((1_357_129_417, 500_000_000)));
        for text in ["", "soon", "5x", "12:00", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
