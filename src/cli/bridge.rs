//! Standard input, output and error of this process, joined to a process in a container.

use std::future::Future;

use futures::StreamExt;
use rcompose_engine_adapter::{EngineError, Output, Session as Streams, TerminalSize};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::detach::DetachKeys;
use crate::failure::Failure;
use crate::output;
use crate::signals::{Interrupts, exit_now};
use crate::terminal::{RawMode, Resizes, size};

/// Bytes of standard input that are looked at together.
const PIECE: usize = 8 << 10;

/// What a bridge does beside carrying bytes.
pub(crate) struct Controls<R, K> {
    /// Tells the engine the terminal's size.
    pub(crate) resize: R,
    /// Hands a signal on to the process; without a terminal it does not come as a byte.
    pub(crate) interrupt: K,
    /// Keys that end it while the process runs on.
    pub(crate) detach: Option<DetachKeys>,
}

/// Why a bridge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process's output did.
    Output,
    /// Somebody typed the keys that detach.
    Detached,
}

/// Carries bytes until the process's output ends.
pub(crate) async fn carry<R, RF, K, KF>(
    streams: Streams,
    stdin: bool,
    tty: bool,
    controls: Controls<R, K>,
    interrupts: &mut Interrupts,
) -> Result<Ended, Failure>
where
    R: Fn(TerminalSize) -> RF,
    RF: Future<Output = Result<(), EngineError>>,
    K: Fn(&'static str) -> KF,
    KF: Future<Output = Result<(), EngineError>>,
{
    let Streams { mut input, output: mut pieces } = streams;
    let raw = if tty && stdin { RawMode::enter() } else { None };
    let mut resizes = Resizes::listen();
    if tty {
        // A process that has ended already has no terminal to resize.
        let _ = (controls.resize)(size()).await;
    }
    let (detached, mut is_detached) = oneshot::channel();
    let keys = controls.detach.filter(|_| tty);
    let feeder = tokio::spawn(async move {
        let typed = stdin && feed(&mut input, keys).await;
        if typed {
            // Whoever listens is gone only when all is over.
            let _ = detached.send(());
            return;
        }
        let _ = input.shutdown().await;
        // Some engines end the output with the input; the connection stays until the output is through.
        std::future::pending::<()>().await;
    });
    let done = loop {
        tokio::select! {
            piece = pieces.next() => match piece {
                None => break Ok(Ended::Output),
                Some(Ok(Output::Stdout(bytes))) => {
                    if let Err(failure) = output::out_bytes(&bytes) {
                        break Err(failure);
                    }
                }
                Some(Ok(Output::Stderr(bytes))) => output::err_bytes(&bytes),
                Some(Err(error)) => break Err(error.into()),
            },
            Ok(()) = &mut is_detached => break Ok(Ended::Detached),
            size = resizes.next(), if tty => {
                let _ = (controls.resize)(size).await;
            }
            requests = interrupts.next() => {
                if requests > 2 {
                    drop(raw);
                    exit_now();
                }
                (controls.interrupt)(interrupts.signal()).await?;
            }
        }
    };
    feeder.abort();
    drop(raw);
    done
}

/// Carries standard input to its end, or to the keys that detach; tells whether it was those.
async fn feed(input: &mut (impl AsyncWrite + Unpin), keys: Option<DetachKeys>) -> bool {
    let mut from = tokio::io::stdin();
    let Some(mut keys) = keys else {
        let _ = tokio::io::copy(&mut from, input).await;
        return false;
    };
    let mut piece = vec![0; PIECE];
    while let Ok(count) = from.read(&mut piece).await {
        let (passed, detached) = keys.pass(&piece[..count]);
        if input.write_all(&passed).await.is_err() || input.flush().await.is_err() || count == 0 || detached {
            return detached;
        }
    }
    false
}
