//! The parent's side: makes the process, prepares what needs the host's rights, and answers the child until it waits or runs.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::child::{self, Errand, Gate, Home, JoinFd, PreparedHook};
use super::sys::{self, Errno};
use super::tree;
use super::wire::{self, Kind, Message};
use super::{cgroup, exec, hook, host, host_namespace, limit};
use crate::error::{Result, RuntimeError};
use crate::plan::cgroup::Folder;
use crate::plan::namespaces::{NEWCGROUP, NEWPID, NEWTIME, NEWUSER, Namespaces};
use crate::plan::process::Process;
use crate::plan::step::{Act, Step};
use crate::plan::{Hooks, Plan};

/// When the program begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// At once.
    Now,
    /// When [`crate::start`] is called with this path; a socket is made there.
    Later(&'a Path),
}

/// What the caller hands to a process.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// When the program begins.
    pub start: Start<'a>,
    /// The root's tree, mounted nowhere; that of the plan's folder when absent.
    pub root: Option<BorrowedFd<'a>>,
    /// Standard streams, from descriptors above 2; the caller's own when absent.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// A connected socket that is sent the terminal, when the process has one.
    pub console: Option<BorrowedFd<'a>>,
    /// Up to how many of the caller's descriptors from 3 on the program keeps: those that are left open over execve.
    pub preserve_fds: u32,
    /// Is told of the process before its program can begin.
    pub told: Option<Told<'a>>,
}

/// Whoever writes down that a process is there, while that is still being set up. What it refuses is not begun.
#[derive(Clone, Copy)]
pub struct Told<'a>(pub &'a dyn Fn(Named) -> Result<()>);

impl std::fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

/// A process, by what tells it from any other.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its id.
    pub pid: i32,
    /// When it began, in ticks since boot.
    pub began: u64,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self { start: Start::Now, root: None, stdio: None, console: None, preserve_fds: 0, told: None }
    }
}

/// A process that was made.
#[derive(Debug)]
pub struct Created {
    /// Its id. It is a child of the caller, who waits for it.
    pub pid: i32,
    /// A descriptor of it.
    pub pidfd: OwnedFd,
    /// When it began, in ticks since boot: pid and this tell it from any other.
    pub began: u64,
    /// What is not as asked, though it runs.
    pub warnings: Vec<String>,
}

/// Everything that differs between a container's first process and a further one.
pub(super) struct Task<'a> {
    pub(super) plan: Option<&'a Plan>,
    pub(super) process: &'a Process,
    pub(super) namespaces: &'a Namespaces,
    /// Namespaces of a running container, to be joined together.
    pub(super) joins: Vec<(OwnedFd, u64)>,
    pub(super) in_userns: bool,
    pub(super) chroot: Option<OwnedFd>,
    pub(super) folders: &'a [Folder],
    pub(super) init: Option<i32>,
}

/// Makes the first process of a container. On an error nothing of it is left.
///
/// # Errors
/// The step that failed, by name.
pub fn create(plan: &Plan, how: How<'_>) -> Result<Created> {
    host_namespace::refuse_sysctls(plan)?;
    cgroup::make(&plan.cgroup)?;
    let joins = plan.namespaces.join.iter().map(|join| {
        let opened = File::open(&join.path).map_err(|error| RuntimeError::file("open the namespace", &join.path, error))?;
        Ok((OwnedFd::from(opened), join.kind))
    });
    let made = joins.collect::<Result<Vec<_>>>().and_then(|joins| {
        let task = Task {
            plan: Some(plan),
            process: &plan.process,
            namespaces: &plan.namespaces,
            joins,
            in_userns: plan.namespaces.has(NEWUSER),
            chroot: None,
            folders: &plan.cgroup.folders,
            init: None,
        };
        launch(&task, how)
    });
    if made.is_err() {
        // The first error says what is wrong; a group that stays is shown by the next attempt.
        let _ = cgroup::remove(&plan.cgroup.folders);
    }
    made
}

pub(super) fn launch(task: &Task<'_>, how: How<'_>) -> Result<Created> {
    check_terminal(task, how)?;
    let step = |words: &'static str| move |errno: Errno| RuntimeError::step(words, errno.into());
    let procfs = tree::procfs()?;
    let (ours, theirs) = sys::socket_pair().map_err(step("make a pair of sockets"))?;
    let trees = task.plan.iter().flat_map(|plan| &plan.trees).map(tree::clone).collect::<Result<Vec<_>>>()?;
    let root = task.plan.map(|plan| open_root(plan, how.root)).transpose()?;
    let (container_hooks, start_hooks) = hooks_inside(task)?;
    let hook_state = File::from(hook::state_file()?);
    let listening = door(how.start)?;
    let mut home: Home = [0; size_of::<Home>()];
    let (argv, env) = pointers(task.process, &home);
    let tree_fds: Vec<RawFd> = trees.iter().map(AsRawFd::as_raw_fd).collect();
    let joins: Vec<JoinFd> = task.joins.iter().map(|(fd, kinds)| JoinFd { fd: fd.as_raw_fd(), kinds: *kinds }).collect();
    // In a user namespace everything else is made by its own root, so that it belongs to that.
    let with_process = if task.in_userns { NEWUSER | NEWPID } else { !(NEWCGROUP | NEWTIME) };
    let create = task.namespaces.create & with_process;
    let groups = if joins.is_empty() { Some(cgroup::doors(task.folders)?) } else { None };
    let tasks: Vec<RawFd> = groups.iter().flat_map(|(tasks, _)| tasks).map(AsRawFd::as_raw_fd).collect();
    let unified = groups.as_ref().and_then(|(_, unified)| unified.as_ref()).map(AsRawFd::as_raw_fd);
    let errand = Errand {
        groups: &tasks,
        joins: &joins,
        create,
        late: task.namespaces.create & !create,
        groups_first: groups_first(task),
        in_userns: task.in_userns,
        time_offsets: task.namespaces.time_offsets.as_bytes(),
        root: root.as_ref().map(AsRawFd::as_raw_fd),
        chroot: task.chroot.as_ref().map(AsRawFd::as_raw_fd),
        steps: task.plan.map_or(&[][..], |plan| &plan.steps),
        trees: &tree_fds,
        process: task.process,
        argv: &argv,
        env: &env,
        home: task.process.find_home.then_some(&raw mut home),
        procfs: procfs.as_raw_fd(),
        report: theirs.as_raw_fd(),
        parents: ours.as_raw_fd(),
        gate: listening.as_ref().map_or(Gate::Open, |fd| Gate::Listen(fd.as_raw_fd())),
        console: how.console.map(|it| it.as_raw_fd()),
        stdio: how.stdio.map(|it| it.map(|it| it.as_raw_fd())),
        preserved: how.preserve_fds,
        container_hooks: &container_hooks,
        start_hooks: &start_hooks,
        hook_state: hook_state.as_raw_fd(),
        last_capability: last_capability(host::rights()?.known),
    };
    let flags = if joins.is_empty() { create } else { 0 };
    let pid = depart(&errand, flags, unified)?;
    drop(theirs);
    let (has_gate, enters_itself) = (listening.is_some(), groups.is_some());
    let mut parent = Parent { task, ours, procfs, hook_state, pid, has_gate, enters_itself, warnings: Vec::new() };
    parent.attend(!joins.is_empty(), how.told).map_err(|error| parent.clean_up(error))
}

/// Makes what a later start knocks at.
fn door(start: Start<'_>) -> Result<Option<OwnedFd>> {
    match start {
        Start::Now => Ok(None),
        Start::Later(path) => listen(path).map(Some),
    }
}

/// Clones the process that runs the errand.
fn depart(errand: &Errand<'_>, flags: u64, unified: Option<RawFd>) -> Result<i32> {
    // SAFETY: the child runs `child::run`, which makes system calls only.
    let cloned = unsafe { sys::clone3_into(flags, unified) };
    match cloned.map_err(|errno| RuntimeError::step("clone the container's first process (namespaces)", errno.into()))? {
        0 => child::run(errand),
        pid => Ok(pid),
    }
}

/// The hooks that the child runs: `createContainer` and `startContainer`.
fn hooks_inside(task: &Task<'_>) -> Result<(Vec<PreparedHook>, Vec<PreparedHook>)> {
    let none = Hooks::default();
    let hooks = task.plan.map_or(&none, |plan| &plan.hooks);
    let before = hook::prepare("hooks.createContainer", &hooks.create_container)?;
    Ok((before, hook::prepare("hooks.startContainer", &hooks.start_container)?))
}

/// Entering the groups of v1 waits for every processor, so the child sets the root up meanwhile; but not what counts as the container's
/// own: its cgroup namespace, its hooks, and memory that is filled.
fn groups_first(task: &Task<'_>) -> bool {
    let Some(plan) = task.plan else { return true };
    let hooks = [&plan.hooks.prestart, &plan.hooks.create_runtime, &plan.hooks.create_container];
    let fills = |step: &Step| matches!(&step.act, Act::Mount(mount) if mount.copy_up);
    plan.namespaces.creates(NEWCGROUP) || hooks.iter().any(|it| !it.is_empty()) || plan.steps.iter().any(fills)
}

fn check_terminal(task: &Task<'_>, how: How<'_>) -> Result<()> {
    if task.process.terminal && how.console.is_none() {
        return Err(RuntimeError::field("process.terminal", "needs a socket to send the terminal to (--console-socket)"));
    }
    if !task.process.terminal && how.console.is_some() {
        return Err(RuntimeError::field("process.terminal", "is false, so no terminal is sent to the console socket"));
    }
    Ok(())
}

fn last_capability(known: u64) -> u32 {
    63 - known.leading_zeros().min(63)
}

/// The root's tree, as the child attaches it.
fn open_root(plan: &Plan, given: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    let step = || format!("open the root {} (root.path)", plan.rootfs.display());
    let root = match given {
        Some(root) => root.try_clone_to_owned(),
        None => tree::detached(&plan.rootfs, true),
    };
    let root = root.map_err(|error| RuntimeError::step(step(), error))?;
    let propagation = plan.root_propagation.filter(|it| it.flag != libc::MS_SHARED);
    let propagation = propagation.map_or(libc::MS_SLAVE, |it| it.flag);
    let wanted = crate::plan::options::Propagation { flag: propagation, recursive: true };
    tree::propagate(&root, wanted).map_err(|error| RuntimeError::step(step(), error))?;
    let found = sys::stat(root.as_raw_fd()).map_err(|errno| RuntimeError::step(step(), errno.into()))?;
    if !sys::is(&found, libc::S_IFDIR) {
        return Err(RuntimeError::step(step(), io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    Ok(root)
}

/// Makes the socket on which the start is awaited. Its path is reached through its folder, as an address has 108 bytes.
fn listen(path: &Path) -> Result<OwnedFd> {
    let file = |error| RuntimeError::file("make the socket", path, error);
    crate::socket::short(path, UnixListener::bind).map(OwnedFd::from).map_err(file)
}

type Pointers = Vec<*const libc::c_char>;

/// Words and environment as execve wants them.
fn pointers(process: &Process, home: &Home) -> (Pointers, Pointers) {
    let list = |words: &[CString], more: Option<*const libc::c_char>| -> Pointers {
        words.iter().map(|it| it.as_ptr()).chain(more).chain([std::ptr::null()]).collect()
    };
    (list(&process.args, None), list(&process.env, process.find_home.then_some(home.as_ptr().cast())))
}

/// What the parent holds while the child is on its way.
struct Parent<'a> {
    task: &'a Task<'a>,
    ours: OwnedFd,
    procfs: OwnedFd,
    hook_state: File,
    pid: i32,
    has_gate: bool,
    /// The child enters its groups.
    enters_itself: bool,
    warnings: Vec<String>,
}

impl Parent<'_> {
    fn attend(&mut self, joins: bool, told: Option<Told<'_>>) -> Result<Created> {
        if joins {
            self.pid = self.joined()?;
        }
        let pidfd = sys::own(sys::pidfd_open(self.pid).map_err(|errno| RuntimeError::step("open the process", errno.into()))?);
        self.map_ids()?;
        self.answer()?;
        if let Err(error) = self.enter_groups() {
            // A child that failed meanwhile is in no group, and says why.
            let said = sys::poll_one(self.ours.as_raw_fd(), 0).unwrap_or(false).then(|| self.receive());
            return match said {
                Some(Ok(Some(Message { kind: Kind::Failed, number, text }))) => {
                    Err(RuntimeError::step(text, io::Error::from_raw_os_error(number)))
                }
                _ => Err(error),
            };
        }
        self.oom_score()?;
        self.write_state("creating")?;
        if let Some(Told(told)) = told {
            told(Named { pid: self.pid, began: self.began()? })?;
        }
        self.answer()?;
        while let Some(message) = self.receive()? {
            match message.kind {
                Kind::HostHooks => self.host_hooks()?,
                Kind::Ready => {
                    self.write_state("created")?;
                    for limit in &self.task.process.limits {
                        self.warnings.extend(limit::set(self.pid, limit)?);
                    }
                }
                Kind::Waiting => return self.created(pidfd),
                Kind::Failed => return Err(RuntimeError::step(message.text, io::Error::from_raw_os_error(message.number))),
                Kind::Program => return Err(self.program(message.number)),
                Kind::Process => return Err(RuntimeError::step("join the namespaces", io::Error::from(io::ErrorKind::InvalidData))),
            }
            self.answer()?;
        }
        // Without a word it has become the program; one that awaits its start says so first.
        if self.has_gate {
            let how = sys::wait(self.pid).map_or_else(|errno| io::Error::from(errno).to_string(), describe);
            return Err(RuntimeError::Died { during: "it was set up".to_owned(), how });
        }
        self.created(pidfd)
    }

    fn created(&mut self, pidfd: OwnedFd) -> Result<Created> {
        Ok(Created { pid: self.pid, pidfd, began: self.began()?, warnings: std::mem::take(&mut self.warnings) })
    }

    fn began(&self) -> Result<u64> {
        let gone = || RuntimeError::Died { during: "it was being made".to_owned(), how: "no trace of it is left".to_owned() };
        host::process(self.pid).map(|(began, _)| began).ok_or_else(gone)
    }

    /// The process that joined the namespaces hands over to its successor, which is the parent's child as well.
    fn joined(&mut self) -> Result<i32> {
        let message = self.receive()?;
        sys::wait(self.pid).map_err(|errno| RuntimeError::step("wait for the process that joins the namespaces", errno.into()))?;
        match message {
            Some(Message { kind: Kind::Process, number, .. }) => Ok(number),
            Some(Message { kind: Kind::Failed, number, text }) => Err(RuntimeError::step(text, io::Error::from_raw_os_error(number))),
            _ => Err(RuntimeError::Died { during: "joining namespaces".to_owned(), how: "it said nothing".to_owned() }),
        }
    }

    fn receive(&self) -> Result<Option<Message>> {
        wire::receive(self.ours.as_raw_fd()).map_err(|error| RuntimeError::step("hear from the container's first process", error))
    }

    /// A child that has gone meanwhile has said why, and that is read next.
    fn answer(&self) -> Result<()> {
        // SAFETY: one byte of a constant is sent.
        let sent = unsafe { libc::send(self.ours.as_raw_fd(), b"g".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
        match sys::check(sent as libc::c_long) {
            Ok(_) | Err(Errno(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            Err(errno) => Err(RuntimeError::step("answer the container's first process", errno.into())),
        }
    }

    fn write_proc(&self, file: &str, text: &str) -> io::Result<()> {
        let path = CString::new(format!("{}/{file}", self.pid))?;
        let opened = tree::open_proc(&self.procfs, &path, libc::O_WRONLY)?;
        Ok(sys::write_all(opened.as_raw_fd(), text.as_bytes())?)
    }

    fn map_ids(&self) -> Result<()> {
        let namespaces = self.task.namespaces;
        if self.task.plan.is_none() || !namespaces.creates(NEWUSER) {
            return Ok(());
        }
        let step = |field: &str| {
            let field = format!("map the ids of the user namespace ({field})");
            move |error| RuntimeError::step(field, error)
        };
        self.write_proc("uid_map", &namespaces.uid_map).map_err(step("linux.uidMappings"))?;
        match self.write_proc("gid_map", &namespaces.gid_map) {
            // Without rights over groups, only a namespace that gives up setgroups(2) is mapped; source: user_namespaces(7).
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                self.write_proc("setgroups", "deny").map_err(step("linux.gidMappings"))?;
                self.write_proc("gid_map", &namespaces.gid_map).map_err(step("linux.gidMappings"))
            }
            other => other.map_err(step("linux.gidMappings")),
        }
    }

    fn enter_groups(&self) -> Result<()> {
        if self.enters_itself {
            return Ok(());
        }
        let entered = cgroup::enter(self.task.folders, self.pid);
        match (entered, self.task.init) {
            // A container may have moved its first process further down; where that one is, another can be.
            (Err(_), Some(init)) => cgroup::enter(&exec::groups_of(init, self.task.folders), self.pid),
            (entered, _) => entered,
        }
    }

    fn oom_score(&mut self) -> Result<()> {
        let Some(score) = self.task.process.oom_score_adj else {
            return Ok(());
        };
        match self.write_proc("oom_score_adj", &score.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let text =
                    format!("process.oomScoreAdj: {score} is below what this process may give without CAP_SYS_RESOURCE; it is not set");
                self.warnings.push(text);
                Ok(())
            }
            other => other.map_err(|error| RuntimeError::step("set process.oomScoreAdj", error)),
        }
    }

    fn write_state(&self, status: &str) -> Result<()> {
        let step = |error| RuntimeError::step("write the state for the hooks", error);
        self.hook_state.set_len(0).map_err(step)?;
        self.task
            .plan
            .map_or(Ok(()), |plan| self.hook_state.write_all_at(&state(plan, self.pid, status), 0).map_err(step))
    }

    fn host_hooks(&self) -> Result<()> {
        let Some(plan) = self.task.plan else {
            return Ok(());
        };
        let state = state(plan, self.pid, "creating");
        hook::run("prestart", &plan.hooks.prestart, &state)?;
        hook::run("createRuntime", &plan.hooks.create_runtime, &state)
    }

    fn program(&self, errno: i32) -> RuntimeError {
        let name = self.task.process.args.first().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let reason = match errno {
            libc::ENOENT if !name.contains('/') => "executable file not found in $PATH".to_owned(),
            libc::ENOENT => format!("stat {name}: no such file or directory"),
            libc::EACCES => "permission denied".to_owned(),
            libc::EISDIR => "is a directory: permission denied".to_owned(),
            libc::ENOTDIR => "not a directory".to_owned(),
            libc::ENOEXEC => "exec format error".to_owned(),
            other => io::Error::from_raw_os_error(other).to_string(),
        };
        RuntimeError::Program { name, reason }
    }

    /// Ends the child, which is no container yet.
    fn clean_up(&self, error: RuntimeError) -> RuntimeError {
        // SAFETY: only numbers are passed; the process is a child that was not waited for, or there is none of that number to wait for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let _ = sys::wait(self.pid);
        error
    }
}

fn state(plan: &Plan, pid: i32, status: &str) -> Vec<u8> {
    hook::state(&plan.id, pid, status, &plan.bundle, &plan.annotations)
}

/// A wait status in words.
pub(crate) fn describe(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("signal {}", libc::WTERMSIG(status))
    } else {
        format!("exit status {}", libc::WEXITSTATUS(status))
    }
}
