//! What a plain scalar means.

use crate::tree::Value;

/// Resolves a scalar without quotes.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::Str(text.to_owned());
    }
    if is_timestamp(text) {
        return Value::Time(text.to_owned());
    }
    let plain: String = text.chars().filter(|&c| c != '_').collect();
    if let Some(value) = integer(&plain) {
        return value;
    }
    // What no number can hold is text, as in Go.
    if is_float(&plain)
        && let Some(value) = plain.parse().ok().filter(|it: &f64| it.is_finite())
    {
        return Value::Float(value);
    }
    Value::Str(text.to_owned())
}

/// Forces a scalar to the type that a `!!tag` names; `None` if the text does not fit.
pub(super) fn resolve_as(tag: &str, text: &str) -> Option<Value> {
    match (tag, resolve(text)) {
        ("str" | "binary", _) => Some(Value::Str(text.to_owned())),
        ("null", _) => Some(Value::Null),
        ("int", value @ (Value::Int(_) | Value::Large(_))) => Some(value),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        ("float", Value::Int(value)) => Some(Value::Float(value as f64)),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        ("float", Value::Large(value)) => Some(Value::Float(value as f64)),
        ("float", Value::Float(value)) => Some(Value::Float(value)),
        ("bool", Value::Bool(value)) => Some(Value::Bool(value)),
        ("int" | "float" | "bool", _) => None,
        (_, value) => Some(value),
    }
}

/// Reads an integer: decimal, `0x`, `0b`, `0o`, and `0` for octal as in YAML 1.1.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    let signed = i128::from(value) * if negative { -1 } else { 1 };
    i64::try_from(signed).map(Value::Int).ok().or((!negative).then_some(Value::Large(value)))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

/// A date, or a date and a time: `2001-12-14`, `2001-12-14t21:59:43.10-05:00`, `2001-12-14 21:59:43`.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-').map(str::parse::<u32>);
    let (Some(Ok(_)), Some(Ok(month)), Some(Ok(day)), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return false;
    }
    let Some(time) = time else { return true };
    let clock = time.trim_end_matches('Z');
    let zone = clock.find(['+', '-']).unwrap_or(clock.len());
    let mut parts = clock[..zone].split(':');
    let number = |part: Option<&str>, below: f64| part.and_then(|p| p.parse::<f64>().ok()).is_some_and(|n| (0.0..below).contains(&n));
    number(parts.next(), 24.0) && number(parts.next(), 60.0) && number(parts.next(), 60.0) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::tree::Value;

    #[test]
    fn numbers_have_the_forms_of_yaml_1_1() {
        for (text, value) in [("017", 15), ("0o17", 15), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("-7", -7)] {
            assert!(matches!(resolve(text), Value::Int(n) if n == value), "{text}");
        }
        for (text, value) in [("9223372036854775808", 1 << 63), ("0xFFFF_FFFF_FFFF_FFFF", u64::MAX)] {
            assert!(matches!(resolve(text), Value::Large(n) if n == value), "{text}");
        }
        assert!(matches!(resolve("-9223372036854775808"), Value::Int(i64::MIN)));
        assert!(matches!(resolve("18446744073709551616"), Value::Float(_)));
        assert!(matches!(resolve("1e3"), Value::Float(n) if n == 1000.0));
        for text in ["60:30", "yes", "1.2.3", "0x", "+", "-", "1-2", ".", "1e", "1e400"] {
            assert!(matches!(resolve(text), Value::Str(_)), "{text}");
        }
        assert!(matches!(resolve("2001-12-14"), Value::Time(_)));
    }
}
