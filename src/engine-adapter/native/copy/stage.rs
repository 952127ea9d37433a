//! The files of a container that does not run, put together as its start would: layers and what it changed, and what it has mounted upon them.
//! They are mounted in a namespace of a thread of its own, so nobody else sees them, and they go with it whatever happens.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{MountKind, Result};
use rcompose_runtime::{mounts_apart, overlay, read_only};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, chmod, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create, fsmount, fsopen, move_mount,
    open_tree, unmount,
};

use crate::bundle::{Origin, Resolved};
use crate::container::{detach, make_sources, resolved};
use crate::document::Container;
use crate::engine::Native;
use crate::error;

/// Mode of folders and files that something is mounted on, as the launcher makes them.
const MODE: u32 = 0o755;

/// Does something with the root of a container that does not run and is held by the caller.
pub(super) fn staged<T: Send>(native: &Native, container: &Container, work: impl FnOnce(OwnedFd) -> Result<T> + Send) -> Result<T> {
    make_sources(&container.spec)?;
    let mounts = match mounts(native, container) {
        Ok(mounts) => mounts,
        Err(error) => {
            // The first error counts.
            let _left = detach(native, &container.id);
            return Err(error);
        }
    };
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || apart(native, container, &mounts, work));
        let thread = thread.map_err(error::file("start a thread for", Path::new("the container's files")))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let detached = detach(native, &container.id);
    let done = done?;
    detached.map(|()| done)
}

/// Something to be mounted.
struct Piece {
    target: PathBuf,
    /// Nothing for memory, which is empty and takes no writes: it is there while the container runs.
    source: Option<PathBuf>,
    read_only: bool,
}

/// Lists what is mounted upon the root, by depth.
fn mounts(native: &Native, container: &Container) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for Resolved { source, target, origin } in resolved(native, container)? {
        // Neither is there before the first start, and secrets go with the machine's.
        if matches!(origin, Origin::Engine | Origin::File) && !crate::file::exists(&source) {
            continue;
        }
        let read_only = match origin {
            Origin::Mount => container.spec.mounts.iter().any(|it| it.target == target && is_read_only(it)),
            Origin::Inherited { read_only } => read_only,
            Origin::File => true,
            Origin::Engine => container.spec.security.read_only,
        };
        if !pieces.iter().any(|it: &Piece| it.target == Path::new(&target)) {
            pieces.push(Piece { target: target.into(), source: Some(source), read_only });
        }
    }
    let memory = container.spec.mounts.iter().filter(|it| matches!(it.kind, MountKind::Tmpfs(_)));
    pieces.extend(memory.map(|it| Piece { target: (&it.target).into(), source: None, read_only: true }));
    pieces.sort_by_key(|it| it.target.components().count());
    Ok(pieces)
}

fn is_read_only(mount: &rcompose_engine_adapter::Mount) -> bool {
    mount.read_only || matches!(mount.kind, MountKind::Image { .. })
}

/// Puts all together in a mount namespace of this thread, and works with it.
fn apart<T>(native: &Native, container: &Container, pieces: &[Piece], work: impl FnOnce(OwnedFd) -> Result<T>) -> Result<T> {
    mounts_apart().map_err(error::runtime("look into a container that does not run"))?;
    let place = native.places.container(&container.id);
    let below = native.images.layers(container.image_id.as_str()).map_err(error::image)?;
    let layers: Vec<&Path> = below.iter().map(PathBuf::as_path).collect();
    let (upper, workdir) = (place.upper(), place.work());
    let wanted = overlay::Overlay { lower: &layers, upper: Some((&upper, &workdir)), userxattr: false };
    let root = overlay::mount(&wanted).map_err(error::runtime("put the container's files together"))?;
    // Whatever is in this folder is covered for this thread alone.
    let folder = place.bundle();
    crate::file::private(&folder)?;
    overlay::attach(&root, &folder).map_err(error::runtime("put the container's files together"))?;
    let done = furnish(&root, container, pieces).and_then(|()| work(root));
    // Before the container is let go of: its start needs its folders for itself.
    let unmounted = unmount(&folder, UnmountFlags::DETACH).map_err(|errno| error::file("unmount", &folder)(errno.into()));
    let done = done?;
    unmounted.map(|()| done)
}

fn furnish(root: &OwnedFd, container: &Container, pieces: &[Piece]) -> Result<()> {
    let mut memory = Vec::new();
    for piece in pieces {
        let failed = |errno: Errno| error::file("mount", &piece.target)(errno.into());
        let (tree, is_folder) = match &piece.source {
            Some(source) => bound(source).map_err(|errno| error::file("bind", source)(errno.into()))?,
            None => (empty().map_err(failed)?, true),
        };
        let target = mount_point(root, &piece.target, is_folder).map_err(failed)?;
        if piece.read_only && piece.source.is_some() {
            read_only(&tree, true).map_err(error::runtime("mount what the container has"))?;
        }
        let empty_paths = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&tree, "", &target, "", empty_paths).map_err(failed)?;
        if piece.source.is_none() {
            memory.push(tree);
        }
    }
    // Only now: what is mounted below needs places there.
    for tree in &memory {
        read_only(tree, false).map_err(error::runtime("mount what the container has"))?;
    }
    if container.spec.security.read_only {
        read_only(root, false).map_err(error::runtime("mount what the container has"))?;
    }
    Ok(())
}

/// Clones what is at a path of the host; tells whether it is a folder.
fn bound(source: &Path) -> Result<(OwnedFd, bool), Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags)?;
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode);
    Ok((tree, kind == rustix::fs::FileType::Directory))
}

fn empty() -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Opens the place of a mount, made where it is missing. Links lead within the root.
fn mount_point(root: &OwnedFd, target: &Path, is_folder: bool) -> Result<OwnedFd, Errno> {
    let inside = target.strip_prefix("/").unwrap_or(target);
    let open = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    };
    let (mut at, mut so_far) = (open(Path::new(""))?, PathBuf::new());
    let parts: Vec<_> = inside.components().collect();
    for (number, part) in parts.iter().enumerate() {
        so_far.push(part);
        at = match open(&so_far) {
            Err(Errno::NOENT) => {
                if is_folder || number + 1 < parts.len() {
                    mkdirat(&at, part.as_os_str(), Mode::from_raw_mode(MODE))?;
                } else {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
                    drop(openat(&at, part.as_os_str(), flags, Mode::from_raw_mode(MODE))?);
                }
                let made = open(&so_far)?;
                // Whatever the mask of whoever calls: who is in the container enters it, also when it runs.
                chmod(format!("/proc/self/fd/{}", made.as_raw_fd()), Mode::from_raw_mode(MODE))?;
                made
            }
            other => other?,
        };
    }
    Ok(at)
}
