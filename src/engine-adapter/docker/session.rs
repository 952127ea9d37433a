//! Two-way connections: attach and exec.

use std::collections::BTreeMap;

use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use rcompose_engine_adapter::{Attach, ContainerName, Exec, ExecId, ExecSession, Output, Result, Session, TerminalSize};
use serde::{Deserialize, Serialize};

use crate::error::{engine_error, while_trying};
use crate::transport::{Api, Call, escape, path};

pub(crate) async fn attach(api: &Api, name: &ContainerName, attach: Attach) -> Result<Session> {
    let Attach { stdin, logs } = attach;
    let options = AttachContainerOptionsBuilder::default()
        .stream(true)
        .stdout(true)
        .stderr(true)
        .stdin(stdin)
        .logs(logs)
        .build();
    let opened = api.upgrading().attach_container(&escape(name.as_str(), ""), Some(options)).await;
    let opened = opened.map_err(|error| while_trying(&format!("cannot attach to container {name}"), engine_error(api.address(), error)))?;
    Ok(Session { input: opened.input, output: output(opened.output, api.address()) })
}

fn output(
    from: impl Stream<Item = std::result::Result<LogOutput, BollardError>> + Send + 'static,
    address: &str,
) -> BoxStream<'static, Result<Output>> {
    let address = address.to_owned();
    from.map(move |piece| match piece {
        Ok(LogOutput::StdErr { message }) => Ok(Output::Stderr(message)),
        // A terminal's output carries no stream; what was typed in comes back as its own.
        Ok(LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message }) => Ok(Output::Stdout(message)),
        Err(error) => Err(engine_error(&address, error)),
    })
    .boxed()
}

/// The body of a create call for an exec.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateExec<'a> {
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    env: Vec<String>,
    cmd: &'a [String],
    privileged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreatedExec {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedExec {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    exit_code: Option<i64>,
}

pub(crate) async fn exec(api: &Api, name: &ContainerName, exec: &Exec) -> Result<ExecSession> {
    let trying = |error| while_trying(&format!("cannot run a command in container {name}"), error);
    // Destructured in full, so that a new field cannot be forgotten.
    let Exec { command, environment, user, working_dir, privileged, tty, stdin, detach } = exec;
    let body = CreateExec {
        attach_stdin: *stdin && !detach,
        attach_stdout: !detach,
        attach_stderr: !detach,
        tty: *tty,
        env: pairs(environment),
        cmd: command,
        privileged: *privileged,
        user: user.as_deref(),
        working_dir: working_dir.as_deref(),
    };
    let created: CreatedExec = api.json(Call::post(path("containers", name.as_str(), "/exec")).json(&body)).await.map_err(trying)?;
    let id = ExecId(created.id);
    if *detach {
        let start = serde_json::json!({ "Detach": true, "Tty": tty });
        api.unit(Call::post(path("exec", &id.0, "/start")).json(&start).patient()).await.map_err(trying)?;
        return Ok(ExecSession { id, session: None });
    }
    let options = StartExecOptions { detach: false, tty: *tty, output_capacity: None };
    let started = api.upgrading().start_exec(&escape(&id.0, ""), Some(options)).await;
    match started.map_err(|error| trying(engine_error(api.address(), error)))? {
        StartExecResults::Attached { output: from, input } => {
            Ok(ExecSession { id, session: Some(Session { input, output: output(from, api.address()) }) })
        }
        StartExecResults::Detached => Ok(ExecSession { id, session: None }),
    }
}

fn pairs(environment: &BTreeMap<String, String>) -> Vec<String> {
    environment.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

pub(crate) async fn exec_status(api: &Api, id: &ExecId) -> Result<Option<i64>> {
    let found: InspectedExec = api.json(Call::get(path("exec", &id.0, "/json"))).await?;
    Ok(if found.running { None } else { found.exit_code })
}

pub(crate) async fn resize(api: &Api, name: &ContainerName, size: TerminalSize) -> Result<()> {
    api.unit(sized(path("containers", name.as_str(), "/resize"), size)).await
}

pub(crate) async fn resize_exec(api: &Api, id: &ExecId, size: TerminalSize) -> Result<()> {
    api.unit(sized(path("exec", &id.0, "/resize"), size)).await
}

fn sized(path: String, size: TerminalSize) -> Call {
    Call::post(path).query("h", &size.height.to_string()).query("w", &size.width.to_string())
}
