//! Attach and exec: processes with standard input and output.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    ArchiveBytes, Attach, ContainerName, ContainerState, EngineError, ErrorKind, Exec, ExecId, ExecSession, LogLine, LogOptions, Output,
    PathStat, Processes, Result, Session, Streams, TerminalSize, Usage,
};
use tokio::io::AsyncWrite;
use tokio::sync::watch;

use crate::Memory;
use crate::call::CallKind;
use crate::lifecycle::{Next, step, surroundings};
use crate::shell::{End, Program, interpret};
use crate::state::{ExecRun, Line, Process};
use crate::stream::{Batch, Feed, stream_of};
use crate::world::{Timer, World, conflict};

/// Whose input and output it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// A container by id, after so many starts.
    Container { id: String, starts: u64 },
    /// An exec by id.
    Exec { id: String },
}

/// Sends what a process puts out until its end.
struct Outputs {
    memory: Memory,
    changes: watch::Receiver<u64>,
    owner: Owner,
    sent: usize,
    tty: bool,
    begun: bool,
}

impl Feed<Output> for Outputs {
    async fn next(&mut self) -> Batch<Output> {
        if std::mem::replace(&mut self.begun, true) {
            self.memory.next_change(&mut self.changes).await;
        }
        let world = self.memory.world();
        let (lines, last) = match &self.owner {
            Owner::Container { id, starts } => match world.by_id(id) {
                Some(container) => (&container.output, !container.has_process() && container.starts > *starts),
                None => return Batch { items: Vec::new(), last: true },
            },
            Owner::Exec { id } => match world.execs.get(id) {
                Some(exec) => (&exec.output, exec.status.is_some()),
                None => return Batch { items: Vec::new(), last: true },
            },
        };
        let new = lines.get(self.sent..).unwrap_or_default();
        let items = new.iter().map(|line| Ok(output(line, self.tty))).collect();
        self.sent = lines.len();
        Batch { items, last }
    }
}

fn output(line: &Line, tty: bool) -> Output {
    let mut bytes = BytesMut::with_capacity(line.text.len() + 2);
    bytes.put_slice(&line.text);
    // A terminal ends lines with both, and has one output.
    bytes.put_slice(if tty { b"\r\n" } else { b"\n" });
    if line.stderr && !tty {
        Output::Stderr(bytes.freeze())
    } else {
        Output::Stdout(bytes.freeze())
    }
}

/// Standard input; every write arrives at once.
struct Input {
    memory: Memory,
    owner: Option<Owner>,
}

impl AsyncWrite for Input {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(owner) = &self.owner else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let mut world = self.memory.world();
        let now = world.now;
        world.input(owner, bytes, false, now);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl Input {
    fn close(&mut self) {
        if let Some(owner) = self.owner.take() {
            let mut world = self.memory.world();
            let now = world.now;
            world.input(&owner, &[], true, now);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Streams for Memory {
    fn logs(&self, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
        self.log_stream(name, options)
    }

    async fn attach(&self, name: &ContainerName, attach: Attach) -> Result<Session> {
        let _flight = self.enter(CallKind::Attach, name).await?;
        let world = self.world();
        let container = world.container(name)?;
        let starts = container.starts - u64::from(container.has_process());
        let owner = Owner::Container { id: container.id.clone(), starts };
        let sent = if attach.logs { 0 } else { container.output.len() };
        let (tty, stdin) = (container.spec.process.tty, attach.stdin && container.spec.process.stdin_open);
        drop(world);
        Ok(self.session(owner, sent, tty, stdin))
    }

    async fn exec(&self, name: &ContainerName, exec: &Exec) -> Result<ExecSession> {
        let _flight = self.enter(CallKind::Exec, format!("{name} {}", exec.command.join(" "))).await?;
        let mut world = self.world();
        let now = world.now;
        let id = world.start_exec(name, exec, now)?;
        drop(world);
        let session = (!exec.detach).then(|| self.session(Owner::Exec { id: id.clone() }, 0, exec.tty, exec.stdin));
        Ok(ExecSession { id: ExecId(id), session })
    }

    async fn exec_status(&self, id: &ExecId) -> Result<Option<i64>> {
        let _flight = self.enter(CallKind::ExecStatus, &id.0).await?;
        self.world().execs.get(&id.0).map(|exec| exec.status).ok_or_else(|| no_exec(id))
    }

    async fn top(&self, name: &ContainerName) -> Result<Processes> {
        let _flight = self.enter(CallKind::Top, name).await?;
        self.world().processes(name)
    }

    async fn usage(&self, name: &ContainerName) -> Result<Usage> {
        let _flight = self.enter(CallKind::Usage, name).await?;
        self.world().usage(name)
    }

    async fn stat(&self, name: &ContainerName, path: &str) -> Result<Option<PathStat>> {
        self.path_stat(name, path).await
    }

    fn pack(&self, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>> {
        self.packed(name, path)
    }

    async fn unpack(&self, name: &ContainerName, folder: &str, archive: ArchiveBytes) -> Result<()> {
        self.unpacked(name, folder, archive).await
    }

    async fn resize(&self, name: &ContainerName, size: TerminalSize) -> Result<()> {
        let _flight = self.enter(CallKind::Resize, name).await?;
        let mut world = self.world();
        let container = world.container_mut(name)?;
        if !container.has_process() {
            return Err(conflict(format!("container {name} does not run")));
        }
        container.size = Some(size);
        Ok(())
    }

    async fn resize_exec(&self, id: &ExecId, size: TerminalSize) -> Result<()> {
        let _flight = self.enter(CallKind::ResizeExec, &id.0).await?;
        let mut world = self.world();
        world.execs.get_mut(&id.0).ok_or_else(|| no_exec(id))?.size = Some(size);
        Ok(())
    }
}

impl Memory {
    fn session(&self, owner: Owner, sent: usize, tty: bool, stdin: bool) -> Session {
        let input = Input { memory: self.clone(), owner: stdin.then(|| owner.clone()) };
        let outputs = Outputs { memory: self.clone(), changes: self.changes(), owner, sent, tty, begun: false };
        Session { input: Box::pin(input), output: stream_of(outputs) }
    }
}

fn no_exec(id: &ExecId) -> EngineError {
    EngineError::new(ErrorKind::NotFound, format!("no such exec: {}", id.0))
}

impl World {
    fn start_exec(&mut self, name: &ContainerName, exec: &Exec, at: Duration) -> Result<String> {
        let container = self.container(name)?;
        if container.state != ContainerState::Running {
            return Err(conflict(format!("container {name} does not run")));
        }
        let mut around = surroundings(container);
        around.environment.extend(exec.environment.clone().into_iter().collect::<BTreeMap<_, _>>());
        if let Some(user) = &exec.user {
            around.user.clone_from(user);
        }
        if let Some(folder) = &exec.working_dir {
            around.working_dir.clone_from(folder);
        }
        let missing = || Program::missing(exec.command.first().map_or("", String::as_str));
        let mut program = interpret(&exec.command, &around).unwrap_or_else(missing);
        if program.end == End::AtEof && !exec.stdin {
            program.end = End::After(Duration::ZERO, 0);
        }
        let run = ExecRun {
            container: container.id.clone(),
            process: Process::new(program, at),
            output: Vec::new(),
            status: None,
            stdin: exec.stdin,
            size: None,
        };
        let id = self.new_id();
        self.execs.insert(id.clone(), run);
        self.step_exec(&id, at);
        Ok(id)
    }

    pub(crate) fn step_exec(&mut self, id: &str, at: Duration) {
        let Some(exec) = self.execs.get_mut(id).filter(|it| it.status.is_none()) else {
            return;
        };
        match step(&mut exec.process, &mut exec.output, at) {
            Next::Nothing => {}
            Next::Ended(code) => exec.status = Some(code),
            Next::At(due) => self.schedule(due, Timer::Exec { id: id.to_owned() }),
        }
        self.touch();
    }

    /// Ends the execs of a container that has ended.
    pub(crate) fn end_execs(&mut self, container: &str) {
        let running = self.execs.values_mut().filter(|it| it.container == container && it.status.is_none());
        running.for_each(|exec| exec.status = Some(137));
    }

    /// Takes in what came on standard input, and its end.
    fn input(&mut self, owner: &Owner, bytes: &[u8], eof: bool, at: Duration) {
        match owner {
            Owner::Exec { id } => {
                let Some(exec) = self.execs.get_mut(id).filter(|it| it.stdin && it.status.is_none()) else {
                    return;
                };
                if echo(&mut exec.process, &mut exec.output, bytes, eof, at) {
                    exec.status = Some(0);
                }
            }
            Owner::Container { id, .. } => {
                let Some(container) = self.by_id_mut(id) else { return };
                let eof = eof && container.spec.process.stdin_once;
                let Some(run) = &mut container.run else {
                    container.early_input.extend_from_slice(bytes);
                    container.early_eof |= eof;
                    return;
                };
                if echo(&mut run.process, &mut container.output, bytes, eof, at) {
                    let id = id.clone();
                    self.end_process(&id, 0, at);
                }
            }
        }
        self.touch();
    }
}

/// Echoes whole lines, where the program does that; tells whether it ends.
pub(crate) fn echo(process: &mut Process, output: &mut Vec<Line>, bytes: &[u8], eof: bool, at: Duration) -> bool {
    if process.program.end != End::AtEof {
        return false;
    }
    process.input.extend_from_slice(bytes);
    let mut put = |text: &[u8]| output.push(Line { at, stderr: false, text: Bytes::copy_from_slice(text) });
    while let Some(end) = process.input.iter().position(|byte| *byte == b'\n') {
        put(&process.input[..end]);
        process.input.drain(..=end);
    }
    if eof && !process.input.is_empty() {
        put(&std::mem::take(&mut process.input));
    }
    eof
}
