//! `exec`.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{Exec, ObservedContainer, Projects, Scope};

use super::replica::running;
use crate::args::ExecArgs;
use crate::bridge::{Controls, carry};
use crate::failure::Failure;
use crate::output;
use crate::session::{Session, known_services};
use crate::signals::Interrupts;

/// Runs `exec` and returns the status of the process.
pub(crate) async fn run(session: &Session, args: ExecArgs) -> Result<u8, Failure> {
    let mut words = args.words.into_iter();
    let service = words.next().unwrap_or_default();
    let command: Vec<String> = words.collect();
    if command.is_empty() {
        return Err(Failure::usage("the command is missing", "write `rcompose exec SERVICE COMMAND [ARGUMENT]...`"));
    }
    let tty = args.tty && !args.no_tty && !args.detach && session.caller.stdin_tty && session.caller.stdout_tty;
    let exec = Exec {
        command,
        environment: environment(session, &args.env),
        user: args.user,
        working_dir: args.workdir,
        privileged: args.privileged,
        tty,
        stdin: args.interactive && !args.detach,
        detach: args.detach,
    };
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let observed = live
        .observe(&Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() })
        .await?;
    known_services(&named, std::slice::from_ref(&service), observed.containers.values().filter_map(ObservedContainer::service))?;
    let name = running(&observed, &service, args.index)?.name.clone();
    if session.globals.dry_run {
        output::line(&format!("exec in container {name}: {}", exec.command.join(" ")))?;
        return Ok(0);
    }
    let streams = &live.engines.streams;
    let started = streams.exec(&name, &exec).await?;
    let Some(joined) = started.session else { return Ok(0) };
    let mut interrupts = Interrupts::listen();
    let controls = Controls {
        resize: |size| streams.resize_exec(&started.id, size),
        // The engine has no way to signal a process started by exec: leaving it is all there is.
        interrupt: |_| async { Err(rcompose_engine_adapter::EngineError::new(rcompose_engine_adapter::ErrorKind::Other, INTERRUPT)) },
        detach: None,
    };
    match carry(joined, exec.stdin, tty, controls, &mut interrupts).await {
        Err(Failure::Engine(error)) if error.message == INTERRUPT => return Err(Failure::Interrupted),
        done => drop(done?),
    }
    let status = streams.exec_status(&started.id).await?.unwrap_or(0);
    Ok(u8::try_from(status).unwrap_or(1))
}

/// Marks an interruption on its way through the bridge.
pub(crate) const INTERRUPT: &str = "interrupted";

/// Takes variables without a value from here; those that are not set here are left out.
pub(crate) fn environment(session: &Session, given: &[(String, Option<String>)]) -> BTreeMap<String, String> {
    let value = |key: &String, value: &Option<String>| value.clone().or_else(|| session.caller.env.get(key).cloned());
    given.iter().filter_map(|(key, given)| Some((key.clone(), value(key, given)?))).collect()
}
