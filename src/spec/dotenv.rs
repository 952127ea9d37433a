//! The grammar of `.env` and `env_file`.

use std::collections::BTreeMap;

use crate::error::Code;
use crate::template::{self, Effects, Lookup};

/// Longest part of a name that a message shows.
const MAX_SHOWN: usize = 60;

/// Why a file of variables cannot be read. It shows names only where they surely are names: a line that cannot be read may be one
/// of a key or a password that was not put in quotes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// First byte of the place.
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// One line of a file of variables that gives a variable its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) value: String,
    /// First byte of the name.
    pub(crate) at: usize,
}

/// Reads a file of variables; of lines for the same variable the last one holds.
///
/// `outer` is asked first when a value names a variable, then what stands above in the file.
pub(crate) fn parse(text: &str, outer: &dyn Lookup, effects: &mut Effects) -> Result<Vec<Line>, Fault> {
    let mut reader = Reader { text, at: 0, outer, known: BTreeMap::new(), lines: Vec::new() };
    while reader.skip_to_statement() {
        reader.statement(effects)?;
    }
    Ok(reader.lines)
}

/// Reads `format: raw`: every line is `KEY=VALUE` as it stands, without quotes, comments behind values or variables.
pub(crate) fn parse_raw(text: &str, outer: &dyn Lookup) -> Result<Vec<Line>, Fault> {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let indented = line.len();
        let line = line.trim_start();
        let start = start + indented - line.len();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            let message = match value {
                Some(_) => format!("invalid variable name `{}`", shown(key)),
                None => "invalid variable name".to_owned(),
            };
            return Err(Fault { at: start, message, hint: "write KEY=VALUE, one on each line".to_owned() });
        }
        if let Some(value) = value.or_else(|| outer.get(key)) {
            lines.push(Line { name: key.to_owned(), value: value.to_owned(), at: start });
        }
    }
    Ok(lines)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    outer: &'a dyn Lookup,
    known: BTreeMap<String, String>,
    lines: Vec<Line>,
}

/// Variables of the surroundings over those of the file so far.
struct Layers<'a>(&'a dyn Lookup, &'a BTreeMap<String, String>);

impl Lookup for Layers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let below = || self.1.get(name).map(String::as_str);
        self.0.get(name).or_else(below)
    }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes to the next statement, over blank lines and comments; false at the end.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return !trimmed.is_empty();
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn statement(&mut self, effects: &mut Effects) -> Result<(), Fault> {
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with(is_blank)
        {
            self.at = self.text.len() - after.trim_start_matches(is_blank).len();
        }
        let start = self.at;
        let (key, inherited) = self.key()?;
        if key.contains(' ') {
            let hint = if inherited {
                "write KEY=VALUE; put values with line breaks in quotes".to_owned()
            } else {
                format!("write {}=…", shown(key).replace(' ', "_"))
            };
            return Err(Fault { at: start, message: "key cannot contain a space".to_owned(), hint });
        }
        if inherited {
            if let Some(value) = self.outer.get(key) {
                self.set(key, value.to_owned(), start);
            }
            return Ok(());
        }
        let value = self.value(key, effects)?;
        self.set(key, value, start);
        Ok(())
    }

    fn set(&mut self, name: &str, value: String, at: usize) {
        self.known.insert(name.to_owned(), value.clone());
        self.lines.push(Line { name: name.to_owned(), value, at });
    }

    /// Reads a name up to `=` or `:`; a line without either inherits its value.
    fn key(&mut self) -> Result<(&'a str, bool), Fault> {
        let rest = self.rest();
        for (at, char) in rest.char_indices() {
            match char {
                '=' | ':' | '\n' => {
                    let after = &rest[at + 1..];
                    self.at = self.text.len() - after.trim_start_matches(is_blank).len();
                    return Ok((rest[..at].trim_end(), char == '\n'));
                }
                '_' | '.' | '-' | '[' | ']' => {}
                _ if is_blank(char) || char.is_alphanumeric() => {}
                _ => {
                    return Err(Fault {
                        at: self.at + at,
                        message: format!("unexpected character `{}` in a variable name", char.escape_debug()),
                        hint: "a line is KEY=VALUE; put values with line breaks in quotes".to_owned(),
                    });
                }
            }
        }
        self.at = self.text.len();
        Ok((rest.trim_end(), true))
    }

    fn value(&mut self, name: &str, effects: &mut Effects) -> Result<String, Fault> {
        let rest = self.rest();
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(name, quote, effects),
            _ => {
                let end = rest.find('\n').unwrap_or(rest.len());
                let line = &rest[..end];
                let value = &line[..comment(line)];
                let value = self.expand(name, value.trim_end(), effects)?;
                self.at += end;
                Ok(value)
            }
        }
    }

    fn quoted(&mut self, name: &str, quote: char, effects: &mut Effects) -> Result<String, Fault> {
        let rest = self.rest();
        let mut content = String::new();
        let mut escaped = false;
        for (at, char) in rest.char_indices().skip(1) {
            if char == quote && !escaped {
                let value = if quote == '"' {
                    self.expand(name, &unescape(&content), effects)?
                } else {
                    content
                };
                // Whatever follows the quote on its line is dropped.
                let behind = &rest[at + 1..];
                self.at += at + 1 + behind.find('\n').unwrap_or(behind.len());
                return Ok(value);
            }
            if char == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && char != quote {
                content.push('\\');
            }
            escaped = false;
            content.push(char);
        }
        Err(Fault {
            at: self.at,
            message: format!("unterminated quoted value of `{}`", shown(name)),
            hint: format!("close it with {quote}"),
        })
    }

    fn expand(&self, name: &str, value: &str, effects: &mut Effects) -> Result<String, Fault> {
        let layers = Layers(self.outer, &self.known);
        template::substitute(value, &layers, effects).map_err(|fault| Fault {
            at: self.at,
            message: match fault.code {
                // It would show the value from the `${` on.
                Code::BadInterpolation => format!("invalid interpolation format in the value of `{}`", shown(name)),
                _ => fault.message,
            },
            hint: fault.hint,
        })
    }
}

/// The beginning of a name.
fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Where the comment of an unquoted line begins; its end if there is none.
fn comment(line: &str) -> usize {
    line.match_indices('#')
        .map(|(at, _)| at)
        .find(|&at| line[..at].ends_with(char::is_whitespace))
        .unwrap_or(line.len())
}

/// Blank, but no line break.
fn is_blank(char: char) -> bool {
    matches!(char, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// Resolves the escapes of a double-quoted value; `\$` becomes the `$$` of templates.
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            result.push(char);
            continue;
        }
        match chars.next() {
            Some('$') => result.push_str("$$"),
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('t') => result.push('\t'),
            Some('a') => result.push('\u{7}'),
            Some('b') => result.push('\u{8}'),
            Some('f') => result.push('\u{c}'),
            Some('v') => result.push('\u{b}'),
            Some(same @ ('"' | '\\')) => result.push(same),
            Some('0') => {
                let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).take(3).collect();
                match octal(&digits) {
                    Some(char) => result.push(char),
                    // As in docker compose, what is no number goes on without its zero.
                    None => result.extend(["\\", &digits]),
                }
            }
            Some(other) => {
                result.push('\\');
                result.push(other);
            }
            None => result.push('\\'),
        }
    }
    result
}

/// The character of three octal digits, up to 255; no value that a process is given can hold a NUL.
fn octal(digits: &str) -> Option<char> {
    let code = u8::from_str_radix(digits, 8).ok().filter(|code| digits.len() == 3 && *code > 0);
    code.map(char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Fault> {
        let outer = |name: &str| (name == "OS").then_some("outside");
        Ok(parse(text, &outer, &mut Effects::default())?
            .into_iter()
            .map(|line| (line.name, line.value))
            .collect())
    }

    #[test]
    fn values_are_read_with_quotes_comments_and_variables() {
        for (text, value) in [
            ("A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A=# c", "# c"),
            ("export A = b", "b"),
            ("A: b", "b"),
            ("A='$x \\'y\\''", "$x 'y'"),
            ("A=\"l1\nl2\\tx\" junk", "l1\nl2\tx"),
            ("A=\"\\$x\"", "$x"),
            ("A=\"\\0101\\0200\"", "A\u{80}"),
            ("A=\"\\0 \\01\\08 \\0400 \\0000\"", "\\ \\1\\8 \\400 \\000"),
            ("A=\\$OS", "\\outside"),
            ("B=1\nA=${B}${OS}", "1outside"),
        ] {
            let read = read(text).map(|all| all.into_iter().find(|(key, _)| key == "A"));
            assert_eq!(read, Ok(Some(("A".to_owned(), value.to_owned()))), "{text}");
        }
        assert_eq!(read("OS\nNOPE\n"), Ok(vec![("OS".to_owned(), "outside".to_owned())]));
    }

    #[test]
    fn messages_show_names_but_no_values() {
        for (text, at, message, hint) in [
            ("A B=secret", 0, "key cannot contain a space", "write A_B=…"),
            ("A=1\nso secret", 4, "key cannot contain a space", "write KEY=VALUE; put values with line breaks in quotes"),
            ("K=\"secret\nsecret", 2, "unterminated quoted value of `K`", "close it with \""),
            (
                "DB-PASS!W=secret",
                7,
                "unexpected character `!` in a variable name",
                "a line is KEY=VALUE; put values with line breaks in quotes",
            ),
            (
                "K=MIIE\nsecret/+secret==",
                13,
                "unexpected character `/` in a variable name",
                "a line is KEY=VALUE; put values with line breaks in quotes",
            ),
            (
                "K=a${secret",
                2,
                "invalid interpolation format in the value of `K`",
                "the `${` is never closed with `}`; for a literal dollar sign write `$$`",
            ),
        ] {
            let fault = Fault { at, message: message.to_owned(), hint: hint.to_owned() };
            assert_eq!(read(text), Err(fault), "{text}");
        }
        let raw = |text| parse_raw(text, &|_: &str| None).map_err(|fault| fault.message);
        assert_eq!(raw("so secret"), Err("invalid variable name".to_owned()));
        assert_eq!(raw("A B=secret"), Err("invalid variable name `A B`".to_owned()));
        let long = read(&format!("{}='", "k".repeat(1000))).map_err(|fault| fault.message);
        assert!(long.is_err_and(|message| message.chars().count() < 100));
    }
}
