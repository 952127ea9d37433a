//! Cuts a command line into words, as docker compose does: like a shell, but without one.

/// The words of a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) words: Vec<String>,
    /// What stands behind an operator of the shell and is dropped; it begins with the operator.
    pub(crate) dropped: Option<String>,
}

/// Cuts at blanks. Quotes, backquotes and `$(…)` hold together; a backslash takes the next character.
pub(crate) fn split(text: &str) -> Result<Words, &'static str> {
    let mut result = Words::default();
    let mut word: Option<String> = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => result.words.extend(word.take()),
            '\'' => quoted(&mut chars, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut chars, '"', word.get_or_insert_default())?,
            '\\' => {
                let (_, next) = chars.next().ok_or("a backslash at the end takes no character")?;
                word.get_or_insert_default().push(escaped(next));
            }
            '`' => region(&mut chars, '`', word.get_or_insert_default())?,
            '(' if word.as_deref().is_some_and(|word| word.ends_with('$')) => {
                let word = word.get_or_insert_default();
                word.push('(');
                region(&mut chars, ')', word)?;
            }
            '(' | ')' => return Err("parentheses must be in quotes"),
            ';' | '&' | '|' | '<' | '>' => {
                // The number before `>` names a file descriptor and is no word.
                if char == '>' && word.as_deref().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
                    word = None;
                }
                result.dropped = Some(text[at..].to_owned());
                break;
            }
            char => word.get_or_insert_default().push(char),
        }
    }
    result.words.extend(word);
    Ok(result)
}

fn escaped(char: char) -> char {
    match char {
        't' => '\t',
        'n' => '\n',
        other => other,
    }
}

/// Reads up to the closing quote, which is dropped.
fn quoted(chars: &mut std::str::CharIndices<'_>, quote: char, word: &mut String) -> Result<(), &'static str> {
    while let Some((_, char)) = chars.next() {
        match char {
            _ if char == quote => return Ok(()),
            '\\' if quote == '"' => {
                let (_, next) = chars.next().ok_or("a double quote is never closed")?;
                word.push(escaped(next));
            }
            char => word.push(char),
        }
    }
    Err(if quote == '"' {
        "a double quote is never closed"
    } else {
        "a single quote is never closed"
    })
}

/// Reads up to the end of a command substitution, all of which stays in the word.
fn region(chars: &mut std::str::CharIndices<'_>, end: char, word: &mut String) -> Result<(), &'static str> {
    if end == '`' {
        word.push('`');
    }
    while let Some((_, char)) = chars.next() {
        match char {
            '\\' => {
                let (_, next) = chars.next().ok_or("a command substitution is never closed")?;
                word.push(escaped(next));
            }
            char => word.push(char),
        }
        if char == end {
            return Ok(());
        }
    }
    Err("a command substitution is never closed")
}

#[cfg(test)]
mod tests {
    use super::split;

    fn words(text: &str) -> Option<Vec<String>> {
        split(text).ok().map(|split| split.words)
    }

    #[test]
    fn quotes_hold_words_together() {
        for (text, expected) in [
            ("sh -c 'a b' \"c \\\" d\" e\\ f ''", vec!["sh", "-c", "a b", "c \" d", "e f", ""]),
            ("echo `date +%s` $(id -u)", vec!["echo", "`date +%s`", "$(id -u)"]),
            ("printf 'a\\tb' \"c\\td\"", vec!["printf", "a\\tb", "c\td"]),
            ("echo a && echo b", vec!["echo", "a"]),
            ("run 2>err", vec!["run"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), Some(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
        for text in ["a 'b", "a \"b", "f()", "a `b", "a \\"] {
            assert_eq!(words(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_do_is_dropped() {
        assert_eq!(split("a b | c").ok().and_then(|split| split.dropped).as_deref(), Some("| c"));
        assert_eq!(split("a 'b | c'").ok().and_then(|split| split.dropped), None);
    }
}
