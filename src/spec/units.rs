//! Written forms of durations and byte sizes.

use crate::model::{Bytes, Duration};

/// Reads a duration such as `1h30m`, `500ms` or `1d`; a bare number is refused.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration");
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return Err(bad()),
        };
        total = total.checked_add(scaled(number, unit).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = tail;
    }
    i64::try_from(total * sign).map(Duration).map_err(|_| bad())
}

/// Multiplies a decimal number by `unit`, cutting below one nanosecond.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        value += i128::from(digit - b'0') * place;
    }
    Some(value)
}

/// Reads a size such as `64m`, `1.5g` or `10KiB`; all units are binary.
pub(crate) fn bytes(text: &str) -> Result<Bytes, String> {
    let bad = || format!("`{text}` is not a size");
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(bad)?;
    let (number, suffix) = text.split_at(end + 1);
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_ascii_lowercase();
    let power = match suffix.trim_end_matches('b').trim_end_matches('i') {
        "" if matches!(suffix.as_str(), "" | "b") => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    if !matches!(suffix.get(1..), None | Some("" | "b" | "ib")) {
        return Err(bad());
    }
    let number: f64 = number.parse().map_err(|_| bad())?;
    let value = number * 1024_f64.powi(power);
    if value >= 9.2e18 {
        return Err(format!("`{text}` is too large: a size is below 8 EiB"));
    }
    if !(0.0..9.2e18).contains(&value) {
        return Err(bad());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok(Bytes(value as i64))
}
