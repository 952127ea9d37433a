//! A container's root while it is attached nowhere: looked into by descriptor, so that no path of the image leads to the host.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use rcompose_runtime::overlay::{self, Overlay};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error;

/// Most bytes that are read of a file such as `/etc/passwd`.
const MOST: u64 = 4 << 20;

/// A root.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Puts layers together, the topmost first. Nothing can be changed through it.
    pub(crate) fn open(layers: &[&Path]) -> Result<Self> {
        let overlay = Overlay { lower: layers, upper: None, userxattr: false };
        match layers {
            // An overlay of one layer and nothing on top is none.
            [only] => Self::at_path(only),
            _ => overlay::mount(&overlay).map(Self).map_err(error::runtime("put the layers of the image together")),
        }
    }

    /// Opens the root of a process.
    pub(crate) fn of_process(pid: i32) -> Result<Self> {
        Self::at_path(Path::new(&format!("/proc/{pid}/root")))
    }

    fn at_path(path: &Path) -> Result<Self> {
        let opened = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        opened.map(Self).map_err(|it| error::file("open", path)(it.into()))
    }

    /// Opens something in it; nothing where it is absent.
    fn at(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let opened = rustix::fs::openat2(
            self.0.as_fd(),
            inside,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        );
        match opened {
            Ok(fd) => Ok(Some(fd)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(EngineError::new(ErrorKind::Other, format!("cannot open {} in the image", path.display()))
                .caused_by(std::io::Error::from(errno))),
        }
    }

    /// Reads a file; an absent one is empty.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        // Whatever it is must not hold this up.
        if let Some(found) = self.at(path, OFlags::RDONLY | OFlags::NONBLOCK)? {
            let file = File::from(found);
            if file.metadata().map_err(error::file("look at", path))?.is_file() {
                file.take(MOST).read_to_end(&mut text).map_err(error::file("read", path))?;
            }
        }
        Ok(text)
    }

    /// Puts layers together and mounts them on a folder.
    pub(crate) fn mount(layers: &[&Path], folder: &Path) -> Result<()> {
        let root = overlay::mount(&Overlay { lower: layers, upper: None, userxattr: false });
        root.and_then(|it| overlay::attach(it, folder)).map_err(error::runtime("mount an image"))
    }

    /// Opens a folder; nothing where there is none.
    pub(crate) fn folder(&self, path: &Path) -> Result<Option<OwnedFd>> {
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }
}
