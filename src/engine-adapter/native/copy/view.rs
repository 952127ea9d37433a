//! A container's files as it sees them itself. One that runs is entered by the root of its first process, so whatever is mounted there counts;
//! one that does not is put together for as long as it is looked at.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rcompose_engine_adapter::{ContainerName, EngineError, Result};
use rcompose_image::patiently;
use rcompose_supervise::Phase;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::Errno;

use super::pieces::Life;
use super::stage::staged;
use crate::document::Container;
use crate::engine::Native;
use crate::error;

/// A root that no lookup leaves.
pub(super) struct View<'a> {
    root: OwnedFd,
    container: &'a Container,
    /// Its first process, where it runs.
    process: Option<OwnedFd>,
}

/// Looks into a container. One that does not run is held meanwhile.
pub(super) fn look<T: Send>(native: &Native, name: &ContainerName, work: impl FnOnce(&View<'_>) -> Result<T> + Send) -> Result<T> {
    let container = native.places.known(name)?;
    if let Some((root, process)) = of_process(native, &container)? {
        return work(&View { root, container: &container, process: Some(process) });
    }
    let (container, _lock) = native.places.hold_known(name)?;
    if native.places.container(&container.id).is_going() {
        return Err(error::conflict(format!("container {name} is being removed")));
    }
    // It may have been started before it was held.
    if let Some((root, process)) = of_process(native, &container)? {
        return work(&View { root, container: &container, process: Some(process) });
    }
    let container = &container;
    staged(native, container, |root| work(&View { root, container, process: None }))
}

/// Opens the root of a container's first process, and that process; nothing where it does not run.
fn of_process(native: &Native, container: &Container) -> Result<Option<(OwnedFd, OwnedFd)>> {
    let Some(record) = native.running(container)? else {
        return Ok(None);
    };
    let Phase::Running { who, .. } = &record.phase else {
        let message = format!("container {} is just being started again; repeat the command when it runs, or stop it", container.name);
        return Err(error::conflict(message));
    };
    let path = PathBuf::from(format!("/proc/{}/root", who.pid));
    let opened = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    // Its number may be another process's by now, unless it is still there after the root was opened.
    let Some(process) = who.open() else {
        let message = format!("container {} ended just now; repeat the command", container.name);
        return Err(error::conflict(message));
    };
    let root = opened.map_err(|errno| error::file("open", &path)(errno.into()))?;
    Ok(Some((root, process)))
}

impl View<'_> {
    /// Opens something to be looked at; nothing where it is absent. A link at the end is followed unless the flags say otherwise.
    pub(super) fn open(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>> {
        match self.at(path, flags) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.failed("open", path, errno)),
        }
    }

    fn at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let inside = path.trim_start_matches('/');
        let inside = if inside.is_empty() { "." } else { inside };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        patiently(|| openat2(&self.root, inside, flags | OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve))
    }

    pub(super) fn failed(&self, doing: &str, path: &str, errno: Errno) -> EngineError {
        let what = format!("cannot {doing} {path} in container {}", self.container.name);
        match errno {
            Errno::LOOP => error::invalid(format!("{what}: it leads through too many links, or through one of the kernel's")),
            Errno::NAMETOOLONG => error::invalid(format!("{what}: the path is too long")),
            Errno::INVAL => error::invalid(format!("{what}: that is no path")),
            errno => error::file("copy", Path::new(path))(errno.into()),
        }
    }

    /// Tells where a link leads in the end; where that is absent, where it says that it leads.
    pub(super) fn led(&self, path: &str) -> Result<String> {
        if let Ok(found) = self.at(path, OFlags::empty()) {
            let name = |file: &OwnedFd| readlinkat(rustix::fs::CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new());
            if let (Ok(root), Ok(found)) = (name(&self.root), name(&found)) {
                let (root, found) = (root.to_string_lossy().into_owned(), found.to_string_lossy().into_owned());
                // The root of a process is `/` itself.
                let rest = if root == "/" { Some(found.as_str()) } else { found.strip_prefix(&root) };
                if let Some(rest) = rest.filter(|it| it.is_empty() || it.starts_with('/')) {
                    return Ok(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() });
                }
            }
        }
        let link = self.at(path, OFlags::NOFOLLOW).map_err(|errno| self.failed("look at", path, errno))?;
        let text = readlinkat(&link, "", Vec::new()).map_err(|errno| self.failed("read the link", path, errno))?;
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        Ok(clean(&folder.join(text.to_string_lossy().as_ref())).display().to_string())
    }

    /// Tells whether a folder is the root itself.
    pub(super) fn is_root(&self, folder: impl AsFd) -> Result<bool> {
        let number = |file: rustix::fd::BorrowedFd<'_>| rustix::fs::fstat(file).map(|it| (it.st_dev, it.st_ino));
        let same = number(self.root.as_fd()).and_then(|root| Ok(root == number(folder.as_fd())?));
        same.map_err(|errno| self.failed("look at", "/", errno))
    }

    /// Who must live as long as bytes move.
    pub(super) fn life(&self) -> Result<Life> {
        let process = self.process.as_ref().map(OwnedFd::try_clone).transpose();
        process
            .map(Life)
            .map_err(error::file("hold the process of", Path::new(self.container.name.as_str())))
    }

    /// Says why nothing can be written somewhere.
    pub(super) fn takes_no_writes(&self) -> &'static str {
        match (self.container.spec.security.read_only, self.process.is_some()) {
            (true, _) => "nothing can be written there: its root is read-only (`read_only: true`)",
            (false, true) => "nothing can be written there: what is mounted there is read-only",
            (false, false) => {
                "nothing can be written there: what is mounted there is read-only, or in memory, which is there only while the container runs"
            }
        }
    }
}

/// Takes `.` and `..` out of a path, as text.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}
