//! Two-way connections: attach and exec.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rcompose_engine_adapter::{Attach, ContainerName, Exec, ExecId, ExecSession, Output, Result, Session, TerminalSize};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::containers;
use crate::error::{io_error, while_trying};
use crate::frames::Frames;
use crate::hijack::Incoming;
use crate::transport::{Api, Call, path};

pub(crate) async fn attach(api: &Api, name: &ContainerName, attach: Attach) -> Result<Session> {
    let Attach { stdin, logs } = attach;
    let trying = |error| while_trying(&format!("cannot attach to container {name}"), error);
    let found = containers::inspect(api, name).await.map_err(trying)?;
    let tty = found.config.and_then(|config| config.tty).unwrap_or_default();
    let flag = |on: bool| if on { "1" } else { "0" };
    let call = Call::post(path("containers", name.as_str(), "/attach"))
        .query("stream", "1")
        .query("stdout", "1")
        .query("stderr", "1")
        .query("stdin", flag(stdin))
        .query("logs", flag(logs));
    let (from, input) = api.hijack(call).await.map_err(trying)?;
    Ok(Session { input, output: output(from, tty, api.address()) })
}

/// What is left to read of a connection.
struct Reading {
    from: Incoming,
    frames: Frames,
    ready: VecDeque<Output>,
}

/// Reads output as it comes: of a terminal as it is, else in frames.
fn output(from: Incoming, tty: bool, address: &str) -> BoxStream<'static, Result<Output>> {
    let address = address.to_owned();
    let begin = Some(Reading { from, frames: Frames::default(), ready: VecDeque::new() });
    stream::unfold(begin, move |reading| {
        let address = address.clone();
        async move {
            let mut reading = reading?;
            loop {
                if let Some(piece) = reading.ready.pop_front() {
                    return Some((Ok(piece), Some(reading)));
                }
                let mut bytes = BytesMut::with_capacity(16 * 1024);
                match reading.from.read_buf(&mut bytes).await {
                    Ok(0) => return None,
                    Ok(_) if tty => reading.ready.push_back(Output::Stdout(bytes.freeze())),
                    Ok(_) => reading.take_frames(&bytes),
                    Err(error) => return Some((Err(io_error(&address, error)), None)),
                }
            }
        }
    })
    .boxed()
}

impl Reading {
    fn take_frames(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
        while let Some((stderr, message)) = self.frames.take() {
            self.ready.push_back(if stderr { Output::Stderr(message) } else { Output::Stdout(message) });
        }
    }
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
    let start = serde_json::json!({ "Detach": false, "Tty": tty });
    let (from, input) = api.hijack(Call::post(path("exec", &id.0, "/start")).json(&start)).await.map_err(trying)?;
    Ok(ExecSession { id, session: Some(Session { input, output: output(from, *tty, api.address()) }) })
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
