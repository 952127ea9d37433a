//! JSON as Go's `encoding/json` writes it: HTML characters and line separators are escaped.

use serde::Serialize;

/// Writes a value without blanks.
pub(crate) fn compact(value: &impl Serialize) -> String {
    escaped(serde_json::to_string(value).unwrap_or_default())
}

/// Writes a value indented by two blanks.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    escaped(serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Outside of strings JSON has none of these characters.
fn escaped(json: String) -> String {
    // The line separators begin with this byte.
    if !json.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn strings_are_written_as_go_writes_them() {
        let go = r#""a\u003cb\u003e\u0026c \"\\\b\f\n\r\t\u0001 é\u2028\u2029😀""#;
        assert_eq!(compact(&"a<b>&c \"\\\u{8}\u{c}\n\r\t\u{1} é\u{2028}\u{2029}😀"), go);
    }
}
