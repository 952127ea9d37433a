//! Further processes in a container.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, Exec, ExecId, ExecSession, Output, Result, Session, TerminalSize};
use rcompose_supervise::{Execution, Phase, User};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::AsyncWrite;

use crate::bundle::users;
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::root::Root;
use crate::stand;
use crate::thread::{self, Out};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Processes that were begun by this program, by their names.
pub(crate) type Executions = Mutex<BTreeMap<String, Arc<Mutex<Execution>>>>;

/// Starts a process in a container that runs.
pub(crate) fn exec(native: &Native, name: &ContainerName, exec: &Exec) -> Result<ExecSession> {
    let container = native.places.known(name)?;
    let Some(Phase::Running { who, .. }) = native.running(&container)?.map(|it| it.phase) else {
        return Err(error::conflict(format!("container {name} is not running")));
    };
    let wanted = rcompose_supervise::Exec {
        args: exec.command.clone(),
        env: exec.environment.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        cwd: exec.working_dir.as_ref().map(Into::into),
        user: exec.user.as_deref().map(|it| user(&container, it, who.pid)).transpose()?,
        tty: exec.tty,
        size: None,
        stdin: exec.stdin,
        privileged: exec.privileged,
        detach: exec.detach,
    };
    let begun = native.client(&container).exec(&container.id, &wanted);
    let mut begun = begun.map_err(error::supervise("run the command"))?;
    let id = ExecId(format!("{}/{}", container.id, begun.id()));
    let session = (!exec.detach).then(|| session(&mut begun)).transpose()?;
    let mut executions = native.executions.lock().unwrap_or_else(PoisonError::into_inner);
    executions.insert(id.0.clone(), Arc::new(Mutex::new(begun)));
    Ok(ExecSession { id, session })
}

fn user(container: &Container, text: &str, pid: i32) -> Result<User> {
    let root = Root::of_process(pid)?;
    let (passwd, group) = (root.read(Path::new("/etc/passwd"))?, root.read(Path::new("/etc/group"))?);
    let found = users::resolve(text, &container.spec.security.group_add, &passwd, &group)?;
    Ok(User { uid: found.uid, gid: found.gid, groups: found.groups })
}

fn session(begun: &mut Execution) -> Result<Session> {
    let failed = |it| error::file("hold the streams of", Path::new("the command"))(it);
    let input = match &begun.terminal {
        Some(terminal) => Some(terminal.try_clone().map_err(failed)?),
        None => begun.input.take(),
    };
    let is_terminal = begun.terminal.is_some();
    let output: BoxStream<'static, Result<Output>> = match begun.terminal.as_ref().map(|it| it.try_clone()).transpose().map_err(failed)? {
        Some(terminal) => thread::stream(move |out| carry(vec![(terminal, false)], out)),
        None => {
            let streams = [(begun.output.take(), false), (begun.error.take(), true)];
            let streams = streams.into_iter().filter_map(|(fd, is_error)| Some((fd?, is_error))).collect();
            thread::stream(move |out| carry(streams, out))
        }
    };
    let input = Input { file: input.map(|it| tokio::fs::File::from_std(File::from(it))), is_terminal };
    Ok(Session { input: Box::pin(input), output })
}

/// Carries what the process writes, as it comes, to its end.
fn carry(streams: Vec<(OwnedFd, bool)>, out: &Out<Output>) -> Result<()> {
    let mut open: Vec<(File, bool)> = streams.into_iter().map(|(fd, is_error)| (File::from(fd), is_error)).collect();
    let mut piece = vec![0; PIECE];
    while !open.is_empty() && !out.is_closed() {
        let mut wanted: Vec<PollFd<'_>> = open.iter().map(|(file, _)| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)).collect();
        let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let ready: Vec<bool> = match poll(&mut wanted, Some(&limit)) {
            Ok(_) => wanted.iter().map(|it| !it.revents().is_empty()).collect(),
            Err(_) => continue,
        };
        let mut ready = ready.into_iter();
        let mut listens = true;
        open.retain_mut(|(file, is_error)| {
            if !ready.next().unwrap_or(false) {
                return true;
            }
            // A terminal whose last process is gone answers with EIO.
            let read = file.read(&mut piece).unwrap_or(0);
            let bytes = Bytes::copy_from_slice(&piece[..read]);
            listens &= read == 0 || out.send(if *is_error { Output::Stderr(bytes) } else { Output::Stdout(bytes) });
            read > 0
        });
        if !listens {
            break;
        }
    }
    Ok(())
}

/// Input of a process: a pipe, which is closed at its end, or a terminal, which is not.
struct Input {
    file: Option<tokio::fs::File>,
    is_terminal: bool,
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.file.as_mut() {
            Some(file) => Pin::new(file).poll_write(context, bytes),
            None => Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.file.as_mut() {
            Some(file) => Pin::new(file).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = self.as_mut().poll_flush(context);
        if flushed.is_ready() && !self.is_terminal {
            self.file = None;
        }
        flushed
    }
}

fn find(native: &Native, id: &ExecId) -> Result<Arc<Mutex<Execution>>> {
    let executions = native.executions.lock().unwrap_or_else(PoisonError::into_inner);
    executions.get(&id.0).cloned().ok_or_else(|| error::absent("command", &id.0))
}

/// Returns the exit status of a process; `None` while it runs.
pub(crate) fn status(native: &Native, id: &ExecId) -> Result<Option<i64>> {
    let found = find(native, id)?;
    let mut execution = found.lock().unwrap_or_else(PoisonError::into_inner);
    let exit = execution.wait(Some(Duration::ZERO)).map_err(error::supervise("wait for the command"))?;
    Ok(exit.as_ref().map(stand::exit_code))
}

/// Resizes the terminal of a process.
pub(crate) fn resize_exec(native: &Native, id: &ExecId, size: TerminalSize) -> Result<()> {
    let found = find(native, id)?;
    let execution = found.lock().unwrap_or_else(PoisonError::into_inner);
    execution.resize(size.height, size.width).map_err(error::supervise("resize the terminal"))
}
