//! Ignore files: a list of patterns in which the last that matches decides.

use std::path::Path;

use crate::error::ContextError;
use crate::pattern::Pattern;

/// The patterns of an ignore file, in order.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<IgnoreRule>,
}

#[derive(Debug, Clone)]
struct IgnoreRule {
    pattern: Pattern,
    exception: bool,
}

/// Which patterns matched a folder: what lies below inherits them.
#[derive(Debug, Clone, Default)]
pub struct Inherited(Vec<bool>);

impl Ignore {
    /// Reads the text of an ignore file; `path` is for messages only.
    ///
    /// # Errors
    /// The first malformed line.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, ContextError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in String::from_utf8_lossy(text).lines().enumerate() {
            let malformed = || ContextError::Pattern { path: path.to_owned(), line: index + 1, pattern: line.trim().to_owned() };
            // Only a `#` in the first column makes a comment.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (text, exception) = match line.trim().strip_prefix('!') {
                Some(rest) if rest.trim().is_empty() => return Err(malformed()),
                Some(rest) => (rest.trim(), true),
                None => (line.trim(), false),
            };
            let pattern = Pattern::compile(&clean(text)).ok_or_else(malformed)?;
            rules.push(IgnoreRule { pattern, exception });
        }
        Ok(Self { rules })
    }

    /// Tells whether a path is left out, given what matched its parent, and what its own children inherit.
    pub fn check(&self, path: &str, parent: &Inherited) -> (bool, Inherited) {
        let mut ignored = false;
        let mut matched = vec![false; self.rules.len()];
        for (index, rule) in self.rules.iter().enumerate() {
            let mut hit = parent.0.get(index).copied().unwrap_or(false);
            if !hit {
                // An exception changes nothing on a path that is not ignored, nor another pattern on one that is.
                if rule.exception != ignored {
                    continue;
                }
                hit = rule.pattern.matches(path);
            }
            matched[index] = hit;
            if hit {
                ignored = !rule.exception;
            }
        }
        (ignored, Inherited(matched))
    }

    /// Tells whether something below an ignored folder may be excepted.
    pub fn has_exception_below(&self, folder: &str) -> bool {
        self.rules.iter().any(|rule| rule.exception && rule.pattern.may_match_below(folder))
    }
}

/// Cleans a path as Go's `path.Clean` does, then takes one leading slash away.
fn clean(text: &str) -> String {
    let rooted = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (parts.is_empty(), rooted) {
        (true, true) => "/".to_owned(),
        (true, false) => ".".to_owned(),
        _ => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ignored(file: &str, path: &str) -> bool {
        let ignore = Ignore::parse(file.as_bytes(), Path::new(".dockerignore")).expect("well formed");
        let mut inherited = Inherited::default();
        let mut result = false;
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
        for end in ends {
            (result, inherited) = ignore.check(&path[..end], &inherited);
        }
        result
    }

    #[test]
    fn lines_are_read_as_docker_does() {
        assert!(ignored("\u{feff}# comment\n\n  node_modules/  \n", "node_modules"));
        assert!(!ignored("#a", "#a"));
        assert!(ignored(" #a", "#a"));
        assert!(ignored("/a", "a"));
        assert!(ignored("./a/../b", "b"));
        assert!(ignored("a\r\n", "a"));
        assert!(!ignored("/", "a"));
        assert!(!ignored(".", "a"));
        assert!(!ignored("../a", "a"));
        for bad in ["!", "! ", "a\n[", "a["] {
            assert!(Ignore::parse(bad.as_bytes(), Path::new("x")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_line() {
        let error = Ignore::parse(b"ok\n\n  bad[ \n", Path::new("app/.dockerignore")).expect_err("malformed");
        assert_eq!(error.to_string(), "app/.dockerignore:3: malformed pattern `bad[`");
    }

    #[test]
    fn the_last_match_decides() {
        assert!(ignored("*.md\n!README.md", "a.md"));
        assert!(!ignored("*.md\n!README.md", "README.md"));
        assert!(ignored("!README.md\n*.md", "README.md"));
        assert!(ignored("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
        assert!(ignored("*\n! src ", "lib"));
        assert!(!ignored("*\n! src ", "src"));
    }

    #[test]
    fn what_lies_below_follows_its_folder() {
        assert!(ignored("src", "src/a/b"));
        assert!(!ignored("src\n!src/a", "src/a"));
        assert!(!ignored("src\n!src/a", "src/a/b"));
        assert!(ignored("src\n!src/a", "src/b"));
        assert!(ignored("src\n!src/a\nsrc/a/x*", "src/a/xyz"));
        assert!(!ignored("**\n!**/*.go", "deep/er/a.go"));
        assert!(ignored("**\n!**/*.go", "deep/er/a.c"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-c*?!/\\[\\]\\\\#^.\n -]{0,60}", path in "[a-c.]{1,3}(/[a-c.]{1,3}){0,3}") {
            if let Ok(ignore) = Ignore::parse(text.as_bytes(), Path::new("x")) {
                let (_, inherited) = ignore.check(&path, &Inherited::default());
                ignore.check(&format!("{path}/a"), &inherited);
                ignore.has_exception_below(&path);
            }
        }

        #[test]
        fn a_name_ignores_exactly_itself_and_what_is_below(name in "[a-d]{1,3}", path in "[a-d]{1,3}(/[a-d]{1,3}){0,3}") {
            let expected = path == name || path.starts_with(&format!("{name}/"));
            prop_assert_eq!(ignored(&name, &path), expected);
        }

        #[test]
        fn excepting_everything_again_ignores_nothing(text in "[a-c*?/\n]{0,40}", path in "[a-c]{1,3}(/[a-c]{1,3}){0,3}") {
            let file = format!("{text}\n!**");
            prop_assert!(!ignored(&file, &path));
        }

        #[test]
        fn an_ignored_folder_with_an_excepted_file_is_entered(path in "[a-c]{1,3}(/[a-c]{1,3}){1,3}") {
            let ignore = Ignore::parse(format!("*\n!{path}").as_bytes(), Path::new("x")).expect("well formed");
            for (at, _) in path.match_indices('/') {
                prop_assert!(ignore.has_exception_below(&path[..at]));
            }
            let file = format!("*\n!{path}");
            prop_assert!(!ignored(&file, &path));
        }
    }
}
