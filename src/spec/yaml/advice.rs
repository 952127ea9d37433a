//! What most often causes a mistake in the syntax: a guess from the line and the one above it.

use crate::span::Span;

/// Returns what to do about a mistake that the parser found at `span` and calls `info`, inside of a bracket of the line `open`, if any.
pub(super) fn advice(info: &str, span: &Span, open: Option<usize>) -> String {
    let line = span.line_text();
    let column = line.char_indices().nth(span.column() - 1).map_or(line.len(), |(at, _)| at);
    let (before, here) = line.split_at(column);
    let specific = if line.trim_start_matches(' ').starts_with('\t') {
        Some("indent with spaces; YAML allows no tabs there".to_owned())
    } else if let Some(glued) = glued_above(span, line).filter(|_| here.starts_with(':') || info.contains("':'")) {
        Some(glued)
    } else if info.contains("mapping values") {
        second_colon(line, before).or_else(|| forgotten_colon(span, line)).or_else(|| too_deep(span, line))
    } else if here.starts_with(':') && before.trim_end().ends_with(['"', '\'']) {
        Some("the text goes on behind the closing quote: put all of it in quotes".to_owned())
    } else if info.contains("'-' indicator") {
        Some("items with `-` and keys do not mix: begin this line with `-` too, or write every entry as `key: value`".to_owned())
    } else if info.contains("sequence entries are not allowed") {
        Some("begin the list on the line below, or write it in brackets: `key: [a, b]`".to_owned())
    } else if info.contains("expected key") {
        indentation(span, line)
    } else if info.contains("unexpected character") {
        Some(quoted(here))
    } else if info.contains("valid YAML whitespace") && before.ends_with('\t') {
        Some("write a blank behind the colon, not a tab".to_owned())
    } else if info.contains("anchor") || info.contains("alias") {
        Some(alias(line.rfind('*').map_or(here, |at| &line[at..])))
    } else if info.contains("flow") && line.contains("{{") {
        Some(quoted(&line[line.find("{{").unwrap_or(0)..]))
    } else if info.contains("flow") {
        Some("a comma is missing, or a bracket is never closed, on this line or the one above".to_owned())
    } else if info.contains("quote") || info.contains("scalar") {
        Some("check that every quote is closed".to_owned())
    } else {
        open_bracket(span)
    };
    let never_closed = || {
        let line = open.map(|it| it + 1).filter(|it| *it < span.line())?;
        let bracket = span.source.text.lines().nth(line - 1)?.chars().find(|it| matches!(it, '[' | '{'))?;
        Some(format!("the `{bracket}` of line {line} is not closed before this"))
    };
    let specific = specific.or_else(never_closed);
    specific.unwrap_or_else(|| "check the indentation and the punctuation of this line and the one above".to_owned())
}

/// `key: a: b`: the value holds a colon with a blank behind it.
fn second_colon(line: &str, before: &str) -> Option<String> {
    let (key, _) = before.split_once(": ")?;
    let value = line.get(key.len() + 2..)?.trim();
    let key = key.trim_start().trim_start_matches("- ");
    if key == "image" {
        let value: String = value.split_whitespace().collect();
        return Some(format!("write `image: {value}`, without the blank"));
    }
    let inner = value.split(": ").next().unwrap_or_default();
    if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return Some(format!("write `{value}` on a line of its own, indented; or in quotes, if it is one value"));
    }
    Some(format!("a value with a colon and a blank in it must be in quotes: `{key}: {}`", in_quotes(value)))
}

/// `image:nginx` in the line above, which is text that goes on here.
fn glued_above(span: &Span, line: &str) -> Option<String> {
    let above = above(span)?;
    let (key, value) = above.trim_start_matches([' ', '-']).split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    let is_glued = is_key && value.starts_with(|it: char| !it.is_whitespace()) && !value.starts_with('/');
    (is_glued && indent(above) == indent(line))
        .then(|| format!("write a blank behind the colon in the line above: `{key}: {}`", value.trim()))
}

/// The line above has a value already, so nothing can be inside of it.
fn too_deep(span: &Span, line: &str) -> Option<String> {
    let above = above(span)?;
    let inside = indent(above) < indent(line) && above.contains(": ");
    inside.then(|| format!("the line above has a value already; begin both at the same column, after {} blanks", indent(above)))
}

/// A list or mapping in brackets that goes on where a block should.
fn open_bracket(span: &Span) -> Option<String> {
    let above = above(span)?;
    let open = |open: char, close: char| above.matches(open).count() > above.matches(close).count();
    let bracket = if open('[', ']') {
        '['
    } else if open('{', '}') {
        '{'
    } else {
        return None;
    };
    Some(format!("the `{bracket}` of the line above is never closed"))
}

/// The line above should have ended with a colon, as this one is inside of it.
fn forgotten_colon(span: &Span, line: &str) -> Option<String> {
    let above = above(span)?;
    let inside = indent(above) < indent(line) && !above.contains(':') && !above.trim_start().starts_with('#');
    inside.then(|| format!("the line above needs a colon at its end: `{}:`", above.trim()))
}

/// Lines that belong together begin at the same column.
fn indentation(span: &Span, line: &str) -> Option<String> {
    let above = above(span)?;
    (indent(above) != indent(line)).then(|| {
        format!(
            "this line is indented by {}, the one above by {}; what belongs together begins at the same column",
            indent(line),
            indent(above)
        )
    })
}

/// `*` begins an alias, which is rarely meant where no word follows.
fn alias(value: &str) -> String {
    let name = value.trim().trim_start_matches('*').trim_end_matches(['}', ']', ',']);
    let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let rule = "an alias `*name` needs an anchor `&name` before it in the same file";
    if word { rule.to_owned() } else { format!("{}; {rule}", quoted(value)) }
}

/// Says in plain words what the parser calls `info`.
pub(super) fn plainly(info: &str) -> String {
    let plain = [
        ("mapping values are not allowed", "a `:` where no key can stand"),
        ("'-' indicator", "a key among the items of a list"),
        ("expected key", "a line that is not indented as those around it"),
        ("tabs disallowed", "a tab in the indentation"),
        ("invalid indentation in quoted scalar", "a quote that is never closed"),
        ("expected alphabetic or numeric character", "a `*` or `&` without a name behind it"),
    ];
    if let Some((_, plain)) = plain.iter().find(|(part, _)| info.contains(part)) {
        return (*plain).to_owned();
    }
    match info.strip_prefix("unexpected character: `").and_then(|rest| rest.chars().next()) {
        Some(first) => format!("no value can begin with `{first}`"),
        None => info.to_owned(),
    }
}

/// A value that begins with a character that means something in YAML.
fn quoted(value: &str) -> String {
    let value = value.trim();
    match value.chars().next() {
        Some(first) => format!("a value that begins with `{first}` must be in quotes: {}", in_quotes(value)),
        None => "put the value in quotes".to_owned(),
    }
}

fn in_quotes(value: &str) -> String {
    if value.contains(['"', '\\']) {
        format!("'{}'", value.replace('\'', "''"))
    } else {
        format!("\"{value}\"")
    }
}

/// The nearest line above that says something.
fn above(span: &Span) -> Option<&str> {
    let lines: Vec<&str> = span.source.text.lines().take(span.line() - 1).collect();
    lines.into_iter().rev().find(|line| !line.trim().is_empty())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
