//! `attach`.

use std::sync::Arc;

use rcompose_engine_adapter::{Attach, ContainerName, EngineError, ErrorKind, ObservedContainer, Process, Projects, Scope};

use super::exec::INTERRUPT;
use super::replica::running;
use crate::args::AttachArgs;
use crate::bridge::{Controls, Ended, carry};
use crate::detach::DetachKeys;
use crate::failure::Failure;
use crate::output;
use crate::session::{Live, Session, known_services};
use crate::signals::Interrupts;

/// Runs `attach` and returns the status of the container, or 0 where somebody detached.
pub(crate) async fn run(session: &Session, args: AttachArgs) -> Result<u8, Failure> {
    let keys = DetachKeys::parse(args.detach_keys.as_deref())?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let observed = live.observe(&scope).await?;
    known_services(
        &named,
        std::slice::from_ref(&args.service),
        observed.containers.values().filter_map(ObservedContainer::service),
    )?;
    let name = running(&observed, &args.service, args.index)?.name.clone();
    if session.globals.dry_run {
        output::line(&format!("attach to container {name}"))?;
        return Ok(0);
    }
    let process = process(&live, &name).await?;
    let stdin = !args.no_stdin && process.stdin_open;
    let tty = process.tty && session.caller.stdout_tty;
    let (engine, streams) = (Arc::clone(&live.engines.engine), &live.engines.streams);
    let mut interrupts = if args.sig_proxy { Interrupts::listen_to_all() } else { Interrupts::listen() };
    // Asked before it can end: it may be started again at once, and the end that is meant is the next one.
    let status = tokio::spawn({
        let (engine, name) = (Arc::clone(&engine), name.clone());
        async move { engine.wait_container(&name).await }
    });
    let joined = streams.attach(&name, Attach { stdin, logs: false }).await?;
    let controls = Controls {
        resize: |size| streams.resize(&name, size),
        interrupt: |signal| {
            let (engine, name) = (&engine, &name);
            async move {
                if args.sig_proxy {
                    return engine.kill_container(name, signal).await;
                }
                Err(EngineError::new(ErrorKind::Other, INTERRUPT))
            }
        },
        detach: Some(keys).filter(|_| stdin),
    };
    match carry(joined, stdin, tty, controls, &mut interrupts).await {
        Ok(Ended::Detached) => {
            if tty {
                // Off the container's line.
                output::err("\n");
            }
            session.say(&format!("Detached from container {name}, which goes on"));
            Ok(0)
        }
        Ok(Ended::Output) => {
            let status = status
                .await
                .map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))??;
            Ok(u8::try_from(status).unwrap_or(1))
        }
        Err(Failure::Engine(error)) if error.message == INTERRUPT => Err(Failure::Interrupted),
        Err(failure) => Err(failure),
    }
}

/// What was asked for of a container's process.
async fn process(live: &Live, name: &ContainerName) -> Result<Process, Failure> {
    let detailed = live.observe(&Scope { detail: true, ..Scope::container(name.clone()) }).await?;
    let spec = detailed.containers.get(name).and_then(|it| it.spec.as_ref());
    Ok(spec.map(|it| it.process.clone()).unwrap_or_default())
}
