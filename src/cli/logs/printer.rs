//! How a line of output looks: `web-1  | text`.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Color, Style};
use rcompose_engine_adapter::LogLine;

use crate::failure::Failure;
use crate::output;
use crate::style::{PREFIXES, Paint};

/// What is shown of each line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    /// Without the container's name.
    pub(crate) bare: bool,
    /// With the time.
    pub(crate) timestamps: bool,
    /// Standard error goes to standard output, so that a pipe after `logs` sees every line, in order.
    pub(crate) together: bool,
    /// Colours.
    pub(crate) paint: Paint,
}

impl Lines {
    /// Tells whether a line goes to standard error.
    fn parts(self, line: &LogLine) -> bool {
        line.stderr && !self.together
    }
}

/// Writes lines, those of standard error to standard error unless both are wanted together.
#[derive(Debug)]
pub(crate) struct Printer {
    lines: Lines,
    project: String,
    colors: BTreeMap<String, AnsiColor>,
    width: usize,
}

impl Printer {
    pub(crate) fn new(project: &str, lines: Lines) -> Self {
        Self { lines, project: project.to_owned(), colors: BTreeMap::new(), width: 0 }
    }

    /// Makes room for a container's name and gives it a colour.
    pub(crate) fn register(&mut self, container: &str) {
        let name = self.short(container).to_owned();
        self.width = self.width.max(name.chars().count());
        let next = PREFIXES[self.colors.len() % PREFIXES.len()];
        self.colors.entry(name).or_insert(next);
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, container: &str, line: &LogLine) -> Result<(), Failure> {
        let bytes = self.rendered(container, line);
        if self.lines.parts(line) {
            output::err_bytes(&bytes);
            return Ok(());
        }
        output::out_bytes(&bytes)
    }

    /// Writes a sentence about a container.
    pub(crate) fn status(&mut self, container: &str, sentence: &str) -> Result<(), Failure> {
        self.register(container);
        let name = self.short(container);
        let color = self.colors.get(name).copied();
        output::line(&self.lines.paint.with(foreground(color), &format!("{name} {sentence}")))
    }

    fn rendered(&mut self, container: &str, line: &LogLine) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(line.line.len() + self.width + 8);
        if !self.lines.bare {
            self.register(container);
            let name = self.short(container);
            let width = self.width + 1;
            let prefix = format!("{name:<width$} | ");
            bytes.extend_from_slice(self.lines.paint.with(foreground(self.colors.get(name).copied()), &prefix).as_bytes());
        }
        if self.lines.timestamps {
            bytes.extend_from_slice(line.timestamp.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&line.line);
        bytes.push(b'\n');
        bytes
    }

    /// Returns the name without the project before it.
    fn short<'a>(&self, container: &'a str) -> &'a str {
        container
            .strip_prefix(&self.project)
            .and_then(|rest| rest.strip_prefix(['-', '_']))
            .unwrap_or(container)
    }
}

fn foreground(color: Option<AnsiColor>) -> Style {
    Style::new().fg_color(color.map(Color::Ansi))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(printer: &mut Printer, container: &str, text: &'static str) -> String {
        let line = LogLine { timestamp: "2026-01-02T03:04:05.000000006Z".into(), stderr: false, line: text.as_bytes().into() };
        String::from_utf8(printer.rendered(container, &line)).unwrap()
    }

    #[test]
    fn prefixes_are_as_wide_as_the_longest() {
        let mut printer = Printer::new("shop", Lines::default());
        printer.register("shop-web-1");
        assert_eq!(rendered(&mut printer, "shop-web-1", "hello"), "web-1  | hello\n");
        printer.register("shop-database-1");
        assert_eq!(rendered(&mut printer, "shop-web-1", "hello"), "web-1       | hello\n");
        assert_eq!(rendered(&mut printer, "own", "x"), "own         | x\n");
    }

    #[test]
    fn a_bare_line_has_its_time_only() {
        let mut printer = Printer::new("shop", Lines { bare: true, timestamps: true, ..Lines::default() });
        assert_eq!(rendered(&mut printer, "shop-web-1", "hello"), "2026-01-02T03:04:05.000000006Z hello\n");
    }

    #[test]
    fn standard_error_is_kept_apart_unless_both_are_wanted() {
        let line = |stderr| LogLine { timestamp: String::new(), stderr, line: b"x".as_slice().into() };
        let apart = Lines::default();
        assert!(apart.parts(&line(true)) && !apart.parts(&line(false)));
        let together = Lines { together: true, ..apart };
        assert!(!together.parts(&line(true)) && !together.parts(&line(false)));
    }

    #[test]
    fn each_container_has_its_colour() {
        let mut printer = Printer::new("shop", Lines { paint: Paint { color: true }, ..Lines::default() });
        let (one, two) = (rendered(&mut printer, "shop-a-1", "x"), rendered(&mut printer, "shop-b-1", "x"));
        assert!(one.starts_with("\x1b[36m") && two.starts_with("\x1b[33m"), "{one:?} {two:?}");
    }
}
