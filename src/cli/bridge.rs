//! Standard input, output and error of this process, joined to a process in a container.

use std::future::Future;

use futures::StreamExt;
use rcompose_engine_adapter::{EngineError, Output, Session as Streams, TerminalSize};
use tokio::io::AsyncWriteExt;

use crate::failure::Failure;
use crate::output;
use crate::signals::{Interrupts, exit_now};
use crate::terminal::{RawMode, Resizes, size};

/// What a bridge does beside carrying bytes.
pub(crate) struct Controls<R, K> {
    /// Tells the engine the terminal's size.
    pub(crate) resize: R,
    /// Hands a signal on to the process; without a terminal it does not come as a byte.
    pub(crate) interrupt: K,
}

/// Carries bytes until the process's output ends.
pub(crate) async fn carry<R, RF, K, KF>(
    streams: Streams,
    stdin: bool,
    tty: bool,
    controls: Controls<R, K>,
    interrupts: &mut Interrupts,
) -> Result<(), Failure>
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
    let feeder = tokio::spawn(async move {
        if stdin {
            let mut from = tokio::io::stdin();
            let _ = tokio::io::copy(&mut from, &mut input).await;
        }
        let _ = input.shutdown().await;
        if !stdin {
            return;
        }
        // Some engines end the output with the input; the connection stays until the output is through.
        std::future::pending::<()>().await;
    });
    let done = loop {
        tokio::select! {
            piece = pieces.next() => match piece {
                None => break Ok(()),
                Some(Ok(Output::Stdout(bytes))) => {
                    if let Err(failure) = output::out_bytes(&bytes) {
                        break Err(failure);
                    }
                }
                Some(Ok(Output::Stderr(bytes))) => output::err_bytes(&bytes),
                Some(Err(error)) => break Err(error.into()),
            },
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
