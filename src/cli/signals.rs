//! Ctrl-C and its relatives: how often somebody asked for the end.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::output;
use crate::render::SHOW_CURSOR;
use crate::report::INTERRUPTED;

/// Signals that ask for the end.
const ENDS: [&str; 3] = ["SIGINT", "SIGTERM", "SIGHUP"];
/// All that a person or a supervisor sends to a process in the foreground.
const ALL: [&str; 6] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/// Counts requests to end: Ctrl-C, and SIGTERM and SIGHUP where there are signals.
#[derive(Debug)]
pub(crate) struct Interrupts {
    requests: UnboundedReceiver<&'static str>,
    count: u32,
    signal: &'static str,
}

impl Interrupts {
    /// Listens from now on, instead of dying at the first request.
    pub(crate) fn listen() -> Self {
        Self::listen_to(&ENDS)
    }

    /// As [`Self::listen`], also to signals that ask for something else: somebody passes all on. They do not count as requests to end.
    pub(crate) fn listen_to_all() -> Self {
        Self::listen_to(&ALL)
    }

    fn listen_to(signals: &'static [&'static str]) -> Self {
        let (sender, requests) = unbounded_channel();
        let mut source = Source::new(signals);
        tokio::spawn(async move {
            while let Some(signal) = source.next().await {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        });
        Self { requests, count: 0, signal: "SIGINT" }
    }

    /// Waits for the next request and returns how many there were; for ever where no more can come. Safe to drop.
    pub(crate) async fn next(&mut self) -> u32 {
        match self.requests.recv().await {
            Some(signal) => self.signal = signal,
            None => std::future::pending::<()>().await,
        }
        self.count += u32::from(ENDS.contains(&self.signal));
        self.count
    }

    /// Returns the signal of the last request.
    pub(crate) fn signal(&self) -> &'static str {
        self.signal
    }
}

/// Ends the process at once: somebody asked often enough.
pub(crate) fn exit_now() -> ! {
    output::err(SHOW_CURSOR);
    #[expect(clippy::exit, reason = "the third Ctrl-C must end it whatever hangs")]
    std::process::exit(i32::from(INTERRUPTED))
}

#[cfg(unix)]
struct Source(Vec<(&'static str, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Source {
    fn new(signals: &[&'static str]) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kind = |name: &str| {
            Some(match name {
                "SIGINT" => SignalKind::interrupt(),
                "SIGTERM" => SignalKind::terminate(),
                "SIGHUP" => SignalKind::hangup(),
                "SIGQUIT" => SignalKind::quit(),
                "SIGUSR1" => SignalKind::user_defined1(),
                "SIGUSR2" => SignalKind::user_defined2(),
                _ => return None,
            })
        };
        Self(signals.iter().filter_map(|name| Some((*name, signal(kind(name)?).ok()?))).collect())
    }

    async fn next(&mut self) -> Option<&'static str> {
        let waits: Vec<_> = self
            .0
            .iter_mut()
            .map(|(name, signal)| Box::pin(async { signal.recv().await.map(|()| *name) }))
            .collect();
        if waits.is_empty() {
            return None;
        }
        futures::future::select_all(waits).await.0
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn new(_: &[&'static str]) -> Self {
        Self
    }

    async fn next(&mut self) -> Option<&'static str> {
        tokio::signal::ctrl_c().await.ok().map(|()| "SIGINT")
    }
}
