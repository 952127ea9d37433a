//! One line of an ignore file.
//!
//! Source: the rules of moby's `patternmatcher`, as documented for `.dockerignore` and measured on its matcher: Go's
//! `filepath.Match`, with `**` for any number of folders.

/// A compiled pattern, without its `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    rule: Rule,
}

/// How a path is compared. The first three are what moby does for patterns without other wildcards; they differ from the
/// general rule in that `**name` takes any ending and `name**` any beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Exact,
    Prefix(String),
    Suffix(String),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character, not a slash.
    One,
    /// `*`: any characters, no slash.
    Star,
    /// `**` in the middle: nothing, or anything up to a slash.
    Folders,
    /// `**` at the end: anything.
    Rest,
    /// `[…]`: ranges of characters.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Compiles a cleaned pattern; `None` is a malformed one.
    pub(crate) fn compile(text: &str) -> Option<Self> {
        let tokens = tokenize(text)?;
        let rule = classify(text, &tokens).unwrap_or(Rule::Tokens(tokens));
        Some(Self { text: text.to_owned(), rule })
    }

    /// Tells whether the pattern names this path itself; parents are the caller's matter.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.rule {
            Rule::Exact => path == self.text,
            Rule::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Rule::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Rule::Tokens(tokens) => matches_tokens(tokens, path),
        }
    }

    /// Tells whether the pattern may name something below this folder.
    pub(crate) fn may_match_below(&self, folder: &str) -> bool {
        let mut folders = folder.split('/');
        let mut parts = self.text.split('/');
        loop {
            match (folders.next(), parts.next()) {
                (None, _) => return true,
                (Some(_), None) => return false,
                (Some(_), Some(part)) if part.contains("**") => return true,
                (Some(name), Some(part)) => {
                    let Some(pattern) = Self::compile(part) else { return true };
                    if !pattern.matches(name) {
                        return false;
                    }
                }
            }
        }
    }
}

fn tokenize(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                }
                if chars.peek().is_none() { Token::Rest } else { Token::Folders }
            }
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Char(chars.next()?),
            '[' => class(&mut chars)?,
            other => Token::Char(other),
        });
    }
    Some(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Token::Class { negated, ranges });
        }
        let low = member(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { member(chars)? } else { low };
        ranges.push((low, high));
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        other => Some(other),
    }
}

/// Picks the special rules; `None` is the general one.
fn classify(text: &str, tokens: &[Token]) -> Option<Rule> {
    let is_plain = |tokens: &[Token]| tokens.iter().all(|token| matches!(token, Token::Char(_))) && !text.contains('\\');
    match tokens {
        [Token::Folders | Token::Rest, rest @ ..] if is_plain(rest) => Some(Rule::Suffix(text[2..].to_owned())),
        [rest @ .., Token::Rest] if is_plain(rest) => Some(Rule::Prefix(text[..text.len() - 2].to_owned())),
        rest if is_plain(rest) => Some(Rule::Exact),
        _ => None,
    }
}

/// Compares from the end, so that the cost is bounded by pattern times path whatever the wildcards.
fn matches_tokens(tokens: &[Token], path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    let mut after: Vec<bool> = (0..=path.len()).map(|at| at == path.len()).collect();
    for token in tokens.iter().rev() {
        let mut here = vec![false; path.len() + 1];
        // For `**`: whether a slash from here on leads to a match behind it.
        let mut behind_slash = false;
        for at in (0..=path.len()).rev() {
            let c = path.get(at).copied();
            let next = |row: &[bool]| row.get(at + 1).copied().unwrap_or(false);
            here[at] = match token {
                Token::Char(wanted) => c == Some(*wanted) && next(&after),
                Token::One => c.is_some_and(|c| c != '/') && next(&after),
                Token::Star => after[at] || (c.is_some_and(|c| c != '/') && next(&here)),
                Token::Folders => {
                    behind_slash |= c == Some('/') && next(&after);
                    after[at] || behind_slash
                }
                Token::Rest => after[at] || next(&here),
                Token::Class { negated, ranges } => c.is_some_and(|c| is_member(ranges, c) != *negated) && next(&after),
            };
        }
        after = here;
    }
    after[0]
}

fn is_member(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::compile(pattern).expect("well formed").matches(path)
    }

    #[test]
    fn patterns_match_as_documented() {
        let cases: &[(&str, &str, bool)] = &[
            ("a", "a", true),
            ("a", "b/a", false),
            ("*", "a", true),
            ("*", "a/b", false),
            ("*/temp*", "x/temporary.txt", true),
            ("*/temp*", "x/y/temporary.txt", false),
            ("*/*/temp*", "x/y/temp", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("temp?", "temp/", false),
            ("**", "a/b/c", true),
            ("**/*.go", "a.go", true),
            ("**/*.go", "a/b/c.go", true),
            ("**/*.go", "a/b/c.gox", false),
            ("**/foo", "foo", true),
            ("**/foo", "x/y/foo", true),
            ("**/foo", "xfoo", false),
            ("**foo", "xfoo", true),
            ("foo/**", "foo/a/b", true),
            ("foo/**", "foo", false),
            ("foo**", "foobar/a", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("a**/b", "ax/b", true),
            ("a**/b", "axb", false),
            ("a*b*c", "axxbyyc", true),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "ace", false),
            ("a[^b-d]e", "aze", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a.b+(c)|{d}$", "a.b+(c)|{d}$", true),
            ("a.b", "axb", false),
            ("ünï*", "ünïcode", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), *expected, "{pattern} against {path}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["a[", "a[]", "a[b", "a[b-", "a[-b]", "a\\", "[^]"] {
            assert_eq!(Pattern::compile(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn wildcards_do_not_take_exponential_time() {
        let pattern = "*a".repeat(60) + "b";
        assert!(!matches(&pattern, &"a".repeat(5000)));
    }

    #[test]
    fn a_folder_is_entered_when_an_exception_may_lie_below() {
        let below = |pattern: &str, folder: &str| Pattern::compile(pattern).expect("well formed").may_match_below(folder);
        assert!(below("src/a/b", "src"));
        assert!(below("src/a/b", "src/a"));
        assert!(!below("src/a/b", "lib"));
        assert!(!below("src", "src/a"));
        assert!(below("*/a", "src"));
        assert!(below("**/*.go", "src/deep"));
    }
}
