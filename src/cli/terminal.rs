//! The terminal in raw mode: every key goes to the container, and every size change too.

use rcompose_engine_adapter::TerminalSize;

/// Keeps the terminal in raw mode until it is dropped.
#[derive(Debug)]
pub(crate) struct RawMode {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl RawMode {
    /// Switches standard input to raw mode; `None` where that is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

#[cfg(unix)]
impl Drop for RawMode {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.before);
    }
}

#[cfg(not(unix))]
impl RawMode {
    /// Other systems' consoles keep their mode: lines are sent when they are complete.
    pub(crate) fn enter() -> Option<Self> {
        None
    }
}

/// Returns the terminal's size.
pub(crate) fn size() -> TerminalSize {
    let (rows, columns) = console::Term::stdout().size();
    TerminalSize { width: columns, height: rows }
}

/// Tells of each change of the terminal's size.
#[derive(Debug)]
pub(crate) struct Resizes {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Resizes {
    pub(crate) fn listen() -> Self {
        Self { signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok() }
    }

    /// Waits for the next change. Safe to drop.
    pub(crate) async fn next(&mut self) -> TerminalSize {
        let changed = match &mut self.signal {
            Some(signal) => signal.recv().await.is_some(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
        size()
    }
}

#[cfg(not(unix))]
impl Resizes {
    pub(crate) fn listen() -> Self {
        Self {}
    }

    /// Waits for ever: there is no such signal.
    pub(crate) async fn next(&mut self) -> TerminalSize {
        std::future::pending().await
    }
}

/// Keeps the terminal from showing what is typed until it is dropped.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Hidden {
    before: rustix::termios::Termios,
}

#[cfg(target_os = "linux")]
impl Hidden {
    /// Hides what is typed; `None` where standard input is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(Self { before })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
