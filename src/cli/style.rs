//! Colours, or none.

use anstyle::{AnsiColor, Color, Effects, Style};

use crate::args::{Ansi, Globals};
use crate::caller::Caller;

/// How text is painted on one of the two outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Colours are on.
    pub(crate) color: bool,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// An error.
    Bad,
    /// A warning.
    Warn,
    /// Done, added.
    Good,
    /// Under way.
    Busy,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// A hint.
    Hint,
}

impl Paint {
    /// Paints a piece of text.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        self.with(tone.style(), text)
    }

    /// Paints with a style.
    pub(crate) fn with(self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl Tone {
    fn style(self) -> Style {
        let fg = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Bad => fg(AnsiColor::Red).effects(Effects::BOLD),
            Self::Warn => fg(AnsiColor::Yellow),
            Self::Good => fg(AnsiColor::Green),
            Self::Busy => fg(AnsiColor::Cyan),
            Self::Dim => Style::new().effects(Effects::DIMMED),
            Self::Strong => Style::new().effects(Effects::BOLD),
            Self::Hint => fg(AnsiColor::Cyan).effects(Effects::BOLD),
        }
    }
}

/// Colours of log prefixes, in the order they are given out.
pub(crate) const PREFIXES: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightYellow,
    AnsiColor::BrightGreen,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// Decides about colours on an output. Source: no-color.org; `--ansi` and `COMPOSE_ANSI` are stronger.
pub(crate) fn paint(caller: &Caller, globals: &Globals, is_tty: bool) -> Paint {
    let when = if globals.no_ansi {
        Some(Ansi::Never)
    } else {
        globals.ansi.or_else(|| ansi_variable(caller))
    };
    let color = match when {
        Some(Ansi::Never) => false,
        Some(Ansi::Always) => true,
        Some(Ansi::Auto) | None => is_tty && caller.var("NO_COLOR").is_none() && caller.var("TERM") != Some("dumb"),
    };
    Paint { color }
}

fn ansi_variable(caller: &Caller) -> Option<Ansi> {
    match caller.var("COMPOSE_ANSI")? {
        "never" => Some(Ansi::Never),
        "always" => Some(Ansi::Always),
        _ => None,
    }
}
